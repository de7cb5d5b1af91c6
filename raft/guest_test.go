package raft

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// without3 has 3 removed while it is cut off, and the link back once the leader has given it up.
func without3(t *testing.T) *cluster {
	c := led(t, voters(3))
	c.Isolate(3)
	c.change(t, voters(2))
	c.Propose(1, "a", "b")
	c.Settle(filter{})
	require.True(t, c.raft(1).hasGuests(), "the leader would tell it")
	for range electionTimeout / heartbeat { // at 3 no time passes: it will ask later
		c.Beat(1)
		c.Settle(filter{})
	}
	require.False(t, c.raft(1).hasGuests())
	require.Equal(t, consensus.Voter, c.raft(3).kind)
	clear(c.Cut)
	return c
}

// A replica that was removed asks for votes in vain until it knows of that. The leader has it follow so long, from its log
// or by snapshot; then all have peace.
func TestWhoWasRemovedHearsOfItAndTheOthersComeToRest(t *testing.T) {
	for name, compact := range map[string]bool{"from the log": false, "by snapshot": true} {
		c := without3(t)
		if compact {
			c.Node(1).Compact()
			c.Node(1).Disk.Retain(c.raft(1).commit)
		}
		phases, one, three := rand.New(rand.NewPCG(1, 1)), c.Node(1).Engine, c.Node(3).Engine
		c.until(phases, 5*electionTimeout, func() bool { return three.Status().Kind == consensus.NotMember })
		require.Equal(t, consensus.NotMember, three.Status().Kind, name)
		require.False(t, three.Status().Changing, name)
		c.until(phases, 5*electionTimeout, func() bool { return one.Status().Quiet })
		require.True(t, one.Status().Quiet, name)
		require.False(t, c.raft(1).hasGuests(), name)
		require.Len(t, c.raft(1).peers, 1, name)
		c.Node(3).Tick(9 * electionTimeout)
		require.Empty(t, c.Flush(), "%s: it asks no more", name)
	}
}

// A guest that says nothing is forgotten, and so is one of a leader that steps down.
func TestAGuestDoesNotStay(t *testing.T) {
	c := without3(t)
	n, r := c.Node(1), c.raft(1)
	ask := Message{Kind: PreVote, From: 3, To: 1, Incarnation: 3, Term: r.term + 1}
	n.Input(func() { r.Step(&ask) })
	require.True(t, r.hasGuests())
	c.Isolate(3)
	c.until(rand.New(rand.NewPCG(1, 1)), electionTimeout+heartbeat, func() bool { return !r.hasGuests() })
	require.False(t, r.hasGuests())
	require.Equal(t, consensus.Leader, r.role)

	n.Input(func() { r.Step(&ask) })
	require.True(t, r.hasGuests())
	n.Input(func() {
		r.Step(&Message{Kind: RequestVote, From: 2, To: 1, Incarnation: 2, Term: r.term + 1, Flags: consensus.FlagTransfer})
	})
	require.Equal(t, consensus.Follower, r.role)
	require.Len(t, r.peers, 1)
}

// One who comes back as a member begins anew, also if it is a guest at the time. One of a later term, which would not follow, is
// no guest: its answer would depose the leader.
func TestWhoIsAGuest(t *testing.T) {
	c := without3(t)
	n, r := c.Node(1), c.raft(1)
	step := func(m Message) {
		m.From, m.To, m.Incarnation = 3, 1, 3
		n.Input(func() { r.Step(&m) })
	}
	step(Message{Kind: PreVote, Term: r.term + 2})
	require.False(t, r.hasGuests(), "of a later term")
	step(Message{Kind: AppendEntriesReply, Term: r.term, Index: 1, Session: 1})
	require.False(t, r.hasGuests(), "it asks for nothing")
	step(Message{Kind: HeartbeatReply, Term: r.term})
	require.True(t, r.hasGuests(), "a learner asks for a leader")
	session := r.peer(3).session
	c.change(t, Members{Voters: []NodeID{1, 2}, Learners: []NodeID{3}})
	require.False(t, r.hasGuests())
	require.Greater(t, r.peer(3).session, session)
}

func (c *cluster) requireRefused(t *testing.T, m Members) {
	t.Helper()
	var err error
	c.Node(1).Input(func() { _, err = c.raft(1).Change(consensus.Proposal{From: 1, ID: 99}, m, c.raft(1).config().index) })
	require.ErrorContains(t, err, "must be a learner first")
}

// A voter is bound to the store that it spoke for, and a guest may speak for one that is gone.
func TestAGuestIsNoLearner(t *testing.T) {
	c := led(t, voters(3))
	c.Beat(1)
	c.Settle(filter{})
	c.Isolate(3)
	c.change(t, voters(2))
	c.Settle(filter{})
	require.True(t, c.raft(1).hasGuests())
	c.requireRefused(t, voters(3))
}

// A call for a leader may be of a store that is gone since. It answers nothing that this leader has asked.
func TestACallIsNoAnswer(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}})
	c.Isolate(4)
	n, r := c.Node(1), c.raft(1)
	p := r.peer(4) // as of a leader that has not heard from it yet
	p.store, p.answered, p.incarnation = 0, 0, 0
	n.Input(func() { r.Step(&Message{Kind: HeartbeatReply, From: 4, To: 1, Incarnation: 12345, Term: r.term}) })
	c.requireRefused(t, voters(4))
}
