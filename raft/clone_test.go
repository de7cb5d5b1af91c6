package raft

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
	"github.com/stretchr/testify/require"
)

func TestAnEngineKeepsItsPromisesWhateverItIsSent(t *testing.T) {
	enginetest.KeepsItsPromises(t, &speaker)
}

func TestAnEngineIsDeterministic(t *testing.T) { enginetest.IsDeterministic(t, &speaker) }

func TestACloneIsTheSameAndSharesNothing(t *testing.T) { enginetest.Clones(t, &speaker) }

// A snapshot that waits to be adopted is part of the state: the next write will name it.
func TestTheStateTellsAPendingAdoption(t *testing.T) {
	c := subject(t, 3, 1, 1)
	c.win()
	c.ack(2, 3)
	c.Flush()
	r := c.raft(1)
	require.NotZero(t, r.handed)
	r.Compacted(consensus.SnapshotMeta{Index: r.handed, Term: r.term, Config: r.config().encode()})
	pending := r.AppendState(nil)
	r.adopt = nil
	require.NotEqual(t, pending, r.AppendState(nil))
}

// The encoding of the state of an engine tells two states apart that differ in what they may do.
func TestTheStateTellsDifferencesApart(t *testing.T) {
	base := func() *cluster {
		c := subject(t, 3, 1, 1)
		c.win()
		c.ack(2, 2)
		c.Flush()
		return c
	}
	seen := map[string]string{string(base().raft(1).AppendState(nil)): "nothing"}
	for name, act := range map[string]func(*cluster){
		"a proposal":       func(c *cluster) { c.Propose(1, "a") },
		"another proposal": func(c *cluster) { c.Propose(1, "b") },
		"a read":           func(c *cluster) { c.Node(1).Input(func() { _ = c.raft(1).Read(1) }) },
		"another read":     func(c *cluster) { c.Node(1).Input(func() { _ = c.raft(1).Read(2) }) },
		"an ack":           func(c *cluster) { c.ack(2, 3) },
		"a round":          func(c *cluster) { c.echo(1, 2) },
		"a transfer":       func(c *cluster) { _ = c.raft(1).Transfer(3) },
		"a change":         func(c *cluster) { c.change(t, Members{Voters: []NodeID{1, 2}}) },
		"a due heartbeat":  func(c *cluster) { c.Node(1).Tick(heartbeat) },
		"a stalled peer":   func(c *cluster) { c.raft(1).now += 2 * heartbeat },
		"stepping down":    func(c *cluster) { c.Node(1).Tick(electionTimeout) },
		"a later term":     func(c *cluster) { c.step(Message{Kind: Heartbeat, From: 2, Term: 9}) },
		"another leader":   func(c *cluster) { c.step(Message{Kind: Heartbeat, From: 3, Term: 9}) },
		"a vote": func(c *cluster) {
			c.Elect(1)
			c.step(Message{Kind: RequestVote, From: 2, Term: 9, Index: 9, LogTerm: 8})
		},
		"a snapshot":  func(c *cluster) { c.Node(1).Compact() },
		"a slow disk": func(c *cluster) { c.Node(1).Manual = true; c.Propose(1, "a") },
	} {
		c := base()
		act(c)
		c.Flush()
		state := string(c.raft(1).AppendState(nil))
		require.Empty(t, seen[state], "%s looks like %s", name, seen[state])
		seen[state] = name
	}
}

// Clock readings are no state: what matters is whether a timer is due.
func TestTheStateHoldsNoClock(t *testing.T) {
	states := map[string]bool{}
	for _, later := range []Instant{0, 5 * electionTimeout} {
		c := &cluster{enginetest.New(&protocol)}
		m := bound(voters(3))
		n := c.Add(1, consensus.EngineConfig{Members: m})
		n.Now += later
		n.Start()
		c.step(Message{Kind: Heartbeat, From: 2, Term: 1})
		states[string(n.Engine.AppendState(nil))] = true
	}
	require.Len(t, states, 1)
}
