package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Rules of epochs (S1 to S9) that are not in epoch_test.go.

// seal teaches a node the stop-sign at slot s, with all slots before it learned already, as another member would.
func (r *rig) seal(id NodeID, e Entry) {
	m := learnReply(3, e.Index, e)
	m.To = id
	r.ask(m)
}

// next are n voters with the record of epoch 1, which node 1 leads first.
func next(s Slot) Entry { return sign(s, Chosen, 1, bound(3)) }

func TestS3ASealedNodeTakesNoBallotOfTheOldEpoch(t *testing.T) {
	r := one(t)
	r.seal(1, sign(1, Chosen, 1, Members{Voters: ids(3)[1:], Bound: bound(3).Bound}))
	require.Equal(t, consensus.NotMember, r.p(1).Status().Kind)
	r.pass(5 * second)
	require.Equal(t, pack(1, 0, 0), r.p(1).Status().Term)
	require.Equal(t, consensus.Follower, r.p(1).Status().Role)
}

func TestS3ALeaderThatLearnsItsStopSignProposesNothingAboveIt(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.cut = func(NodeID, NodeID) bool { return true }
	r.propose(1, "a")
	r.ask(learnReply(3, 3, next(3))) // slot 2 is a hole, slot 1 is not chosen
	_, err := r.p(1).Propose(consensus.Proposal{From: 1, ID: 5})
	require.ErrorIs(t, err, consensus.ErrNotApplied)
	require.Less(t, r.p(1).Status().Commit, Slot(3))
}

// Entering is one write: it forgets the votes above, promises in the new epoch, and says that all is chosen up to the stop-sign.
func TestS4EnteringForgetsTheVotesAboveTheStopSignInOneWrite(t *testing.T) {
	r := one(t)
	n := r.find(1)
	r.ask(accept(2, b(2, 2), 0, command(2, b(2, 2), "above"), command(5, b(2, 2), "far above")))
	require.Len(t, n.entries, 2)
	n.hold = true
	r.seal(1, sign(1, Chosen, 1, Members{Voters: ids(3)[1:], Bound: bound(3).Bound}))
	require.Len(t, n.pending, 1)
	w := n.pending[0]
	require.Equal(t, Slot(2), w.Truncate)
	require.Equal(t, consensus.State{Term: pack(1, 0, 0), Commit: 1}, w.State)
	require.Len(t, w.Entries, 1)
	r.persist(n)
	require.Len(t, n.entries, 1)
	out := r.ask(Message{Kind: Learn, From: 2, To: 1, Promised: pack(1, 0, 0), Ranges: []Range{{First: 1, Last: 9}}})
	require.Len(t, out[0].Entries, 1)
}

func TestS4EpochsAreEnteredOneAtATime(t *testing.T) {
	r := one(t)
	opening := Entry{Index: 2, Term: Chosen, Kind: consensus.EntryNoop}
	second := sign(3, Chosen, 2, bound(3))
	r.ask(learnReply(3, 3, next(1), opening, second))
	require.Equal(t, uint64(1), epochOf(r.p(1).Status().Term))
	require.Equal(t, Slot(1), r.p(1).Status().Commit)
	require.NotContains(t, r.find(1).entries, Slot(3), "nothing of the next epoch came with it (rule S9)")
	r.ask(learnReply(3, 3, opening, second))
	require.Equal(t, uint64(2), epochOf(r.p(1).Status().Term))
}

// Everybody enters, also one that is no member: it may be asked for what was chosen.
func TestS4WhoIsRemovedEntersTheNextEpochToo(t *testing.T) {
	r := one(t)
	r.seal(1, sign(1, Chosen, 1, Members{Voters: ids(3)[1:], Bound: bound(3).Bound}))
	require.Equal(t, pack(1, 0, 0), r.find(1).disk.State.Term)
	out := r.ask(Message{Kind: Learn, From: 2, To: 1, Promised: b(2, 2), Ranges: []Range{{First: 1, Last: 1}}})
	require.Equal(t, LearnReply, out[0].Kind)
	require.Empty(t, r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: pack(1, 2, 2), Index: 2}), "it is no acceptor there")
}

func TestS4ASnapshotOfALaterEpochEntersIt(t *testing.T) {
	r := one(t)
	n := r.find(1)
	for s := Slot(1); s <= 9; s++ {
		r.value[s] = "v"
	}
	r.ask(accept(2, b(2, 2), 0, command(2, b(2, 2), "under it"), command(12, b(2, 2), "above it")))
	x := sign(7, Chosen, 4, Members{Voters: []NodeID{2, 3}, Bound: bound(3).Bound[1:]})
	n.hold = true
	r.ask(Message{Kind: EpochSnapshot, From: 3, To: 1, Term: pack(4, 2, 3), Index: 9, Data: x.Data, Commit: 9})
	w := n.pending[0]
	require.Equal(t, &consensus.SnapshotMeta{Index: 9, Config: x.Data}, w.Snapshot)
	require.Equal(t, Slot(10), w.Truncate, "votes above it were of an epoch that has ended")
	require.Equal(t, consensus.State{Term: pack(4, 0, 0), Commit: 9}, w.State)
	r.persist(n)
	require.Empty(t, n.entries)
	st := n.p.Status()
	require.Equal(t, Slot(8), st.MembersIndex, "where the epoch opened")
	require.Equal(t, []NodeID{2, 3}, st.Members.Voters)
	require.Equal(t, Slot(9), st.Snapshot)
}

// Within an epoch a snapshot touches neither the promise nor the votes above it.
func TestS4ASnapshotOfOnesOwnEpochKeepsThePromise(t *testing.T) {
	r := one(t)
	r.value[1], r.value[2] = "members", "v"
	r.seal(1, next(1))
	r.ask(accept(2, pack(1, 5, 2), 0, command(4, pack(1, 5, 2), "above")))
	r.ask(Message{Kind: EpochSnapshot, From: 3, To: 1, Term: pack(1, 2, 3), Index: 2, Data: next(1).Data, Commit: 2})
	n := r.find(1)
	require.Equal(t, pack(1, 5, 2), n.disk.State.Term)
	require.Equal(t, Slot(2), n.disk.Snapshot.Index)
	require.Equal(t, "above", string(n.entries[4].Data))
}

// Nobody acts in an epoch before everything up to its stop-sign is learned: what comes of it is answered with a question.
func TestS5NobodyActsInAnEpochBeforeTheOneBeforeItIsLearned(t *testing.T) {
	r := one(t)
	r.seal(1, next(3)) // 1 and 2 are holes
	for _, m := range []Message{
		{Kind: Prepare, Index: 4}, {Kind: Accept, Entries: []Entry{command(4, pack(1, 2, 2), "v")}}, {Kind: Lead, Context: 1}, {Kind: Elect, Context: 1},
	} {
		m.From, m.To, m.Term, m.Promised = 2, 1, pack(1, 2, 2), pack(1, 2, 2)
		for _, a := range r.ask(m) {
			require.Equal(t, Learn, a.Kind)
		}
	}
	require.NotContains(t, r.find(1).entries, Slot(4))
	r.campaign(1)
	require.Zero(t, epochOf(r.p(1).Status().Term))
	r.ask(learnReply(3, 3, command(1, Chosen, "a"), command(2, Chosen, "b")))
	require.Equal(t, uint64(1), epochOf(r.p(1).Status().Term))
	require.Equal(t, []string{"a", "b", "members"}, r.find(1).applied)
}

// A stop-sign whose record cannot be is none, from wherever it comes.
func TestS6ARecordThatCannotBeIsNoStopSign(t *testing.T) {
	record := func(spoil func(*epoch)) []byte {
		x := epoch{number: 1, index: 1, members: bound(3), initial: 1}
		spoil(&x)
		return x.encode()
	}
	for name, data := range map[string][]byte{
		"quorums do not meet":           record(func(x *epoch) { x.members.ElectionQuorum, x.members.CommitQuorum = 2, 1 }),
		"weights sum to nothing":        record(func(x *epoch) { x.members = Members{Voters: ids(1), Weights: []consensus.Weight{{Node: 1}}} }),
		"no voters":                     record(func(x *epoch) { x.members = Members{Learners: ids(1)} }),
		"too many members":              record(func(x *epoch) { x.members.Learners = ids(80)[3:] }),
		"too large an id":               record(func(x *epoch) { x.members.Learners = []NodeID{maxNode + 1} }),
		"the first leader is no voter":  record(func(x *epoch) { x.initial = 9 }),
		"the founding epoch":            record(func(x *epoch) { x.number = 0 }),
		"an epoch that no ballot holds": record(func(x *epoch) { x.number = maxEpoch + 1 }),
		"another slot":                  record(func(x *epoch) { x.index = 2 }),
		"more than a record":            append(record(func(*epoch) {}), 1),
		"half a record":                 record(func(*epoch) {})[:4],
		"members cut short":             record(func(*epoch) {})[:6],
		"nothing":                       nil,
	} {
		r := one(t)
		e := Entry{Index: 1, Kind: consensus.EntryMembers, Data: data}
		e.Term = b(2, 2)
		r.ask(accept(2, b(2, 2), 0, e))
		e.Term = Chosen
		r.ask(learnReply(2, 1, e))
		require.EqualValues(t, 2, r.p(1).Status().Ignored, name)
		require.Empty(t, r.find(1).entries, name)
		if name != "another slot" && name != "nothing" { // a snapshot of the founding epoch has no record
			r.ask(Message{Kind: EpochSnapshot, From: 2, To: 1, Term: b(2, 2), Index: 1, Data: data})
			require.EqualValues(t, 3, r.p(1).Status().Ignored, name)
			_, err := New(r.cfg, consensus.Recovered{Incarnation: 1})
			require.Error(t, err, "without an id")
			cfg := r.cfg
			cfg.ID = 1
			_, err = New(cfg, consensus.Recovered{Incarnation: 1, Entries: []Entry{e}})
			require.Error(t, err, name)
			_, err = New(cfg, consensus.Recovered{Incarnation: 1, Snapshot: consensus.SnapshotMeta{Index: 1, Config: data}})
			require.Equal(t, len(data) > 0, err != nil, "%s: a snapshot without one is of the founding epoch", name)
		}
	}
}

func TestS6OneChangeAtATime(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.cut = func(NodeID, NodeID) bool { return true }
	r.change(1, Members{Voters: ids(2)})
	require.True(t, r.p(1).Status().Changing)
	for range 2 {
		_, err := r.p(1).Change(consensus.Proposal{From: 1, ID: 9}, Members{Voters: ids(1)}, 0)
		require.ErrorIs(t, err, consensus.ErrChanging)
	}
	require.ErrorIs(t, r.p(1).Transfer(2), consensus.ErrNotApplied)
}

// The leader goes on leading if it stays a voter; otherwise the voter that has learned most is the first.
func TestS6TheFirstLeaderIsAVoterOfItsEpoch(t *testing.T) {
	r := newRig(t, bound(4))
	r.elect(1)
	r.settle()
	r.cut = func(from, to NodeID) bool { return from == 2 || to == 2 }
	r.propose(1, "a")
	r.pass(second / 2)
	r.change(1, Members{Voters: []NodeID{2, 3, 4}})
	r.cut = func(NodeID, NodeID) bool { return false }
	r.pass(second / 2)
	require.Equal(t, []NodeID{3}, r.leaders(), "2 has learned less")
	require.Equal(t, pack(1, 1, 3), r.p(3).Status().Term, "without phase 1")
}

// kind is what member id is in the eyes of node of.
func (r *rig) kind(of, id NodeID) consensus.MemberKind {
	m := r.p(of).Status().Members
	return m.Kind(id)
}

// A member that joins has no vote until it has learned what is chosen.
func TestS8AJoinerVotesOnlyOnceItHasCaughtUp(t *testing.T) {
	r := newRig(t, bound(3), 4)
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	_, err := r.p(1).Change(consensus.Proposal{From: 1, ID: 9}, bound(4), 0)
	var config *consensus.ConfigError
	require.ErrorAs(t, err, &config, "it must be a learner first")
	r.change(1, Members{Voters: ids(3), Learners: []NodeID{4}})
	r.pass(second)
	r.cut = func(from, to NodeID) bool { return to == 4 } // it has been heard, and learns nothing more
	r.propose(1, "b")
	r.change(1, Members{Voters: ids(3), Joining: []NodeID{4}})
	r.pass(3 * second)
	require.Equal(t, consensus.Joining, r.kind(1, 4))
	r.cut = func(NodeID, NodeID) bool { return false }
	r.pass(2 * second)
	require.Equal(t, consensus.Voter, r.kind(1, 4))
	require.Equal(t, r.p(1).Status().MembersIndex, r.p(4).Status().MembersIndex)
}

func TestS9EpochsOfOthersAreAnsweredOnlyToThoseInThem(t *testing.T) {
	r := one(t)
	r.seal(1, next(1))
	for kind, answered := range map[consensus.Kind]bool{Prepare: true, Accept: true, Lead: true, Elect: true, Promise: false, Accepted: false, Nack: false, LeadReply: false} {
		m := Message{Kind: kind, From: 2, To: 1, Term: b(9, 2), Index: 1}
		if kind == Promise || kind == Accepted || kind == Nack || kind == LeadReply {
			m.Term = b(9, 1)
		}
		r.ask(m)
		require.Equal(t, answered, len(r.flight(EpochSealed)) > 0, "%v", kind)
	}
	sealed := Message{Kind: EpochSealed, From: 2, To: 1, Promised: pack(1, 1, 1)}
	r.ask(sealed) // its sender has entered our epoch, and is sent what it may have missed
	require.Empty(t, r.ask(sealed), "we know")
}

func TestS9AnEpochThatHasEndedIsAskedAfter(t *testing.T) {
	r := one(t)
	out := r.ask(Message{Kind: EpochSealed, From: 2, To: 1, Promised: pack(1, 1, 1), Term: pack(1, 1, 1), Commit: 4})
	require.Equal(t, Learn, out[0].Kind)
	require.Equal(t, NodeID(2), out[0].To)
	require.Equal(t, []Range{{First: 1, Last: 4}}, out[0].Ranges)
}

// Whoever has just entered its epoch, and claims the reserved ballot, may learn that another one leads there already: it must
// not begin to propose in slots that are taken.
func TestS4AReservedBallotThatComesTooLateIsNotLedWith(t *testing.T) {
	r := one(t)
	n := r.find(1)
	n.hold = true
	r.seal(1, next(1))
	require.Equal(t, pack(1, 1, 1), n.p.Status().Term)
	m := learnReply(3, 4, command(4, Chosen, "of 1.2.3"))
	m.Promised = pack(1, 2, 3)
	r.ask(m)
	r.persist(n)
	require.NoError(t, n.p.Check())
	require.Equal(t, consensus.Follower, n.p.Status().Role)
}

// A stop-sign ends the epoch that it is of, and no other. One of a later epoch that is chosen may be the answer to a question
// of a store that was wiped; a proposal of one contradicts.
func TestS6AStopSignOfAnotherEpochEndsNothing(t *testing.T) {
	r := one(t)
	r.ask(learnReply(3, 1, sign(1, Chosen, 3, bound(3))))
	require.Zero(t, r.p(1).Status().Contradictions)
	r.ask(accept(2, b(2, 2), 0, sign(2, b(2, 2), 3, bound(3))))
	require.EqualValues(t, 1, r.p(1).Status().Contradictions)
	require.Empty(t, r.find(1).entries)
}

// The round of a ballot is above those of its own epoch: a refusal that tells of another one tells nothing.
func TestL1TheRoundsOfAnotherEpochCountForNothing(t *testing.T) {
	r, mine := preparingOf(t, 3)
	r.ask(Message{Kind: Nack, From: 2, To: 1, Term: mine, Promised: pack(1, 0, 2), Reject: true})
	r.ask(accept(2, b(7, 2), 0))
	r.campaign(1)
	require.NoError(t, r.p(1).Check())
	require.Equal(t, b(8, 1), r.p(1).Status().Term)
}
