package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// forwardOf is a Forward of node 2 with one command for each id.
func forwardOf(stamp Term, ids ...uint64) *Message {
	m := &Message{Kind: KindForward, From: 2, To: 1, Group: 1, Term: stamp}
	for i, id := range ids {
		m.Entries = append(m.Entries, Entry{Index: Index(i + 1), From: 2, ID: id, Data: []byte{byte(id)}})
	}
	return m
}

// replies are the outcomes sent since the last time, in order; each must be an answer to node 2
// about the stamp and an id.
func (x *rig) replies(stamp Term, ids ...uint64) []Outcome {
	x.t.Helper()
	x.Pump()
	outcomes := []Outcome{}
	for i, m := range x.env.messages() {
		require.Equal(x.t, Message{Kind: KindForwardReply, From: 1, To: 2, Group: 1, Incarnation: 5, Term: stamp, Context: ids[i],
			Outcome: m.Outcome, Data: m.Data}, m)
		outcomes = append(outcomes, m.Outcome)
	}
	require.Len(x.t, outcomes, len(ids))
	return outcomes
}

// forwarded takes the Forward that was just sent to node to.
func (x *rig) takeForward(to NodeID, stamp Term) Message {
	x.t.Helper()
	x.Pump()
	sent := x.env.messages()
	require.Len(x.t, sent, 1)
	require.Equal(x.t, Message{Kind: KindForward, From: 1, To: to, Group: 1, Incarnation: 5, Term: stamp, Index: sent[0].Index, Entries: sent[0].Entries}, sent[0])
	return sent[0]
}

// answer delivers what the leader says of a forwarded request.
func (x *rig) answerForward(from NodeID, stamp Term, id uint64, o Outcome, data string) {
	x.Deliver(&Message{Kind: KindForwardReply, From: from, To: 1, Group: 1, Term: stamp, Context: id, Outcome: o, Data: []byte(data)})
	x.Pump()
}

func TestAFollowersProposalsGoToTheLeaderTogether(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 7)
	a, b := x.NextID(), x.NextID()
	x.Propose(a, EntryCommand, []byte("a"))
	x.Propose(b, EntrySessionCommand, []byte("b"))
	m := x.takeForward(2, 7)
	require.Equal(t, []Entry{
		{Index: 1, From: 1, ID: a, Data: []byte("a")},
		{Index: 2, From: 1, ID: b, Kind: EntrySessionCommand, Data: []byte("b")}}, m.Entries)

	x.answerForward(2, 7, a, OutcomeOK, "\x05five")
	x.requireResult(a, Result{Value: 5, Data: []byte("five")})
	x.answerForward(2, 7, a, OutcomeUnknown, "") // a copy
	x.answerForward(2, 7, b, OutcomeOK, "")
	x.requireResult(b, Result{})
	require.Zero(t, x.parkedBytes)
}

func TestALargeBatchIsSeveralForwards(t *testing.T) {
	x := newRig(t, ReplicaConfig{MaxParked: 1 << 30}).follow(2, 7)
	for range 3 {
		x.Propose(x.NextID(), EntryCommand, make([]byte, maxForward/2))
	}
	x.Propose(x.NextID(), EntryCommand, make([]byte, 2*maxForward))
	x.Pump()
	require.Len(t, x.env.messages(), 4)
}

func TestAForwardedChangeGoesAlone(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 7)
	members := Members{Voters: []NodeID{1, 2}}
	a, change, b := x.NextID(), x.NextID(), x.NextID()
	x.Propose(a, EntryCommand, nil)
	x.Change(change, members, 9)
	x.Propose(b, EntryCommand, nil)
	x.Pump()
	sent := x.env.messages()
	require.Len(t, sent, 3)
	require.Equal(t, Index(9), sent[1].Index)
	require.Equal(t, []Entry{{Index: 1, From: 1, ID: change, Kind: EntryMembers, Data: members.AppendTo(nil)}}, sent[1].Entries)

	y := newRig(t, ReplicaConfig{}).lead(7)
	y.Deliver(&Message{Kind: KindForward, From: 2, Term: 7, Index: 9, Entries: []Entry{{Index: 1, From: 2, ID: 1, Kind: EntryMembers, Data: members.AppendTo(nil)}}})
	require.Equal(t, []Index{9}, y.engine.expects)
	y.Applied([]Applied{{Index: 1, Kind: EntryMembers}, {Index: 2, Kind: EntryMembers, From: 2, ID: 1, Result: Result{Value: 2}}})
	require.Equal(t, []Outcome{OutcomeOK}, y.replies(7, 1))

	y.engine.err = ErrConfigIndex
	y.Deliver(&Message{Kind: KindForward, From: 2, Term: 7, Index: 9, Entries: []Entry{{Index: 1, From: 2, ID: 2, Kind: EntryMembers, Data: members.AppendTo(nil)}}})
	y.Deliver(&Message{Kind: KindForward, From: 2, Term: 7, Index: 9, Entries: []Entry{{Index: 1, From: 2, ID: 3, Kind: EntryMembers, Data: []byte{1}}}})
	require.Equal(t, []Outcome{OutcomeConfigIndex, OutcomeRefused}, y.replies(7, 2, 3))
}

func TestAnAppliedEntryAnswersItsOriginWhoeverSaysSo(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 7)
	id := x.propose("a")
	x.Applied([]Applied{{Index: 1, From: 1, ID: id, Result: Result{Value: 3}}})
	x.answerForward(2, 7, id, OutcomeOK, "\x03")
	x.requireResult(id, Result{Value: 3})
}

func TestARefusedForwardWaitsForTheNextTerm(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 7)
	id := x.propose("a")
	x.takeForward(2, 7)
	x.answerForward(2, 7, id, OutcomeNotLeader, "")
	x.pass(5e9)
	require.Empty(t, x.env.messages(), "the leader of 7 would not take it any more")
	x.follow(3, 8)
	require.Equal(t, id, x.takeForward(3, 8).Entries[0].ID)
	x.answerForward(2, 7, id, OutcomeOK, "")
	x.answerForward(3, 7, id, OutcomeOK, "")
	x.answerForward(2, 8, id, OutcomeOK, "")
	require.True(t, x.open(id), "none of these is the answer to what was asked last")
	x.answerForward(3, 8, id, OutcomeNotLeader, "")
	x.lead(9).Pump()
	require.Len(t, x.engine.proposals, 1)
}

func TestTheLeadersOutcomeIsTheCallersError(t *testing.T) {
	for o := OutcomeUnknown; int(o) < len(outcomes); o++ {
		if o == OutcomeNotLeader {
			continue
		}
		x := newRig(t, ReplicaConfig{}).follow(2, 7)
		id := x.propose("a")
		x.answerForward(2, 7, id, OutcomeNone, "")
		x.answerForward(2, 7, id, OutcomeOK, "\xff")
		require.True(t, x.open(id), "no answers")
		x.answerForward(2, 7, id, o, "because")
		require.ErrorIs(t, x.env.done[id].err, o.Err())
		if o == OutcomeRefused {
			require.EqualError(t, x.env.done[id].err, "because")
		}
	}
}

func TestAForwardThatIsNotAnsweredIsSentAgain(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 7)
	a := x.propose("a")
	first := x.takeForward(2, 7)
	x.pass(5e8)
	b := x.propose("b")
	x.takeForward(2, 7)
	x.pass(5e8)
	require.Equal(t, first, x.takeForward(2, 7), "and b was sent too lately")
	x.pass(1e9)
	again := x.takeForward(2, 7).Entries
	require.Equal(t, []uint64{b, a}, []uint64{again[0].ID, again[1].ID})

	x.follow(3, 8)
	x.pass(1e9)
	x.pass(1e9)
	require.Empty(t, x.env.messages(), "the new leader must not take it")
	x.pass(1e9)
	x.requireAnswer(a, ErrUnknown)
	x.requireAnswer(b, ErrUnknown)
}

func TestACopyOfAForwardIsNotProposedAgain(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(7)
	x.Deliver(forwardOf(7, 1, 2))
	x.Deliver(forwardOf(7, 1, 2))
	require.Empty(t, x.replies(7), "its original will be answered")
	x.Applied([]Applied{{Index: 1, From: 2, ID: 1, Result: Result{Value: 8, Data: []byte("x")}}, {Index: 2, From: 3, ID: 2}})
	x.Pump()
	sent := x.env.messages()
	require.Equal(t, "\x08x", string(sent[0].Data))
	require.Equal(t, []Outcome{OutcomeOK, OutcomeOverwritten}, []Outcome{sent[0].Outcome, sent[1].Outcome})

	x.Deliver(forwardOf(7, 1, 2))
	require.Equal(t, []Outcome{OutcomeUnknown, OutcomeUnknown}, x.replies(7, 1, 2), "what became of it is not kept")
	require.Len(t, x.engine.proposals, 2)
}

func TestARefusalHoldsForEveryCopy(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(7)
	x.engine.err = ErrBusy
	x.Deliver(forwardOf(7, 1))
	require.Equal(t, []Outcome{OutcomeBusy}, x.replies(7, 1))
	x.engine.err = nil
	x.Deliver(forwardOf(7, 1))
	require.Equal(t, []Outcome{OutcomeBusy}, x.replies(7, 1), "the caller was told that it never will be applied")
	require.Empty(t, x.engine.proposals)
}

func TestALateForwardIsNeverProposed(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(7)
	x.Deliver(forwardOf(7, 1))
	x.follow(3, 8)
	x.Deliver(forwardOf(7, 1, 2))
	require.Equal(t, []Outcome{OutcomeNotLeader}, x.replies(7, 2), "2 was not proposed in 7, and will not be; 1 is still open")
	x.lead(9)
	x.Deliver(forwardOf(7, 2, 3))
	require.Equal(t, []Outcome{OutcomeNotLeader, OutcomeNotLeader}, x.replies(7, 2, 3))
	x.Deliver(forwardOf(9, 4))
	x.Deliver(forwardOf(7, 5))
	require.Equal(t, []Outcome{OutcomeUnknown}, x.replies(7, 5), "what was proposed in 7 is forgotten")
	x.Deliver(forwardOf(6, 6))
	require.Equal(t, []Outcome{OutcomeUnknown}, x.replies(6, 6), "an earlier life may have proposed it")
	x.Deliver(forwardOf(10, 7))
	require.Equal(t, []Outcome{OutcomeUnknown}, x.replies(10, 7), "a term not heard of")
	require.Len(t, x.engine.proposals, 2)
}

func TestARefusalOutlastsTheLeadership(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(5)
	x.Deliver(forwardOf(5, 9))
	x.follow(0, 7)
	x.Deliver(forwardOf(7, 1))
	require.Equal(t, []Outcome{OutcomeNotLeader}, x.replies(7, 1))
	x.lead(7)
	x.Deliver(forwardOf(7, 1))
	require.Equal(t, []Outcome{OutcomeBusy}, x.replies(7, 1))
	require.Len(t, x.engine.proposals, 1)
}

func TestALostRefusalIsSaidAgain(t *testing.T) {
	leader := newRig(t, ReplicaConfig{}).lead(7)
	leader.engine.err = ErrConfigIndex
	origin := newRig(t, ReplicaConfig{})
	origin.cfg.ID = 2
	origin.follow(1, 7)
	id := origin.NextID()
	origin.Change(id, Members{Voters: []NodeID{1, 2}}, 9)
	m := origin.sent()[0]
	leader.Deliver(&m)
	require.Len(t, leader.sent(), 1, "it is lost")
	origin.pass(1e9)
	m = origin.sent()[0]
	leader.Deliver(&m)
	m = leader.sent()[0]
	origin.Deliver(&m)
	origin.Pump()
	origin.requireAnswer(id, ErrNotApplied)
}

// sent pumps, and takes what was sent since the last time.
func (x *rig) sent() []Message {
	x.Pump()
	return x.env.messages()
}

// The leader of 7 lets a request pass, loses its disk, and comes back by Join.
func TestALeaderWhoseDiskWasWipedSaysNeverOfNothingThatItProposed(t *testing.T) {
	origin := newRig(t, ReplicaConfig{})
	origin.cfg.ID = 2
	origin.follow(1, 7)
	id := origin.propose("a")
	m := origin.sent()[0]
	before := newRig(t, ReplicaConfig{}).lead(7)
	before.Deliver(&m)
	require.Len(t, before.engine.proposals, 1, "and a quorum has it")

	wiped := newRig(t, ReplicaConfig{})
	wiped.Replica = NewReplica(ReplicaConfig{ID: 1, Group: 1}, wiped.engine, wiped.env, Recovered{Incarnation: 9})
	wiped.follow(3, 8) // it is a learner
	wiped.Deliver(&m)
	for _, reply := range wiped.sent() {
		require.Equal(t, OutcomeUnknown, reply.Outcome)
		origin.Deliver(&reply)
	}
	origin.follow(3, 8)
	require.Empty(t, origin.sent(), "it would be proposed twice")
	origin.requireAnswer(id, ErrUnknown)
}

func TestRestartsOfAnOriginDoNotShutOutOthers(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(7)
	for life := range uint64(2 * gateOrigins) {
		x.Deliver(forwardOf(7, life<<32|1))
	}
	require.Empty(t, x.sent())
	m := forwardOf(7, 1)
	m.From, m.Entries[0].From = 3, 3
	x.Deliver(m)
	require.Empty(t, x.sent())
	require.Len(t, x.engine.proposals, 2*gateOrigins+1)
}

func TestAnOriginWithoutStateWaitsForTheLeadersAnswer(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 7)
	id := x.propose("a")
	x.Applied([]Applied{{Index: 1, From: 1, ID: id, Err: ErrUnknown}}) // a witness's Machine
	x.Pump()
	require.True(t, x.open(id))
	x.answerForward(2, 7, id, OutcomeOK, "\x03")
	x.requireResult(id, Result{Value: 3})

	id = x.propose("b")
	x.Applied([]Applied{{Index: 2, From: 1, ID: id, Err: ErrUnknown}})
	x.follow(3, 8)
	for range patience {
		x.pass(1e9)
	}
	x.requireAnswer(id, ErrUnknown)
}

func TestAnOriginLearnsWhatBecomesOfItsRequestAfterTheLeaderFell(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(7)
	x.Deliver(forwardOf(7, 1, 2, 3))
	x.follow(3, 8)
	x.Applied([]Applied{{Index: 1, From: 2, ID: 1}})
	require.Equal(t, []Outcome{OutcomeOK}, x.replies(7, 1))
	x.Restored(SnapshotMeta{Index: 2})
	require.Equal(t, []Outcome{OutcomeUnknown}, x.replies(7, 2))
	for range patience {
		x.pass(1e9)
	}
	require.Equal(t, []Outcome{OutcomeUnknown}, x.replies(7, 3))
}

func TestALeaderThatHandsOverParksForwards(t *testing.T) {
	x := newRig(t, ReplicaConfig{MaxParked: 300}).lead(7)
	x.engine.err = ErrTransferring
	x.Deliver(forwardOf(7, 1, 2, 3, 4, 5))
	require.Equal(t, []Outcome{OutcomeBusy}, x.replies(7, 5))
	x.engine.err = nil
	x.Deliver(forwardOf(7, 1))
	require.Empty(t, x.replies(7))
	require.Len(t, x.engine.proposals, 4, "the transfer failed")

	x = newRig(t, ReplicaConfig{}).lead(7)
	x.engine.err = ErrTransferring
	x.Deliver(forwardOf(7, 1))
	x.Pump()
	x.engine.err = nil
	x.follow(2, 8)
	require.Equal(t, []Outcome{OutcomeNotLeader}, x.replies(7, 1), "the origin asks the next leader itself")
	x.Deliver(forwardOf(7, 1))
	require.Equal(t, []Outcome{OutcomeNotLeader}, x.replies(7, 1))
	require.Empty(t, x.engine.proposals)
	require.Zero(t, x.parkedBytes)
}

func TestAMalformedForwardIsIgnored(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(7)
	for _, e := range []Entry{
		{From: 3, ID: 1},
		{From: 2, ID: 0},
		{From: 2, ID: 1, Kind: EntryNoop},
	} {
		x.Deliver(&Message{Kind: KindForward, From: 2, Term: 7, Entries: []Entry{e}})
	}
	x.Deliver(&Message{Kind: KindForward, From: 1, Term: 7, Entries: []Entry{{From: 1, ID: 1}}})
	x.Deliver(&Message{Kind: KindForward, From: 2, Term: 7, Entries: []Entry{{From: 2, ID: 1}, {From: 2, ID: 2, Kind: EntryMembers}}})
	require.Empty(t, x.replies(7))
	require.Empty(t, x.engine.proposals)
}

func TestNothingIsForwardedToALeaderOfTheFounders(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).become(Status{Term: 3, Leader: 2})
	x.propose("a")
	x.Pump()
	require.Empty(t, x.env.messages(), "the term is about to end")
	x.follow(2, 4)
	x.takeForward(2, 4)
}
