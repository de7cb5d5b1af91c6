package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Rules of acceptors and learners, one at a time: what is said of each is in the package comment of the file
// that keeps it.

func accept(from NodeID, ballot Ballot, commit Slot, es ...Entry) Message {
	return Message{Kind: Accept, From: from, To: 1, Term: ballot, Commit: commit, Entries: es}
}

func learnReply(from NodeID, commit Slot, es ...Entry) Message {
	return Message{Kind: LearnReply, From: from, To: 1, Term: b(2, from), Commit: commit, Entries: es}
}

func TestA1ARepeatedPrepareIsAnsweredAgain(t *testing.T) {
	r := one(t)
	m := Message{Kind: Prepare, From: 2, To: 1, Term: b(5, 2), Index: 1}
	first := r.ask(m)
	require.Equal(t, Promise, first[0].Kind)
	require.Equal(t, first, r.ask(m))
}

func TestA1AStrangersPrepareIsNoneOfOurs(t *testing.T) {
	r := one(t)
	require.Empty(t, r.ask(Message{Kind: Prepare, From: 7, To: 1, Term: b(5, 7), Index: 1}))
	require.Zero(t, r.p(1).Status().Term)
}

func TestA2NothingIsVotedForUnderASnapshot(t *testing.T) {
	r := one(t)
	r.ask(accept(2, b(2, 2), 1, command(1, b(2, 2), "a")))
	r.compact(1)
	out := r.ask(accept(3, b(3, 3), 0, command(1, b(3, 3), "x"), command(2, b(3, 3), "y")))
	require.Equal(t, AlreadyChosen, out[0].Kind)
	require.Equal(t, []Range{{First: 1, Last: 1}}, out[0].Ranges)
	require.Equal(t, Accepted, out[1].Kind)
	require.Equal(t, []Range{{First: 2, Last: 2}}, out[1].Ranges)
	require.NotContains(t, r.find(1).entries, Slot(1))
}

func TestA2TheSameProposalAgainIsAcknowledgedAgain(t *testing.T) {
	r := one(t)
	m := accept(2, b(2, 2), 0, command(1, b(2, 2), "a"), command(2, b(2, 2), "b"), command(4, b(2, 2), "d"))
	for range 2 {
		out := r.ask(m)
		require.Len(t, out, 1)
		require.Equal(t, []Range{{First: 1, Last: 2}, {First: 4, Last: 4}}, out[0].Ranges, "explicit slots: there are holes")
	}
}

// One write covers what many messages changed, and their answers wait for that one.
func TestA3OneWriteServesManyMessages(t *testing.T) {
	r := one(t)
	n := r.find(1)
	n.hold = true
	for s := Slot(1); s <= 3; s++ {
		m := accept(2, b(2, 2), 0, command(s, b(2, 2), "v"))
		m.Group, m.Incarnation, m.Promised = 1, store(2), m.Term
		n.p.Step(&m)
	}
	r.pump(n)
	require.Len(t, n.pending, 1)
	require.Len(t, n.pending[0].Entries, 3)
	require.Empty(t, r.net)
	r.persist(n)
	require.Equal(t, []Range{{First: 1, Last: 3}}, r.net[0].Ranges)
}

// A disk that fails never says Persisted, and so nothing leaves that claims what it should hold.
func TestA3NothingIsSaidOfAWriteThatDoesNotFinish(t *testing.T) {
	r := one(t)
	r.find(1).hold = true
	r.ask(accept(2, b(2, 2), 0, command(1, b(2, 2), "v")))
	for range 9 {
		require.Empty(t, r.ask(accept(2, b(2, 2), 0, command(1, b(2, 2), "v"))))
		require.Empty(t, r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(2, 3), Index: 1}))
		require.Empty(t, r.ask(Message{Kind: Lead, From: 3, To: 1, Term: b(2, 3), Context: 1}))
	}
}

func TestC1AValueIsLearnedFromAnybody(t *testing.T) {
	r := one(t)
	r.ask(learnReply(7, 1, command(1, Chosen, "v")))
	require.Equal(t, []string{"v"}, r.find(1).applied, "all that is said to be learned is chosen")
}

// Asked are those who know more, one after the other, until somebody answers.
func TestC1WhoLacksSomethingAsksByTurns(t *testing.T) {
	r := one(t)
	r.ask(Message{Kind: Lead, From: 2, To: 1, Term: b(2, 2), Commit: 4})
	r.ask(Message{Kind: Elect, From: 3, To: 1, Promised: b(2, 2), Commit: 4})
	r.ask(accept(2, b(2, 2), 0, command(2, b(2, 2), "v")))
	asked := map[NodeID]int{}
	for range 12 {
		r.drop()
		r.now += Instant(second / 10)
		r.tick(1)
		r.pump(r.find(1))
		for _, m := range r.flight(Learn) {
			asked[m.To]++
			require.Equal(t, []Range{{First: 1, Last: 1}, {First: 3, Last: 4}}, m.Ranges, "what is learned it does not ask for")
		}
	}
	require.Greater(t, asked[2], 1)
	require.Greater(t, asked[3], 1)
	require.Less(t, asked[2]+asked[3], 9, "and not at every tick")
}

func TestC3ALearnedSlotIsReportedAsChosen(t *testing.T) {
	r := one(t)
	r.ask(accept(2, b(2, 2), 0, command(1, b(2, 2), "a"), command(2, b(2, 2), "lost")))
	r.ask(learnReply(3, 2, command(2, Chosen, "b")))
	out := r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(4, 3), Index: 1})
	require.Equal(t, []Entry{command(1, b(2, 2), "a"), command(2, Chosen, "b")}, out[0].Entries)
	n := r.crash(1)
	r.cut = func(NodeID, NodeID) bool { return true }
	r.pump(n)
	out = r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(5, 3), Index: 1})
	require.Equal(t, Chosen, out[0].Entries[1].Term, "after a restart, too")
}

func TestR0WhatWasLearnedIsLearnedAfterARestart(t *testing.T) {
	r := newRig(t, bound(3))
	n := r.start(1, consensus.Recovered{
		Incarnation: store(1), State: consensus.State{Term: b(2, 2), Commit: 1},
		Entries: []Entry{command(1, b(2, 2), "a"), command(2, Chosen, "b"), command(3, b(2, 2), "c")},
	})
	r.pump(n)
	require.Equal(t, []string{"a", "b"}, n.applied)
	require.Equal(t, b(2, 2), n.p.Status().Term)
}

func TestG1OnlyALeaderThatReachesAQuorumIsGrantedALease(t *testing.T) {
	m := bound(3)
	m.Lease = second / 2
	for _, happy := range []consensus.Flags{0, consensus.FlagHappy} {
		r := newRig(t, m)
		r.pass(second) // no lease of an earlier life is left: rule G3
		term := r.p(1).Status().Term + 9<<24
		term = term &^ maxNode
		r.ask(Message{Kind: Lead, From: 2, To: 1, Term: term | 2, Context: 1, Flags: happy})
		r.now += Instant(m.Lease) - 1
		r.tick(1)
		r.pump(r.find(1))
		late := Message{Kind: Prepare, From: 3, To: 1, Term: term | 3, Index: 1}
		if happy == 0 {
			require.Equal(t, Promise, r.ask(late)[0].Kind)
			continue
		}
		require.Equal(t, Nack, r.ask(late)[0].Kind)
		r.now++
		r.tick(1)
		require.Equal(t, Promise, r.ask(late)[0].Kind, "for its time and no longer")
	}
}

func TestG2WhoHoldsTheLeaseMayPrepareAgain(t *testing.T) {
	r := leased(t)
	mine := r.p(1).Status().Term
	out := r.ask(Message{Kind: Prepare, From: 1, To: 3, Term: mine + 1<<24, Index: 1})
	require.Equal(t, Promise, out[0].Kind)
}

// A leader whose grants to itself nobody records refuses others as long as it may serve a read.
func TestH4TheLeadersOwnAcceptorHonoursItsLease(t *testing.T) {
	r := leased(t)
	mine := r.p(1).Status().Term
	out := r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: mine + 1<<24 + 1, Index: 1})
	require.Equal(t, Nack, out[0].Kind)
	require.Equal(t, consensus.Leader, r.p(1).Status().Role)
}

func TestH2ALeaseThatIsOverAnswersNothing(t *testing.T) {
	r := leased(t)
	r.drop()
	r.cut = func(NodeID, NodeID) bool { return true }
	r.now = r.p(1).leaseUntil()
	r.tick(1)
	r.pump(r.find(1))
	r.read(1, 7)
	require.Empty(t, r.find(1).reads, "it needs a round again")
}

// What is learned is chosen, and all that phase 1 found besides must be chosen before a read is begun: so a read sees
// whatever an earlier leader told a client.
func TestQ0AReadSeesWhatAnEarlierLeaderTold(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "told")
	r.settle(func(m *Message) bool { return m.Kind == Accept && m.To == 2 || m.Kind == Accepted })
	require.Equal(t, []string{"told"}, r.find(1).applied)
	r.drop()
	r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
	r.elect(3, 2, 3)
	r.read(3, 7)
	r.pass(second / 2)
	require.Equal(t, []consensus.Read{{ID: 7, Index: 1}}, r.find(3).reads)
	require.Equal(t, []string{"told"}, r.find(3).applied)
}
