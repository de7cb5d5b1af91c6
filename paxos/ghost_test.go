package paxos

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// A ghost sees every disk of a cluster, as no node can, and so knows what is chosen.
type ghost struct {
	disks   map[NodeID]consensus.Recovered // as of the write before
	entries map[NodeID]map[Slot]Entry
	votes   map[vote]string          // what was ever voted for, durably
	voters  map[vote]map[NodeID]bool // and by whom
	members map[uint64]Members       // of each epoch
	ends    map[uint64]Slot          // the stop-signs that are chosen
}

// A vote is a slot and a ballot.
type vote struct {
	slot   Slot
	ballot Ballot
}

// A step is what one write did to one disk.
type step struct {
	*rapid.T
	*ghost
	r       *rig
	n       *testNode
	was     consensus.State
	entries map[Slot]Entry // before
}

// always stirs clusters, and checks after every write that has become durable.
func always(t *testing.T, check func(step)) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(rt, bound(3))
		g := &ghost{
			disks: map[NodeID]consensus.Recovered{}, entries: map[NodeID]map[Slot]Entry{}, votes: map[vote]string{},
			voters: map[vote]map[NodeID]bool{}, members: map[uint64]Members{0: bound(3)}, ends: map[uint64]Slot{},
		}
		r.watch = func(n *testNode) {
			g.see(n)
			check(step{rt, g, r, n, g.disks[n.id].State, g.entries[n.id]})
			g.disks[n.id], g.entries[n.id] = n.disk, maps.Clone(n.entries)
		}
		r.stir(enginetest.Inputs(2000).Draw(rt, "inputs"))
	})
}

// see notes the votes on a disk, and the stop-signs that it knows to be chosen.
func (g *ghost) see(n *testNode) {
	for s, e := range n.entries {
		if e.Kind == consensus.EntryMembers && (e.Term == Chosen || s <= n.disk.State.Commit) {
			x, _ := decodeEpoch(e.Data)
			g.members[x.number], g.ends[x.number-1] = x.members, s
		}
		if e.Term == Chosen {
			continue
		}
		v := vote{s, e.Term}
		if g.voters[v] == nil {
			g.voters[v], g.votes[v] = map[NodeID]bool{}, valueOf(&e)
		}
		g.voters[v][n.id] = true
	}
}

// chosen reports whether a commit quorum of its epoch has ever voted at v.
func (g *ghost) chosen(v vote) bool {
	m, known := g.members[epochOf(v.ballot)]
	return known && m.IsCommitQuorum(func(id NodeID) bool { return g.voters[v][id] })
}

func TestA4AVoteIsForgottenOnlyUnderASnapshotOrWithItsEpoch(t *testing.T) {
	always(t, func(x step) {
		for s := range x.entries {
			if _, kept := x.n.entries[s]; !kept && s > x.n.disk.Snapshot.Index {
				require.Greater(x, epochOf(x.n.disk.State.Term), epochOf(x.was.Term), "slot %d", s)
			}
		}
	})
}

func TestI3OneValueIsVotedForInASlotAtABallot(t *testing.T) {
	always(t, func(x step) {
		for s, e := range x.n.entries {
			if e.Term != Chosen {
				require.Equal(x, x.votes[vote{s, e.Term}], valueOf(&e))
			}
		}
	})
}

func TestI4APromiseNeverFalls(t *testing.T) {
	always(t, func(x step) { require.GreaterOrEqual(x, x.n.disk.State.Term, x.was.Term) })
}

func TestI5AVoteIsNeverAboveThePromise(t *testing.T) {
	always(t, func(x step) {
		for _, e := range x.n.entries {
			require.True(x, e.Term == Chosen || e.Term <= x.n.disk.State.Term)
		}
	})
}

func TestI6TheBallotOfASlotNeverFalls(t *testing.T) {
	always(t, func(x step) {
		for s, e := range x.n.entries {
			require.GreaterOrEqual(x, e.Term, x.entries[s].Term, "slot %d", s)
		}
	})
}

// Chosen is above every ballot, so that a value that was learned by another's word stays, too (I6); and Commit
// says of all others that they are learned.
func TestI11WhatIsLearnedStays(t *testing.T) {
	always(t, func(x step) {
		require.GreaterOrEqual(x, x.n.disk.State.Commit, x.was.Commit)
		for s, e := range x.entries {
			if now, kept := x.n.entries[s]; kept && (s <= x.was.Commit || e.Term == Chosen) {
				require.Equal(x, valueOf(&e), valueOf(&now), "slot %d", s)
			} else {
				require.True(x, kept || s > x.was.Commit || s <= x.n.disk.Snapshot.Index, "slot %d", s)
			}
		}
	})
}

func TestI14WhatIsUnderAFloorIsChosenAndInADurableSnapshot(t *testing.T) {
	always(t, func(x step) {
		for s := x.n.disk.Snapshot.Index; s > 0; s-- {
			require.Contains(x, x.r.value, s, "a snapshot holds what is chosen")
		}
		for _, h := range x.n.held {
			if k := h.m.Kind; h.seq <= x.n.durable && k != Accept && k != Lead {
				require.LessOrEqual(x, h.m.Floor, x.n.disk.Snapshot.Index, "%v", &h.m)
			}
		}
	})
}

func TestI16NothingIsChosenAboveAStopSignInItsEpoch(t *testing.T) {
	always(t, func(x step) {
		for v := range x.voters {
			if end := x.ends[epochOf(v.ballot)]; end != 0 && v.slot > end {
				require.False(x, x.chosen(v), "slot %d, ballot %s", v.slot, show(v.ballot))
			}
		}
	})
}
