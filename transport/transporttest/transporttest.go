// Package transporttest is the comment of consensus.Transport as a test suite.
//
//	func TestTransport(t *testing.T) {
//		transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
//			nodes := ... // of the nodes 1, 2 and 3, which can reach each other
//			defer ...    // close them
//			test(t, nodes)
//		})
//	}
//
// A transport that uses neither sockets nor the system's clock should call test within
// synctest.Test: the suite then takes no time, every goroutine must have ended, and what must
// not happen is known not to, where otherwise it is only given a moment to happen.
//
// Transports may lose messages. So the suite sends one again until it has arrived, as engines
// do, and asks for nothing but that a message sent often enough arrives on an idle network.
package transporttest

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Run tests an implementation. For each subtest, named by what it claims, with must set up a
// network of its own, of the nodes 1, 2 and 3, and call test with their transports in this order.
func Run(t *testing.T, with func(t *testing.T, test func(t *testing.T, nodes []consensus.Transport))) {
	for _, claims := range [][]claim{messageClaims, serveClaims, snapshotClaims, breakClaims} {
		for _, c := range claims {
			t.Run(c.name, func(t *testing.T) {
				with(t, func(t *testing.T, nodes []consensus.Transport) {
					require.Len(t, nodes, 3)
					n := serve(t, nodes)
					defer n.stop()
					c.test(n)
				})
			})
		}
	}
}

// A claim is one sentence about a transport, and its test.
type claim struct {
	name string
	test func(n *network)
}

// moment is how long the suite waits for what must not happen, and between two tries of what
// must.
const moment = 20 * time.Millisecond

// A network is the three transports under test, and who serves them.
type network struct {
	*testing.T
	nodes map[consensus.NodeID]*node
}

// A node is one transport, and the Handler that it delivers to.
type node struct {
	consensus.Transport
	cancel context.CancelFunc
	served chan struct{} // closed when Serve has returned, with err
	err    error

	mu       sync.Mutex
	arrived  []consensus.Message
	more     chan struct{} // closed when more has arrived
	handling int           // calls of the handler under way

	stall      chan struct{}           // if not nil, Deliver waits until it is closed
	answer     func(consensus.Message) // if not nil, Deliver calls it
	onSnapshot func(consensus.Message, consensus.SnapshotMeta, io.Reader) error
}

func serve(t *testing.T, transports []consensus.Transport) *network {
	n := &network{t, make(map[consensus.NodeID]*node)}
	for i, tr := range transports {
		ctx, cancel := context.WithCancel(context.Background())
		x := &node{Transport: tr, cancel: cancel, served: make(chan struct{}), more: make(chan struct{})}
		n.nodes[consensus.NodeID(i+1)] = x
		go func() {
			defer close(x.served)
			x.err = tr.Serve(ctx, x)
		}()
	}
	for from := range n.nodes {
		for to := range n.nodes {
			if from != to {
				n.deliver(message(from, to, 1))
			}
		}
	}
	return n
}

// stop ends all of Serve and waits for it.
func (n *network) stop() {
	for _, x := range n.nodes {
		x.cancel()
		<-x.served
	}
}

// Deliver implements consensus.Handler.
func (x *node) Deliver(msgs []consensus.Message) {
	x.mu.Lock()
	x.handling++
	stall, answer := x.stall, x.answer
	x.mu.Unlock()
	if stall != nil {
		<-stall
	}
	for i := range msgs {
		if answer != nil {
			answer(msgs[i])
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.handling--
	x.arrived = append(x.arrived, msgs...)
	clear(msgs) // a handler may not keep msgs, but nobody else may need it
	close(x.more)
	x.more = make(chan struct{})
}

// DeliverSnapshot implements consensus.Handler.
func (x *node) DeliverSnapshot(m consensus.Message, meta consensus.SnapshotMeta, r io.Reader) error {
	x.mu.Lock()
	x.handling++
	f := x.onSnapshot
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.handling--
	}()
	return f(m, meta, r)
}

func (x *node) handlingCalls() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.handling
}

// stallUntil makes calls of Deliver wait for c.
func (x *node) stallUntil(c chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stall = c
}

// find returns a copy of what has arrived from there with this Context, or a channel that tells of more.
func (x *node) find(from consensus.NodeID, context uint64) (*consensus.Message, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, m := range x.arrived {
		if m.From == from && m.Context == context {
			return &m, nil
		}
	}
	return nil, x.more
}

// message is a small message; what the suite knows it by, besides from and to, is its Context.
func message(from, to consensus.NodeID, context uint64) consensus.Message {
	return consensus.Message{Kind: consensus.KindHeartbeat, From: from, To: to, Group: 1, Context: context}
}

// deliver sends m until it has arrived, and returns what arrived.
func (n *network) deliver(m consensus.Message) *consensus.Message {
	for {
		n.nodes[m.From].Send([]consensus.Message{m})
		if got := n.await(m.From, m.To, m.Context, moment); got != nil {
			return got
		}
	}
}

// await returns the message of that Context when it has arrived, or nil after d.
func (n *network) await(from, to consensus.NodeID, context uint64, d time.Duration) *consensus.Message {
	late := time.After(d)
	for {
		got, more := n.nodes[to].find(from, context)
		if got != nil {
			return got
		}
		select {
		case <-more:
		case <-late:
			return nil
		}
	}
}
