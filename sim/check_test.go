package sim

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
)

// A checker that is wrong is worse than none: here each one sees what it must not pass over.

// worldAt is a world of three nodes that has run without faults for a while, so that there is a
// leader and something is committed.
func worldAt(t *testing.T, until time.Duration) (w *World, leader, follower *node) {
	t.Helper()
	return worldOf(t, Options{Protocol: raft.New, Nodes: 3}, until)
}

// worldOf is one of another engine, or of more nodes.
func worldOf(t *testing.T, o Options, until time.Duration) (w *World, leader, follower *node) {
	t.Helper()
	o.Profile, o.Seed = Calm, 5
	o, err := o.WithDefaults()
	require.NoError(t, err)
	w = new(World)
	w.reset(o)
	for i := range w.nodes {
		w.nodes[i].start()
	}
	w.clients.begin(w)
	w.loop(int64(until))
	require.False(t, w.failed(), "%v", w.result.Violations)
	leader = w.leader()
	require.NotNil(t, leader)
	for i := range w.nodes {
		if follower = &w.nodes[i]; follower != leader && follower.status.Commit > 0 {
			return w, leader, follower
		}
	}
	t.Fatal("no follower")
	return nil, nil, nil
}

func TestEveryCheckSeesItsViolation(t *testing.T) {
	type world struct {
		*World
		l, f *node // leader and follower
	}
	write := func(w world, n *node, change func(*consensus.Write)) {
		wr := consensus.Write{Group: group, Seq: 1, State: n.issued}
		change(&wr)
		w.checkWrite(n, &wr)
	}
	message := func(n *node, kind consensus.Kind, to *node, index consensus.Index) *consensus.Message {
		return &consensus.Message{Kind: kind, From: n.id, To: to.id, Group: group, Term: n.status.Term, Index: index}
	}
	for name, c := range map[string]struct {
		property string
		do       func(world)
	}{
		"two leaders in a term": {"election safety", func(w world) {
			st := w.f.status
			st.Role, st.Term = consensus.Leader, w.l.status.Term
			w.checkLeader(w.f, &st)
		}},
		"a leader without a committed entry": {"leader completeness", func(w world) {
			w.f.log.cut(w.ghost.committed())
			st := w.f.status
			st.Role, st.Term = consensus.Leader, w.l.status.Term+1
			w.checkLeader(w.f, &st)
		}},
		"another entry is committed": {"state machine safety", func(w world) {
			w.f.log.put(w.f.status.Commit)
			*w.f.log.at(w.f.status.Commit) += 7
			old := w.f.status
			old.Commit--
			w.checkCommit(w.f, &old, &w.f.status)
		}},
		"an entry at no quorum is committed": {"durable quorum", func(w world) {
			i := w.l.log.end()
			*w.l.log.put(i) = w.l.status.Term
			w.ghost.add(i, version{term: w.l.status.Term})
			st := w.l.status
			st.Commit = i
			w.checkCommit(w.l, &w.l.status, &st)
		}},
		"an index and a term with another entry": {"log matching", func(w world) {
			i := w.l.log.end() - 1
			e := consensus.Entry{Index: i, Term: w.l.termAt(i), Data: []byte("another")}
			w.checkMatching(w.f, &e)
		}},
		"a leader cuts its log": {"leader append-only", func(w world) {
			write(w, w.l, func(wr *consensus.Write) { wr.Truncate = w.l.log.end() - 1 })
		}},
		"a follower cuts what is committed": {"state machine safety", func(w world) {
			write(w, w.f, func(wr *consensus.Write) { wr.Truncate = w.f.status.Commit })
		}},
		"a vote is taken back": {"one vote", func(w world) {
			write(w, w.l, func(wr *consensus.Write) { wr.State.Vote = w.f.id })
		}},
		"a term is taken back": {"one vote", func(w world) {
			write(w, w.f, func(wr *consensus.Write) { wr.State.Term-- })
		}},
		"a snapshot of what is not committed": {"snapshots", func(w world) {
			write(w, w.f, func(wr *consensus.Write) { wr.Snapshot = &consensus.SnapshotMeta{Index: 10_000, Term: 1} })
		}},
		"a vote that is not durable": {"durable vote", func(w world) {
			m := message(w.f, consensus.KindRequestVoteReply, w.l, 0)
			m.Term += 5
			w.checkSent(w.f, m)
		}},
		"two votes in a term": {"one vote", func(w world) {
			term := w.f.status.Term + 1
			w.checkVote(w.f, term, w.l.id)
			w.checkVote(w.f, term, w.f.id)
		}},
		"a candidacy that is not durable": {"durable vote", func(w world) {
			m := message(w.f, consensus.KindRequestVote, w.l, 0)
			m.Term++
			w.checkSent(w.f, m)
		}},
		"an acknowledgement that is not durable": {"durable acknowledgement", func(w world) {
			w.checkSent(w.f, message(w.f, consensus.KindAppendEntriesReply, w.l, w.f.disk.last()+1))
		}},
		"an acknowledgement of another entry": {"acknowledgement", func(w world) {
			i := w.f.disk.last()
			w.f.disk.log.at(i).Term += 3
			w.checkSent(w.f, message(w.f, consensus.KindAppendEntriesReply, w.l, i))
		}},
		"an entry that is not committed is applied": {"state machine safety", func(w world) {
			w.checkApply(w.f, []consensus.Entry{{Index: w.ghost.committed() + 1, Term: w.l.status.Term}})
		}},
		"an entry that is not durable is applied": {"durable before applied", func(w world) {
			i := w.ghost.committed()
			e := *w.l.disk.log.at(i)
			w.f.disk.log.cut(i)
			w.f.disk.snapshot.Index = min(w.f.disk.snapshot.Index, i-1)
			w.checkApply(w.f, []consensus.Entry{e})
		}},
		"two states at an index": {"state machine safety", func(w world) {
			w.checkState(w.l, 10_000, 1)
			w.checkState(w.f, 10_000, 2)
		}},
		"two snapshots at an index": {"snapshots", func(w world) {
			w.checkImage(w.l, &consensus.SnapshotMeta{Index: 10_000}, []byte("a"))
			w.checkImage(w.f, &consensus.SnapshotMeta{Index: 10_000}, []byte("b"))
		}},
		"done, and not committed": {"answers", func(w world) {
			w.checkDone(w.f, &request{id: 12345, who: askProbe}, nil)
		}},
		"never, and committed": {"answers", func(w world) {
			w.ghost.ids[12345] = 1
			w.checkDone(w.f, &request{id: 12345, who: askProbe}, consensus.ErrBusy)
		}},
		"never, and committed later": {"answers", func(w world) {
			w.checkDone(w.f, &request{id: 12345, who: askProbe}, consensus.ErrOverwritten)
			w.checkOnce(w.l, 10_000, &version{id: 12345})
		}},
		"committed twice": {"once", func(w world) {
			w.ghost.asked[12345] = true
			w.checkOnce(w.l, 10_000, &version{id: 12345})
			w.checkOnce(w.l, 10_001, &version{id: 12345})
		}},
		"committed, and proposed by nobody": {"validity", func(w world) {
			w.checkOnce(w.l, 10_000, &version{id: 12345})
		}},
		"a read of what was": {"stale read", func(w world) {
			w.checkRead(w.f, &request{id: 12345, floor: w.f.replica.AppliedIndex() + 1})
		}},
		"an answer that nobody asked for": {"answers", func(w world) {
			w.f.Done(12345, consensus.Result{}, nil)
		}},
		"a message from somebody else": {"messages", func(w world) {
			w.send(w.f, message(w.l, consensus.KindHeartbeat, w.f, 0))
		}},
		"no progress": {"liveness", func(w world) {
			for i := range w.nodes {
				w.nodes[i].disk.doneAt = int64(time.Hour)
			}
			w.recover()
		}},
		"no end of events": {"amplification", func(w world) {
			for range eventsPerSecond + 1 {
				w.spend()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, f := worldAt(t, 20*time.Second)
			c.do(world{w, l, f})
			require.True(t, w.failed())
			require.Equal(t, c.property, w.result.Violations[0].Property)
			require.NotEmpty(t, w.result.Violations[0].Replay)
		})
	}
}

// TestAHealthyWorldPasses is the other half: the checks pass what is right.
func TestAHealthyWorldPasses(t *testing.T) {
	w, _, _ := worldAt(t, 20*time.Second)
	w.heal()
	w.recover()
	w.checkHistory()
	require.Empty(t, w.result.Violations)
}

func TestHistories(t *testing.T) {
	const open = 0
	for _, c := range []struct {
		name string
		ops  []operation
		fits bool
	}{
		{"a read of the first value", []operation{{kind: opRead, call: 1, end: 2, answer: 0}}, true},
		{"a read of what was written", []operation{{kind: opWrite, arg: 7, call: 1, end: 2}, {kind: opRead, call: 3, end: 4, answer: 7}}, true},
		{"a stale read", []operation{{kind: opWrite, arg: 7, call: 1, end: 2}, {kind: opRead, call: 3, end: 4, answer: 0}}, false},
		{"a read beside a write", []operation{{kind: opWrite, arg: 7, call: 1, end: 5}, {kind: opRead, call: 3, end: 4, answer: 0}}, true},
		{"two reads that go back", []operation{
			{kind: opWrite, arg: 7, call: 1, end: 9}, {kind: opRead, call: 2, end: 3, answer: 7}, {kind: opRead, call: 4, end: 5, answer: 0},
		}, false},
		{"a write that nobody saw and never returned", []operation{{kind: opWrite, arg: 7, call: 1, end: open}, {kind: opRead, call: 3, end: 4, answer: 0}}, true},
		{"a write that never returned and was seen", []operation{{kind: opWrite, arg: 7, call: 1, end: open}, {kind: opRead, call: 3, end: 4, answer: 7}}, true},
		{"it cannot be undone", []operation{
			{kind: opWrite, arg: 7, call: 1, end: open}, {kind: opRead, call: 3, end: 4, answer: 7}, {kind: opRead, call: 5, end: 6, answer: 0},
		}, false},
		{"what never happened was seen", []operation{{kind: opWrite, arg: 7, call: 1, end: open, never: true}, {kind: opRead, call: 3, end: 4, answer: 7}}, false},
		{"a swap that fits", []operation{{kind: opSwap, arg: 7, old: 0, call: 1, end: 2}, {kind: opRead, call: 3, end: 4, answer: 7}}, true},
		{"a swap that does not", []operation{{kind: opSwap, arg: 7, old: 5, call: 1, end: 2, answer: 0}, {kind: opRead, call: 3, end: 4, answer: 7}}, false},
		{"a write that was applied twice", []operation{
			{kind: opWrite, arg: 7, call: 1, end: 2}, {kind: opWrite, arg: 8, call: 3, end: 4, answer: 7}, {kind: opRead, call: 5, end: 6, answer: 7},
		}, false},
		{"other keys do not matter", []operation{{kind: opWrite, key: 1, arg: 7, call: 1, end: 2}, {kind: opRead, call: 3, end: 4, answer: 0}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &World{plan: plan{keys: 2}, clients: crowd{operations: c.ops}}
			w.checkHistory()
			require.Equal(t, c.fits, !w.failed(), "%v", w.result.Violations)
		})
	}
}

// canary is an engine that must fail: it lets everything overtake its writes.
type canary struct{ consensus.Engine }

func (c canary) Ready(eff *consensus.Effects) bool {
	ok := c.Engine.Ready(eff)
	eff.Early = append(eff.Early, eff.Messages...)
	eff.Messages = eff.Messages[:0]
	return ok
}

// panicker is one that breaks down.
type panicker struct{ consensus.Engine }

func (panicker) Propose(consensus.Proposal) (consensus.Index, error) { panic("out of cheese") }

// complainer is one whose own check fails.
type complainer struct{ consensus.Engine }

func (c complainer) Check() error {
	if c.Status().Term > 0 {
		return errors.New("what is this?")
	}
	return nil
}

func TestTheCanaryDies(t *testing.T) {
	spoil := func(f func(consensus.Engine) consensus.Engine) consensus.NewEngine {
		return func(c consensus.EngineConfig, rec consensus.Recovered) (consensus.Engine, error) {
			e, err := raft.New(c, rec)
			return f(e), err
		}
	}
	for want, protocol := range map[string]consensus.NewEngine{
		"durable vote": spoil(func(e consensus.Engine) consensus.Engine { return canary{e} }),
		"panic":        spoil(func(e consensus.Engine) consensus.Engine { return panicker{e} }),
		"engine check": spoil(func(e consensus.Engine) consensus.Engine { return complainer{e} }),
	} {
		r, err := Simulate(Options{Protocol: protocol, Seed: 1})
		require.NoError(t, err)
		require.Len(t, r.Violations, 1)
		require.Equal(t, want, r.Violations[0].Property, r.Violations[0].Detail)
		again, err := Simulate(Options{Protocol: protocol, Seed: 1})
		require.NoError(t, err)
		require.Equal(t, r.Digest, again.Digest)
	}
}
