package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Explain answers from the state as it is.
func TestExplainSaysWhyNot(t *testing.T) {
	const (
		commit    = consensus.WhyNotCommitted
		noVote    = consensus.WhyNoVote
		role      = consensus.WhyNotLeader
		replicate = consensus.WhyNotReplicated
		read      = consensus.WhyNoRead
	)
	leader := func(t *testing.T) *rig {
		r := newRig(t, bound(3))
		r.elect(1)
		r.settle()
		r.cut = func(NodeID, NodeID) bool { return true }
		r.propose(1, "a")
		return r
	}
	follower := func(t *testing.T) *rig {
		r := one(t)
		r.ask(accept(2, b(2, 2), 2, command(1, b(2, 2), "a"), command(2, b(2, 2), "b"), command(3, b(2, 2), "c"), command(5, b(2, 2), "e")))
		r.p(1).Compacted(consensus.SnapshotMeta{Index: 1})
		r.pump(r.find(1))
		r.ask(learnReply(3, 5, command(5, Chosen, "e")))
		return r
	}
	damaged := func(t *testing.T) *rig {
		r := newRig(t, bound(3))
		r.start(1, consensus.Recovered{Incarnation: store(1), State: consensus.State{Term: b(2, 2)}, Damaged: []Range{{First: 1, Last: 1}}})
		return r
	}
	adopted := func(t *testing.T) *rig {
		r, mine := preparingOf(t, 3)
		m := promiseOf(2, mine, command(1, b(1, 2), "a"))
		m.Last = 2
		r.ask(m)
		return r
	}
	wiped := func(t *testing.T) *rig {
		r := newRig(t, bound(3))
		r.start(1, consensus.Recovered{Incarnation: 999})
		return r
	}
	lostStop := func(t *testing.T) *rig {
		r := newRig(t, bound(3))
		r.start(1, consensus.Recovered{Incarnation: store(1), State: consensus.State{Term: pack(1, 2, 2)}, Damaged: []Range{{First: 1, Last: 1}}})
		return r
	}
	behind := func(t *testing.T) *rig {
		r, mine := preparingOf(t, 3)
		m := promiseOf(2, mine)
		m.Floor, m.Commit = 4, 4
		r.ask(m)
		return r
	}
	stuck := func(t *testing.T) *rig {
		r := one(t)
		r.find(1).hold = true
		r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(5, 2), Index: 1})
		r.now += Instant(2 * second)
		r.tick(1)
		return r
	}
	founding := func(t *testing.T) *rig {
		r := newRig(t, Members{Voters: ids(3)})
		r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
		r.campaign(1)
		r.settle()
		return r
	}
	sealing := func(t *testing.T) *rig {
		r := newRig(t, bound(3))
		r.elect(1)
		r.settle()
		r.cut = func(NodeID, NodeID) bool { return true }
		r.change(1, Members{Voters: ids(2)})
		return r
	}
	for _, x := range []struct {
		state func(*testing.T) *rig
		q     consensus.Question
		words string
	}{
		{follower, consensus.Question{Topic: 99}, "There is no such topic."},
		{follower, consensus.Question{Topic: commit, Index: 1}, "under the snapshot at 1"},
		{follower, consensus.Question{Topic: commit, Index: 2}, "It is chosen."},
		{follower, consensus.Question{Topic: commit, Index: 3}, "It is our vote, and proves nothing: a leader says what is chosen, at ballot 0.2.2 up to 2"},
		{follower, consensus.Question{Topic: commit, Index: 4}, "Slot 4 is empty here; everything is learned up to 2."},
		{follower, consensus.Question{Topic: commit, Index: 5}, "It is chosen, but slot 3 is not learned yet"},
		{damaged, consensus.Question{Topic: commit, Index: 1}, "what we voted for there is unknown"},
		{leader, consensus.Question{Topic: commit, Index: 1}, "It has the votes of 1 (this node), of voters [1 2 3]."},
		{adopted, consensus.Question{Topic: commit, Index: 1}, "Its value was adopted in phase 1"},
		{adopted, consensus.Question{Topic: commit, Index: 2}, "found no vote there"},
		{sealing, consensus.Question{Topic: commit, Index: 2}, "Slot 2 is above the stop-sign at 1"},
		{leader, consensus.Question{Topic: noVote, Node: 2}, "nothing below ballot 0.2.1"},
		{wiped, consensus.Question{Topic: noVote}, "We are no acceptor"},
		{leader, consensus.Question{Topic: role}, "is a leader at ballot 0.2.1."},
		{wiped, consensus.Question{Topic: role}, "its store is not the one admitted"},
		{lostStop, consensus.Question{Topic: role}, "the stop-sign that began its epoch is damaged"},
		{follower, consensus.Question{Topic: role}, "it has not stepped down in this life"},
		{stuck, consensus.Question{Topic: role}, "its disk has finished nothing"},
		{behind, consensus.Question{Topic: role}, "an acceptor has compacted up to 4, which it must learn first: it knows 0"},
		{founding, consensus.Question{Topic: role}, "it has the promises of 2; the founders are not bound"},
		{leader, consensus.Question{Topic: replicate, Node: 9}, "Node 9 is no member"},
		{leader, consensus.Question{Topic: replicate, Node: 2}, "it was sent what is below 2, of which 65 bytes are not acknowledged"},
		{one, consensus.Question{Topic: replicate, Node: 2}, "It has not been heard from."},
		{follower, consensus.Question{Topic: read}, "node 2 leads"},
		{sealing, consensus.Question{Topic: read}, "stop-sign at 1: reads wait for the next epoch"},
		{adopted, consensus.Question{Topic: read}, "it goes up to 2, and 0 is learned"},
		{leader, consensus.Question{Topic: read}, "No read waits."},
	} {
		require.Contains(t, x.state(t).p(1).Explain(x.q), x.words)
	}
}

func TestExplainSaysWhomAnElectionWaitsFor(t *testing.T) {
	r := alone(t, 5)
	r.round(said{2, b(3, 2), b(3, 2), false})
	require.Contains(t, r.p(1).Explain(consensus.Question{Topic: consensus.WhyNotLeader}), "In its last round it reached 2 (happy: false)")
	r.round(said{2, b(3, 2), b(3, 2), true})
	require.Contains(t, r.p(1).Explain(consensus.Question{Topic: consensus.WhyNotLeader}), "content with the leader of ballot 0.3.2")
}

func TestExplainSaysWhatWasRefused(t *testing.T) {
	why := consensus.Question{Topic: consensus.WhyNoVote, Node: 2}
	r := one(t)
	r.ask(Message{Kind: Prepare, From: 3, To: 1, Term: b(5, 3), Index: 1})
	r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(4, 2), Index: 1})
	require.Contains(t, r.p(1).Explain(why), "The ballot 0.4.2 of node 2 was refused: it was below our promise then.")

	r = leased(t)
	r.ask(Message{Kind: Prepare, From: 2, To: 3, Term: r.p(1).Status().Term + 1<<24 + 1, Index: 1})
	require.Contains(t, r.p(3).Explain(why), "a lease was granted to the leader of 0.")
}

func TestExplainSaysThatAVoteIsNotCounted(t *testing.T) {
	r := newRig(t, bound(3))
	r.pump(r.start(2, consensus.Recovered{Incarnation: 999}))
	r.settle()
	r.p(1).Step(&Message{Kind: Elect, From: 2, To: 1, Group: 1, Incarnation: 999, Context: 1})
	require.Contains(t, r.p(1).Explain(consensus.Question{Topic: consensus.WhyNotReplicated, Node: 2}), "Its vote is not counted")
}

func TestExplainSaysWhatAReadWaitsFor(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.cut = func(NodeID, NodeID) bool { return true }
	r.read(1, 7)
	require.Contains(t, r.p(1).Explain(consensus.Question{Topic: consensus.WhyNoRead}), "1 reads wait for round 2; 1 is confirmed.")
}
