package consensus

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A fakeEngine does what a test tells it to do, and remembers what it was told. What it is not
// made for is nil in Engine.
type fakeEngine struct {
	Engine
	status    Status
	effects   []Effects // one for each Ready
	err       error     // of Propose, Change and Transfer
	readErr   error
	proposals []Proposal
	expects   []Index // of changes
	reads     []uint64
	stepped   []Kind
	persisted uint64
	compacted []SnapshotMeta
}

func (e *fakeEngine) Tick(Instant)                  {}
func (e *fakeEngine) Step(m *Message)               { e.stepped = append(e.stepped, m.Kind) }
func (e *fakeEngine) Persisted(seq uint64)          { e.persisted = seq }
func (e *fakeEngine) Compacted(meta SnapshotMeta)   { e.compacted = append(e.compacted, meta) }
func (e *fakeEngine) Fetched(Fetch, []Entry, error) {}
func (e *fakeEngine) SnapshotSent(NodeID, error)    {}
func (e *fakeEngine) Status() Status                { return e.status }

func (e *fakeEngine) Propose(p Proposal) (Index, error) {
	if err := e.refusal(); err != nil {
		return 0, err
	}
	e.proposals = append(e.proposals, p)
	e.status.Last++
	return e.status.Last, nil
}

func (e *fakeEngine) Change(p Proposal, m Members, expect Index) (Index, error) {
	e.expects = append(e.expects, expect)
	return e.Propose(p)
}

func (e *fakeEngine) Transfer(to NodeID) error {
	if err := e.refusal(); err != nil {
		return err
	}
	e.status.Transferring = to
	return nil
}

func (e *fakeEngine) refusal() error {
	if e.err == nil && e.status.Role != Leader {
		return &NotLeaderError{e.status.Leader}
	}
	return e.err
}

func (e *fakeEngine) Read(id uint64) error {
	if e.readErr == nil {
		e.reads = append(e.reads, id)
	}
	return e.readErr
}

func (e *fakeEngine) Ready(eff *Effects) bool {
	if len(e.effects) == 0 {
		return false
	}
	x := e.effects[0]
	e.effects = e.effects[1:]
	eff.Early = append(eff.Early, x.Early...)
	eff.Write = x.Write
	eff.Messages = append(eff.Messages, x.Messages...)
	eff.Committed = append(eff.Committed, x.Committed...)
	eff.Reads = append(eff.Reads, x.Reads...)
	eff.Snapshots = append(eff.Snapshots, x.Snapshots...)
	eff.Fetch = append(eff.Fetch, x.Fetch...)
	return true
}

// A fakeEnv writes down what it is told to do, one line each.
type fakeEnv struct {
	now   Instant
	trace []string
	sent  []Message
	done  map[uint64]completion
}

func (v *fakeEnv) log(format string, args ...any) {
	v.trace = append(v.trace, fmt.Sprintf(format, args...))
}

// take returns what was done since the last take.
func (v *fakeEnv) take() []string {
	t := v.trace
	v.trace = nil
	return t
}

// messages returns what was sent since the last time.
func (v *fakeEnv) messages() []Message {
	m := v.sent
	v.sent = nil
	return m
}

func (v *fakeEnv) Now() Instant { return v.now }

func (v *fakeEnv) Send(msgs []Message) {
	for i := range msgs {
		v.log("send %v", msgs[i].String())
	}
	v.sent = append(v.sent, msgs...)
}

func (v *fakeEnv) Write(w Write) { v.log("write %d", w.Seq) }

func (v *fakeEnv) Apply(es []Entry) {
	v.log("apply %d to %d", es[0].Index, es[len(es)-1].Index)
}

func (v *fakeEnv) Restore(meta SnapshotMeta) { v.log("restore %d", meta.Index) }
func (v *fakeEnv) TakeSnapshot()             { v.log("snapshot") }
func (v *fakeEnv) SendSnapshot(m Message)    { v.log("send snapshot to %d", m.To) }
func (v *fakeEnv) Fetch(f Fetch)             { v.log("fetch %d for %d", f.Lo, f.To) }

func (v *fakeEnv) Done(id uint64, r Result, err error) {
	if c, twice := v.done[id]; twice {
		panic(fmt.Sprintf("request %d is answered %v after %v", id, err, c.err))
	}
	v.done[id] = completion{id, r, err}
}

// A rig is a replica, number 1 of group 1, between a fakeEngine and a fakeEnv.
type rig struct {
	*Replica
	t      *testing.T
	engine *fakeEngine
	env    *fakeEnv
}

func newRig(t *testing.T, cfg ReplicaConfig) *rig {
	cfg.ID, cfg.Group = 1, 1
	x := &rig{t: t, engine: &fakeEngine{}, env: &fakeEnv{done: make(map[uint64]completion)}}
	x.Replica = NewReplica(cfg, x.engine, x.env, Recovered{Incarnation: 5, State: State{Term: 1}})
	return x
}

// lead makes the engine the leader of a term, follow makes it follow.
func (x *rig) lead(t Term) *rig {
	return x.become(Status{Role: Leader, Term: t, Leader: 1, MembersIndex: 1})
}

func (x *rig) follow(leader NodeID, t Term) *rig {
	return x.become(Status{Term: t, Leader: leader, MembersIndex: 1})
}

func (x *rig) become(st Status) *rig {
	st.ID, st.Last = 1, x.engine.status.Last
	x.engine.status = st
	x.Tick(x.now)
	return x
}

// step pumps with these effects to be had from the engine.
func (x *rig) step(effects ...Effects) []string {
	x.engine.effects = effects
	x.Pump()
	require.Empty(x.t, x.engine.effects)
	return x.env.take()
}

// pass lets time go by, and pumps at its end.
func (x *rig) pass(d Instant) {
	x.Tick(x.now + d)
	x.Pump()
}

func (x *rig) propose(data string) uint64 {
	id := x.NextID()
	x.Propose(id, EntryCommand, []byte(data))
	x.Pump()
	return id
}

func (x *rig) readOne() uint64 {
	id := x.NextID()
	x.Read(id)
	return id
}

func (x *rig) open(id uint64) bool {
	_, answered := x.env.done[id]
	return !answered
}

func (x *rig) requireAnswer(id uint64, err error) {
	x.t.Helper()
	c, answered := x.env.done[id]
	require.True(x.t, answered, "request %d is open", id)
	require.ErrorIs(x.t, c.err, err)
	require.NotEqual(x.t, errors.Is(c.err, ErrUnknown), errors.Is(c.err, ErrNotApplied), "%v", c.err)
}

func (x *rig) requireResult(id uint64, r Result) {
	x.t.Helper()
	require.Equal(x.t, completion{id: id, result: r}, x.env.done[id])
}

func entries(lo, hi Index) (es []Entry) {
	for i := lo; i <= hi; i++ {
		es = append(es, Entry{Index: i, Term: 1})
	}
	return es
}

func applied(lo, hi Index) (as []Applied) {
	for i := lo; i <= hi; i++ {
		as = append(as, Applied{Index: i})
	}
	return as
}

func msg(to NodeID) []Message { return []Message{{Kind: KindAppendEntriesReply, From: 1, To: to}} }

// A quietEnv does nothing.
type quietEnv struct{ done int }

func (v *quietEnv) Now() Instant               { return 0 }
func (v *quietEnv) Send([]Message)             {}
func (v *quietEnv) Write(Write)                {}
func (v *quietEnv) Apply([]Entry)              {}
func (v *quietEnv) Restore(SnapshotMeta)       {}
func (v *quietEnv) TakeSnapshot()              {}
func (v *quietEnv) SendSnapshot(Message)       {}
func (v *quietEnv) Fetch(Fetch)                {}
func (v *quietEnv) Done(uint64, Result, error) { v.done++ }
