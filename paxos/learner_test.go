package paxos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

const second = time.Second

func TestF1AWatermarkTeachesOnlyVotesOfItsOwnBallot(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "old")}})
	r.ask(Message{Kind: Accept, From: 3, To: 1, Term: b(3, 3), Entries: []Entry{command(2, b(3, 3), "new")}, Commit: 2})
	require.Zero(t, r.p(1).commit, "our vote in slot 1 proves nothing")
	require.True(t, r.p(1).log.at(2).learned)
	require.Empty(t, r.find(1).applied)
}

func TestF1AVoteThatComesAfterTheWatermarkIsLearned(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Lead, From: 3, To: 1, Term: b(3, 3), Commit: 1})
	r.ask(Message{Kind: Accept, From: 3, To: 1, Term: b(3, 3), Entries: []Entry{command(1, b(3, 3), "v")}})
	require.Equal(t, []string{"v"}, r.find(1).applied)
}

func TestF2AnOldWatermarkTellsNothingUnderANewBallot(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Lead, From: 2, To: 1, Term: b(2, 2), Commit: 5})
	r.ask(Message{Kind: Accept, From: 3, To: 1, Term: b(3, 3), Entries: []Entry{command(1, b(3, 3), "v")}})
	require.Empty(t, r.find(1).applied)
}

// The published specification tlaplus/Examples MultiPaxos-SMR, whose CommitNotice carries no ballot:
// s0 leads b1, s1 leads b2 and commits w1 in slot 1; s0 puts w2 into slot 1, follows b2 by its
// Accept of slot 2, hears that slot 1 is committed, and must not take its own w2 for it.
func TestTheWatermarkCounterexample(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.drop()
	r.elect(2, 2, 3)
	r.propose(2, "w1")
	r.settle(among(2, 3))
	r.propose(1, "w2")
	r.drop()
	r.propose(2, "x")
	r.settle(func(m *Message) bool { return m.To == 1 && m.Kind == Accept })
	require.Empty(t, r.find(1).applied)
	r.pass(second)
	require.Equal(t, []string{"w1", "x"}, r.find(1).applied)
}

// A leader that learns that its own proposal lost a slot must not say that all is chosen up to there: whoever
// voted for that proposal would take it for chosen (found by the simulator: churn, seed 5325).
func TestALeaderWhoseProposalLostLeadsNoLonger(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "mine")
	r.settle(func(m *Message) bool { return m.To == 3 && m.Kind == Accept })
	r.drop()
	out := r.ask(Message{Kind: LearnReply, From: 2, To: 1, Term: b(9, 2), Promised: b(9, 2), Commit: 1, Entries: []Entry{command(1, Chosen, "theirs")}})
	require.Equal(t, consensus.Follower, r.p(1).Status().Role)
	for _, m := range out {
		require.NotEqual(t, Lead, m.Kind)
	}
}

func TestC1AValueLearnedIsWrittenBeforeCommitCoversIt(t *testing.T) {
	r := one(t)
	n := r.find(1)
	r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "vote")}})
	n.hold = true
	r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(3, 3), Entries: []Entry{command(1, Chosen, "chosen")}, Commit: 1})
	require.Equal(t, Slot(1), n.last.State.Commit)
	require.Equal(t, Chosen, n.last.Entries[0].Term)
	require.Empty(t, n.applied, "it is applied when it is durable")
	r.persist(n)
	r.pump(n)
	require.Equal(t, []string{"chosen"}, n.applied)
	require.Zero(t, n.disk.Entries)
	require.Equal(t, []string{"chosen"}, func() []string { n := r.crash(1); r.pump(n); return n.applied }())
}

func TestC1OnlyWhatIsLearnedIsTaught(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "a"), command(2, b(2, 2), "b")}, Commit: 1})
	out := r.ask(Message{Kind: Learn, From: 3, To: 1, Term: b(2, 2), Ranges: []Range{{First: 1, Last: 9}}})
	require.Len(t, out, 1)
	require.Len(t, out[0].Entries, 1)
	require.Equal(t, Chosen, out[0].Entries[0].Term)
}

func TestC1ASecondChosenValueIsAContradiction(t *testing.T) {
	r := one(t)
	for _, v := range []string{"v", "v", "w"} {
		r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(3, 3), Entries: []Entry{command(2, Chosen, v)}, Commit: 2})
	}
	require.EqualValues(t, 1, r.p(1).Status().Contradictions)
}

func TestC2BelowTheFloorThereIsStorageAndThenASnapshot(t *testing.T) {
	r := one(t)
	p := r.p(1)
	r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "a"), command(2, b(2, 2), "b")}, Commit: 2})
	p.Compacted(consensus.SnapshotMeta{Index: 2, Config: []byte("x")})
	r.pump(r.find(1))
	ask := func() consensus.Effects {
		m := Message{Kind: Learn, From: 3, To: 1, Group: 1, Incarnation: store(3), Term: b(2, 2), Promised: b(2, 2), Context: 4 << 20, Ranges: []Range{{First: 1, Last: 2}}}
		p.Step(&m)
		var eff consensus.Effects
		p.Ready(&eff)
		return eff
	}
	eff := ask()
	require.Equal(t, []consensus.Fetch{{To: 3, Lo: 1, Hi: 2, MaxBytes: 256 << 10}}, eff.Fetch)
	p.Fetched(eff.Fetch[0], []Entry{command(1, b(2, 2), "a")}, nil)
	eff = r.effects()
	require.Equal(t, Chosen, eff.Messages[0].Entries[0].Term)
	require.Equal(t, Slot(2), eff.Messages[0].Next, "storage is read on, unasked")
	require.Equal(t, []consensus.Fetch{{To: 3, Lo: 2, Hi: 2, MaxBytes: 256 << 10}}, eff.Fetch)
	p.Fetched(eff.Fetch[0], nil, consensus.ErrCompacted)
	require.Equal(t, Slot(2), r.effects().Snapshots[0].Index)
	p.SnapshotSent(3, nil)

	p.cfg.MaxInflight = 1
	eff = ask()
	p.Fetched(eff.Fetch[0], []Entry{command(1, b(2, 2), "a")}, nil)
	eff = r.effects()
	require.Zero(t, eff.Messages[0].Next, "that was as much as may be under way")
	require.Empty(t, eff.Fetch)
}

// A learner does not wait for its disk to ask for more, and never has more than two answers to write.
func TestC1TheNextQuestionGoesOutWhileTheDiskWrites(t *testing.T) {
	r := one(t)
	n := r.find(1)
	n.hold = true
	chosen := func(s, next Slot) []Message {
		r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(2, 2), Entries: []Entry{command(s, Chosen, "v")}, Commit: 9, Next: next})
		return r.flight(Learn)
	}
	require.Empty(t, chosen(2, 0), "an answer's messages may change places")
	asked := chosen(1, 2)
	require.Len(t, asked, 1)
	require.Equal(t, []Range{{First: 3, Last: 9}}, asked[0].Ranges)
	require.EqualValues(t, 256<<10, asked[0].Context)
	require.Empty(t, chosen(3, 0), "two answers are to be written")
	r.persist(n)
	r.pump(n)
	asked = r.flight(Learn)
	require.Len(t, asked, 1)
	require.EqualValues(t, 512<<10, asked[0].Context, "the answer before was whole")
	r.pass(second)
	require.EqualValues(t, 256<<10, r.p(1).credit, "nothing came")
}

// Were our epoch forgotten in a crash, we would learn slots of an epoch that we are not in.
func TestS9AQuestionWaitsUntilItsEpochIsDurable(t *testing.T) {
	r := one(t)
	n := r.find(1)
	n.hold = true
	r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(2, 2), Entries: []Entry{sign(1, Chosen, 1, bound(3))}, Commit: 9})
	require.Equal(t, uint64(1), epochOf(n.p.promised))
	require.Empty(t, r.flight(Learn))
	r.persist(n)
	require.Len(t, r.flight(Learn), 1)
	require.Equal(t, n.p.promised, r.flight(Learn)[0].Promised)
}

// Who knows may not have told us: a learner speaks to the leader alone, and who said that it knows may be a witness, that
// keeps nothing to teach. In vain we ask others, too.
func TestC1EverybodyIsAskedInTheEnd(t *testing.T) {
	m := bound(3)
	m.Learners = []NodeID{4}
	r := newRig(t, m)
	r.ask(Message{Kind: Elect, From: 2, To: 1, Context: 1, Commit: 5})
	asked := map[NodeID]bool{}
	for range 100 {
		r.now += Instant(second / 10)
		r.tick(1)
		r.pump(r.find(1))
		for _, m := range r.flight(Learn) {
			asked[m.To] = true
		}
		r.drop()
	}
	require.Equal(t, map[NodeID]bool{2: true, 3: true, 4: true}, asked)
}
