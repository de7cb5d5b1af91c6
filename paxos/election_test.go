package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

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

func TestBALeaderIsElectedAndStays(t *testing.T) {
	r := newRig(t, bound(5))
	r.pass(3 * second)
	require.Len(t, r.leaders(), 1)
	leader, term := r.leaders()[0], r.p(r.leaders()[0]).promised
	r.pass(20 * second)
	require.Equal(t, []NodeID{leader}, r.leaders())
	require.Equal(t, term, r.p(leader).promised)
}

func TestBAnotherLeaderWithinFourElectionTimeouts(t *testing.T) {
	for seed := range uint64(20) {
		r := newRig(t, bound(3))
		for _, n := range r.nodes {
			n.p.cfg.Seed = seed
		}
		r.elect(1)
		r.pass(2 * second)
		r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
		r.pass(4 * second)
		require.Len(t, r.leaders(), 1, "seed %d", seed)
		require.NotEqual(t, NodeID(1), r.leaders()[0])
	}
}

// Omni-Paxos, quorum-loss: the leader 3 keeps one link, to 1, which alone reaches a quorum. It must
// take over though it hears the leader.
func TestQuorumLoss(t *testing.T) {
	r := newRig(t, bound(5))
	r.elect(3)
	r.pass(2 * second)
	r.cut = links([2]NodeID{1, 2}, [2]NodeID{1, 3}, [2]NodeID{1, 4}, [2]NodeID{1, 5})
	r.pass(4 * second)
	require.Contains(t, r.leaders(), NodeID(1))
	r.propose(1, "a")
	r.pass(second)
	require.Equal(t, Slot(1), r.p(1).commit)
	require.Equal(t, Slot(1), r.p(3).commit, "the old leader follows")
}

// Omni-Paxos, constrained election: the leader is cut off, and the only one that reaches a quorum
// has a stale log. It must lead all the same.
func TestConstrainedElection(t *testing.T) {
	r := newRig(t, bound(5))
	r.elect(3)
	r.settle()
	r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
	for range 3 {
		r.propose(3, "v")
	}
	r.settle()
	require.Zero(t, r.p(1).log.last)
	r.cut = links([2]NodeID{1, 2}, [2]NodeID{1, 4}, [2]NodeID{1, 5})
	r.pass(4 * second)
	require.Contains(t, r.leaders(), NodeID(1))
	require.Equal(t, []string{"v", "v", "v"}, r.find(1).applied)
}

// Omni-Paxos, chained: the leader 2 and node 3 lose their link, and 1 hears both. Nobody may take
// over, and 3 learns from 1 what is chosen.
func TestChained(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(2)
	r.pass(2 * second)
	term := r.p(2).promised
	r.cut = links([2]NodeID{1, 2}, [2]NodeID{1, 3})
	r.propose(2, "a")
	r.pass(10 * second)
	require.Equal(t, []NodeID{2}, r.leaders())
	for _, n := range r.nodes {
		require.Equal(t, term, n.p.promised)
		require.Equal(t, []string{"a"}, n.applied, "node %d", n.id)
	}
}

func TestAWitnessLeadsNobody(t *testing.T) {
	m := bound(3)
	m.Voters, m.Witnesses = ids(2), ids(3)[2:]
	r := newRig(t, m)
	r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
	r.pass(4 * second)
	require.Equal(t, []NodeID{2}, r.leaders(), "its vote is enough, though")
}

func TestALeaderWithoutAQuorumStepsDown(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	require.NoError(t, r.p(1).Read(5))
	r.cut = func(from, to NodeID) bool { return true }
	r.pass(2 * second)
	require.Empty(t, r.leaders())
	require.ErrorIs(t, r.find(1).reads[0].Err, consensus.ErrNotLeader)
}

func TestALeaderWithADeadDiskLetsAnotherLead(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.find(1).hold = true
	r.propose(1, "a")
	r.pass(6 * second)
	require.NotContains(t, r.leaders(), NodeID(1))
	require.Len(t, r.leaders(), 1)
}

func TestTransfer(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	require.NoError(t, r.p(1).Transfer(3))
	_, err := r.p(1).Propose(consensus.Proposal{From: 1, ID: 1})
	require.ErrorIs(t, err, consensus.ErrTransferring)
	r.pump(r.find(1))
	r.settle()
	require.Equal(t, []NodeID{3}, r.leaders())
	require.Equal(t, NodeID(3), r.p(1).Status().Leader)
	r.pass(5 * second)
	require.Equal(t, []NodeID{3}, r.leaders())
}
