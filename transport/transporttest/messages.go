package transporttest

import (
	"bytes"
	"math"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// full is a message in which every field is set.
func full(from, to consensus.NodeID, context uint64) consensus.Message {
	return consensus.Message{
		Kind: consensus.KindAppendEntries, Reject: true, Flags: consensus.FlagTransfer, Outcome: consensus.OutcomeBusy,
		From: from, To: to, Group: math.MaxUint64, Incarnation: math.MaxUint64, Term: 4, Promised: 5, Leader: consensus.Chosen,
		Index: 7, LogTerm: 8, Commit: 9, Floor: 10, Applied: 11, Last: 12, Next: 13, Session: 14, Context: context,
		Ranges:  []consensus.Range{{First: 1, Last: 2}, {First: 4, Last: 4}},
		Entries: batch(3, 100),
		Data:    []byte("data"),
	}
}

// batch is n entries of size bytes.
func batch(n, size int) []consensus.Entry {
	es := make([]consensus.Entry, n)
	for i := range es {
		es[i] = consensus.Entry{Index: consensus.Index(i + 1), Term: 2, From: 3, ID: 1 << 60, Data: bytes.Repeat([]byte{byte(i)}, size)}
	}
	return es
}

// pairs calls f for every two different nodes.
func (n *network) pairs(f func(from, to consensus.NodeID)) {
	for from := consensus.NodeID(1); from <= 3; from++ {
		for to := consensus.NodeID(1); to <= 3; to++ {
			if from != to {
				f(from, to)
			}
		}
	}
}

// messageClaims are about Send.
var messageClaims = []claim{
	{"a message arrives as it was sent, from every node at every other", func(n *network) {
		n.pairs(func(from, to consensus.NodeID) {
			require.Equal(n, full(from, to, 77), *n.deliver(full(from, to, 77)))
			n.nodes[to].takeAll()
		})
	}},
	{"each message of a batch goes to its To", func(n *network) {
		for n.await(1, 2, 10, 0) == nil || n.await(1, 3, 11, 0) == nil || n.await(1, 2, 12, 0) == nil {
			n.nodes[1].Send([]consensus.Message{message(1, 2, 10), message(1, 3, 11), message(1, 2, 12)})
			time.Sleep(moment)
		}
		require.Nil(n, n.await(1, 2, 11, 0))
		require.Nil(n, n.await(1, 3, 10, 0))
		require.Nil(n, n.await(1, 3, 12, 0))
	}},
	{"Send keeps nothing of its argument but entries and data", func(n *network) {
		for n.await(1, 2, 99, 0) == nil {
			msgs := []consensus.Message{full(1, 2, 99)}
			n.nodes[1].Send(msgs)
			clear(msgs[0].Ranges)
			clear(msgs)
			time.Sleep(moment)
		}
		require.Equal(n, full(1, 2, 99), *n.await(1, 2, 99, 0))
	}},
	{"a handler may answer while it is told", func(n *network) {
		two := n.nodes[2]
		two.mu.Lock()
		two.answer = func(m consensus.Message) { two.Send([]consensus.Message{message(2, 1, m.Context+1)}) }
		two.mu.Unlock()
		for n.await(2, 1, 61, 0) == nil {
			n.nodes[1].Send([]consensus.Message{message(1, 2, 60)})
			time.Sleep(moment)
		}
	}},
	{"what a receiver appends to entries or data no other sees", func(n *network) {
		m := full(1, 2, 50)
		m.Entries, m.Data = append(make([]consensus.Entry, 0, 9), m.Entries...), append(make([]byte, 0, 9), m.Data...)
		m.To = 2
		a := n.deliver(m)
		m.To = 3
		b := n.deliver(m)
		var both sync.WaitGroup
		for _, got := range []*consensus.Message{a, b} {
			both.Go(func() {
				got.Entries = append(got.Entries, consensus.Entry{Index: consensus.Index(got.To)})
				got.Data = append(got.Data, byte(got.To))
			})
		}
		both.Wait()
		for _, got := range []*consensus.Message{a, b} {
			require.Equal(n, consensus.Index(got.To), got.Entries[3].Index)
			require.Equal(n, byte(got.To), got.Data[4])
		}
	}},
	{"large messages arrive", func(n *network) {
		m := message(1, 2, 60)
		m.Entries, m.Data = batch(64, 32<<10), bytes.Repeat([]byte("large"), 1<<18)
		got := n.deliver(m)
		require.True(n, bytes.Equal(m.Data, got.Data))
		require.Equal(n, len(m.Entries), len(got.Entries))
		for i := range m.Entries {
			require.True(n, bytes.Equal(m.Entries[i].Data, got.Entries[i].Data))
		}
	}},
	{"messages to nodes that are not there are dropped, and others arrive", func(n *network) {
		for n.await(1, 2, 10, 0) == nil || n.await(1, 3, 11, 0) == nil {
			n.nodes[1].Send([]consensus.Message{message(1, 9, 1), message(1, 2, 10), message(1, 0, 1), message(1, 3, 11)})
			time.Sleep(moment)
		}
	}},
	{"a message that arrives is one that was sent, whoever sends at once", func(n *network) {
		const senders, sent = 3, 50
		var all sync.WaitGroup
		n.pairs(func(from, to consensus.NodeID) {
			for s := range senders {
				all.Go(func() {
					for i := range sent {
						context := uint64(from)<<32 | uint64(s)<<16 | uint64(i) + 100
						n.nodes[from].Send([]consensus.Message{full(from, to, context), full(from, to, context)})
					}
				})
			}
		})
		all.Wait()
		n.pairs(func(from, to consensus.NodeID) { n.deliver(message(from, to, 2)) })
		for id, x := range n.nodes {
			for _, m := range x.takeAll() {
				require.Equal(n, id, m.To)
				if m.Context >= 100 {
					require.Equal(n, full(consensus.NodeID(m.Context>>32), id, m.Context), m)
				}
			}
		}
	}},
}

// takeAll returns what has arrived, and forgets it.
func (x *node) takeAll() []consensus.Message {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.arrived
	x.arrived = nil
	return all
}
