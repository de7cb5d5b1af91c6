package raft

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/stretchr/testify/require"
)

// The paper, continued: log replication and safety (§5.3 to §5.5).

// "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in parallel to each of the other
// servers to replicate the entry." (§5.3) "Each log entry stores a state machine command along with the term number."
func TestPaper53ALeaderAppendsAndReplicates(t *testing.T) {
	c := subject(t, 3, 1)
	c.win()
	c.ack(1, 2, 3)
	require.Equal(t, Index(2), c.Propose(1, "a"))
	require.Equal(t, []Term{2, 2}, c.terms(1))
	sent := only(c.Flush(), AppendEntries)
	require.Len(t, sent, 2)
	for _, m := range sent {
		require.Equal(t, []Entry{{Index: 2, Term: 2, Data: []byte("a")}}, m.Entries)
	}
}

// A proposal to anybody else is refused, and names the leader.
func TestPaper51OnlyTheLeaderTakesRequests(t *testing.T) {
	c := subject(t, 3, 2)
	c.step(Message{Kind: Heartbeat, From: 3, Term: 2})
	_, err := c.raft(1).Propose(consensus.Proposal{Data: []byte("a")})
	var who *consensus.NotLeaderError
	require.ErrorAs(t, err, &who)
	require.Equal(t, NodeID(3), who.Leader)
	require.ErrorIs(t, err, consensus.ErrNotApplied)
}

// "A log entry is committed once the leader that created the entry has replicated it on a majority of the servers." (§5.3)
func TestPaper53AMajorityCommits(t *testing.T) {
	for n := 1; n <= 7; n++ {
		c := subject(t, n, 1)
		c.win()
		for acks := 0; acks < n; acks++ {
			if acks > 0 {
				c.ack(1, NodeID(acks+1))
			}
			require.Equal(t, acks+1 > n/2, c.raft(1).commit == 1, "%d others of %d", acks, n)
		}
	}
}

// "This also commits all preceding entries in the leader's log, including entries created by previous leaders." (§5.3)
func TestPaper53EarlierEntriesAreCommittedWithIt(t *testing.T) {
	c := subject(t, 3, 3, 1, 2, 3)
	c.win()
	c.ack(3, 2)
	require.Zero(t, c.raft(1).commit)
	c.ack(4, 2)
	require.Equal(t, Index(4), c.raft(1).commit)
	require.Len(t, c.Node(1).Machine, 4)
}

// "Raft never commits log entries from previous terms by counting replicas. Only log entries from the leader's current term are
// committed by counting replicas." (§5.4.2)
func TestPaper542AnOldEntryIsNotCommittedByCounting(t *testing.T) {
	c := subject(t, 5, 3, 1, 2, 3)
	c.win()
	for _, id := range []NodeID{2, 3, 4, 5} {
		c.ack(3, id)
		require.Zero(t, c.raft(1).commit)
	}
}

// "The leader keeps track of the highest index it knows to be committed, and it includes that index in future AppendEntries RPCs
// (including heartbeats) so that the other servers eventually find out." (§5.3)
func TestPaper53TheCommitIndexIsSent(t *testing.T) {
	c := subject(t, 3, 1)
	c.win()
	told := c.ack(1, 2)
	require.Equal(t, Index(1), only(told, Heartbeat)[0].Commit)
	c.Propose(1, "a")
	require.Equal(t, Index(1), only(c.Flush(), AppendEntries)[0].Commit)
	c.Beat(1)
	for _, m := range only(c.Flush(), Heartbeat) {
		require.Equal(t, Index(1), m.Commit)
	}
}

// "Once a follower learns that a log entry is committed, it applies the entry to its local state machine (in log order)." (§5.3)
func TestPaper53AFollowerAppliesWhatIsCommittedInOrder(t *testing.T) {
	c := subject(t, 3, 1)
	c.step(Message{Kind: AppendEntries, From: 2, Term: 1, Entries: entries(0, 1, 1, 1), Commit: 1})
	require.Equal(t, entries(0, 1), c.Node(1).Machine)
	c.step(Message{Kind: Heartbeat, From: 2, Term: 1, Commit: 3})
	require.Equal(t, entries(0, 1, 1, 1), c.Node(1).Machine)
}

// "If followers crash or run slowly, or if network packets are lost, the leader retries AppendEntries RPCs indefinitely." (§5.3)
func TestPaper53LostAppendsAreSentAgain(t *testing.T) {
	c := newCluster(t, 3)
	c.Elect(1, 2, 3)
	for range 10 {
		c.Propose(1, "a")
		c.Drop(filter{Kinds: []consensus.Kind{AppendEntries}})
		c.Settle(filter{})
		c.Beat(1)
	}
	for range 3 {
		c.Beat(1)
		c.Settle(filter{})
	}
	require.Equal(t, Index(11), c.raft(3).commit)
}

// "If the follower does not find an entry in its log with the same index and term, then it refuses the new entries." (§5.3)
func TestPaper53TheConsistencyCheck(t *testing.T) {
	for _, x := range []struct {
		index   Index
		logTerm Term
		ok      bool
	}{
		{0, 0, true}, {1, 1, true}, {2, 2, true}, {1, 2, false}, {2, 1, false}, {2, 3, false}, {3, 2, false}, {3, 3, false}, {9, 3, false},
	} {
		c := subject(t, 3, 3, 1, 2)
		answer := c.step(Message{Kind: AppendEntries, From: 2, Term: 3, Index: x.index, LogTerm: x.logTerm, Entries: entries(x.index, 3)})[0]
		require.Equal(t, x.ok, !answer.Reject, "%d/%d", x.index, x.logTerm)
		if !x.ok {
			require.Equal(t, []Term{1, 2}, c.terms(1))
			require.LessOrEqual(t, answer.Last, x.index)
		}
	}
}

// "If an existing entry conflicts with a new one (same index but different terms), delete the existing entry and all that follow
// it. Append any new entries not already in the log." (Figure 2)
func TestPaperFigure2AConflictDeletesWhatFollows(t *testing.T) {
	for _, x := range []struct {
		ours  []Term
		prev  Index
		new   []Term
		after []Term
	}{
		{[]Term{1, 2, 2}, 0, nil, []Term{1, 2, 2}},
		{[]Term{1, 2, 2}, 1, []Term{3}, []Term{1, 3}},
		{[]Term{1, 2, 2}, 2, []Term{3, 3}, []Term{1, 2, 3, 3}},
		{[]Term{1, 2, 2}, 0, []Term{1, 2}, []Term{1, 2, 2}},
		{[]Term{1, 2, 2}, 0, []Term{1, 2, 3}, []Term{1, 2, 3}},
		{[]Term{1, 2, 2}, 3, []Term{3}, []Term{1, 2, 2, 3}},
		{[]Term{1, 2, 2}, 0, []Term{2}, []Term{2}},
		{nil, 0, []Term{1, 2}, []Term{1, 2}},
	} {
		c := subject(t, 3, 3, x.ours...)
		var term Term
		if x.prev > 0 {
			term = x.ours[x.prev-1]
		}
		answer := c.step(Message{Kind: AppendEntries, From: 2, Term: 3, Index: x.prev, LogTerm: term, Entries: entries(x.prev, x.new...)})[0]
		require.False(t, answer.Reject)
		require.Equal(t, x.prev+Index(len(x.new)), answer.Index, "what is acknowledged is what was shown to match")
		require.Equal(t, x.after, c.terms(1))
		require.Len(t, c.Node(1).Disk.Log, len(x.after), "the disk holds the same")
	}
}

// "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)." (Figure 2)
func TestPaperFigure2TheCommitIndexIsBoundedByTheLastNewEntry(t *testing.T) {
	for _, x := range []struct {
		prev   Index
		new    []Term
		leader Index
		commit Index
	}{
		{0, []Term{1, 2}, 1, 1}, {0, []Term{1, 2}, 2, 2}, {0, []Term{1}, 3, 1}, {1, nil, 9, 1}, {1, []Term{2}, 9, 2}, {0, nil, 9, 0},
	} {
		c := subject(t, 3, 3, 1, 2, 2)
		var term Term
		if x.prev > 0 {
			term = 1
		}
		c.step(Message{Kind: AppendEntries, From: 2, Term: 3, Index: x.prev, LogTerm: term, Entries: entries(x.prev, x.new...), Commit: x.leader})
		require.Equal(t, x.commit, c.raft(1).commit)
	}
}

// A heartbeat says nothing of the log, so it commits only what was shown to match in its term.
func TestPaperFigure2AHeartbeatCommitsOnlyWhatIsVerified(t *testing.T) {
	c := subject(t, 3, 2, 1, 2)
	c.step(Message{Kind: Heartbeat, From: 2, Term: 3, Commit: 2})
	require.Zero(t, c.raft(1).commit, "entry 2 may be another leader's")
	c.step(Message{Kind: AppendEntries, From: 2, Term: 3, Index: 1, LogTerm: 1})
	c.step(Message{Kind: Heartbeat, From: 2, Term: 3, Commit: 2})
	require.Equal(t, Index(1), c.raft(1).commit)
}

// "commitIndex: ... increases monotonically" (Figure 2)
func TestPaperFigure2TheCommitIndexNeverFalls(t *testing.T) {
	c := subject(t, 3, 1)
	c.step(Message{Kind: AppendEntries, From: 2, Term: 1, Entries: entries(0, 1, 1), Commit: 2})
	c.step(Message{Kind: AppendEntries, From: 2, Term: 1, Entries: entries(0, 1), Commit: 1})
	c.step(Message{Kind: Heartbeat, From: 3, Term: 2})
	require.Equal(t, Index(2), c.raft(1).commit)
}

// "A leader never overwrites or deletes entries in its own log" (Leader Append-Only, §5.3): what contradicts it is ignored.
func TestPaper53ALeaderNeverTruncates(t *testing.T) {
	c := subject(t, 3, 1, 1, 1)
	c.win()
	c.raft(1).Step(&Message{Kind: AppendEntries, From: 2, To: 1, Incarnation: 2, Term: 2, Entries: entries(0, 2)})
	require.Equal(t, []Term{1, 1, 2}, c.terms(1))
	require.EqualValues(t, 1, c.raft(1).contradictions, "two leaders of one term")
}

// "When a leader first comes to power, it initializes all nextIndex values to the index just after the last one in its log."
// (§5.3) "matchIndex: initialized to 0" (Figure 2)
func TestPaper53NextIndexBeginsAfterTheLog(t *testing.T) {
	c := subject(t, 3, 2, 1, 2)
	c.win()
	c.ack(3, 2)
	c.step(Message{Kind: Heartbeat, From: 3, Term: 9})
	c.Patience(1)
	for _, m := range only(c.win(), AppendEntries) {
		require.Equal(t, Index(3), m.Index)
	}
	require.Zero(t, c.raft(1).peer(2).match, "nothing is known any more")
}

// "If a follower's log is inconsistent with the leader's, ... after a rejection, the leader decrements nextIndex and retries.
// ... With this approach, the leader can decrement nextIndex to bypass all of the conflicting entries in that term; one
// AppendEntries RPC will be required for each term with conflicting entries, rather than one RPC per entry." (§5.3)
func TestPaper53BacktrackingSkipsTerms(t *testing.T) {
	logs := func(runs int) (ours, theirs []Term) { // entry 1 is common
		ours, theirs = []Term{1}, []Term{1}
		for k := range runs {
			for range 20 {
				ours, theirs = append(ours, Term(2*k+2)), append(theirs, Term(2*k+3))
			}
		}
		return ours, append(theirs, theirs[len(theirs)-1])
	}
	for runs := 1; runs <= 6; runs++ {
		ours, theirs := logs(runs)
		c := subject(t, 3, 20, ours...)
		d := c.Node(3).Disk
		for _, e := range entries(0, theirs...) {
			d.Log[e.Index] = e
		}
		d.State.Term = 15
		c.Node(3).Start()
		c.candidate()
		for _, m := range c.votes(1) {
			if m.To == 3 {
				c.Post(m)
			}
		}
		rejections := 0
		for range 100 {
			c.Deliver(filter{From: 1, To: 3})
			for _, p := range c.Flight {
				if m := p.Message(); m.Kind == AppendEntriesReply && m.Reject {
					rejections++
				}
			}
			c.Deliver(filter{From: 3, To: 1})
		}
		require.Equal(t, c.terms(1), c.terms(3))
		require.LessOrEqual(t, rejections, runs+1, "%d terms of 20 entries in which they differ", runs)
	}
}

// "If two entries in different logs have the same index and term, then they store the same command, and the logs are identical
// in all preceding entries." (Log Matching, §5.3) A follower that was led by two leaders ends with the log of the last.
func TestPaper53FollowersBecomeLikeTheLeader(t *testing.T) {
	c := newCluster(t, 5)
	lead := func(id NodeID) bool {
		led := c.Eventually(id)
		if led {
			c.Propose(id, "x", "y")
		}
		return led
	}
	elections := 0
	for k := range NodeID(30) {
		if leader := k*2%5 + 1; lead(leader) {
			elections++
			c.Deliver(filter{From: leader, To: k%5 + 1})
		}
		c.Drop(filter{})
	}
	require.Greater(t, elections, 10)
	leader := NodeID(1)
	for !lead(leader) {
		leader++
	}
	for range 5 {
		c.Beat(leader)
		c.Settle(filter{})
	}
	for _, n := range c.Nodes {
		require.Equal(t, c.terms(leader), c.terms(n.ID()))
		require.Equal(t, c.Node(leader).Machine, n.Machine)
		require.Len(t, n.Machine, int(c.raft(n.ID()).log.last))
	}
}

// "A single slow follower will not impact performance." (§5.3)
func TestPaper53ASlowFollowerHoldsNobodyUp(t *testing.T) {
	c := newCluster(t, 3)
	c.Elect(1, 2, 3)
	c.Node(3).Manual = true
	for range 5 {
		i := c.Propose(1, "a")
		c.Settle(filter{})
		require.Equal(t, i, c.Node(1).Applied)
	}
}

// "Raft RPCs are idempotent ... if a follower receives an AppendEntries request that includes log entries already present in its
// log, it ignores those entries in the new request." (§5.5)
func TestPaper55AnAppendTwiceIsAnAppendOnce(t *testing.T) {
	c := subject(t, 3, 1)
	m := Message{Kind: AppendEntries, From: 2, Term: 1, Entries: entries(0, 1, 1)}
	first := c.step(m)
	writes := c.Node(1).Issued
	require.Equal(t, first, c.step(m))
	require.Equal(t, writes, c.Node(1).Issued, "nothing is written again")
}

// "A leader may even commit an entry before it has been written to its own disk, if a majority of followers have written it to
// their disks." (Thesis §10.2.1)
func TestThesis1021ALeaderCountsItselfWhenItsWriteIsDone(t *testing.T) {
	c := subject(t, 3, 1)
	c.win()
	c.ack(1, 2, 3)
	c.Node(1).Manual = true
	c.Propose(1, "a", "b")
	require.NotEmpty(t, only(c.Flush(), AppendEntries), "it is sent before it is written")
	c.ack(2, 2)
	require.Equal(t, Index(1), c.raft(1).commit)
	c.ack(2, 3)
	require.Equal(t, Index(2), c.raft(1).commit)
	c.ack(3, 2)
	require.Equal(t, Index(2), c.raft(1).commit)
	c.Node(1).Input(c.Node(1).FinishAll)
	require.Equal(t, Index(3), c.raft(1).commit)
}
