package raft

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// Partial connectivity (Ng, Haridi, Carbone: Omni-Paxos, EuroSys 2023, §2.2): see the package comment for what Raft makes
// of each topology. Each is met by many clusters, whose timers are drawn and whose clocks tick out of step.

// keep cuts every link but those between these pairs.
func (c *cluster) keep(pairs ...[2]NodeID) {
	clear(c.Cut)
	for _, a := range c.Nodes {
		for _, b := range c.Nodes {
			c.Cut[enginetest.Link{From: a.ID(), To: b.ID()}] = true
		}
	}
	for _, p := range pairs {
		delete(c.Cut, enginetest.Link{From: p[0], To: p[1]})
		delete(c.Cut, enginetest.Link{From: p[1], To: p[0]})
	}
	c.Drop(filter{})
}

const tick = electionTimeout / 50

// until lets time go on, in ticks that come to the nodes in any order, until something has happened or so much time is
// over. It returns how long that was.
func (c *cluster) until(phases *rand.Rand, most Instant, happened func() bool) (took Instant) {
	for ; took < most && !happened(); took += tick {
		for _, k := range phases.Perm(len(c.Nodes)) {
			c.Nodes[k].Tick(tick)
			c.Settle(filter{})
		}
	}
	return took
}

func never() bool { return false }

// topologies runs a test for many clusters of n voters which leader leads.
func topologies(t *testing.T, n int, leader NodeID, test func(c *cluster, seed uint64, phases *rand.Rand)) {
	for seed := range uint64(100) {
		phases := rand.New(rand.NewPCG(seed, 0))
		c := &cluster{enginetest.New(&protocol).Watch(t)}
		c.Quiet = true
		m := bound(voters(n))
		m.All(func(id NodeID) {
			n := c.Add(id, consensus.EngineConfig{Members: m})
			n.Config.Seed, n.Now = seed, n.Now+Instant(phases.Int64N(int64(tick)))
			n.Start()
		})
		require.True(t, c.Eventually(leader), "seed %d", seed)
		c.until(phases, electionTimeout+Instant(phases.Int64N(int64(electionTimeout))), never)
		require.True(t, c.leads(leader)(), "seed %d", seed)
		test(c, seed, phases)
	}
}

func (c *cluster) leads(id NodeID) func() bool {
	return func() bool { return c.raft(id).role == consensus.Leader }
}

// The leader 3 keeps one link, to 1, which alone reaches a quorum. It steps down, as no quorum answers it, and says nothing
// any more that would keep 1 from being elected.
func TestQuorumLoss(t *testing.T) {
	topologies(t, 5, 3, func(c *cluster, seed uint64, phases *rand.Rand) {
		term := c.raft(3).term
		c.keep([2]NodeID{1, 2}, [2]NodeID{1, 3}, [2]NodeID{1, 4}, [2]NodeID{1, 5})
		took := c.until(phases, 9*electionTimeout, c.leads(1))
		require.LessOrEqual(t, took, 4*electionTimeout, "seed %d", seed)
		require.Equal(t, term+1, c.raft(1).term, "seed %d: one election is enough", seed)
		c.Propose(1, "a")
		c.until(phases, 5*electionTimeout, never)
		require.True(t, c.leads(1)())
		require.Equal(t, term+1, c.raft(1).term, "seed %d: and that is the end of it", seed)
		require.Equal(t, c.raft(1).commit, c.raft(3).commit, "the old leader follows")
	})
}

// The leader 3 is cut off, and the only one that reaches a quorum, 1, lacks what 3 has committed with 2 and 4. Nobody
// leads, however long it lasts, and no term is spent on it. As soon as 2 and 4 hear one another, 2 or 4 is elected and
// brings 1 up to date.
func TestConstrainedElection(t *testing.T) {
	topologies(t, 5, 3, func(c *cluster, seed uint64, phases *rand.Rand) {
		term := c.raft(3).term
		c.keep([2]NodeID{3, 2}, [2]NodeID{3, 4})
		c.Propose(3, "a")
		c.Settle(filter{})
		require.Equal(t, c.raft(3).log.last, c.raft(3).commit, "a quorum has it")
		links := [][2]NodeID{{1, 2}, {1, 4}, {1, 5}}
		c.keep(links...)
		c.until(phases, 10*electionTimeout, func() bool { return c.leads(1)() || c.leads(2)() || c.leads(4)() || c.leads(5)() })
		for _, id := range []NodeID{1, 2, 4, 5} {
			require.False(t, c.leads(id)(), "seed %d", seed)
			require.Equal(t, term, c.raft(id).term, "seed %d", seed)
		}
		require.Contains(t, c.raft(2).Explain(consensus.Question{Topic: consensus.WhyNoVote, Node: 1}), "its log is not up to date")

		c.keep(append(links, [2]NodeID{2, 4})...)
		took := c.until(phases, 9*electionTimeout, func() bool { return c.raft(1).log.last >= 2 && c.raft(1).leader != 0 })
		require.LessOrEqual(t, took, 4*electionTimeout, "seed %d", seed)
		c.keep(links...)
		took = c.until(phases, 9*electionTimeout, c.leads(1))
		require.LessOrEqual(t, took, 4*electionTimeout, "seed %d: with its log up to date it is elected", seed)
	})
}

// The leader 2 and node 3 lose their link, and 1 hears both. 3 asks in vain, as 1 hears the leader, and no term is spent on
// it. It falls behind: a follower learns from the leader alone.
func TestChained(t *testing.T) {
	topologies(t, 3, 2, func(c *cluster, seed uint64, phases *rand.Rand) {
		term, behind := c.raft(2).term, c.raft(3).commit
		c.keep([2]NodeID{1, 2}, [2]NodeID{1, 3})
		c.Propose(2, "a")
		c.until(phases, 20*electionTimeout, func() bool { return c.raft(1).term != term })
		require.True(t, c.leads(2)(), "seed %d", seed)
		for _, id := range []NodeID{1, 2, 3} {
			require.Equal(t, term, c.raft(id).term, "seed %d, node %d", seed, id)
		}
		require.Greater(t, c.raft(1).commit, behind)
		require.Equal(t, behind, c.raft(3).commit)
		c.keep([2]NodeID{1, 2}, [2]NodeID{1, 3}, [2]NodeID{2, 3})
		c.until(phases, electionTimeout, never)
		require.Equal(t, c.raft(2).commit, c.raft(3).commit)
		require.Equal(t, term, c.raft(2).term, "its return deposes nobody")
	})
}

// The leader 3 hears nobody, and all but 1 hear nothing of it. What it says must not keep 1 from leading for ever
// (databendlabs/openraft#2080).
func TestABridgeToALeaderThatHearsNobody(t *testing.T) {
	topologies(t, 5, 3, func(c *cluster, seed uint64, phases *rand.Rand) {
		c.keep([2]NodeID{1, 2}, [2]NodeID{1, 3}, [2]NodeID{1, 4}, [2]NodeID{1, 5})
		c.Cut[enginetest.Link{From: 1, To: 3}] = true
		took := c.until(phases, 9*electionTimeout, c.leads(1))
		require.LessOrEqual(t, took, 4*electionTimeout, "seed %d", seed)
	})
}

// Whatever it had to say, a leader that no quorum has answered for an election timeout says nothing more by which
// others would take it for the leader: no heartbeat, no entries, no snapshot, no round for a read, no transfer.
func TestALeaderThatLostItsQuorumFallsSilent(t *testing.T) {
	c := newCluster(t, 5)
	require.True(t, c.Elect(1, 2, 3, 4, 5))
	c.Settle(filter{})
	c.Propose(1, "a", "b")
	c.Settle(filter{})
	n, r := c.Node(1), c.raft(1)
	c.Propose(1, "lost to all")
	c.Flush()
	n.Compact() // 5 is asked to follow from a snapshot
	n.Disk.Retain(9)
	n.Input(func() {
		p := r.peer(5)
		r.Step(&Message{Kind: AppendEntriesReply, From: 5, To: 1, Incarnation: 5, Term: r.term, Session: p.session, Reject: true, Index: p.next - 1})
		require.NoError(t, r.Read(7))
		require.NoError(t, r.Transfer(2))
	})
	require.NotEmpty(t, only(c.Flush(), InstallSnapshot))
	n.Now += electionTimeout
	n.Input(func() {
		require.NoError(t, r.Read(8))
		enginetest.Elapse(r, n.Now-electionTimeout, n.Now)
	})
	c.Flush() // what it had decided to send before
	require.Equal(t, consensus.Follower, r.role)
	for range 100 {
		n.Tick(heartbeat)
		_ = r.Read(9)
		c.Propose(1, "c")
		for _, m := range c.Flush() {
			require.Equal(t, PreVote, m.Kind)
		}
	}
}

// The measure of a quorum is taken by the clock alone: neither a disk that finishes nothing nor a host that takes no
// effects holds it up (etcd-io/etcd#13527).
func TestCheckQuorumWaitsForNeitherTheDiskNorTheHost(t *testing.T) {
	for name, stick := range map[string]func(n *enginetest.Node){
		"the disk": func(n *enginetest.Node) { n.Manual = true },
		"the host": func(n *enginetest.Node) { n.Batching = true },
	} {
		c := newCluster(t, 3)
		require.True(t, c.Elect(1, 2, 3))
		c.Settle(filter{})
		stick(c.Node(1))
		c.Propose(1, "a")
		c.Isolate(1)
		c.Node(1).Tick(electionTimeout)
		require.Equal(t, consensus.Follower, c.raft(1).role, name)
		require.Equal(t, reasonNoQuorum, c.raft(1).steppedDown, name)
	}
}

// Whatever links are left, and with a leader to begin with or without, terms come to rest: no two who do not hear each other
// depose each other for ever.
func TestEveryTopologyComesToRest(t *testing.T) {
	for seed := range uint64(100) {
		phases := rand.New(rand.NewPCG(seed, 1))
		c := &cluster{enginetest.New(&protocol).Watch(t)}
		c.Quiet = true
		m := bound(voters(5))
		m.All(func(id NodeID) {
			n := c.Add(id, consensus.EngineConfig{Members: m})
			n.Config.Seed = seed
			n.Start()
		})
		if seed%2 == 0 {
			require.True(t, c.Eventually(3))
			c.until(phases, electionTimeout, never)
		}
		var left [][2]NodeID
		for a := NodeID(1); a <= 5; a++ {
			for b := a + 1; b <= 5; b++ {
				if phases.IntN(2) == 0 {
					left = append(left, [2]NodeID{a, b})
				}
			}
		}
		c.keep(left...)
		c.until(phases, 10*electionTimeout, never)
		terms := c.allTerms()
		c.until(phases, 10*electionTimeout, never)
		require.Equal(t, terms, c.allTerms(), "seed %d: %v", seed, left)
	}
}

// allTerms are the terms of the nodes.
func (c *cluster) allTerms() (all []Term) {
	for _, n := range c.Nodes {
		all = append(all, n.Engine.Status().Term)
	}
	return all
}
