package raft

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/stretchr/testify/require"
)

// These tests go through "In Search of an Understandable Consensus Algorithm" (extended version) and Ongaro's thesis, one test
// for each rule: the sentence, a state, an act, a check. This file: terms and elections.

// "When servers start up, they begin as followers." (§5.2) "currentTerm: initialized to 0 on first boot" (Figure 2)
func TestPaper52ServersStartAsFollowers(t *testing.T) {
	c := newCluster(t, 3)
	for _, n := range c.Nodes {
		r := c.raft(n.ID())
		require.Equal(t, consensus.Follower, r.role)
		require.Zero(t, r.term)
		require.Zero(t, r.vote)
	}
}

// "If one server's current term is smaller than the other's, then it updates its current term to the larger value." (§5.1)
func TestPaper51ALargerTermIsAdopted(t *testing.T) {
	for _, m := range []Message{
		{Kind: AppendEntries, Index: 1, LogTerm: 1}, {Kind: Heartbeat}, {Kind: RequestVote, Index: 9, LogTerm: 1},
		{Kind: AppendEntriesReply, Reject: true}, {Kind: HeartbeatReply, Reject: true}, {Kind: RequestVoteReply, Reject: true},
		{Kind: PreVoteReply, Reject: true},
	} {
		c := subject(t, 3, 1, 1)
		m.From, m.Term = 2, 7
		c.step(m)
		require.Equal(t, Term(7), c.raft(1).term, "%v", &m)
		require.Equal(t, Term(7), c.Node(1).Disk.State.Term, "%v", &m)
	}
}

// "If a candidate or leader discovers that its term is out of date, it immediately reverts to follower state." (§5.1)
func TestPaper51AnOutdatedLeaderOrCandidateReverts(t *testing.T) {
	for _, become := range []func(*cluster) []Message{(*cluster).candidate, (*cluster).win} {
		c := subject(t, 3, 1, 1)
		become(c)
		c.step(Message{Kind: HeartbeatReply, From: 2, Term: 9, Reject: true})
		require.Equal(t, consensus.Follower, c.raft(1).role)
		require.Equal(t, Term(9), c.raft(1).term)
	}
}

// "If a server receives a request with a stale term number, it rejects the request." (§5.1)
func TestPaper51AStaleRequestIsRejected(t *testing.T) {
	for _, m := range []Message{
		{Kind: AppendEntries, Index: 1, LogTerm: 1, Entries: entries(1, 2)}, {Kind: Heartbeat}, {Kind: RequestVote, Index: 9, LogTerm: 2},
	} {
		c := subject(t, 3, 3, 1)
		m.From, m.Term = 2, 2
		answers := c.step(m)
		require.Len(t, answers, 1)
		require.True(t, answers[0].Reject)
		require.Equal(t, Term(3), answers[0].Term, "the sender learns the term")
		require.Equal(t, []Term{1}, c.terms(1))
		require.Zero(t, c.raft(1).vote)
	}
}

// "Updated on stable storage before responding to RPCs." (Figure 2)
func TestPaperFigure2StateIsDurableBeforeAnAnswer(t *testing.T) {
	for _, m := range []Message{
		{Kind: AppendEntries, Index: 1, LogTerm: 1, Entries: entries(1, 2)}, {Kind: RequestVote, Index: 9, LogTerm: 2},
	} {
		c := subject(t, 3, 1, 1)
		c.Node(1).Manual = true
		m.From, m.Term = 2, 2
		require.Empty(t, c.step(m), "nothing leaves before the disk has finished")
		c.Node(1).Input(c.Node(1).FinishAll)
		require.Len(t, c.Flush(), 1)
	}
}

// "A server remains in follower state as long as it receives valid RPCs from a leader." (§5.2)
func TestPaper52HeartbeatsKeepAFollower(t *testing.T) {
	c := subject(t, 3, 2)
	for range 50 {
		c.step(Message{Kind: Heartbeat, From: 2, Term: 2})
		c.Node(1).Tick(electionTimeout - 1)
		require.Equal(t, consensus.Follower, c.raft(1).role)
	}
	require.Equal(t, NodeID(2), c.raft(1).leader)
}

// "Leaders send periodic heartbeats to all followers in order to maintain their authority." (§5.2)
func TestPaper52ALeaderSendsHeartbeats(t *testing.T) {
	c := subject(t, 3, 1)
	c.win()
	for range 5 {
		c.Node(1).Tick(heartbeat - 1)
		require.Empty(t, c.Flush())
		c.Node(1).Tick(1)
		require.Len(t, only(c.Flush(), Heartbeat), 2)
	}
}

// "If a follower receives no communication over a period of time called the election timeout, then it assumes there is no
// viable leader and begins an election." (§5.2; with a pre-vote first, thesis §9.6)
func TestPaper52AFollowerThatHearsNothingCampaigns(t *testing.T) {
	c := subject(t, 3, 1)
	c.step(Message{Kind: Heartbeat, From: 2, Term: 1})
	c.Node(1).Tick(electionTimeout - 1)
	require.Empty(t, c.Flush())
	c.Node(1).Tick(electionTimeout + 1)
	require.Len(t, only(c.Flush(), PreVote), 2)
}

// "A follower increments its current term and transitions to candidate state. It then votes for itself and issues RequestVote
// RPCs in parallel to each of the other servers." (§5.2)
func TestPaper52ACandidateVotesForItselfAndAsksAll(t *testing.T) {
	c := subject(t, 5, 3, 1, 2)
	asked := c.candidate()
	require.Equal(t, consensus.Candidate, c.raft(1).role)
	require.Equal(t, consensus.State{Term: 4, Vote: 1}, c.Node(1).Disk.State)
	require.Len(t, asked, 4)
	for _, m := range asked {
		require.Equal(t, [3]uint64{4, 2, 2}, [3]uint64{uint64(m.Term), uint64(m.Index), uint64(m.LogTerm)})
	}
}

// "A candidate wins an election if it receives votes from a majority of the servers in the full cluster for the same term."
// (§5.2)
func TestPaper52AMajorityElects(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for votes := 0; votes < n; votes++ {
			c := subject(t, n, 1)
			c.candidate()
			c.votes(votes)
			require.Equal(t, votes+1 > n/2, c.raft(1).role == consensus.Leader, "%d others of %d", votes, n)
		}
	}
}

// A majority of servers, not of messages: votes are a set.
func TestPaper52ADuplicateVoteCountsOnce(t *testing.T) {
	c := subject(t, 5, 1)
	c.candidate()
	for range 5 {
		c.votes(1)
	}
	require.Equal(t, consensus.Candidate, c.raft(1).role)
}

// ... "for the same term."
func TestPaper52AVoteOfAnotherTermDoesNotCount(t *testing.T) {
	c := subject(t, 3, 5)
	c.candidate()
	c.step(Message{Kind: RequestVoteReply, From: 2, Term: 5})
	c.step(Message{Kind: RequestVoteReply, From: 3, Term: 4})
	require.Equal(t, consensus.Candidate, c.raft(1).role)
}

// ... "of the servers in the full cluster."
func TestPaper52AVoteOfNoMemberDoesNotCount(t *testing.T) {
	c := subject(t, 3, 5)
	c.candidate()
	c.step(Message{Kind: RequestVoteReply, From: 9, Term: 6})
	require.Equal(t, consensus.Candidate, c.raft(1).role)
}

// "Each server will vote for at most one candidate in a given term, on a first-come-first-served basis." (§5.2)
func TestPaper52OneVoteInATerm(t *testing.T) {
	c := subject(t, 3, 1)
	ask := func(from NodeID, term Term) bool {
		return !c.step(Message{Kind: RequestVote, From: from, Term: term})[0].Reject
	}
	require.True(t, ask(2, 4))
	require.False(t, ask(3, 4))
	require.True(t, ask(2, 4), "the same candidate asks again")
	require.True(t, ask(3, 5), "another term")

	c.Node(1).Crash(0)
	c.Node(1).Start()
	c.Patience(1)
	require.False(t, ask(2, 5), "a restart does not give the vote back")
	require.True(t, ask(3, 5))
}

// Stepping down within a term does not give the vote back either (etcd-io/etcd#2461).
func TestPaper52TheVoteIsKeptWhenALeaderAppears(t *testing.T) {
	c := subject(t, 3, 1)
	c.candidate()
	c.step(Message{Kind: Heartbeat, From: 2, Term: 2})
	require.Equal(t, consensus.Follower, c.raft(1).role)
	require.Equal(t, NodeID(1), c.raft(1).vote)
	c.Patience(1)
	require.True(t, c.step(Message{Kind: RequestVote, From: 3, Term: 2})[0].Reject)
}

// "Once a candidate wins an election, it becomes leader. It then sends heartbeat messages to all of the other servers to
// establish its authority and prevent new elections." (§5.2)
func TestPaper52AWinnerSendsHeartbeatsAtOnce(t *testing.T) {
	c := subject(t, 5, 1)
	require.Len(t, only(c.win(), Heartbeat), 4)
}

// "If the leader's term is at least as large as the candidate's current term, then the candidate recognizes the leader as
// legitimate and returns to follower state." (§5.2)
func TestPaper52ACandidateRecognizesALeader(t *testing.T) {
	for _, kind := range []consensus.Kind{AppendEntries, Heartbeat} {
		for term := Term(2); term <= 3; term++ {
			c := subject(t, 3, 1)
			c.candidate()
			c.step(Message{Kind: kind, From: 2, Term: term})
			require.Equal(t, consensus.Follower, c.raft(1).role)
			require.Equal(t, NodeID(2), c.raft(1).leader)
		}
	}
}

// "If the term in the RPC is smaller than the candidate's current term, then the candidate rejects the RPC and continues in
// candidate state." (§5.2)
func TestPaper52ACandidateRejectsALeaderOfAnEarlierTerm(t *testing.T) {
	c := subject(t, 3, 1)
	c.candidate()
	require.True(t, c.step(Message{Kind: AppendEntries, From: 2, Term: 1})[0].Reject)
	require.Equal(t, consensus.Candidate, c.raft(1).role)
}

// "When this happens [a split vote], each candidate will time out and start a new election by incrementing its term and
// initiating another round." (§5.2)
func TestPaper52ASplitVoteIsFollowedByAnotherElection(t *testing.T) {
	c := subject(t, 4, 1)
	c.candidate()
	c.votes(1)
	require.Equal(t, consensus.Candidate, c.raft(1).role)
	asked := c.candidate()
	require.Equal(t, Term(3), c.raft(1).term)
	require.Len(t, asked, 3)
	c.step(Message{Kind: RequestVoteReply, From: 3, Term: 2})
	require.Equal(t, consensus.Candidate, c.raft(1).role, "votes of the first election are void")
}

// "Election timeouts are chosen randomly from a fixed interval." (§5.2) Here from one to two of them, by a hash of the seed,
// the node, the term and the attempt.
func TestPaper52ElectionTimeoutsAreRandomized(t *testing.T) {
	seen := map[Instant]bool{}
	for id := range NodeID(5) {
		c := newCluster(t, 5)
		n := c.Node(id + 1)
		for range 40 {
			wait := c.raft(n.ID()).deadline - n.Now
			require.GreaterOrEqual(t, wait, electionTimeout)
			require.Less(t, wait, 2*electionTimeout)
			require.False(t, seen[wait], "two attempts with the same timeout")
			seen[wait] = true
			c.Campaign(n.ID())
		}
	}
}

// "Each candidate restarts its randomized election timeout at the start of an election." (§5.2)
func TestPaper52ACampaignRestartsTheTimeout(t *testing.T) {
	c := subject(t, 3, 1)
	c.Campaign(1)
	require.GreaterOrEqual(t, c.raft(1).deadline-c.Node(1).Now, electionTimeout)
}

// "RequestVote RPC ... resets the election timer ... granting vote to candidate" (Figure 2, followers)
func TestPaperFigure2GrantingAVoteRestartsTheTimeout(t *testing.T) {
	c := subject(t, 3, 1, 1)
	before := c.raft(1).deadline
	c.step(Message{Kind: RequestVote, From: 2, Term: 2})
	require.Equal(t, before, c.raft(1).deadline, "a refusal does not")
	c.step(Message{Kind: RequestVote, From: 2, Term: 3, Index: 1, LogTerm: 1})
	require.GreaterOrEqual(t, c.raft(1).deadline-c.Node(1).Now, electionTimeout)
}

// "The voter denies its vote if its own log is more up-to-date than that of the candidate. ... If the logs have last entries
// with different terms, then the log with the later term is more up-to-date. If the logs end with the same term, then
// whichever log is longer is more up-to-date." (§5.4.1)
func TestPaper541AVoterDeniesItsVoteToAStaleLog(t *testing.T) {
	for _, x := range []struct {
		ours    []Term
		index   Index
		logTerm Term
		grant   bool
	}{
		{nil, 0, 0, true},
		{nil, 1, 1, true},
		{[]Term{1}, 0, 0, false},
		{[]Term{1}, 1, 1, true},
		{[]Term{1, 1}, 1, 1, false},
		{[]Term{1, 1}, 1, 2, true},
		{[]Term{1, 1}, 3, 1, true},
		{[]Term{2}, 9, 1, false},
		{[]Term{1, 2}, 2, 2, true},
		{[]Term{1, 2}, 1, 3, true},
		{[]Term{1, 2}, 3, 1, false},
	} {
		for _, kind := range []consensus.Kind{RequestVote, PreVote} {
			c := subject(t, 3, 3, x.ours...)
			answer := c.step(Message{Kind: kind, From: 2, Term: 4, Index: x.index, LogTerm: x.logTerm})[0]
			require.Equal(t, x.grant, !answer.Reject, "%v of %d/%d by %v", kind, x.index, x.logTerm, x.ours)
		}
	}
}
