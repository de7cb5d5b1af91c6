package paxos

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Rules of proposers (L1 to L7).

// preparing has node 1 of n voters take a ballot, and returns it. The test speaks for the others.
func preparingOf(t *testing.T, n int) (*rig, Ballot) {
	r := newRig(t, bound(n))
	r.cut = func(NodeID, NodeID) bool { return true }
	r.campaign(1)
	r.drop()
	return r, r.p(1).Status().Term
}

func promiseOf(from NodeID, ballot Ballot, es ...Entry) Message {
	return Message{Kind: Promise, From: from, To: 1, Term: ballot, Index: 1, Entries: es}
}

func TestL1ABallotIsAboveEveryRoundThatWasHeardOf(t *testing.T) {
	r, mine := preparingOf(t, 3)
	r.ask(Message{Kind: Nack, From: 2, To: 1, Term: mine, Promised: b(41, 3), Reject: true})
	require.Equal(t, consensus.Follower, r.p(1).Status().Role)
	r.campaign(1)
	require.Equal(t, b(42, 1), r.p(1).Status().Term, "a refusal tells the promise")
	r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(50, 3), Index: 1})
	r.campaign(1)
	require.Equal(t, b(51, 1), r.p(1).Status().Term, "and so does one's own")
}

func TestL1PrepareAsksForWhatIsNotLearned(t *testing.T) {
	r := one(t)
	r.ask(learnReply(2, 2, command(1, Chosen, "a"), command(2, Chosen, "b"), command(4, Chosen, "d")))
	r.campaign(1)
	for _, m := range r.flight(Prepare) {
		require.Equal(t, Slot(3), m.Index)
	}
	require.Len(t, r.flight(Prepare), 2)
}

func TestL2OnlyAPromiseOfThisBallotOfAnAcceptorCounts(t *testing.T) {
	m := bound(3)
	m.Learners = []NodeID{4}
	for name, spoil := range map[string]func(*Message){
		"of another ballot":          func(m *Message) { m.Term -= 1 << 24 },
		"from another slot on":       func(m *Message) { m.Index = 2 },
		"of a chunk not asked for":   func(m *Message) { m.Context = 7 },
		"of a learner":               func(m *Message) { m.From = 4 },
		"of no member":               func(m *Message) { m.From = 7 },
		"with unknown slots":         func(m *Message) { m.Ranges = []Range{{First: 1, Last: 1}} },
		"with more to come":          func(m *Message) { m.Next = 2 },
		"what it lacks is compacted": func(m *Message) { m.Floor = 3 },
	} {
		r := newRig(t, m)
		r.cut = func(NodeID, NodeID) bool { return true }
		r.campaign(1)
		p := promiseOf(2, r.p(1).Status().Term)
		spoil(&p)
		r.ask(p)
		require.Equal(t, consensus.Candidate, r.p(1).Status().Role, name)
		if p.Next == 0 && len(p.Ranges) == 0 && p.Floor == 0 {
			r.ask(promiseOf(2, r.p(1).Status().Term))
			require.Equal(t, consensus.Leader, r.p(1).Status().Role, name)
		}
	}
	r, mine := preparingOf(t, 3)
	p := promiseOf(2, mine)
	p.Kind, p.Group, p.To, p.Promised, p.Incarnation = Promise, 1, 1, mine, 999
	r.p(1).Step(&p)
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role, "of another store than the one admitted")
}

func TestL3PhaseOneEndsWithAQuorumOfPromises(t *testing.T) {
	r, mine := preparingOf(t, 5)
	r.ask(promiseOf(2, mine))
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role)
	r.ask(promiseOf(3, mine))
	require.Equal(t, consensus.Leader, r.p(1).Status().Role)
}

func TestL3WhatIsUnderAFloorIsLearnedFirst(t *testing.T) {
	r, mine := preparingOf(t, 3)
	m := promiseOf(2, mine, command(3, b(1, 2), "c"))
	m.Floor, m.Commit = 2, 2
	r.ask(m)
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role)
	r.ask(learnReply(2, 2, command(1, Chosen, "a"), command(2, Chosen, "b")))
	require.Equal(t, consensus.Leader, r.p(1).Status().Role)
	require.Equal(t, []string{"a", "b"}, r.find(1).applied)
	require.Equal(t, command(3, mine, "c"), r.find(1).entries[3])
}

func TestL3WhoHasNotAnsweredIsAskedAgain(t *testing.T) {
	r, mine := preparingOf(t, 5)
	r.ask(promiseOf(2, mine))
	r.now += Instant(second / 10)
	r.drop()
	r.tick(1)
	r.pump(r.find(1))
	asked := map[NodeID]bool{}
	for _, m := range r.flight(Prepare) {
		asked[m.To] = true
	}
	require.Equal(t, map[NodeID]bool{3: true, 4: true, 5: true}, asked)
}

func TestL4WhatIsReportedAsChosenIsLearnedAndNotProposed(t *testing.T) {
	r, mine := preparingOf(t, 3)
	out := r.ask(promiseOf(2, mine, command(1, Chosen, "a"), command(2, b(1, 2), "b")))
	require.Equal(t, []string{"a"}, r.find(1).applied)
	require.Equal(t, Chosen, r.find(1).entries[1].Term)
	for _, m := range out {
		for _, e := range m.Entries {
			require.NotEqual(t, Slot(1), e.Index)
		}
	}
}

// A promise tells how far its acceptor's slots go, and how much it knows to be chosen: nothing new is proposed there.
func TestL4NewValuesAreProposedAboveAllThatWasReported(t *testing.T) {
	for name, tell := range map[string]func(*Message){
		"an entry":      func(m *Message) { m.Entries = []Entry{command(3, b(1, 2), "c")} },
		"a last slot":   func(m *Message) { m.Last = 3 },
		"chosen so far": func(m *Message) { m.Commit = 3 },
	} {
		r, mine := preparingOf(t, 3)
		m := promiseOf(2, mine)
		tell(&m)
		r.ask(m)
		require.Equal(t, Slot(4), r.propose(1, "new"), name)
	}
}

func TestL5NoPrepareIsSentForANewValue(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	for k, v := range []string{"a", "b", "c"} {
		require.Equal(t, Slot(k+1), r.propose(1, v))
	}
	require.Empty(t, r.flight(Prepare))
	require.Len(t, r.flight(Accept), 6)
	require.Equal(t, "a", string(r.find(1).entries[1].Data), "a proposer votes for what it proposes")
}

// A leader never says two things for one slot at one ballot, whatever it is told. It learns that slot 1 is another's, and
// leads no longer.
func TestL5ASlotIsProposedOnce(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	mine := r.p(1).Status().Term
	said := map[vote]string{}
	hear := func(ms []Message) {
		for _, m := range ms {
			for _, e := range m.Entries {
				if m.Kind == Accept {
					v := vote{e.Index, e.Term}
					require.Contains(t, []string{"", valueOf(&e)}, said[v])
					said[v] = valueOf(&e)
				}
			}
		}
	}
	hear(r.net)
	hear(r.ask(learnReply(2, 1, command(1, Chosen, "other"))))
	require.Equal(t, consensus.Follower, r.p(1).Status().Role)
	r.campaign(1)
	r.drop()
	hear(r.ask(promiseOfFrom(2, r.p(1).Status().Term, 2)))
	require.Equal(t, Slot(2), r.propose(1, "b"))
	hear(r.net)
	require.Equal(t, "a", said[vote{1, mine}])
}

func promiseOfFrom(from NodeID, ballot Ballot, first Slot) Message {
	m := promiseOf(from, ballot)
	m.Index = first
	return m
}

func TestL6VotesAreASetOfAcceptors(t *testing.T) {
	m := bound(5)
	m.Learners = []NodeID{6}
	r := newRig(t, m)
	r.elect(1)
	r.settle()
	r.cut = func(NodeID, NodeID) bool { return true }
	r.propose(1, "a")
	ack := Message{Kind: Accepted, To: 1, Term: r.p(1).Status().Term, Ranges: []Range{{First: 1, Last: 1}}}
	for _, from := range []NodeID{2, 2, 6, 2, 6} {
		ack.From = from
		r.ask(ack)
		require.Zero(t, r.p(1).Status().Commit, "one vote is one vote, and a learner has none")
	}
	ack.From = 3
	r.ask(ack)
	require.Equal(t, Slot(1), r.p(1).Status().Commit)
}

func TestL7WhatAPreemptedLeaderProposedMayYetBeChosen(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "old")
	r.settle(func(m *Message) bool { return m.Kind == Accept && m.To == 3 })
	r.drop()
	r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
	r.elect(2, 2, 3)
	r.pass(second / 2)
	require.Equal(t, []string{"old"}, r.find(2).applied, "so nobody may say that it is lost")
}

func TestL7ARefusalThatIsNoneOfOursDeposesNobody(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	mine := r.p(1).Status().Term
	for _, m := range []Message{
		{Term: mine - 1<<24, Promised: mine + 1<<24},
		{Term: mine, Promised: mine},
		{Term: mine, Promised: mine - 1},
	} {
		m.Kind, m.From, m.To, m.Reject = Nack, 2, 1, true
		r.ask(m)
		require.Equal(t, consensus.Leader, r.p(1).Status().Role)
	}
}

func TestL7AReadOfAPreemptedLeaderHasNoAnswer(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.read(1, 7)
	r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(9, 2), Index: 1})
	require.ErrorIs(t, r.find(1).reads[0].Err, consensus.ErrNotLeader)
	require.ErrorIs(t, r.p(1).Read(8), consensus.ErrNotLeader)
}

// Whatever slot a peer names, a replica keeps nothing far above what it has learned.
// A candidate that is far behind is told of votes above its window, and has no room for them. They may be chosen: it must not
// lead without them, nor after it has learned what is below them.
// A leader whose disk is slower than a quorum of others must not take in more than it can write.
// A leader that is told by somebody else that its own proposal is chosen has it off its mind like any other.
// Of the slots of one Accept an acceptor votes in some and knows others to be chosen: it answers twice. If the first of
// these is lost what it was about is sent again.
func TestL5AnAcceptIsDoneWhenAllOfItIsAnswered(t *testing.T) {
	m := bound(3)
	m.ElectionQuorum, m.CommitQuorum = 1, 3
	r := newRig(t, m)
	r.elect(1)
	r.settle()
	r.ask(Message{Kind: LearnReply, From: 3, To: 2, Term: b(2, 3), Promised: r.p(1).promised, Entries: []Entry{{Index: 2, Term: Chosen, From: 1, ID: 2, Data: []byte("b")}}})
	r.drop()
	p := r.p(1)
	for _, v := range []string{"a", "b"} {
		_, err := p.Propose(consensus.Proposal{From: 1, ID: 2, Data: []byte(v)})
		require.NoError(t, err)
	}
	r.pump(r.find(1))
	r.deliver(func(m *Message) bool { return m.Kind == Accept })
	require.NotEmpty(t, r.flight(AlreadyChosen))
	r.net = slices.DeleteFunc(r.net, func(m Message) bool { return m.Kind == Accepted && m.From == 2 })
	r.pass(second)
	require.Equal(t, Slot(2), p.commit)
}

// Slots that others know to be chosen are asked for at once, as many as fit into a message.
func TestL5ALeaderAsksForWhatOthersKnow(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	for _, v := range []string{"a", "b", "c"} {
		r.propose(1, v)
	}
	r.settle(func(m *Message) bool { return m.Kind == Accept })
	var known []Entry
	for s := Slot(1); s <= 3; s++ {
		known = append(known, chosen(r.p(1).log.at(s).e))
	}
	r.ask(Message{Kind: LearnReply, From: 3, To: 2, Term: r.p(1).promised, Entries: known, Commit: 3})
	r.ask(Message{Kind: AlreadyChosen, From: 2, To: 1, Term: r.p(1).promised, Ranges: []Range{{First: 1, Last: 3}}, Commit: 3})
	r.deliver(func(m *Message) bool { return m.Kind == Learn })
	require.Len(t, r.flight(LearnReply)[0].Entries, 3)
}
