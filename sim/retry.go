package sim

import "github.com/consensus-go/consensus"

// What clients do with their sessions when they have an answer: some close them, and some commands
// are sent once more, as a network or an impatient client might have done long before. That is an
// answer from the session, or, if that has ended or moved on, a refusal; never a second effect.

// part is what client i does after an answer in a session.
func (w *World) part(i int) {
	c := &w.clients.clients[i]
	if c.session == 0 || w.clients.closed {
		return
	}
	if w.dice.chance(ChooseClient, w.plan.echoes) {
		w.sessionRequest(consensus.EntrySessionCommand, c.sent, c.op)
	}
	if w.dice.chance(ChooseClient, w.plan.closes) {
		w.sessionRequest(consensus.EntrySessionClose, consensus.AppendSessionClose(nil, c.session), noOperation)
		c.session = 0
	}
}

const noOperation = -1

// sessionRequest makes a request anywhere and soon, for an operation or none. Nobody needs the answer.
func (w *World) sessionRequest(kind consensus.EntryKind, data []byte, op int) {
	w.call(w.dice.about(ChooseDelay, w.plan.think/4), func() {
		n := w.anyNode()
		if !n.up || n.pausedUntil > w.now || n.witness {
			return
		}
		w.demand(n, askNothing, func(id uint64) {
			if op != noOperation {
				w.ghost.ledger.requests[id] = op
			}
			n.replica.Propose(id, kind, data)
		})
	})
}
