package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// sign is a stop-sign at slot s that ends epoch n-1 and begins epoch n with members m.
func sign(s Slot, ballot Ballot, n uint64, m Members) Entry {
	x := epoch{number: n, index: s, members: m, initial: m.Voters[0]}
	return Entry{Index: s, Term: ballot, Kind: consensus.EntryMembers, Data: x.encode()}
}

func (r *rig) change(id NodeID, m Members) Slot {
	s, err := r.p(id).Change(consensus.Proposal{From: id, ID: 77}, m, r.p(id).epoch().opening())
	require.NoError(r.t, err)
	r.pump(r.find(id))
	return s
}

func TestAChangeIsAStopSignAndAnOpeningWithoutPhaseOne(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	m := bound(3)
	m.Learners, m.Voters, m.Bound = ids(3)[2:], ids(2), nil
	s := r.change(1, m)
	require.Equal(t, Slot(2), s)
	r.settle()
	require.Empty(t, r.flight(Prepare))
	for _, n := range r.nodes {
		st := n.p.Status()
		require.Equal(t, pack(1, 1, 1), st.Term)
		require.Equal(t, s+1, st.MembersIndex)
		require.False(t, st.Changing)
		require.Equal(t, []NodeID{1, 2}, st.Members.Voters)
	}
	r.propose(1, "b")
	r.settle()
	require.Equal(t, []string{"a", "members", "noop", "b"}, r.find(1).applied)
}

func TestS1NothingIsProposedAboveAStopSign(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.change(1, Members{Voters: ids(2)})
	r.drop()
	_, err := r.p(1).Propose(consensus.Proposal{From: 1, ID: 1})
	require.ErrorIs(t, err, consensus.ErrTransferring)
	_, err = r.p(1).Change(consensus.Proposal{From: 1, ID: 1}, Members{Voters: ids(1)}, 0)
	require.ErrorIs(t, err, consensus.ErrChanging)
	require.NoError(t, r.p(1).Read(5))
	r.pump(r.find(1))
	r.pass(second / 5)
	require.NotContains(t, r.find(1).reads, consensus.Read{ID: 5}, "reads wait for the next epoch")
}

// candidate makes node 1 lead with what nodes 1 and 2 report.
func (r *rig) candidate(seen Ballot) *Paxos {
	r.p(1).election.seen = seen
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.campaign(1)
	r.settle(func(m *Message) bool { return m.Kind == Prepare || m.Kind == Promise })
	return r.p(1)
}

func TestS2AStopSignWithAHigherVoteAboveItIsVoided(t *testing.T) {
	r := newRig(t, bound(3))
	r.ask(Message{Kind: Accept, From: 3, To: 2, Term: b(2, 3), Entries: []Entry{sign(1, b(2, 3), 1, bound(3))}})
	r.ask(Message{Kind: Accept, From: 3, To: 2, Term: b(3, 3), Entries: []Entry{command(2, b(3, 3), "above")}})
	r.drop()
	p := r.candidate(b(5, 3))
	require.Equal(t, consensus.EntryNoop, p.log.at(1).e.Kind)
	require.Equal(t, "above", string(p.log.at(2).e.Data))
	require.Zero(t, p.stop)
}

func TestS2AStopSignThatMayBeChosenIsRecoveredAndNothingAboveIt(t *testing.T) {
	r := newRig(t, bound(3))
	r.ask(Message{Kind: Accept, From: 3, To: 2, Term: b(2, 3), Entries: []Entry{command(1, b(2, 3), "a"), command(3, b(2, 3), "lower")}})
	r.ask(Message{Kind: Accept, From: 3, To: 2, Term: b(3, 3), Entries: []Entry{sign(2, b(3, 3), 1, bound(3))}})
	r.drop()
	p := r.candidate(b(5, 3))
	require.Equal(t, Slot(2), p.stop)
	require.Equal(t, consensus.EntryMembers, p.log.at(2).e.Kind)
	require.False(t, p.log.holds(3))
	r.settle()
	require.Equal(t, uint64(1), p.epoch().number)
	require.Equal(t, consensus.EntryNoop, p.log.at(3).e.Kind, "it opens the next epoch")
}

func TestS2AStopSignReportedAsChosenSealsTheEpoch(t *testing.T) {
	r := newRig(t, bound(3))
	r.ask(Message{Kind: Accept, From: 3, To: 2, Term: b(2, 3), Entries: []Entry{command(3, b(2, 3), "leftover")}})
	r.ask(Message{Kind: LearnReply, From: 3, To: 2, Term: b(2, 3), Entries: []Entry{sign(2, Chosen, 1, bound(3))}, Commit: 2})
	r.drop()
	p := r.candidate(b(5, 3))
	require.Equal(t, Slot(2), p.stop)
	require.Equal(t, consensus.EntryNoop, p.log.at(1).e.Kind)
	require.False(t, p.log.holds(3), "an old leftover above it is never proposed")
	r.settle()
	require.Equal(t, uint64(1), p.epoch().number)
}

// A node that knows the stop-sign to be chosen, and not what is before it, goes on serving its epoch,
// and refuses votes above.
func TestS3ANodeWithHolesBelowTheStopSignGoesOnServing(t *testing.T) {
	r := newRig(t, bound(3))
	r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(2, 3), Entries: []Entry{sign(3, Chosen, 1, bound(3))}, Commit: 3})
	out := r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(4, 2), Index: 1})
	require.Equal(t, Promise, out[0].Kind)
	out = r.ask(Message{Kind: Accept, From: 2, To: 1, Term: b(4, 2), Entries: []Entry{command(2, b(4, 2), "v"), command(4, b(4, 2), "w")}})
	require.Equal(t, []Range{{First: 2, Last: 2}}, out[0].Ranges)
	require.False(t, r.p(1).log.holds(4))
}

func TestS3ASealedNodeAnswersThatTheEpochHasEnded(t *testing.T) {
	r := newRig(t, bound(3))
	r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(2, 3), Entries: []Entry{sign(1, Chosen, 1, Members{Voters: ids(3)[1:], Bound: bound(3).Bound})}, Commit: 1})
	for _, kind := range []consensus.Kind{Prepare, Accept, Lead, Elect} {
		out := r.ask(Message{Kind: kind, From: 2, To: 1, Term: b(9, 2), Index: 1})
		require.Equal(t, EpochSealed, out[0].Kind)
	}
	require.Equal(t, pack(1, 0, 0), r.find(1).disk.State.Term)
	require.Equal(t, Slot(1), r.find(1).disk.State.Commit, "entering is one write")
}

func TestS4TheReservedBallotIsLedWithWhenItsPromiseIsDurable(t *testing.T) {
	r := newRig(t, bound(3))
	n := r.find(1)
	r.elect(1)
	r.settle()
	r.change(1, bound(3))
	n.hold = true
	r.settle()
	require.Equal(t, pack(1, 1, 1), n.p.promised)
	require.Equal(t, consensus.Candidate, n.p.Status().Role)
	require.Empty(t, r.flight(Accept))
	w := n.last
	require.Equal(t, Slot(2), w.Truncate)
	require.Equal(t, consensus.State{Term: pack(1, 1, 1), Commit: 1}, w.State)
	r.persist(n)
	r.pump(n)
	require.Equal(t, consensus.Leader, n.p.Status().Role)

	r.drop()
	n = r.crash(1)
	r.pump(n)
	require.Equal(t, consensus.Follower, n.p.Status().Role, "its ballot was of another life")
	r.campaign(1)
	require.Equal(t, pack(1, 2, 1), n.p.promised)
}

func TestS4NobodyElseUsesTheReservedRound(t *testing.T) {
	r := newRig(t, bound(3))
	r.ask(Message{Kind: LearnReply, From: 3, To: 1, Term: b(2, 3), Entries: []Entry{sign(1, Chosen, 1, bound(3))}, Commit: 1})
	before := r.p(1).promised
	require.Equal(t, pack(1, 1, 1), before, "node 1 is the first leader")
	r.ask(Message{Kind: LearnReply, From: 3, To: 2, Term: b(2, 3), Entries: []Entry{sign(1, Chosen, 1, bound(3))}, Commit: 1})
	r.ask(Message{Kind: Accept, From: 3, To: 2, Term: pack(1, 1, 3), Entries: []Entry{command(2, pack(1, 1, 3), "v")}})
	require.False(t, r.p(2).log.holds(2))
	require.EqualValues(t, 1, r.p(2).Status().Ignored)
}

// MULTI-PAXOS, S9: A and B accept a stop-sign at slot 1, A goes on in the next epoch and chooses slot 2;
// B must not learn slot 2 before it has entered that epoch: C would see it above the stop-sign, and void it.
func TestS9NothingOfALaterEpochIsLearned(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.change(1, bound(3))
	r.settle(func(m *Message) bool {
		return m.To != 3 && m.From != 3 && (m.Kind == Accept || m.Kind == Accepted) && epochOf(m.Term) == 0
	})
	require.Equal(t, uint64(1), r.p(1).epoch().number)
	require.Zero(t, r.p(2).epoch().number)
	out := r.ask(Message{Kind: Accept, From: 1, To: 2, Term: r.p(1).promised, Entries: []Entry{*r.p(1).log.at(2).e}})
	require.Len(t, out, 1)
	require.Equal(t, Learn, out[0].Kind, "a message of a later epoch is answered with a question")
	require.False(t, r.p(2).log.holds(2))

	r.p(1).learned(r.p(1).log.at(2))
	answer := r.ask(Message{Kind: Learn, From: 2, To: 1, Term: b(2, 1), Ranges: []Range{{First: 1, Last: 9}}})
	require.Len(t, answer[0].Entries, 1, "the answer ends with the end of the asker's epoch")
}

// What a store asked that was wiped since may be of a later epoch than its successor is in. The answer names the store.
func TestS9AnAnswerIsForTheStoreThatAsked(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(2)
	r.settle()
	r.propose(2, "a")
	r.settle()
	out := r.ask(Message{Kind: Learn, From: 1, To: 2, Term: b(2, 2), Ranges: []Range{{First: 1, Last: 9}}})
	require.Equal(t, LearnReply, out[0].Kind)
	require.Equal(t, store(1), out[0].Context)
	wiped := r.start(1, consensus.Recovered{Incarnation: 999})
	wiped.p.Step(&out[0])
	require.Zero(t, wiped.p.commit)
	require.False(t, wiped.p.log.holds(1))
}

func TestS7ANodeThatWasRemovedTeachesTheOthers(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(3)
	r.settle()
	r.propose(3, "a")
	r.change(3, Members{Voters: ids(2)})
	r.settle(func(m *Message) bool { return m.Kind != Lead })
	require.Equal(t, consensus.NotMember, r.p(3).Status().Kind)
	r.pass(3 * second)
	require.Len(t, r.leaders(), 1)
	require.NotEqual(t, NodeID(3), r.leaders()[0])
	require.Equal(t, []string{"a", "members", "noop"}, r.find(1).applied)
}

// The entry that opens an epoch answers whoever asked for the change, whichever leader proposes it; and only
// once the new members have what those who were removed had.
func TestS7TheOpeningCompletesTheChange(t *testing.T) {
	r := newRig(t, bound(3), 4)
	r.elect(1)
	r.settle()
	r.change(1, Members{Voters: ids(3), Learners: []NodeID{4}})
	r.pass(second)
	r.cut = func(from, to NodeID) bool { return to == 4 }
	r.propose(1, "a")
	r.change(1, Members{Voters: []NodeID{4}})
	r.pass(second)
	require.Equal(t, uint64(2), r.p(1).epoch().number)
	require.True(t, r.p(1).Status().Changing, "node 4 knows nothing, and needs the others")
	require.Less(t, r.p(1).commit, r.p(1).Status().MembersIndex)

	r.cut = func(NodeID, NodeID) bool { return false }
	r.pass(3 * second)
	require.Equal(t, []NodeID{4}, r.leaders())
	for _, n := range r.nodes {
		st := n.p.Status()
		require.False(t, st.Changing)
		require.Equal(t, st.MembersIndex, st.Commit, "whoever was removed has asked, and knows")
		opening := n.p.log.at(st.MembersIndex).e
		require.Equal(t, [2]uint64{1, 77}, [2]uint64{uint64(opening.From), opening.ID})
	}
}

// The first slot of an epoch holds its opening, if the epoch's first leader has died, too.
func TestAnyLeaderOpensTheEpoch(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.change(1, bound(3))
	r.settle(func(m *Message) bool { return epochOf(m.Promised) == 0 || m.Kind == Learn || m.Kind == LearnReply })
	require.Equal(t, uint64(1), r.p(1).epoch().number)
	r.drop()
	r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
	for _, id := range ids(3)[1:] {
		n := r.find(id)
		n.p.Step(&Message{Kind: LearnReply, From: 1, To: id, Group: 1, Incarnation: store(1), Promised: r.p(1).promised, Context: store(id), Commit: 1, Entries: []Entry{chosen(r.p(1).log.at(1).e)}})
		r.pump(n)
	}
	r.pass(4 * second)
	require.Len(t, r.leaders(), 1)
	require.Equal(t, []string{"members", "noop"}, r.find(2).applied)
	require.Equal(t, uint64(77), r.p(2).log.at(2).e.ID)
}

func chosen(e *Entry) Entry {
	c := *e
	c.Term = Chosen
	return c
}

func TestAJoiningLearnerBecomesAVoter(t *testing.T) {
	r := newRig(t, bound(3), 4)
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	r.change(1, Members{Voters: ids(3), Joining: []NodeID{4}})
	r.pass(2 * second)
	for _, n := range r.nodes {
		st := n.p.Status()
		require.Equal(t, ids(4), st.Members.Voters)
		require.Equal(t, store(4), st.Members.Incarnation(4))
	}
	require.Equal(t, []string{"a", "members", "noop", "members", "noop"}, r.find(4).applied)
}

func TestFoundersAreBoundByTheFirstEntry(t *testing.T) {
	m := Members{Voters: ids(3)}
	r := newRig(t, m)
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.pass(4 * second)
	require.Empty(t, r.leaders(), "the first leader needs every founder")
	r.cut = func(from, to NodeID) bool { return false }
	r.pass(4 * second)
	require.Len(t, r.leaders(), 1)
	for _, n := range r.nodes {
		st := n.p.Status()
		require.False(t, st.Members.Unbound())
		require.Equal(t, Slot(2), st.MembersIndex)
		require.Equal(t, []string{"members", "noop"}, n.applied)
	}
}

func TestAWipedVoterIsCountedByNobody(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	r.settle()
	n := r.start(2, consensus.Recovered{Incarnation: 999})
	r.pump(n)
	require.True(t, n.p.Status().Refused)
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.drop()
	r.propose(1, "b")
	r.settle()
	require.Equal(t, Slot(1), r.p(1).commit, "its vote does not count")
	out := r.ask(Message{Kind: Prepare, From: 3, To: 2, Term: b(9, 3), Index: 1})
	require.Empty(t, out)
}

func TestChangesThatCannotBeAreRefused(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	for name, m := range map[string]Members{
		"nobody leads":         {Learners: ids(1)},
		"a stranger votes":     {Voters: ids(4)},
		"quorums do not meet":  {Voters: ids(3), CommitQuorum: 1},
		"weights of nothing":   {Voters: ids(1), Weights: []consensus.Weight{{Node: 1}}},
		"too large an id":      {Voters: ids(3), Learners: []NodeID{maxNode + 1}},
		"too long a lease":     {Voters: ids(3), Lease: 2 * second},
		"too many for one bit": {Voters: ids(3), Learners: ids(70)[3:]},
	} {
		_, err := r.p(1).Change(consensus.Proposal{}, m, 0)
		var config *consensus.ConfigError
		require.ErrorAs(t, err, &config, name)
	}
	_, err := r.p(1).Change(consensus.Proposal{}, bound(3), 5)
	require.ErrorIs(t, err, consensus.ErrConfigIndex)
	_, err = r.p(2).Change(consensus.Proposal{}, bound(3), 0)
	require.ErrorIs(t, err, consensus.ErrNotLeader)
}
