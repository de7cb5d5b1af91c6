package paxos

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Partial connectivity (Ng, Haridi, Carbone: Omni-Paxos, EuroSys 2023, §2.2): the links that are left decide who can
// lead. Each topology is met by many clusters, whose timers are drawn and whose clocks tick out of step.

// links lets only these pairs of nodes hear one another.
func links(pairs ...[2]NodeID) func(from, to NodeID) bool {
	return func(from, to NodeID) bool {
		for _, x := range pairs {
			if x == [2]NodeID{from, to} || x == [2]NodeID{to, from} {
				return false
			}
		}
		return true
	}
}

const tick = 20 * time.Millisecond

// until lets time go on, in ticks that come to each node at an offset of its own, until something has happened or so much
// time is over. It returns how long that was.
func (r *rig) until(phases *rand.Rand, most time.Duration, happened func() bool) time.Duration {
	began := r.now
	for r.now-began < Instant(most) && !happened() {
		start := r.now
		for _, k := range phases.Perm(len(r.nodes)) {
			n := r.nodes[k]
			r.now += Instant(tick) / Instant(len(r.nodes)+1)
			r.tick(n.id)
			r.pump(n)
			r.settle()
		}
		r.now = start + Instant(tick)
	}
	return time.Duration(r.now - began)
}

// topologies runs a test for many clusters of n voters which leader leads, each with timers of its own, after they have
// been together for a time that is drawn.
func topologies(t *testing.T, n int, leader NodeID, test func(r *rig, seed uint64, phases *rand.Rand)) {
	for seed := range uint64(100) {
		phases := rand.New(rand.NewPCG(seed, 0))
		r := newRig(t, bound(n))
		for _, n := range r.nodes {
			n.p.cfg.Seed = seed
		}
		r.elect(leader)
		r.until(phases, second+time.Duration(phases.Int64N(int64(second))), func() bool { return false })
		require.Equal(t, []NodeID{leader}, r.leaders(), "seed %d", seed)
		test(r, seed, phases)
	}
}

func (r *rig) leads(id NodeID) func() bool {
	return func() bool { return r.p(id).Status().Role == consensus.Leader }
}

// The leader 3 keeps one link, to 1, which alone reaches a quorum. It must take over though it hears the leader.
func TestQuorumLoss(t *testing.T) {
	topologies(t, 5, 3, func(r *rig, seed uint64, phases *rand.Rand) {
		before := roundOf(r.p(3).Status().Term)
		r.cut = links([2]NodeID{1, 2}, [2]NodeID{1, 3}, [2]NodeID{1, 4}, [2]NodeID{1, 5})
		took := r.until(phases, 9*second, r.leads(1))
		require.LessOrEqual(t, took, 4*second, "seed %d: an election timeout is a second", seed)
		require.Equal(t, pack(0, before+1, 1), r.p(1).Status().Term, "seed %d: one ballot is enough", seed)
		r.propose(1, "a")
		r.until(phases, second, func() bool { return false })
		require.Equal(t, []string{"a"}, r.find(1).applied)
		require.Equal(t, []string{"a"}, r.find(3).applied, "the old leader follows")
		r.until(phases, 5*second, func() bool { return false })
		require.Equal(t, []NodeID{1}, r.leaders(), "seed %d: and that is the end of it", seed)
		require.Equal(t, pack(0, before+1, 1), r.p(1).Status().Term, "seed %d", seed)
	})
}

// The leader 3 is cut off, and the only one that reaches a quorum, 1, has a stale log. It must lead all the same.
func TestConstrainedElection(t *testing.T) {
	topologies(t, 5, 3, func(r *rig, seed uint64, phases *rand.Rand) {
		before := roundOf(r.p(3).Status().Term)
		r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
		for range 3 {
			r.propose(3, "v")
		}
		r.settle()
		require.Zero(t, r.p(1).Status().Last)
		r.cut = links([2]NodeID{1, 2}, [2]NodeID{1, 4}, [2]NodeID{1, 5})
		took := r.until(phases, 9*second, r.leads(1))
		require.LessOrEqual(t, took, 4*second, "seed %d", seed)
		require.Equal(t, pack(0, before+1, 1), r.p(1).Status().Term, "seed %d: one ballot is enough", seed)
		r.until(phases, second, func() bool { return false })
		require.Equal(t, []string{"v", "v", "v"}, r.find(1).applied, "what it lacked it has learned")
	})
}

// The leader 2 and node 3 lose their link, and 1 hears both. Nobody may take over, ever, and 3 learns from 1 what is
// chosen.
func TestChained(t *testing.T) {
	topologies(t, 3, 2, func(r *rig, seed uint64, phases *rand.Rand) {
		term := r.p(2).Status().Term
		r.cut = links([2]NodeID{1, 2}, [2]NodeID{1, 3})
		r.propose(2, "a")
		r.until(phases, 20*second, func() bool { return r.p(1).Status().Term != term })
		require.Equal(t, []NodeID{2}, r.leaders(), "seed %d", seed)
		for _, n := range r.nodes {
			require.Equal(t, term, n.p.Status().Term, "seed %d, node %d", seed, n.id)
			require.Equal(t, []string{"a"}, n.applied, "seed %d, node %d", seed, n.id)
		}
	})
}

// The leader 3 hears nobody, and all but 1 hear nothing of it. What it says must not keep 1 from leading.
func TestABridgeToALeaderThatHearsNobody(t *testing.T) {
	topologies(t, 5, 3, func(r *rig, seed uint64, phases *rand.Rand) {
		bridge := links([2]NodeID{1, 2}, [2]NodeID{1, 3}, [2]NodeID{1, 4}, [2]NodeID{1, 5})
		r.cut = func(from, to NodeID) bool { return to == 3 || bridge(from, to) }
		took := r.until(phases, 9*second, r.leads(1))
		require.LessOrEqual(t, took, 4*second, "seed %d", seed)
	})
}

// Whatever it had to say, a leader that no quorum has answered for an election timeout says nothing more as a leader.
func TestALeaderThatLostItsQuorumFallsSilent(t *testing.T) {
	r := newRig(t, bound(5))
	r.elect(1)
	r.settle()
	r.cut = func(NodeID, NodeID) bool { return true }
	r.propose(1, "lost to all")
	r.read(1, 7)
	require.NoError(t, r.p(1).Transfer(2))
	n := r.find(1)
	r.now += Instant(second)
	r.tick(n.id)
	require.Equal(t, consensus.Follower, n.p.Status().Role)
	r.drop()
	for range 100 {
		r.now += Instant(second / 10)
		r.tick(n.id)
		_ = n.p.Read(9)
		_, _ = n.p.Propose(consensus.Proposal{From: 1, ID: 2})
		r.pump(n)
	}
	for _, m := range r.net {
		require.Equal(t, Elect, m.Kind)
	}
}

// Whatever links are left, if somebody reaches a quorum there is a leader after a while, and it stays: with one to begin with
// or without, no two who do not hear each other depose each other for ever.
func TestBEveryTopologyComesToRest(t *testing.T) {
	for seed := range uint64(300) {
		phases := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, bound(5))
		for _, n := range r.nodes {
			n.p.cfg.Seed = seed
		}
		if seed%2 == 0 {
			r.elect(3)
			r.until(phases, second, func() bool { return false })
		}
		var left [][2]NodeID
		reach := map[NodeID]int{}
		for a := NodeID(1); a <= 5; a++ {
			for b := a + 1; b <= 5; b++ {
				if phases.IntN(2) == 0 {
					left = append(left, [2]NodeID{a, b})
					reach[a]++
					reach[b]++
				}
			}
		}
		most := 0
		for _, n := range reach {
			most = max(most, n)
		}
		if most < 2 {
			continue // nobody reaches a quorum
		}
		r.drop()
		r.cut = links(left...)
		r.until(phases, 10*second, func() bool { return false })
		ballots := r.promises()
		r.until(phases, 10*second, func() bool { return false })
		require.Equal(t, ballots, r.promises(), "seed %d: %v", seed, left)
		require.NotEmpty(t, r.leaders(), "seed %d: %v", seed, left)
	}
}

// promises are what the nodes have promised.
func (r *rig) promises() (all []string) {
	for _, n := range r.nodes {
		all = append(all, show(n.p.Status().Term))
	}
	return all
}

// The chain of TestChained, without a leader to begin with.
func TestChainedFromTheStart(t *testing.T) {
	for seed := range uint64(300) {
		phases := rand.New(rand.NewPCG(seed, 0))
		r := newRig(t, bound(3))
		for _, n := range r.nodes {
			n.p.cfg.Seed = seed
		}
		r.drop()
		r.cut = links([2]NodeID{1, 2}, [2]NodeID{1, 3})
		r.until(phases, 10*second, func() bool { return false })
		ballots := r.promises()
		require.Len(t, r.leaders(), 1, "seed %d", seed)
		r.until(phases, 20*second, func() bool { return false })
		require.Equal(t, ballots, r.promises(), "seed %d", seed)
	}
}
