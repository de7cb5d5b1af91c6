package paxos

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// A rig is a cluster under a test's hand: messages are delivered when the test says so, writes are
// durable at once unless a node's disk is held.
type rig struct {
	t     require.TestingT // a *rapid.T can shrink what fails
	cfg   consensus.EngineConfig
	nodes []*testNode
	net   []Message
	now   Instant
	cut   func(from, to NodeID) bool
	value map[Slot]string // what was applied, anywhere
	watch func(*testNode) // if not nil: called after every write that has become durable
}

type testNode struct {
	id      NodeID
	p       *Paxos
	disk    consensus.Recovered
	entries map[Slot]Entry
	pending []consensus.Write // not durable yet
	durable uint64            // the last one that is
	held    []waiting
	hold    bool
	handed  Slot   // how far the state machine is, and
	config  []byte // the last stop-sign that it has seen
	applied []string
	reads   []consensus.Read
	last    consensus.Write
}

// waiting are messages that wait for a write.
type waiting struct {
	seq uint64
	m   Message
}

func ids(n int) (all []NodeID) {
	for id := range n {
		all = append(all, NodeID(id+1))
	}
	return all
}

// bound are n voters that are bound to their stores.
func bound(n int) Members {
	m := Members{Voters: ids(n)}
	for _, id := range m.Voters {
		m.Bound = append(m.Bound, consensus.Binding{Node: id, Incarnation: store(id)})
	}
	return m
}

func store(id NodeID) uint64 { return uint64(id) * 11 }

func newRig(t require.TestingT, m Members, spares ...NodeID) *rig {
	r := &rig{t: t, now: 1, cut: func(NodeID, NodeID) bool { return false }, value: make(map[Slot]string)}
	r.cfg = consensus.EngineConfig{Group: 1, Members: m, ElectionTimeout: time.Second, Seed: 1}
	m.All(func(id NodeID) { r.start(id, consensus.Recovered{Incarnation: store(id)}) })
	r.cfg.Members = Members{}
	for _, id := range spares {
		r.start(id, consensus.Recovered{Incarnation: store(id)})
	}
	r.cfg.Members = m
	for _, n := range r.nodes {
		r.pump(n)
	}
	r.drop()
	return r
}

// start boots a node with rec on its disk.
func (r *rig) start(id NodeID, rec consensus.Recovered) *testNode {
	cfg := r.cfg
	cfg.ID, cfg.Witness = id, cfg.Members.Kind(id) == consensus.Witness
	e, err := New(cfg, rec)
	require.NoError(r.t, err)
	n := r.find(id)
	if n == nil {
		n = &testNode{id: id}
		r.nodes = append(r.nodes, n)
	}
	*n = testNode{id: id, p: e.(*Paxos), disk: rec, entries: make(map[Slot]Entry), applied: n.applied}
	r.restore(n, rec.Snapshot)
	for _, e := range rec.Entries {
		n.entries[e.Index] = e
	}
	n.p.Tick(r.now)
	return n
}

// tick tells a node the time.
func (r *rig) tick(id NodeID) { enginetest.Elapse(r.p(id), r.p(id).clock(), r.now) }

// restore puts a snapshot into the state machine of a node.
func (r *rig) restore(n *testNode, meta consensus.SnapshotMeta) {
	n.handed, n.config = meta.Index, meta.Config
	for s := Slot(len(n.applied)) + 1; s <= meta.Index; s++ {
		n.applied = append(n.applied, r.value[s])
	}
}

// compact has a node take a snapshot of its state machine.
func (r *rig) compact(id NodeID) {
	n := r.find(id)
	n.p.Compacted(consensus.SnapshotMeta{Index: n.handed, Config: n.config})
	r.pump(n)
}

// crash loses what is not durable, and boots the node again.
func (r *rig) crash(id NodeID) *testNode {
	n := r.find(id)
	n.disk.Entries = nil
	for _, e := range n.entries {
		n.disk.Entries = append(n.disk.Entries, e)
	}
	slices.SortFunc(n.disk.Entries, func(a, b Entry) int { return int(a.Index) - int(b.Index) })
	n.applied = nil
	return r.start(id, n.disk)
}

func (r *rig) find(id NodeID) *testNode {
	for _, n := range r.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (r *rig) p(id NodeID) *Paxos { return r.find(id).p }

// pump lets a node do what has become due.
func (r *rig) pump(n *testNode) {
	var eff consensus.Effects
	for n.p.Ready(&eff) {
		r.net = append(r.net, eff.Early...)
		if eff.Write.Seq != 0 {
			n.pending = append(n.pending, eff.Write)
			n.last = eff.Write
			if s := eff.Write.Snapshot; s != nil && s.Index > n.handed {
				r.restore(n, *s)
			}
		}
		for _, m := range eff.Messages {
			if len(n.pending) == 0 {
				r.net = append(r.net, m)
			} else {
				n.held = append(n.held, waiting{n.pending[len(n.pending)-1].Seq, m})
			}
		}
		for _, e := range eff.Committed {
			v := valueOf(&e)
			n.handed++
			require.Equal(r.t, n.handed, e.Index, "in order, each once")
			if e.Kind == consensus.EntryMembers {
				n.config = e.Data
			}
			n.applied = append(n.applied, v)
			if was, ok := r.value[e.Index]; ok {
				require.Equal(r.t, was, v, "agreement on slot %d", e.Index)
			}
			r.value[e.Index] = v
		}
		n.reads = append(n.reads, eff.Reads...)
		for _, m := range eff.Snapshots { // the stream arrives with its header
			r.net = append(r.net, m)
			n.p.SnapshotSent(m.To, nil)
		}
		for _, f := range eff.Fetch { // storage retains nothing below a snapshot
			n.p.Fetched(f, nil, consensus.ErrCompacted)
		}
		if !n.hold {
			r.persist(n)
		}
		require.NoError(r.t, n.p.Check())
		eff = consensus.Effects{}
	}
}

// valueOf is what an entry says, whatever its ballot.
func valueOf(e *Entry) string {
	if e.Kind == consensus.EntryCommand {
		return string(e.Data)
	}
	return e.Kind.String()
}

// persist makes everything pending durable.
func (r *rig) persist(n *testNode) {
	for len(n.pending) > 0 {
		w := n.pending[0]
		n.pending = n.pending[1:]
		if w.Snapshot != nil {
			n.disk.Snapshot = *w.Snapshot
		}
		for s := range n.entries {
			if s <= n.disk.Snapshot.Index || w.Truncate != 0 && s >= w.Truncate {
				delete(n.entries, s)
			}
		}
		for _, e := range w.Entries {
			n.entries[e.Index] = e
		}
		n.disk.State, n.durable = w.State, w.Seq
		if r.watch != nil {
			r.watch(n)
		}
		n.p.Persisted(w.Seq)
	}
	for _, h := range n.held {
		r.net = append(r.net, h.m)
	}
	n.held = nil
}

// deliver delivers every message in flight that want accepts, and drops what is cut.
func (r *rig) deliver(want func(*Message) bool) bool {
	var rest []Message
	batch := r.net
	r.net = nil
	for i := range batch {
		m := &batch[i]
		switch {
		case r.cut(m.From, m.To) || r.find(m.To) == nil:
		case want(m):
			n := r.find(m.To)
			n.p.Step(m)
			r.pump(n)
		default:
			rest = append(rest, *m)
		}
	}
	moved := len(batch) > len(rest)
	r.net = append(rest, r.net...)
	return moved
}

// settle delivers until nothing that want accepts is in flight. Without want it is everything.
func (r *rig) settle(want ...func(*Message) bool) {
	for k := 0; r.deliver(func(m *Message) bool { return len(want) == 0 || want[0](m) }); k++ {
		require.Less(r.t, k, 1000, "the network comes to rest")
	}
}

// among accepts messages between these nodes.
func among(ids ...NodeID) func(*Message) bool {
	return func(m *Message) bool { return slices.Contains(ids, m.From) && slices.Contains(ids, m.To) }
}

func (r *rig) drop() { r.net = nil }

// campaign has a node take a ballot, without an election.
func (r *rig) campaign(id NodeID) {
	r.p(id).takeOver(0)
	r.pump(r.find(id))
}

// elect makes a node the leader with the promises of with, or of all.
func (r *rig) elect(id NodeID, with ...NodeID) {
	r.campaign(id)
	if len(with) == 0 {
		r.settle()
	} else {
		r.settle(func(m *Message) bool { return among(with...)(m) && (m.Kind == Prepare || m.Kind == Promise) })
		r.drop()
	}
	require.Equal(r.t, consensus.Leader, r.p(id).Status().Role)
}

func (r *rig) propose(id NodeID, v string) Slot {
	s, err := r.p(id).Propose(consensus.Proposal{From: id, ID: uint64(len(v)) + 1, Data: []byte(v)})
	require.NoError(r.t, err)
	r.pump(r.find(id))
	return s
}

// pass lets time go on for all, in ticks of 20 ms, and delivers everything meanwhile.
func (r *rig) pass(d time.Duration) {
	for end := r.now + Instant(d); r.now < end; {
		r.now += Instant(20 * time.Millisecond)
		for _, n := range r.nodes {
			r.tick(n.id)
			r.pump(n)
		}
		r.settle()
	}
}

// leaders are those who lead.
func (r *rig) leaders() (all []NodeID) {
	for _, n := range r.nodes {
		if n.p.Status().Role == consensus.Leader {
			all = append(all, n.id)
		}
	}
	return all
}

// flight are the messages of a kind that are in flight.
func (r *rig) flight(kind consensus.Kind) (all []Message) {
	for _, m := range r.net {
		if m.Kind == kind {
			all = append(all, m)
		}
	}
	return all
}

// ask steps a message into a node and returns what it sends, in order.
func (r *rig) ask(m Message) []Message {
	n := r.find(m.To)
	r.pump(n)
	r.drop()
	m.Group, m.Incarnation = 1, store(m.From)
	if m.Promised == 0 {
		m.Promised = m.Term
	}
	switch m.Kind {
	case Learn:
		m.Context = 4 << 20
	case LearnReply:
		m.Context = store(m.To)
	}
	n.p.Step(&m)
	r.pump(n)
	return r.net
}

func command(s Slot, b Ballot, v string) Entry {
	return Entry{Index: s, Term: b, From: 9, ID: uint64(s), Data: []byte(v)}
}
