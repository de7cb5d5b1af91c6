package paxos

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// What is learned through storage: old slots, snapshots, and what a witness may forget.

// compacted is node 1 with a snapshot of slot 2, in an epoch of its own that began at 1.
func compacted(t *testing.T) *rig {
	r := one(t)
	r.seal(1, sign(1, Chosen, 1, Members{Voters: []NodeID{2, 3, 1}, Bound: bound(3).Bound}))
	r.ask(learnReply(3, 2, command(2, Chosen, "b")))
	r.compact(1)
	require.Equal(t, Slot(2), r.p(1).Status().Snapshot)
	return r
}

// wants has a node with that promise ask node 1 for slots, and returns what node 1 wants done.
func (r *rig) wants(from NodeID, promise Ballot, slots Range) (eff consensus.Effects) {
	r.p(1).Step(&Message{Kind: Learn, From: from, To: 1, Group: 1, Incarnation: store(from), Promised: promise, Context: 4 << 20, Ranges: []Range{slots}})
	return r.effects()
}

func (r *rig) effects() (eff consensus.Effects) {
	r.p(1).Ready(&eff)
	return eff
}

// What storage has is cut at the stop-sign of the learner's epoch (rule S9).
func TestS9WhatIsReadFromStorageEndsWithTheLearnersEpoch(t *testing.T) {
	for promise, want := range map[Ballot]int{b(2, 2): 2, pack(1, 2, 2): 3} {
		r := compacted(t)
		stop := sign(2, Chosen, 1, bound(3))
		eff := r.wants(3, promise, Range{First: 1, Last: 9})
		require.Len(t, eff.Fetch, 1)
		r.p(1).Fetched(eff.Fetch[0], []Entry{command(1, b(2, 2), "a"), stop, command(3, b(2, 2), "c")}, nil)
		require.Len(t, r.effects().Messages[0].Entries, want)
	}
}

func TestC2ALearnerIsHelpedOnceAtATime(t *testing.T) {
	r := compacted(t)
	p := r.p(1)
	eff := r.wants(3, b(2, 2), Range{First: 1, Last: 1})
	require.Len(t, eff.Fetch, 1)
	require.Empty(t, r.wants(3, b(2, 2), Range{First: 1, Last: 1}).Fetch, "storage is reading for it")
	p.Fetched(consensus.Fetch{To: 9}, nil, nil)
	require.Empty(t, r.effects().Messages, "nobody asked for that")
	p.Fetched(eff.Fetch[0], nil, consensus.ErrCompacted)
	require.Len(t, r.effects().Snapshots, 1)
	eff = r.wants(3, b(2, 2), Range{First: 1, Last: 1})
	require.Empty(t, eff.Fetch, "a snapshot is on its way")
	p.SnapshotSent(3, consensus.ErrClosed)
	p.SnapshotSent(9, nil)
	require.Len(t, r.wants(3, b(2, 2), Range{First: 1, Last: 1}).Fetch, 1, "it may ask again")
}

// What storage reads for a learner that was given up for others is no answer to what its next store asks, from an earlier epoch.
func TestS9WhatIsReadForOneQuestionIsNoAnswerToAnother(t *testing.T) {
	r := compacted(t)
	p := r.p(1)
	question := func(from NodeID, store uint64, in Ballot, first Slot) consensus.Fetch {
		p.Step(&Message{Kind: Learn, From: from, To: 1, Group: 1, Incarnation: store, Promised: in, Context: 1, Ranges: []Range{{First: first, Last: 2}}})
		return r.effects().Fetch[0]
	}
	stale := question(3, store(3), pack(1, 2, 3), 2)
	for k := range maxServices {
		question(NodeID(10+k), 1, pack(1, 2, 3), 1)
	}
	wanted := question(3, 999, b(0, 0), 1)
	p.Fetched(stale, []Entry{command(2, Chosen, "of epoch 1")}, nil)
	require.Empty(t, r.effects().Messages)
	p.Fetched(wanted, []Entry{next(1)}, nil)
	require.Len(t, r.effects().Messages, 1)
}

// A question for nothing, and one from an epoch that is under the snapshot, which asks for what came after it.
func TestC2AQuestionThatCannotBeAnsweredIsNot(t *testing.T) {
	r := compacted(t)
	require.Empty(t, r.ask(Message{Kind: Learn, From: 3, To: 1, Promised: b(2, 2)}))
	require.Empty(t, r.ask(Message{Kind: Learn, From: 3, To: 1, Promised: b(2, 2), Ranges: []Range{{First: 3, Last: 4}}}))
}

func TestASnapshotOfWhatIsLearnedIsNotWanted(t *testing.T) {
	r := compacted(t)
	r.ask(Message{Kind: ElectReply, From: 3, To: 1, Promised: pack(1, 2, 3)}) // it is in our epoch
	before := r.p(1).AppendState(nil)
	r.ask(Message{Kind: EpochSnapshot, From: 3, To: 1, Promised: pack(1, 2, 3), Index: 2, Data: next(1).Data})
	require.Equal(t, before, r.p(1).AppendState(nil))
	r.p(1).Compacted(consensus.SnapshotMeta{Index: 1})
	r.p(1).Compacted(consensus.SnapshotMeta{Index: 9})
	require.Equal(t, Slot(2), r.p(1).Status().Snapshot, "nor is one of what is not applied")
}

// Who sends a leader a snapshot of more than it knows has seen another one lead.
func TestASnapshotDeposesALeaderThatKnowsLess(t *testing.T) {
	r := newRig(t, bound(3))
	r.value[1], r.value[2] = "a", "b"
	r.elect(1)
	r.settle()
	r.ask(Message{Kind: EpochSnapshot, From: 3, To: 1, Promised: b(2, 1), Index: 2, Data: sign(1, Chosen, 1, Members{Voters: []NodeID{2, 3, 1}, Bound: bound(3).Bound}).Data})
	require.Equal(t, consensus.Follower, r.p(1).Status().Role)
	require.Equal(t, []string{"a", "b"}, r.find(1).applied)
}

func TestASnapshotStandsForWhatWasDamaged(t *testing.T) {
	r := newRig(t, bound(3))
	r.value[1], r.value[2], r.value[3] = "members", "b", "c"
	n := r.start(1, consensus.Recovered{
		Incarnation: store(1), State: consensus.State{Term: pack(1, 2, 2)}, Damaged: []Range{{First: 1, Last: 2}, {First: 4, Last: 4}},
	})
	r.pump(n)
	require.Equal(t, pack(1, 2, 2), n.p.Status().Term)
	r.ask(Message{Kind: EpochSnapshot, From: 3, To: 1, Promised: pack(1, 2, 3), Index: 3, Data: next(1).Data})
	require.Equal(t, []Range{{First: 4, Last: 4}}, n.p.unknown)
	require.Equal(t, Slot(2), n.p.Status().MembersIndex, "the lost stop-sign is known again")
	require.Equal(t, pack(1, 2, 2), n.disk.State.Term)
	out := r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: pack(1, 3, 2), Index: 4})
	require.Equal(t, []Range{{First: 4, Last: 4}}, out[0].Ranges)
}

// Damage to a stop-sign leaves a replica that knows nobody in its own epoch: it votes on nothing, and asks.
func TestADamagedStopSignIsLearnedBeforeAnythingElse(t *testing.T) {
	r := newRig(t, bound(3))
	rec := consensus.Recovered{
		Incarnation: store(1), State: consensus.State{Term: pack(1, 2, 2), Commit: 1}, Damaged: []Range{{First: 1, Last: 1}},
		Entries: []Entry{command(2, pack(1, 2, 2), "b")},
	}
	n := r.start(1, rec)
	r.pump(n)
	for _, kind := range []consensus.Kind{Prepare, Accept, Lead, Elect} {
		out := r.ask(Message{Kind: kind, From: 2, To: 1, Term: pack(1, 3, 2), Index: 1, Commit: 2})
		for _, m := range out {
			require.Equal(t, Learn, m.Kind)
		}
	}
	r.cut = func(NodeID, NodeID) bool { return true }
	r.pass(5 * second)
	require.Equal(t, consensus.Follower, n.p.Status().Role)
	r.ask(learnReply(3, 1, next(1)))
	require.Equal(t, Slot(2), n.p.Status().MembersIndex)
	require.Equal(t, pack(1, 2, 2), n.disk.State.Term, "and its promise stays")
	require.Equal(t, Promise, r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: pack(1, 3, 2), Index: 2})[0].Kind)
	require.Equal(t, "b", string(n.entries[2].Data))
}

// A witness forgets, under an empty snapshot, what the leader says that full replicas hold; it has none to give.
func TestAWitnessTrimsAsFarAsItIsToldAndGivesNoSnapshot(t *testing.T) {
	m := bound(3)
	m.Voters, m.Witnesses = []NodeID{2, 3}, []NodeID{1}
	r := newRig(t, m)
	r.cut = func(NodeID, NodeID) bool { return true }
	n := r.find(1)
	r.seal(1, sign(1, Chosen, 1, m))
	for s := Slot(2); s <= 4; s++ {
		r.ask(learnReply(3, s, command(s, Chosen, fmt.Sprint(s))))
	}
	floor := func(f Slot) {
		r.ask(Message{Kind: Lead, From: 2, To: 1, Term: pack(1, 1, 2), Context: 1, Commit: 4, Floor: f})
	}
	floor(3)
	require.Equal(t, consensus.SnapshotMeta{Index: 3, Config: n.config}, n.disk.Snapshot)
	floor(9)
	require.Equal(t, Slot(4), n.disk.Snapshot.Index, "no further than it has learned")
	n.p.Compacted(consensus.SnapshotMeta{Index: 4})
	eff := r.wants(3, pack(1, 1, 2), Range{First: 2, Last: 4})
	n.p.Fetched(eff.Fetch[0], nil, consensus.ErrCompacted)
	require.Empty(t, r.effects().Snapshots)
}

// Who has lost the stop-sign that began its epoch holds slots above it, and cannot tell of which epoch they are.
func TestS9WhoLostAStopSignTeachesNothingAboveIt(t *testing.T) {
	r := newRig(t, bound(3))
	n := r.start(1, consensus.Recovered{
		Incarnation: store(1), State: consensus.State{Term: pack(1, 2, 2), Commit: 2}, Damaged: []Range{{First: 1, Last: 1}},
		Entries: []Entry{command(2, Chosen, "of epoch 1")},
	})
	require.True(t, n.p.log.at(2).learned)
	require.Empty(t, r.ask(Message{Kind: Learn, From: 3, To: 1, Term: b(2, 3), Ranges: []Range{{First: 1, Last: 9}}}))
}

// Who has lost that stop-sign may be no member of its epoch, so that nobody who is speaks to it.
func TestC1WhoLostAStopSignAsksThoughNobodySpeaksToIt(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.change(1, bound(2))
	r.settle()
	n := r.find(3)
	require.Equal(t, consensus.NotMember, n.p.kind)
	delete(n.entries, 1)
	n.disk.Damaged = []Range{{First: 1, Last: 1}}
	n = r.crash(3)
	require.Equal(t, consensus.Voter, n.p.kind, "for all that it knows")
	r.pass(3 * second)
	require.Equal(t, consensus.NotMember, n.p.kind)
	require.Equal(t, r.p(1).commit, n.p.commit)
}

// A message of a store that was wiped since may arrive after those of its successor, and the successor may speak long before
// it answers a heartbeat, as it is in an earlier epoch. A newcomer is bound to the one that does both, and so to none before.
func TestS8ANewVoterIsBoundToTheStoreThatAnsweredLast(t *testing.T) {
	r := newRig(t, bound(3), 4)
	r.elect(1)
	r.settle()
	r.change(1, Members{Voters: ids(3), Learners: []NodeID{4}})
	r.pass(second)
	refused := func(spoke uint64) {
		require.Equal(t, spoke, r.p(1).peer(4).incarnation)
		_, err := r.p(1).Change(consensus.Proposal{From: 1, ID: 9}, Members{Voters: ids(4)}, r.p(1).epoch().opening())
		var config *consensus.ConfigError
		require.ErrorAs(t, err, &config)
	}
	late := Message{Kind: LeadReply, From: 4, To: 1, Group: 1, Incarnation: store(4), Term: r.p(1).promised, Promised: r.p(1).promised, Context: r.p(1).rounds.Last}
	r.pump(r.start(4, consensus.Recovered{Incarnation: 999}))
	r.p(1).Step(&Message{Kind: Learn, From: 4, To: 1, Group: 1, Incarnation: 999, Ranges: []Range{{First: 1, Last: 2}}})
	refused(999)
	r.pass(second)
	r.p(1).Step(&late)
	refused(store(4))
	r.pass(second)
	r.change(1, Members{Voters: ids(4)})
	x, err := decodeEpoch(r.p(1).log.at(r.p(1).stop).e.Data)
	require.NoError(t, err)
	require.Equal(t, uint64(999), x.members.Incarnation(4))
}
