package sim

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/consensus-go/consensus"
)

// A crowd is the clients: each does one operation after the other, on any node, and waits for the
// answer as long as it has patience. What is known not to have happened, and what is done under a
// session, it tries again; of the rest it does not know.
type crowd struct {
	clients    []client
	operations []operation // all that were begun, in order; for a user's state machine only counted
	begun      int
	clock      int64 // of calls and returns
	closed     bool  // nobody begins anything any more
	rush       rush
	lull       int64 // nobody begins anything until then
}

type client struct {
	doing    activity
	op       int              // in operations
	data     []byte           // of the command
	sent     []byte           // of the last entry for it in a session
	turn     uint32           // an event for an earlier turn does not happen
	node     int              // where it goes, as long as that works
	hint     consensus.NodeID // who leads, it was told; 0: it was not
	asked    uint64           // the request that it waits for, at node
	began    int64            // when it was made
	sessions bool             // it uses one
	session  uint64           // 0: none yet
	sequence uint64
	tries    int
	unsure   uint64 // the first try that may have taken effect; 0: none
	crashed  bool   // a replica that was asked has crashed
	last     [maxKeys]uint64
}

type activity uint8

const (
	idle    activity = iota
	trying           // to begin, or to begin again
	opening          // a session
	waiting          // for an answer
)

const (
	maxTries = 8
	turnBits = 24
)

func (c *crowd) reset() {
	*c = crowd{clients: c.clients[:0], operations: c.operations[:0]}
}

func (c *crowd) begin(w *World) {
	for i := range w.plan.clients {
		c.clients = append(c.clients, client{
			node: w.dice.Choose(ChooseClient, w.plan.founders), sessions: w.dice.chance(ChooseClient, w.plan.sessions),
		})
		w.later(i, w.dice.about(ChooseDelay, w.plan.think))
	}
}

// later has client i go on d from now. What it was to do before then, it does not.
func (w *World) later(i int, d time.Duration) {
	c := &w.clients.clients[i]
	c.turn = (c.turn + 1) % (1 << turnBits)
	w.after(d, event{kind: eventClient, node: noNode, arg: uint32(i)<<turnBits | c.turn})
}

// wake is the event that a client goes on.
func (cs *crowd) wake(w *World, arg uint32) {
	i := int(arg >> turnBits)
	c := &cs.clients[i]
	if c.turn != arg%(1<<turnBits) {
		return
	}
	switch c.doing {
	case idle:
		switch {
		case cs.closed:
		case w.now < cs.lull:
			w.later(i, time.Duration(cs.lull-w.now)+w.thinking())
		default:
			w.beginOperation(i)
		}
	case trying:
		w.try(i)
	case opening, waiting:
		w.giveUp(i)
	}
}

// stamp is the next position in the order of calls and returns.
func (cs *crowd) stamp() int64 {
	cs.clock++
	return cs.clock
}

// beginOperation draws what client i does next.
func (w *World) beginOperation(i int) {
	cs := &w.clients
	c := &cs.clients[i]
	o := operation{client: i, kind: opWrite, key: uint8(w.dice.Choose(ChooseClient, w.plan.keys)), call: cs.stamp()}
	switch r := w.dice.Choose(ChooseClient, parts); {
	case r < w.plan.reads:
		o.kind = opRead
	case r < w.plan.reads+w.plan.swaps:
		o.kind, o.old = opSwap, c.last[o.key]
	}
	if w.now < cs.rush.until {
		w.hurry(i, &o)
	}
	cs.begun++
	o.arg = uint64(cs.begun)
	c.op, c.tries, c.unsure, c.crashed, c.doing = len(cs.operations), 0, 0, false, trying
	cs.operations = append(cs.operations, o)
	c.sequence++
	c.data = nil
	if o.kind != opRead {
		c.data = w.commandOf(&o)
	}
	w.try(i)
}

// commandOf is the command of an operation that changes something, or of a user's own machine.
func (w *World) commandOf(o *operation) []byte {
	switch {
	case w.user.command != nil:
		return w.user.command(func(n int) int { return w.dice.Choose(ChooseClient, n) })
	case w.options.StateMachine != nil:
		return binary.LittleEndian.AppendUint64(nil, w.dice.id())
	}
	return command(o.kind, o.key, o.arg, o.old, w.dice.Choose(ChooseClient, w.plan.padding+1))
}

// try makes the request of client i at a node.
func (w *World) try(i int) {
	c := &w.clients.clients[i]
	if c.tries++; c.tries > maxTries {
		w.leave(i)
		return
	}
	switch {
	case c.hint != 0:
		c.node, c.hint = int(c.hint)-1, 0
	case c.tries > 1 || !w.dice.chance(ChooseClient, w.plan.stick):
		c.node = w.anywhere()
	}
	n := &w.nodes[c.node]
	if !n.up || n.pausedUntil > w.now || n.witness || n.status.Kind == consensus.NotMember && c.tries < maxTries/2 {
		w.later(i, w.dice.between(ChooseDelay, 0, w.plan.think/4)) // no connection
		return
	}
	c.began = w.now
	o := &w.clients.operations[c.op]
	c.doing = waiting
	w.later(i, w.plan.timeout)
	if w.trace.on() {
		w.trace.say(w, n, "client %d asks: %v", i, o)
	}
	n.ask(i, func(id uint64) {
		c.asked = id
		if c.session != 0 || !c.sessions {
			w.ghost.ledger.requests[id] = c.op
		}
		switch {
		case o.kind == opRead:
			n.replica.Read(id)
		case !c.sessions:
			n.replica.Propose(id, consensus.EntryCommand, c.data)
		case c.session == 0:
			c.doing = opening
			n.replica.Propose(id, consensus.EntrySessionOpen, nil)
		default:
			c.sent = w.sessionCommand(c)
			n.replica.Propose(id, consensus.EntrySessionCommand, c.sent)
		}
	})
}

// anywhere is the index of a node to try: any, or any member once the world has healed.
func (w *World) anywhere() int {
	if l := w.leader(); l != nil && w.clients.closed {
		voters := l.status.Members.Voters
		return int(voters[w.dice.Choose(ChooseClient, len(voters))]) - 1
	}
	return w.dice.Choose(ChooseClient, len(w.nodes))
}

func (w *World) sessionCommand(c *client) []byte {
	s := consensus.SessionCommand{Session: c.session, Sequence: c.sequence, Oldest: c.sequence, Data: c.data}
	if c.op%2 == 0 { // it has answers to all before, but need not say so
		s.Oldest = 0
	}
	return s.AppendTo(nil)
}

// giveUp is when the patience of client i is over: its node answers what it knows.
func (w *World) giveUp(i int) {
	c := &w.clients.clients[i]
	n := &w.nodes[c.node]
	if n.pausedUntil > w.now {
		w.later(i, time.Duration(n.pausedUntil-w.now)+1)
		return
	}
	n.input()
	n.replica.Cancel(c.asked)
	n.pump()
	if c := &w.clients.clients[i]; !w.failed() && (c.doing == waiting || c.doing == opening) {
		w.fail("answers", "node %d does not answer the request %x that was canceled", n.id, c.asked)
	}
}

// told is the answer to client i.
func (w *World) told(i int, n *node, r consensus.Result, err error) {
	cs := &w.clients
	c := &cs.clients[i]
	o := &cs.operations[c.op]
	opened := c.doing == opening
	c.doing = trying
	c.crashed = c.crashed || !n.up
	again := w.backoff(c)
	if w.trace.on() {
		w.trace.say(w, n, "answers client %d: %d, %v", i, r.Value, err)
	}
	switch {
	case opened:
		if err == nil {
			c.session, c.sequence, again = r.Value, 1, 0
		}
		w.later(i, again)
	case err == nil:
		w.succeed(i, n, r)
	case errors.Is(err, consensus.ErrNoSession):
		c.session = 0
		if c.unsure != 0 {
			w.leave(i) // an earlier try may have been applied while the session lived
			return
		}
		w.later(i, again)
	case errors.Is(err, consensus.ErrNotApplied):
		var elsewhere *consensus.NotLeaderError
		if errors.As(err, &elsewhere) {
			c.hint = elsewhere.Leader
		}
		w.later(i, again)
	case o.kind == opRead || c.sessions && !errors.Is(err, consensus.ErrStaleSequence):
		if c.unsure == 0 {
			c.unsure = c.asked
		}
		w.later(i, again)
	default:
		c.unsure = c.asked
		w.leave(i)
	}
}

// backoff is how long a client waits before it tries again.
func (w *World) backoff(c *client) time.Duration {
	if w.clients.closed {
		return w.plan.election / 8
	}
	return w.dice.about(ChooseDelay, w.plan.think/4) + time.Duration(c.tries)*w.plan.election/8
}

// close has everybody finish what they have begun, without delay, and begin nothing more.
func (cs *crowd) close(w *World) {
	cs.closed = true
	for i := range cs.clients {
		if cs.clients[i].doing == trying {
			w.later(i, w.plan.election/8)
		}
	}
}

// succeed is the answer that client i hoped for.
func (w *World) succeed(i int, n *node, r consensus.Result) {
	cs := &w.clients
	c := &cs.clients[i]
	o := &cs.operations[c.op]
	if o.kind == opRead {
		w.readAnswered(n, c, o)
	} else {
		if n.status.Role != consensus.Leader {
			w.mark(MarkForwarded)
		}
		if c.unsure != 0 && w.ghost.has(c.unsure) && c.unsure != c.asked {
			w.mark(MarkSessionRetry)
			if c.crashed {
				w.mark(MarkRetryCrash)
			}
		}
		w.checkTold(c.op, &r)
		o.answer = r.Value
		if w.user.answered != nil {
			w.user.answered(c.data, r)
		}
	}
	if o.kind == opWrite {
		c.last[o.key] = o.arg
	} else {
		c.last[o.key] = o.answer
	}
	o.end = cs.stamp()
	c.doing = idle
	if d := w.lull(); d > 0 {
		cs.lull = w.now + int64(d)
	}
	w.part(i)
	w.later(i, w.thinking())
}

// readAnswered reads the state of n, which is now as fresh as a read must be.
func (w *World) readAnswered(n *node, c *client, o *operation) {
	if s, ok := n.state.machine.(*registers); ok {
		o.answer = s[o.key]
	}
	w.result.Reads++
	if n.status.Role != consensus.Leader {
		w.mark(MarkFollowerRead)
	}
	if w.transferring() {
		w.mark(MarkReadInTransfer)
	}
	if w.plan.lease > 0 && c.began == w.now && n.status.Role == consensus.Leader && n.status.Members.Electors() > 1 {
		w.mark(MarkLeaseRead)
	}
}

// leave ends the operation of client i without an answer. If no try may have taken effect, it is
// known not to have happened.
func (w *World) leave(i int) {
	c := &w.clients.clients[i]
	o := &w.clients.operations[c.op]
	o.never = c.unsure == 0
	w.checkNever(c.op)
	c.doing = idle
	c.session = 0 // its sequence numbers are out of step with what the client knows
	w.later(i, w.dice.about(ChooseDelay, w.plan.think))
}

// changes reports whether the request of who is one that ends up in the log.
func (w *World) changes(who int) bool {
	if who >= 0 {
		c := &w.clients.clients[who]
		return c.doing == opening || w.clients.operations[c.op].kind != opRead
	}
	return who != askTransfer
}

// reads reports whether it is a read.
func (w *World) reads(who int) bool { return who >= 0 && !w.changes(who) }

// settled reports whether no client waits for anything.
func (cs *crowd) settled() bool {
	for i := range cs.clients {
		if cs.clients[i].doing != idle {
			return false
		}
	}
	return true
}
