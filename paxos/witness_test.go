package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Witnesses trim what they have voted for; the others must hold it.

// A witness trims what the full replicas of its epoch have snapshots of. Newcomers must have learned
// that before they take the place of those: otherwise a witness and a newcomer are a quorum that
// nobody can tell what was chosen.
func TestWithAWitnessNewcomersMustHoldWhatItMayHaveTrimmed(t *testing.T) {
	m := bound(3)
	m.Voters, m.Witnesses, m.Learners = ids(2), ids(3)[2:], []NodeID{4}
	r := newRig(t, m)
	r.elect(1)
	r.settle()
	r.cut = func(from, to NodeID) bool { return to == 4 }
	r.propose(1, "a")
	r.propose(1, "b")
	r.settle()
	for _, id := range ids(2) {
		r.p(id).Compacted(consensus.SnapshotMeta{Index: 1})
		r.pump(r.find(id))
	}
	r.pass(second / 2)
	require.Equal(t, Slot(1), r.p(3).log.base, "the witness has trimmed")
	require.Zero(t, r.p(4).commit)

	next := Members{Voters: []NodeID{1, 4}, Witnesses: ids(3)[2:]}
	_, err := r.p(1).Change(consensus.Proposal{From: 1, ID: 9}, next, 0)
	var config *consensus.ConfigError
	require.ErrorAs(t, err, &config)
	require.Equal(t, "Members.Voters", config.Field)

	r.ask(Message{Kind: LearnReply, From: 1, To: 4, Term: r.p(1).promised, Entries: []Entry{command(1, Chosen, "a"), command(2, Chosen, "b")}, Commit: 2})
	r.cut = func(NodeID, NodeID) bool { return false }
	r.pass(second / 2)
	r.change(1, next)
	r.pass(second / 2)
	require.Equal(t, []NodeID{1, 4}, r.p(4).Status().Members.Voters)
}

// While an epoch ends, witnesses trim nothing: who comes has shown to hold no more than what was
// trimmed until then.
func TestWitnessesTrimNothingWhileAnEpochEnds(t *testing.T) {
	m := bound(3)
	m.Voters, m.Witnesses = ids(2), ids(3)[2:]
	r := newRig(t, m)
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	r.settle()
	for _, id := range ids(2) {
		r.p(id).Compacted(consensus.SnapshotMeta{Index: 1})
		r.pump(r.find(id))
	}
	r.cut = func(from, to NodeID) bool { return to == 3 }
	r.pass(second / 2)
	require.Equal(t, Slot(1), r.p(1).floor())
	r.cut = func(from, to NodeID) bool { return true }
	r.change(1, Members{Voters: ids(2), Witnesses: ids(3)[2:]})
	require.Zero(t, r.p(1).floor())
}
