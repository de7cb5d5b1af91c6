package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

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
