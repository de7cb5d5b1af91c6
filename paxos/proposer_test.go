package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

func TestL1OnesOwnPromiseIsDurableBeforePrepareLeaves(t *testing.T) {
	r := newRig(t, bound(3))
	n := r.find(1)
	n.hold = true
	r.campaign(1)
	require.Empty(t, r.net)
	r.persist(n)
	require.Len(t, r.flight(Prepare), 2)
	require.Equal(t, n.p.promised, n.disk.State.Term)
}

func TestL1ABallotIsNeverUsedByTwoLives(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	old := r.p(1).promised
	n := r.crash(1)
	require.Equal(t, consensus.Follower, n.p.Status().Role, "after a restart nobody leads")
	r.campaign(1)
	require.Greater(t, n.p.promised, old)
}

func TestL2APromiseCountsOnce(t *testing.T) {
	r := newRig(t, bound(5))
	r.campaign(1)
	r.settle(func(m *Message) bool { return m.Kind == Prepare && m.To == 2 })
	p := r.flight(Promise)
	require.Len(t, p, 1)
	for range 3 {
		r.p(1).Step(&p[0])
	}
	r.pump(r.find(1))
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role)
}

func TestL2APromiseCannotReportABallotAboveTheOneAskedFor(t *testing.T) {
	r := one(t)
	r.campaign(1)
	mine := r.p(1).promised
	r.ask(Message{Kind: Promise, From: 2, To: 1, Term: mine, Index: 1, Entries: []Entry{command(1, mine+1<<24, "v")}})
	require.EqualValues(t, 1, r.p(1).Status().Contradictions)
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role)
}

func TestL2AnAcceptorCountsWhenItHasReportedEverything(t *testing.T) {
	r := one(t)
	r.campaign(1)
	mine := r.p(1).promised
	first := Message{Kind: Promise, From: 2, To: 1, Term: mine, Index: 1, Last: 2, Next: 2, Entries: []Entry{command(1, b(1, 3), "a")}}
	out := r.ask(first)
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role)
	require.Equal(t, Prepare, out[0].Kind)
	require.Equal(t, Slot(2), out[0].Next)
	require.Empty(t, r.ask(first), "the same chunk again")
	r.ask(Message{Kind: Promise, From: 2, To: 1, Term: mine, Index: 1, Context: 2, Last: 2, Entries: []Entry{command(2, b(1, 3), "b")}})
	require.Equal(t, consensus.Leader, r.p(1).Status().Role)
	require.Equal(t, "b", string(r.p(1).log.at(2).e.Data))
}

// Paxos Made Simple, §2.2: the value of the highest-numbered proposal among those reported is
// proposed, slot by slot; §3: a gap is filled with a no-op.
func TestL4TheValueOfTheHighestBallotIsAdopted(t *testing.T) {
	r := newRig(t, bound(3))
	vote := func(id NodeID, e Entry) {
		r.ask(Message{Kind: Accept, From: nodeOf(e.Term), To: id, Term: e.Term, Entries: []Entry{e}})
		r.drop()
	}
	vote(1, command(1, b(2, 3), "old"))
	vote(2, command(1, b(3, 1), "new"))
	vote(2, command(2, b(3, 1), "lower"))
	vote(1, command(2, b(4, 2), "higher"))
	vote(1, command(4, b(5, 2), "four"))
	r.p(1).election.seen = b(7, 2)
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.elect(1)
	r.settle()
	require.Equal(t, []string{"new", "higher", "noop", "four"}, r.find(1).applied)
	require.Equal(t, Slot(4), r.p(1).barrier)
}

func TestL5L6SlotsAreChosenOutOfOrder(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	for _, v := range []string{"a", "b", "c"} {
		r.propose(1, v)
		if v != "c" {
			r.drop() // the Accept is lost
		}
	}
	r.settle()
	p := r.p(1)
	require.True(t, p.log.at(3).learned)
	require.False(t, p.log.at(1).learned)
	require.Zero(t, p.commit, "slots are applied in order")
	require.Empty(t, r.find(1).applied)
	r.pass(4 * second / 10)
	require.Equal(t, []string{"a", "b", "c"}, r.find(2).applied, "a lost Accept is sent again")
}

func TestL6OnesOwnVoteCountsWhenItIsDurable(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	n := r.find(1)
	n.hold = true
	r.propose(1, "a")
	require.Len(t, r.flight(Accept), 2, "Accepts overtake one's own write")
	r.settle(among(1, 2))
	require.Zero(t, n.p.commit)
	r.persist(n)
	r.pump(n)
	require.Equal(t, Slot(1), n.p.commit)
}

func TestL6OnesOwnVoteCountsWithItsOwnWrite(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	n := r.find(1)
	n.hold = true
	r.propose(1, "a")
	first := n.last.Seq
	r.propose(1, "b")
	r.settle(among(1, 2))
	n.p.Persisted(first)
	require.True(t, n.p.log.at(1).learned)
	require.False(t, n.p.log.at(2).learned)
}

func TestL6OnlyVotesForWhatWasProposedCount(t *testing.T) {
	r := one(t)
	r.cut = func(NodeID, NodeID) bool { return false }
	r.elect(1)
	r.propose(1, "a")
	mine := r.p(1).promised
	for name, c := range map[string]struct {
		m              Message
		contradictions uint64
	}{
		"never proposed": {Message{From: 2, Term: mine, Ranges: []Range{{First: 1, Last: 2}}}, 1},
		"another ballot": {Message{From: 2, Term: mine + 1<<24, Ranges: []Range{{First: 1, Last: 1}}}, 0},
		"no member":      {Message{From: 7, Term: mine, Ranges: []Range{{First: 1, Last: 1}}}, 0},
	} {
		before := r.p(1).contradictions
		c.m.Kind, c.m.To = Accepted, 1
		r.ask(c.m)
		require.Equal(t, c.contradictions, r.p(1).contradictions-before, name)
		require.False(t, r.p(1).log.at(1).learned, name)
	}
	m := Message{Kind: Accepted, Group: 1, From: 2, To: 1, Term: mine, Promised: mine, Ranges: []Range{{First: 1, Last: 1}}, Incarnation: 999}
	r.p(1).Step(&m)
	require.False(t, r.p(1).log.at(1).learned, "another store than the one admitted")
}

// What a quorum has voted for is chosen, whoever has been promised something since.
func TestL6LateVotesCountForAProposerThatWasPreempted(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	r.propose(1, "b")
	r.settle(func(m *Message) bool { return m.Kind == Accept && m.To == 2 })
	late := r.flight(Accepted)
	r.ask(Message{Kind: Accept, From: 3, To: 1, Term: b(9, 3), Entries: []Entry{command(2, b(9, 3), "c")}})
	require.Equal(t, consensus.Follower, r.p(1).Status().Role)
	for _, m := range late {
		r.ask(m)
	}
	require.Equal(t, Slot(1), r.p(1).commit, "the vote for slot 2 is no longer ours")
	require.Equal(t, []string{"a"}, r.find(1).applied)
}

// Our own vote counts late as well, and no earlier than it is durable.
func TestL6ALateVoteCountsWithOurOwnDurableOne(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	n := r.find(1)
	n.hold = true
	r.propose(1, "a")
	r.settle(func(m *Message) bool { return m.Kind == Accept && m.To == 2 })
	late := r.flight(Accepted)
	r.ask(Message{Kind: Lead, From: 3, To: 1, Term: b(9, 3)})
	r.ask(late[0])
	require.Zero(t, n.p.commit, "one vote of three is durable")
	r.persist(n)
	r.pump(n)
	require.Equal(t, Slot(1), n.p.commit)
}

func TestL7ALeaderThatIsRefusedStepsDown(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.elect(2, 2, 3)
	r.propose(1, "lost?")
	r.settle(among(1, 3))
	require.Equal(t, consensus.Follower, r.p(1).Status().Role)
	_, err := r.p(1).Propose(consensus.Proposal{From: 1, ID: 1})
	require.ErrorIs(t, err, consensus.ErrNotLeader)
}

// Two proposers that outbid each other choose nothing that differs.
func TestDuellingProposers(t *testing.T) {
	r := newRig(t, bound(3))
	for range 4 {
		r.elect(1, 1, 3)
		r.propose(1, "one")
		r.drop()
		r.elect(2, 2, 3)
		r.propose(2, "two")
		r.settle(func(m *Message) bool { return m.Kind == Accept && m.To == 3 })
		r.drop()
	}
	r.pass(6 * second)
	require.Len(t, r.leaders(), 1)
	for _, n := range r.nodes {
		require.Equal(t, r.nodes[0].applied, n.applied)
	}
}

// What an acceptor has applied and dropped it has not "never voted on" (Paxi chooses slot 0 twice).
func TestAFloorIsNotAnEmptyLog(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.propose(1, "a")
	r.propose(1, "b")
	r.settle()
	r.pass(second / 2)
	require.Equal(t, []string{"a", "b"}, r.find(2).applied)
	r.p(2).Compacted(consensus.SnapshotMeta{Index: 2})
	r.pump(r.find(2))

	r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
	r.campaign(3)
	r.settle()
	require.Equal(t, consensus.Candidate, r.p(3).Status().Role, "it must learn what is below the floor first")
	require.False(t, r.p(3).log.holds(1))
}

func TestCommitQuorumsMayBeSmall(t *testing.T) {
	m := bound(5)
	m.ElectionQuorum, m.CommitQuorum = 4, 2
	r := newRig(t, m)
	r.campaign(1)
	r.settle(among(1, 2, 3))
	require.Equal(t, consensus.Candidate, r.p(1).Status().Role, "three of five elect nobody")
	r.drop()
	r.elect(1)
	r.drop()
	r.propose(1, "a")
	r.settle(among(1, 2))
	require.Equal(t, []string{"a"}, r.find(1).applied, "two of five commit")
}
