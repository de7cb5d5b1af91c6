package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Rules of the election (B1 to B6), at node 1 alone: the test says what the others answer in a round.

// said is what an elector answers in a round: its own ballot, the one that it believes to lead, and whether it is happy.
type said struct {
	from           NodeID
	ballot, leader Ballot
	happy          bool
}

// round ends a round of node 1 in which it got these answers, and returns what it says of itself in the next.
func (r *rig) round(answers ...said) said {
	n := r.find(1)
	for _, x := range answers {
		r.answer(x, n.p.election.round)
	}
	r.now = n.p.election.end
	r.tick(n.id)
	r.pump(n)
	return r.opinion()
}

func (r *rig) answer(x said, round uint64) {
	m := Message{Kind: ElectReply, From: x.from, To: 1, Group: 1, Incarnation: store(x.from), Context: round, Term: x.ballot, Leader: x.leader}
	if x.happy {
		m.Flags = consensus.FlagHappy
	}
	r.p(1).Step(&m)
}

// opinion asks node 1 as another elector does.
func (r *rig) opinion() said {
	m := r.ask(Message{Kind: Elect, From: 2, To: 1, Context: 77})[0]
	return said{m.From, m.Term, m.Leader, m.Flags&consensus.FlagHappy != 0}
}

// alone is node 1 of n voters.
func alone(t *testing.T, n int) *rig {
	r := newRig(t, bound(n))
	r.cut = func(NodeID, NodeID) bool { return true }
	return r
}

func TestB1TheHighestBallotOfThoseWhoAnswerLeads(t *testing.T) {
	r := alone(t, 5)
	x := r.round(said{2, b(3, 2), b(3, 2), true}, said{3, b(4, 3), b(4, 3), true}, said{4, 0, b(9, 5), false})
	require.Equal(t, b(4, 3), x.leader, "a ballot that one only hears of leads nobody")
	require.Zero(t, x.ballot)
}

func TestB2AFollowerIsHappyIfItHearsAHappyLeader(t *testing.T) {
	for name, c := range map[string]struct {
		answers []said
		happy   bool
	}{
		"the leader is happy":             {[]said{{2, b(3, 2), b(3, 2), true}}, true},
		"the leader is not":               {[]said{{2, b(3, 2), b(3, 2), false}}, false},
		"others say that it is":           {[]said{{2, b(3, 2), b(3, 2), false}, {3, 0, b(3, 2), true}}, false},
		"somebody of a lower one is":      {[]said{{2, b(3, 2), b(3, 2), false}, {3, b(2, 3), b(2, 3), true}}, false},
		"it is not heard, others hear it": {[]said{{3, 0, b(3, 2), true}}, false},
	} {
		require.Equal(t, c.happy, alone(t, 5).round(c.answers...).happy, name)
	}
}

func TestB2ACandidateIsHappyIfAQuorumFollowsItOrAHappierOneIsKnown(t *testing.T) {
	mine := b(2, 1)
	for name, c := range map[string]struct {
		answers []said
		happy   bool
	}{
		"a quorum follows":                  {[]said{{2, 0, mine, true}, {3, 0, 0, false}}, true},
		"too few do":                        {[]said{{2, 0, mine, true}}, false},
		"they were stolen by somebody":      {[]said{{2, 0, b(5, 5), false}, {3, 0, mine, true}}, false},
		"they follow somebody who is happy": {[]said{{2, 0, b(5, 5), true}, {3, 0, b(5, 5), true}}, true},
	} {
		r := alone(t, 5)
		r.campaign(1)
		require.Equal(t, mine, r.opinion().ballot)
		x := r.round(c.answers...)
		require.Equal(t, mine, x.ballot, name)
		require.Equal(t, c.happy, x.happy, name)
	}
}

// A sitting leader is measured by who can commit, and not by who can elect.
func TestB2ALeaderNeedsACommitQuorum(t *testing.T) {
	m := bound(5)
	m.ElectionQuorum, m.CommitQuorum = 2, 4
	r := newRig(t, m)
	r.elect(1)
	r.pass(second / 2)
	require.Equal(t, []NodeID{1}, r.leaders())
	r.cut = func(from, to NodeID) bool { return from >= 4 || to >= 4 }
	r.pass(second + second/5)
	require.Equal(t, reasonNoQuorum, r.p(1).steppedDown, "three of five could elect it, and cannot commit")
}

func TestB3ABallotIsTakenWhenAQuorumAnswersAndNobodyIsHappy(t *testing.T) {
	unhappy := func(id NodeID) said { return said{id, 0, b(7, 5), false} }
	for name, c := range map[string]struct {
		answers []said
		takes   bool
	}{
		"a quorum, all unhappy": {[]said{unhappy(2), unhappy(3)}, true},
		"too few":               {[]said{unhappy(2)}, false},
		"nobody":                {nil, false},
		"one of them is happy":  {[]said{unhappy(2), unhappy(3), {4, 0, b(7, 5), true}}, false},
		"strangers":             {[]said{unhappy(2), unhappy(8), unhappy(9)}, false},
	} {
		r := alone(t, 5)
		x := r.round(c.answers...)
		require.Equal(t, c.takes, x.ballot != 0, name)
		require.Equal(t, c.takes, r.p(1).Status().Role == consensus.Candidate, name)
		if c.takes {
			require.Equal(t, said{1, b(2, 1), b(2, 1), true}, x, "the first round that is nobody's")
		}
	}
}

func TestB3ABallotIsOneRoundAboveTheLeaders(t *testing.T) {
	r := alone(t, 3)
	x := r.round(said{2, b(6, 2), b(6, 2), false})
	require.Equal(t, b(7, 1), x.ballot)
}

func TestB3AWitnessAndALearnerTakeNoBallot(t *testing.T) {
	m := bound(4)
	m.Voters, m.Witnesses = []NodeID{2, 3}, []NodeID{1}
	m.Learners = []NodeID{4}
	m.Bound = m.Bound[:3]
	r := newRig(t, m)
	r.cut = func(NodeID, NodeID) bool { return true }
	require.Zero(t, r.round(said{2, 0, 0, false}, said{3, 0, 0, false}).ballot)
	n := r.find(4)
	require.Equal(t, consensus.Learner, n.p.Status().Kind)
	r.pass(5 * second)
	require.Equal(t, consensus.Follower, n.p.Status().Role)
	require.Empty(t, r.flight(Elect), "a learner takes no part")
}

func TestB4APromiseIsFollowed(t *testing.T) {
	r := alone(t, 5)
	r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(9, 3), Index: 1})
	require.Equal(t, said{1, 0, b(9, 3), true}, r.round(said{2, 0, 0, false}, said{4, 0, 0, false}), "and has a round to be heard in")
	require.Equal(t, b(10, 1), r.round(said{2, 0, 0, false}, said{4, 0, 0, false}).ballot)
}

func TestB5TheBallotOfTheElectionIsPrepared(t *testing.T) {
	r := alone(t, 3)
	n := r.find(1)
	r.answer(said{2, 0, 0, false}, n.p.election.round)
	r.now = n.p.election.end
	r.tick(n.id)
	r.pump(n)
	require.Len(t, r.flight(Prepare), 2)
	require.Equal(t, r.flight(Prepare)[0].Term, r.opinion().ballot)
}

func TestB6AnAnswerOfAnotherRoundIsIgnored(t *testing.T) {
	for _, off := range []uint64{1, ^uint64(0)} {
		r := alone(t, 3)
		r.round()
		r.answer(said{2, b(3, 2), b(3, 2), true}, r.p(1).election.round+off)
		require.NotEqual(t, b(3, 2), r.round().leader)
	}
}

func TestB6AnAnswerNamesNobodyElsesBallot(t *testing.T) {
	r := alone(t, 5)
	x := r.round(said{2, b(8, 3), b(8, 3), true})
	require.Zero(t, x.leader)
}

// One message may be lost: an answer counts for two rounds, and no longer.
func TestB6AnAnswerCountsForTwoRounds(t *testing.T) {
	r := alone(t, 3)
	happy := said{2, b(3, 2), b(3, 2), true}
	require.True(t, r.round(happy).happy)
	require.True(t, r.round().happy)
	require.False(t, r.round().happy)
}

func TestB6AnElectionIsAnsweredWithItsRound(t *testing.T) {
	r := alone(t, 3)
	out := r.ask(Message{Kind: Elect, From: 3, To: 1, Context: 12})
	require.Len(t, out, 1)
	require.Equal(t, uint64(12), out[0].Context)
	require.Empty(t, r.ask(Message{Kind: Elect, From: 9, To: 1, Context: 12}), "but to members alone")
}

func TestB6AfterARestartOnesOldBallotIsNone(t *testing.T) {
	r := alone(t, 3)
	r.campaign(1)
	mine := r.opinion().ballot
	require.NotZero(t, mine)
	r.pump(r.crash(1))
	require.Equal(t, said{1, 0, mine, false}, r.opinion(), "it leads in somebody else's name, as it were")
	require.Greater(t, r.round(said{2, 0, 0, false}).ballot, mine)
}

// Sixteen million elections in an epoch are enough; the next one would be of no round.
func TestTheLastRoundOfAnEpochIsNotExceeded(t *testing.T) {
	r := alone(t, 3)
	r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(maxRound, 2), Index: 1})
	r.campaign(1)
	require.Equal(t, b(maxRound, 2), r.p(1).Status().Term)
}
