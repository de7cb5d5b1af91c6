package raft

import (
	"testing"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
	"github.com/stretchr/testify/require"
)

// The paper and the thesis, continued: membership (§6, thesis chapter 4), snapshots (§7), clients (§8, thesis chapter 6),
// leadership transfer (thesis §3.10), and the pre-vote (thesis §9.6).

// led is a cluster of n that 1 leads, with an entry of its term committed everywhere.
func led(t testing.TB, m Members) *cluster {
	c := &cluster{enginetest.Found(&protocol, bound(m)).Watch(t)}
	c.Elect(1, m.Voters[1:]...)
	c.Settle(filter{})
	return c
}

// change asks leader 1 for a membership, and requires that it was not refused.
func (c *cluster) change(t testing.TB, m Members) Index {
	n := c.Node(1)
	var i Index
	var err error
	n.Input(func() { i, err = n.Engine.Change(consensus.Proposal{From: 1, ID: 7}, m, c.raft(1).config().index) })
	require.NoError(t, err)
	return i
}

// "Log entries are replicated to all servers in both configurations." (§6)
func TestPaper6AJointChangeReplicatesToBoth(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4, 5}})
	c.change(t, Members{Voters: []NodeID{1, 4, 5}})
	to := map[NodeID]bool{}
	for _, m := range only(c.Flush(), AppendEntries) {
		to[m.To] = true
	}
	require.Equal(t, map[NodeID]bool{2: true, 3: true, 4: true, 5: true}, to)
}

// "Agreement (for elections and entry commitment) requires separate majorities from both the old and new configurations." (§6)
func TestPaper6AJointCommitNeedsBothMajorities(t *testing.T) {
	for _, x := range []struct {
		acks   []NodeID
		commit bool
	}{
		{[]NodeID{2, 3}, false}, {[]NodeID{4, 5}, false}, {[]NodeID{2, 4}, true}, {[]NodeID{3, 5}, true}, {[]NodeID{2}, false},
	} {
		c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4, 5}})
		i := c.change(t, Members{Voters: []NodeID{1, 4, 5}})
		c.ack(i, x.acks...)
		require.Equal(t, x.commit, c.raft(1).commit >= i, "%v", x.acks)
	}
}

func TestPaper6AJointElectionNeedsBothMajorities(t *testing.T) {
	for _, x := range []struct {
		votes []NodeID
		won   bool
	}{
		{[]NodeID{2, 3}, false}, {[]NodeID{4, 5}, false}, {[]NodeID{2, 4}, true}, {[]NodeID{3, 5}, true},
	} {
		c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4, 5}})
		c.change(t, Members{Voters: []NodeID{1, 4, 5}})
		c.Settle(filter{Kinds: []consensus.Kind{AppendEntries}})
		c.Drop(filter{})
		c.Elect(1)
		require.Equal(t, x.won, c.Elect(1, x.votes...), "%v", x.votes)
	}
}

// "Any server from either configuration may serve as leader." (§6)
func TestPaper6EitherConfigurationMayLead(t *testing.T) {
	for _, leader := range []NodeID{2, 4} {
		c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4, 5}})
		c.change(t, Members{Voters: []NodeID{1, 4, 5}})
		c.Settle(filter{Kinds: []consensus.Kind{AppendEntries}})
		c.Drop(filter{})
		c.Node(1).Crash(0)
		require.True(t, c.Elect(leader, []NodeID{2, 3, 4, 5}...))
	}
}

// "A server always uses the latest configuration in its log, regardless of whether the entry is committed." (§6)
func TestPaper6AConfigurationHoldsFromItsEntryOn(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}})
	c.change(t, Members{Voters: []NodeID{1, 2, 3, 4}})
	c.Deliver(filter{To: 2})
	for _, id := range []NodeID{1, 2} {
		require.Equal(t, []NodeID{1, 2, 3, 4}, c.raft(id).Status().Members.Voters)
		require.True(t, c.raft(id).Status().Changing)
	}
}

// "At this point, neither C_old nor C_new can make decisions without approval of the other ... it is now safe for the leader to
// create a log entry describing C_new and replicate it to the cluster." (§6)
func TestPaper6TheNewConfigurationFollowsTheJointOne(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4, 5}})
	c.change(t, Members{Voters: []NodeID{1, 4, 5}, Learners: []NodeID{2}})
	c.Settle(filter{})
	for _, id := range []NodeID{1, 2, 4, 5} {
		st := c.raft(id).Status()
		require.Equal(t, []NodeID{1, 4, 5}, st.Members.Voters)
		require.Empty(t, st.Outgoing.Voters)
		require.False(t, st.Changing)
	}
	e := c.raft(1).log.entry(3)
	require.Equal(t, [2]uint64{1, 7}, [2]uint64{uint64(e.From), e.ID}, "the entry that ends the change is named by who asked")
}

// "New servers ... join the cluster as non-voting members (the leader replicates log entries to them, but they are not considered
// for majorities)." (§6)
func TestPaper6LearnersAreNotCounted(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4, 5}})
	i := c.Propose(1, "a")
	c.ack(i, 4, 5)
	require.Less(t, c.raft(1).commit, i)
	require.False(t, c.Elect(2, 4, 5))
	c.Campaign(4)
	require.Empty(t, only(c.Flush(), PreVote), "nor do they campaign")
}

// "The leader steps down (returns to follower state) once it has committed the C_new log entry. ... there will be a period of
// time when the leader is managing a cluster that does not include itself; it replicates log entries but does not count itself
// in majorities." (§6)
func TestPaper6ARemovedLeaderStepsDownWhenThatIsCommitted(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}})
	c.change(t, Members{Voters: []NodeID{2, 3}})
	c.ack(2, 2)
	require.Equal(t, Index(1), c.raft(1).commit, "C_new needs 2 and 3")
	c.ack(2, 3)
	require.Equal(t, Index(3), c.raft(1).log.last, "C_new is appended")
	c.ack(3, 2)
	require.Equal(t, consensus.Leader, c.raft(1).role)
	c.ack(3, 3)
	require.Equal(t, consensus.Follower, c.raft(1).role)
	c.Campaign(1)
	require.Empty(t, only(c.Flush(), PreVote))
}

// "If a server receives a RequestVote RPC within the minimum election timeout of hearing from a current leader, it does not update
// its term or grant its vote." (§6, thesis §4.2.3)
func TestPaper6AVoterThatHearsALeaderIsNotDisturbed(t *testing.T) {
	for _, x := range []struct {
		after Instant
		grant bool
	}{{0, false}, {electionTimeout - 1, false}, {electionTimeout, true}} {
		c := subject(t, 3, 1)
		c.step(Message{Kind: Heartbeat, From: 2, Term: 1})
		c.Node(1).Tick(x.after)
		answers := c.step(Message{Kind: RequestVote, From: 3, Term: 9})
		if x.grant {
			require.False(t, answers[0].Reject)
			continue
		}
		require.Empty(t, answers)
		require.Equal(t, Term(1), c.raft(1).term)
		require.True(t, c.step(Message{Kind: PreVote, From: 3, Term: 9})[0].Reject)
	}
}

// A leader does not give way to a candidate either, as long as a quorum follows it.
func TestPaper6ALeaderIsNotDisturbed(t *testing.T) {
	c := subject(t, 3, 1)
	c.win()
	c.step(Message{Kind: RequestVote, From: 3, Term: 9, Index: 9, LogTerm: 8})
	require.Equal(t, consensus.Leader, c.raft(1).role)
}

// "A leader must not start a change until it has committed an entry of its term, and only one at a time." (Ongaro's correction of
// 2015; thesis §4.1)
func TestThesis41OneChangeAtATime(t *testing.T) {
	c := subject(t, 3, 1)
	change := func(voters ...NodeID) error {
		r := c.raft(1)
		_, err := r.Change(consensus.Proposal{}, Members{Voters: voters}, r.config().index)
		return err
	}
	require.ErrorIs(t, change(1, 2), consensus.ErrNotLeader)
	c.win()
	require.ErrorIs(t, change(1, 2), consensus.ErrChanging)
	c.ack(1, 2, 3)
	require.NoError(t, change(1, 2))
	require.ErrorIs(t, change(1, 2, 3), consensus.ErrChanging)
	c.ack(2, 2)
	require.ErrorIs(t, change(1, 2, 3), consensus.ErrChanging, "the joint one is committed, the new one is not")
	c.ack(3, 2)
	require.Equal(t, Index(3), c.raft(1).commit)
	require.NoError(t, change(1))
}

// "The server discards its entire log; it is all superseded by the snapshot." (§7)
func TestPaper7ASnapshotReplacesALogThatConflicts(t *testing.T) {
	c := subject(t, 3, 2, 1, 1, 1, 1)
	c.install(3, 2)
	require.Equal(t, [2]Index{3, 3}, [2]Index{c.raft(1).log.base, c.raft(1).log.last})
	require.Equal(t, Index(3), c.raft(1).commit)
	require.Equal(t, Index(3), c.Node(1).Applied)
}

// "If instead the follower receives a snapshot that describes a prefix of its log, then log entries covered by the snapshot are
// deleted but entries following the snapshot are still valid and must be retained." (§7)
func TestPaper7EntriesAfterASnapshotAreRetained(t *testing.T) {
	c := subject(t, 3, 2, 1, 1, 2, 2)
	c.install(3, 2)
	require.Equal(t, [2]Index{3, 4}, [2]Index{c.raft(1).log.base, c.raft(1).log.last})
	require.Equal(t, Index(3), c.raft(1).commit)
}

// A snapshot that does not go beyond what is committed changes nothing, and is acknowledged: it may be a duplicate.
func TestPaper7AnOldSnapshotIsIgnored(t *testing.T) {
	c := subject(t, 3, 2, 1, 1, 2)
	c.step(Message{Kind: AppendEntries, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 3})
	answer := c.install(2, 1)
	require.Equal(t, Index(2), answer[0].Index)
	require.Zero(t, c.raft(1).snapshot.Index)
	require.Equal(t, Index(3), c.raft(1).log.last)
}

// install delivers a snapshot to node 1, of index/term, as leader 2 of term 2 sends it.
func (c *cluster) install(index Index, term Term) []Message {
	conf := c.raft(1).configs[0]
	c.Node(1).Disk.Blobs[index] = entries(0, make([]Term, index)...)
	return c.step(Message{Kind: InstallSnapshot, From: 2, Term: 2, Index: index, LogTerm: term, Data: conf.encode()})
}

// "The leader must occasionally send snapshots to followers that lag behind. This happens when the leader has already discarded the
// next log entry that it needs to send." (§7)
func TestPaper7ALaggingFollowerGetsASnapshot(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}})
	c.Isolate(3)
	c.Propose(1, "a", "b", "c")
	c.Settle(filter{})
	c.Node(1).Compact()
	c.Node(1).Disk.Retain(5)
	clear(c.Cut)
	for range 3 {
		c.Beat(1)
		c.Settle(filter{})
	}
	require.Equal(t, Index(4), c.raft(3).snapshot.Index)
	require.Equal(t, c.Node(1).Machine, c.Node(3).Machine)
}

// "Each leader ... commit[s] a blank no-op entry into the log at the start of its term." (§8)
func TestPaper8ALeaderBeginsWithANoOp(t *testing.T) {
	c := subject(t, 3, 1, 1)
	c.win()
	e := c.raft(1).log.entry(2)
	require.Equal(t, consensus.EntryNoop, e.Kind)
	require.Equal(t, Term(2), e.Term)
}

// "Raft handles this by having the leader exchange heartbeat messages with a majority of the cluster before responding to read-only
// requests." (§8)
func TestPaper8AReadNeedsARoundThatBeganAfterIt(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}})
	n := c.Node(1)
	c.Beat(1)
	before := c.raft(1).rounds.Last
	n.Input(func() { require.NoError(t, n.Engine.Read(7)) })
	c.echo(before, 2, 3)
	require.Empty(t, n.Reads)
	c.echo(before+1, 2)
	require.Equal(t, []consensus.Read{{ID: 7, Index: 1}}, n.Reads)
}

// "If the leader has not yet marked an entry from its current term committed, it waits until it has done so." (Thesis §6.4)
func TestThesis64AReadWaitsForTheFirstCommit(t *testing.T) {
	c := subject(t, 3, 1)
	c.win()
	n := c.Node(1)
	n.Input(func() { require.NoError(t, n.Engine.Read(7)) })
	c.echo(c.raft(1).rounds.Last, 2, 3)
	require.Empty(t, n.Reads)
	c.ack(1, 2)
	c.echo(c.raft(1).rounds.Last, 2)
	require.Equal(t, []consensus.Read{{ID: 7, Index: 1}}, n.Reads)
}

// "Once a quorum has acknowledged its heartbeats, the leader's lease extends to start + election timeout / clock drift bound."
// (Thesis §6.4.1)
func TestThesis641ALeaseLastsFromTheRoundsBeginning(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}, Lease: 800 * time.Millisecond})
	n := c.Node(1)
	began := n.Now
	n.Tick(Instant(699 * time.Millisecond))
	n.Input(func() { require.NoError(t, n.Engine.Read(7)) })
	require.Equal(t, []consensus.Read{{ID: 7, Index: 1, Until: began + Instant(700*time.Millisecond)}}, n.Reads)
	n.Tick(Instant(time.Millisecond))
	n.Input(func() { require.NoError(t, n.Engine.Read(8)) })
	require.Len(t, n.Reads, 1)
}

// "A leader in Raft steps down if an election timeout elapses without a successful round of heartbeats to a majority of its
// cluster." (Thesis §6.2)
func TestThesis62ALeaderWithoutAQuorumStepsDown(t *testing.T) {
	c := subject(t, 5, 1)
	c.win()
	round := c.raft(1).rounds.Last
	c.Node(1).Tick(electionTimeout / 2)
	c.echo(round, 2, 3)
	c.Node(1).Tick(electionTimeout - 1)
	require.Equal(t, consensus.Leader, c.raft(1).role)
	c.echo(c.raft(1).rounds.Last, 2)
	c.Node(1).Tick(1)
	require.Equal(t, consensus.Follower, c.raft(1).role)
	require.Equal(t, Term(2), c.raft(1).term)
}

// "The prior leader stops accepting new client requests." (Thesis §3.10)
func TestThesis310ATransferStopsProposals(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}})
	require.NoError(t, c.raft(1).Transfer(2))
	_, err := c.raft(1).Propose(consensus.Proposal{})
	require.ErrorIs(t, err, consensus.ErrTransferring)
}

// "The prior leader fully updates the target server's log to match its own, ... then sends a TimeoutNow request." (Thesis §3.10)
func TestThesis310TheTargetIsBroughtUpToDateFirst(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}})
	i := c.Propose(1, "a")
	c.Node(1).Input(func() { require.NoError(t, c.raft(1).Transfer(2)) })
	require.Empty(t, only(c.Flush(), TimeoutNow))
	require.Empty(t, only(c.ack(i, 3), TimeoutNow))
	require.Len(t, only(c.ack(i, 2), TimeoutNow), 1)
}

// "The TimeoutNow request has the same effect as the target server's election timer firing: it starts a new election." (Thesis
// §3.10) Voters do not wait for their leader's lease to end.
func TestThesis310TheTargetIsElectedAtOnce(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}})
	c.Node(1).Input(func() { require.NoError(t, c.raft(1).Transfer(2)) })
	c.Settle(filter{})
	require.Equal(t, consensus.Leader, c.raft(2).role)
	require.Equal(t, Term(2), c.raft(2).term)
	require.Zero(t, c.raft(1).transfer.to)
}

// "If leadership transfer does not complete after about an election timeout, the prior leader aborts the transfer and resumes
// accepting client requests." (Thesis §3.10)
func TestThesis310ATransferEndsAfterAnElectionTimeout(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}})
	c.Node(2).Crash(0)
	require.NoError(t, c.raft(1).Transfer(2))
	for range 9 {
		c.Beat(1)
		c.Settle(filter{})
	}
	require.Equal(t, NodeID(2), c.raft(1).transfer.to)
	c.Beat(1)
	require.Zero(t, c.raft(1).transfer.to)
	require.NotZero(t, c.Propose(1, "a"))
}

// "A candidate only increments its term if it first learns from a majority of the cluster that they would be willing to grant the
// candidate their votes." (Thesis §9.6)
func TestThesis96APreVoteComesBeforeTheTerm(t *testing.T) {
	c := subject(t, 5, 1)
	c.Campaign(1)
	r := c.raft(1)
	require.Equal(t, consensus.PreCandidate, r.role)
	require.Equal(t, Term(1), r.term)
	grant := func(from NodeID) {
		c.step(Message{Kind: PreVoteReply, From: from, Term: 2, Context: r.attempt})
	}
	grant(2)
	grant(2)
	require.Equal(t, Term(1), r.term)
	grant(3)
	require.Equal(t, Term(2), r.term)
	require.Equal(t, consensus.Candidate, r.role)
}

// "The voters would be willing ... if the candidate's log is sufficiently up-to-date, and the voters have not received heartbeats
// from a valid leader for at least a baseline election timeout." (Thesis §9.6) And they change nothing.
func TestThesis96APreVoteChangesNothing(t *testing.T) {
	for term := Term(1); term < 5; term++ {
		c := subject(t, 3, 2, 1, 2)
		before, deadline := c.raft(1).AppendState(nil), c.raft(1).deadline
		c.step(Message{Kind: PreVote, From: 2, Term: term, Index: 2, LogTerm: min(term, 2)})
		r := c.raft(1)
		for i := range r.peers { // that it was heard from is all that is new
			r.peers[i].incarnation = 0
			r.peers[i].counted = r.admitted(&r.peers[i])
		}
		require.Equal(t, before, r.AppendState(nil))
		require.Equal(t, deadline, r.deadline)
	}
}
