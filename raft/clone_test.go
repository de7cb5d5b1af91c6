package raft

import (
	"slices"
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// inputs are bytes for a rig.
func inputs(most int) *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.Byte(), 0, most)
}

// twin is a rig like g, whose engine is a clone of that of g, made in an engine that was something else before.
func (g *rig) twin(before []byte) *rig {
	t := newRig(1)
	_ = t.run(before)
	c := *g
	c.raft = t.raft
	g.raft.CloneInto(c.raft)
	c.disk = g.disk.Clone()
	c.fetches, c.streams = slices.Clone(g.fetches), slices.Clone(g.streams)
	c.eff, c.bytes, c.errs = consensus.Effects{}, nil, nil
	return &c
}

// The rules of a rig hold over random inputs.
func TestAnEngineKeepsItsPromisesWhateverItIsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, newRig(rapid.Byte().Draw(t, "kind")).run(inputs(400).Draw(t, "inputs")))
	})
}

// The same calls in the same order have the same results.
func TestAnEngineIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind, in := rapid.Byte().Draw(t, "kind"), inputs(300).Draw(t, "inputs")
		a, b := newRig(kind), newRig(kind)
		require.NoError(t, a.run(in))
		require.NoError(t, b.run(in))
		require.Equal(t, a.raft.AppendState(nil), b.raft.AppendState(nil))
		require.Equal(t, a.disk, b.disk)
		require.Equal(t, a.raft.Status(), b.raft.Status())
	})
}

// A clone encodes as its original does; the same inputs take both to the same state and the same effects; other inputs of the one
// never show in the other.
func TestACloneIsTheSameAndSharesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newRig(rapid.Byte().Draw(t, "kind"))
		require.NoError(t, a.run(inputs(200).Draw(t, "before")))
		b := a.twin(inputs(50).Draw(t, "dst"))
		state := a.raft.AppendState(nil)
		require.Equal(t, state, b.raft.AppendState(nil))
		require.NoError(t, b.raft.Check())

		other := a.twin(nil)
		require.NoError(t, other.run(inputs(200).Draw(t, "other")))
		require.Equal(t, state, a.raft.AppendState(nil), "the clone's inputs show in the original")

		after := inputs(200).Draw(t, "after")
		require.NoError(t, a.run(after))
		require.Equal(t, state, b.raft.AppendState(nil), "the original's inputs show in the clone")
		require.NoError(t, b.run(after))
		require.Equal(t, a.raft.AppendState(nil), b.raft.AppendState(nil), "the same inputs, another state")
		require.Equal(t, a.raft.Status(), b.raft.Status())
		require.Equal(t, a.disk, b.disk)
	})
}

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
