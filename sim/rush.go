package sim

import (
	"time"

	"github.com/consensus-go/consensus"
)

// A rush is a short time in which everybody wants the same key, and half of them read it at one node:
// it may be about to lose its leadership without knowing it, and must not answer as if it led.
type rush struct {
	until int64
	key   uint8
	node  consensus.NodeID
}

// rushTo begins a rush at n.
func (w *World) rushTo(n *node, dwell time.Duration) {
	cs := &w.clients
	cs.rush = rush{until: w.now + int64(dwell), key: uint8(w.dice.Choose(ChooseClient, w.plan.keys)), node: n.id}
	for i := range cs.clients {
		if cs.clients[i].doing == idle {
			w.later(i, w.dice.between(ChooseDelay, 0, dwell))
		}
	}
}

// hurry makes an operation of client i one of the rush.
func (w *World) hurry(i int, o *operation) {
	c := &w.clients.clients[i]
	o.key = w.clients.rush.key
	if i%2 == 0 {
		o.kind, c.hint = opRead, w.clients.rush.node
	}
}

// thinking is how long a client thinks after an answer.
func (w *World) thinking() time.Duration {
	if w.now < w.clients.rush.until {
		return w.dice.between(ChooseDelay, 0, w.plan.election/8)
	}
	return w.dice.about(ChooseDelay, w.plan.think)
}
