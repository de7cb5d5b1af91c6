package consensus

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// This file checks what errors.go promises, for Replicas over the smallest engine that still does
// all that Raft may do to a proposal: lose it, keep it for a later leader, or choose it. Messages
// between the Replicas are lost, duplicated and delayed at will, and replicas crash.

const truthNodes = 3

// A truth is a group of Replicas, and what really happened.
type truth struct {
	*rapid.T
	nodes   [truthNodes]*member
	net     []Message
	term    Term // the highest there is
	chosen  []Entry
	now     Instant
	lives   uint32
	answers map[key]completion
}

// A member is one replica of a truth, and the Engine and the Env of it. Its log and its term
// survive a crash.
type member struct {
	Engine // what nothing here asks for
	w      *truth
	id     NodeID
	log    []Entry
	commit Index

	status   Status
	replica  *Replica
	emitted  Index // handed out as Committed
	reads    []uint64
	snapshot *SnapshotMeta
	writes   uint64
	begun    map[uint64]Index // reads: how much was chosen when they began
	open     map[uint64]bool
	todo     []func() // completions
}

func newTruth(t *rapid.T) *truth {
	w := &truth{T: t, answers: make(map[key]completion)}
	for i := range w.nodes {
		w.nodes[i] = &member{w: w, id: NodeID(i + 1)}
		w.nodes[i].start()
	}
	return w
}

// start begins a life of m, with nothing but what is durable. Nobody waits for earlier answers.
func (m *member) start() {
	m.w.lives++
	m.status = Status{ID: m.id, Term: m.status.Term}
	m.emitted, m.reads, m.snapshot, m.writes, m.todo = 0, nil, nil, 0, nil
	m.begun, m.open = make(map[uint64]Index), make(map[uint64]bool)
	cfg := ReplicaConfig{ID: m.id, Group: 1, Life: m.w.lives}
	m.replica = NewReplica(cfg, m, m, Recovered{State: State{Term: m.status.Term}})
	m.replica.Tick(m.w.now)
}

func (m *member) Tick(Instant) {}
func (m *member) Status() Status {
	m.status.MembersIndex = 1
	return m.status
}
func (m *member) Persisted(uint64)     {}
func (m *member) Now() Instant         { return m.w.now }
func (m *member) TakeSnapshot()        {}
func (m *member) SendSnapshot(Message) {}
func (m *member) Fetch(Fetch)          {}
func (m *member) last() Index          { return Index(len(m.log)) }
func (m *member) Send(ms []Message)    { m.w.net = append(m.w.net, ms...) }
func (m *member) Write(w Write)        { m.todo = append(m.todo, func() { m.replica.Persisted(w.Seq) }) }
func (m *member) Restore(meta SnapshotMeta) {
	m.todo = append(m.todo, func() { m.replica.Restored(meta) })
}
func (m *member) lastTerm() (t Term) {
	if n := len(m.log); n > 0 {
		t = m.log[n-1].Term
	}
	return t
}

func (m *member) Propose(p Proposal) (Index, error) {
	if m.status.Role != Leader {
		return 0, &NotLeaderError{m.status.Leader}
	}
	if rapid.IntRange(0, 9).Draw(m.w.T, "busy") == 0 {
		return 0, rapid.SampledFrom([]error{ErrBusy, ErrTransferring}).Draw(m.w.T, "why")
	}
	m.log = append(m.log, Entry{Index: m.last() + 1, Term: m.status.Term, From: p.From, ID: p.ID, Kind: p.Kind, Data: p.Data})
	return m.last(), nil
}

func (m *member) Read(id uint64) error {
	if m.status.Role != Leader {
		return &NotLeaderError{m.status.Leader}
	}
	m.reads = append(m.reads, id)
	return nil
}

func (m *member) Ready(eff *Effects) bool {
	did := false
	if m.snapshot != nil {
		m.writes++
		eff.Write = Write{Seq: m.writes, Snapshot: m.snapshot}
		m.emitted = m.snapshot.Index
		m.snapshot, did = nil, true
	}
	if m.emitted < m.commit {
		eff.Committed = append(eff.Committed, m.log[m.emitted:m.commit]...)
		m.emitted, did = m.commit, true
	}
	reads := m.reads
	m.reads = nil
	for _, id := range reads {
		switch {
		case m.status.Role != Leader || m.w.quorum(func(o *member) bool { return o.status.Term > m.status.Term }):
			eff.Reads, did = append(eff.Reads, Read{ID: id, Err: ErrNotLeader}), true
		case m.commit > 0 && m.log[m.commit-1].Term == m.status.Term && m.w.quorum(func(o *member) bool { return o.status.Term <= m.status.Term }):
			eff.Reads, did = append(eff.Reads, Read{ID: id, Index: m.commit}), true
		default:
			m.reads = append(m.reads, id)
		}
	}
	return did
}

func (m *member) Apply(es []Entry) {
	var results []Applied
	for _, e := range es {
		results = append(results, Applied{Index: e.Index, Kind: e.Kind, From: e.From, ID: e.ID, Result: Result{Value: uint64(e.Index)}})
	}
	m.todo = append(m.todo, func() { m.replica.Applied(results) })
}

func (m *member) Done(id uint64, r Result, err error) {
	require.True(m.w, m.open[id], "an answer that nobody waits for")
	delete(m.open, id)
	if least, read := m.begun[id]; read {
		if err == nil {
			require.GreaterOrEqual(m.w, m.replica.AppliedIndex(), least, "a stale read")
		}
		return
	}
	m.w.answers[key{from: m.id, id: id}] = completion{id, r, err}
}

// pump runs m, and its completions if it is to be quick.
func (m *member) pump(quick bool) {
	m.replica.Pump()
	for quick && len(m.todo) > 0 {
		todo := m.todo
		m.todo = nil
		for _, f := range todo {
			f()
		}
		m.replica.Pump()
	}
}

func (w *truth) quorum(has func(*member) bool) bool {
	n := 0
	for _, m := range w.nodes {
		if has(m) {
			n++
		}
	}
	return n > truthNodes/2
}

func (w *truth) any() *member { return w.nodes[rapid.IntRange(0, truthNodes-1).Draw(w.T, "node")] }

// elect makes m the leader of a new term, if its log lets it win, with the votes of some others.
func (w *truth) elect(m *member, votes func(*member) bool) bool {
	granted := make(map[*member]bool)
	for _, o := range w.nodes {
		newer := m.lastTerm() > o.lastTerm() || m.lastTerm() == o.lastTerm() && m.last() >= o.last()
		granted[o] = o == m || newer && votes(o)
	}
	if !w.quorum(func(o *member) bool { return granted[o] }) {
		return false
	}
	w.term++
	for _, o := range w.nodes {
		if granted[o] {
			o.become(Follower, w.term, 0)
		}
	}
	m.become(Leader, w.term, m.id)
	m.log = append(m.log, Entry{Index: m.last() + 1, Term: w.term, Kind: EntryNoop})
	return true
}

func (m *member) become(role Role, term Term, leader NodeID) {
	m.status.Role, m.status.Term, m.status.Leader = role, term, leader
	m.replica.Tick(m.w.now)
}

// replicate brings m's log, up to last, to o, as a leader does, and commits what a quorum has.
func (m *member) replicate(o *member, last Index, snapshot bool) {
	if m.status.Role != Leader || o == m || o.status.Term > m.status.Term {
		return
	}
	o.become(Follower, m.status.Term, m.id)
	same := Index(0)
	for same < min(last, o.last()) && o.log[same].Term == m.log[same].Term {
		same++
	}
	if same < last {
		o.log = append(slices.Clone(o.log[:same]), m.log[same:last]...)
	}
	if m.commit < m.last() && m.stored() {
		m.commit = m.last()
	}
	for n := Index(len(m.w.chosen)); n < m.commit; n++ {
		m.w.chosen = append(m.w.chosen, m.log[n])
	}
	if known := min(m.commit, last); known > o.commit {
		o.commit = known
		if snapshot {
			o.snapshot = &SnapshotMeta{Index: known}
		}
	}
}

// stored reports whether a quorum holds all of m's log, which ends in m's own term.
func (m *member) stored() bool {
	return m.lastTerm() == m.status.Term && m.w.quorum(func(o *member) bool {
		return o.status.Term == m.status.Term && o.last() >= m.last() && o.log[m.last()-1].Term == m.lastTerm()
	})
}

// step does one thing. Most of them are such that requests get somewhere.
func (w *truth) step() {
	t, m := w.T, w.any()
	switch what := rapid.IntRange(0, 99).Draw(t, "what"); {
	case what < 20:
		for range rapid.IntRange(1, 3).Draw(t, "n") {
			id := m.replica.NextID()
			m.open[id] = true
			m.replica.Propose(id, EntryCommand, []byte{1})
		}
		m.pump(rapid.Bool().Draw(t, "quick"))
	case what < 25:
		id := m.replica.NextID()
		m.open[id], m.begun[id] = true, Index(len(w.chosen))
		m.replica.Read(id)
		m.pump(rapid.Bool().Draw(t, "quick"))
	case what < 65:
		w.deliver()
	case what < 70:
		m.pump(true)
	case what < 75:
		if w.elect(m, func(*member) bool { return rapid.Bool().Draw(t, "vote") }) {
			m.replicate(w.any(), m.last(), false)
			m.replicate(w.any(), m.last(), false)
		}
	case what < 90:
		m.replicate(w.any(), Index(rapid.IntRange(0, len(m.log)).Draw(t, "last")), rapid.IntRange(0, 4).Draw(t, "snapshot") == 0)
	case what < 92:
		m.become(Follower, m.status.Term, 0)
	case what < 94:
		m.start()
	case what < 96:
		w.cancel(m)
	default:
		w.wait(Instant(rapid.Int64Range(1, 1e9).Draw(t, "time")))
	}
}

// deliver delivers a message, and perhaps keeps it to be delivered again, or loses one.
func (w *truth) deliver() {
	if len(w.net) == 0 {
		return
	}
	i := len(w.net) - 1 - rapid.IntRange(0, len(w.net)-1).Draw(w.T, "age")
	x := w.net[i]
	what := rapid.IntRange(0, 9).Draw(w.T, "fate")
	if what < 6 {
		w.net = slices.Delete(w.net, i, i+1)
	}
	if what > 0 {
		w.node(x.To).replica.Deliver(&x)
		w.node(x.To).pump(rapid.Bool().Draw(w.T, "quick"))
	}
}

func (w *truth) wait(d Instant) {
	w.now += d
	for _, m := range w.nodes {
		m.replica.Tick(w.now)
		m.pump(true)
	}
}

func (w *truth) cancel(m *member) {
	ids := make([]uint64, 0, len(m.open))
	for id := range m.open {
		ids = append(ids, id)
	}
	if slices.Sort(ids); len(ids) > 0 {
		m.replica.Cancel(rapid.SampledFrom(ids).Draw(w.T, "id"))
	}
}

func (w *truth) node(id NodeID) *member { return w.nodes[id-1] }

// check: no request is chosen twice, one that was answered with a result was chosen, where the
// result says, and one that was answered with an ErrNotApplied was not.
func (w *truth) check() {
	at := make(map[key]Index)
	for _, e := range w.chosen {
		if e.ID != 0 {
			k := key{from: e.From, id: e.ID}
			require.Zero(w, at[k], "chosen twice")
			at[k] = e.Index
		}
	}
	for k, c := range w.answers {
		switch {
		case c.err == nil:
			require.Equal(w, at[k], Index(c.result.Value))
		case errors.Is(c.err, ErrNotApplied):
			require.Zero(w, at[k], "%v", c.err)
		default:
			require.ErrorIs(w, c.err, ErrUnknown)
		}
	}
}

// heal lets the group run without faults until every request ought to be answered.
func (w *truth) heal() {
	for range 8 {
		for _, m := range w.nodes {
			if w.elect(m, func(*member) bool { return true }) {
				break
			}
		}
		for range 4 {
			for _, m := range w.nodes {
				for _, o := range w.nodes {
					m.replicate(o, m.last(), false)
				}
				m.pump(true)
			}
			for net := w.net; len(net) > 0; net = net[1:] {
				w.net = w.net[1:]
				w.node(net[0].To).replica.Deliver(&net[0])
			}
			w.wait(1e9)
		}
	}
}

func TestAnswersAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newTruth(t)
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			w.step()
			w.check()
		}
		w.heal()
		w.check()
		for _, m := range w.nodes {
			require.Empty(t, m.open, "node %d never answered", m.id)
			require.Empty(t, m.replica.requests)
			require.Empty(t, m.replica.placed)
			require.Zero(t, m.replica.parkedBytes)
			require.Zero(t, m.replica.askedLen)
		}
	})
}
