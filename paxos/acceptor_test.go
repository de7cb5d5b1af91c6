package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// one is node 1 of three, alone: the test speaks for the others.
func one(t *testing.T) *rig {
	r := newRig(t, bound(3))
	r.cut = func(from, to NodeID) bool { return true }
	return r
}

func b(round uint64, id NodeID) Ballot { return pack(0, round, id) }

func TestA1APromiseIsDurableBeforeItIsGiven(t *testing.T) {
	r := one(t)
	n := r.find(1)
	n.hold = true
	require.Empty(t, r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(5, 2), Index: 1}))
	r.persist(n)
	require.Equal(t, Promise, r.net[0].Kind)
	require.Equal(t, b(5, 2), n.disk.State.Term)
}

func TestA1APromiseReportsVotesChosenValuesAndTheFloor(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "a"), command(2, b(2, 2), "b"), command(4, b(2, 2), "d")}, Commit: 2})
	r.p(1).Compacted(consensus.SnapshotMeta{Index: 1})
	r.pump(r.find(1))
	out := r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(3, 3), Index: 1})
	require.Len(t, out, 1)
	m := out[0]
	require.Equal(t, Slot(1), m.Floor)
	require.Equal(t, Slot(4), m.Last)
	require.Equal(t, Slot(2), m.Commit)
	require.Equal(t, []Ballot{Chosen, b(2, 2)}, []Ballot{m.Entries[0].Term, m.Entries[1].Term})
	require.Equal(t, []Slot{2, 4}, []Slot{m.Entries[0].Index, m.Entries[1].Index})
}

func TestA1ALowerBallotIsRefused(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(5, 2), Index: 1})
	for _, m := range []Message{{Kind: Prepare, Index: 1}, {Kind: Accept, Entries: []Entry{command(1, b(4, 3), "x")}}, {Kind: Lead, Context: 1}} {
		m.From, m.To, m.Term = 3, 1, b(4, 3)
		out := r.ask(m)
		require.Len(t, out, 1)
		require.Equal(t, Nack, out[0].Kind)
		require.Equal(t, b(5, 2), out[0].Promised)
	}
	require.False(t, r.p(1).log.holds(1))
}

func TestA1PromisesComeInChunks(t *testing.T) {
	r := one(t)
	r.p(1).cfg.MaxMessageSize = 1
	for s := Slot(1); s <= 3; s++ {
		r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(s, b(2, 2), "v")}})
	}
	next := Slot(0)
	for s := Slot(1); s <= 3; s++ {
		out := r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(3, 3), Index: 1, Next: next})
		require.Equal(t, s, out[0].Entries[0].Index)
		require.Equal(t, uint64(next), out[0].Context)
		next = out[0].Next
	}
	require.Zero(t, next)
}

// "The Bug in Paxos Made Simple": an acceptor that did not raise its promise with a vote could vote
// below it later.
func TestA2AVoteRaisesThePromise(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Accept, From: 3, To: 1, Term: b(9, 3), Entries: []Entry{command(1, b(9, 3), "v")}})
	out := r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(2, b(2, 2), "w")}})
	require.Equal(t, Nack, out[0].Kind)
	require.Equal(t, b(9, 3), r.find(1).disk.State.Term)
}

func TestA2AVoteIsDurableBeforeItIsAcknowledged(t *testing.T) {
	r := one(t)
	n := r.find(1)
	n.hold = true
	m := Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(3, b(2, 2), "v")}}
	require.Empty(t, r.ask(m))
	require.Empty(t, r.ask(m), "a duplicate is acknowledged no earlier")
	r.persist(n)
	require.Equal(t, []Range{{First: 3, Last: 3}}, r.net[0].Ranges)
}

func TestA2AProposerOfALearnedSlotIsToldSo(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: LearnReply, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, Chosen, "v")}, Commit: 1})
	out := r.ask(Message{Kind: Accept, From: 3, To: 1, Term: b(3, 3), Entries: []Entry{command(1, b(3, 3), "w")}})
	require.Equal(t, AlreadyChosen, out[0].Kind)
	require.Zero(t, r.p(1).Status().Contradictions, "an old leader may still be trying")
	require.Equal(t, "v", string(r.find(1).entries[1].Data))
}

func TestA2ASecondValueAtOneBallotIsAContradiction(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "v")}})
	require.Empty(t, r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "w")}}))
	require.EqualValues(t, 1, r.p(1).Status().Contradictions)
	require.Equal(t, "v", string(r.find(1).entries[1].Data))
}

// A vote that was replaced before it was written is never acknowledged: no disk ever had it.
func TestA3AVoteReplacedBeforeItsWriteIsNotAcknowledged(t *testing.T) {
	r := one(t)
	p := r.p(1)
	step := func(m Message) {
		m.To, m.Group, m.Incarnation, m.Promised = 1, 1, store(m.From), m.Term
		p.Step(&m)
	}
	step(Message{Kind: Accept, From: 2, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "v")}})
	step(Message{Kind: Accept, From: 3, Term: b(3, 3), Entries: []Entry{command(1, b(3, 3), "w")}})
	r.pump(r.find(1))
	require.Len(t, r.net, 1)
	require.Equal(t, b(3, 3), r.net[0].Term)
	require.Len(t, r.find(1).last.Entries, 1)
}

func TestR0ThePromiseIsAtLeastEveryVote(t *testing.T) {
	r := newRig(t, bound(3))
	n := r.start(1, consensus.Recovered{Incarnation: store(1), State: consensus.State{Term: b(2, 2)}, Entries: []Entry{command(1, b(4, 3), "v"), command(2, Chosen, "w")}})
	require.Equal(t, b(4, 3), n.p.promised)
}

// A damaged slot is unknown, not empty: its acceptor counts in no election until the slot is learned.
func TestADamagedSlotIsUnknown(t *testing.T) {
	r := newRig(t, bound(3))
	r.start(1, consensus.Recovered{Incarnation: store(1), State: consensus.State{Term: b(2, 2)}, Damaged: []Range{{First: 1, Last: 2}}})
	out := r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(2, 2), Index: 1})
	require.Equal(t, []Range{{First: 1, Last: 2}}, out[0].Ranges)
	r.drop()

	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.campaign(2)
	r.settle()
	require.Equal(t, consensus.Candidate, r.p(2).Status().Role, "one of two promises counts for nothing")
	r.campaign(1)
	r.settle()
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role, "nor does one's own")

	r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(9, 3), Entries: []Entry{command(1, Chosen, "v"), command(2, Chosen, "w")}, Commit: 2})
	require.Empty(t, r.p(1).unknown)
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.elect(2)
}

func TestADamagedSlotIsKnownAgainWithTheNextVote(t *testing.T) {
	r := newRig(t, bound(3))
	r.start(1, consensus.Recovered{Incarnation: store(1), State: consensus.State{Term: b(2, 2)}, Damaged: []Range{{First: 1, Last: 3}}})
	r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(3, 2), Entries: []Entry{command(2, b(3, 2), "v")}})
	require.Equal(t, []Range{{First: 1, Last: 1}, {First: 3, Last: 3}}, r.p(1).unknown)
}

func TestMessagesThatCannotBeAreIgnored(t *testing.T) {
	for name, m := range map[string]Message{
		"a ballot of somebody else's":       {Kind: Accept, From: 2, Term: b(2, 3)},
		"a Prepare of the reserved round":   {Kind: Prepare, From: 2, Term: b(1, 2), Index: 1},
		"a ballot of nobody's":              {Kind: Lead, From: 2, Term: pack(0, 2, 0)},
		"an entry at another ballot":        {Kind: Accept, From: 2, Term: b(2, 2), Entries: []Entry{command(1, b(1, 2), "v")}},
		"entries out of order":              {Kind: Accept, From: 2, Term: b(2, 2), Entries: []Entry{command(2, b(2, 2), "v"), command(1, b(2, 2), "v")}},
		"a learned value that may not be":   {Kind: LearnReply, From: 2, Term: b(2, 2), Entries: []Entry{command(1, b(2, 2), "v")}},
		"a stop-sign that is none":          {Kind: Accept, From: 2, Term: b(2, 2), Entries: []Entry{{Index: 1, Term: b(2, 2), Kind: consensus.EntryMembers}}},
		"ranges out of order":               {Kind: Learn, From: 2, Term: b(2, 2), Ranges: []Range{{First: 5, Last: 4}}},
		"a snapshot of no epoch":            {Kind: EpochSnapshot, From: 2, Term: b(2, 2), Index: 4, Data: []byte{1}},
		"a promise for somebody's ballot":   {Kind: Promise, From: 2, Term: b(2, 2), Index: 1},
		"the ballot that stands for Chosen": {Kind: Accept, From: 2, Term: Chosen},
	} {
		r := one(t)
		require.Empty(t, r.ask(withTo(m, 1)), name)
		require.EqualValues(t, 1, r.p(1).Status().Ignored, name)
		require.Zero(t, r.p(1).promised, name)
	}
}

func withTo(m Message, to NodeID) Message {
	m.To = to
	return m
}
