package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProposalIsAnsweredWithItsOwnResult(t *testing.T) {
	x := newRig(t, ReplicaConfig{Life: 7}).lead(2)
	a, b := x.propose("a"), x.propose("b")
	require.Equal(t, []uint64{7<<32 | 1, 7<<32 | 2}, []uint64{a, b})
	require.Equal(t, []Proposal{{From: 1, ID: a, Data: []byte("a")}, {From: 1, ID: b, Data: []byte("b")}}, x.engine.proposals)
	x.Applied([]Applied{{Index: 1, From: 1, ID: a, Result: Result{Value: 11}}})
	require.True(t, x.open(a), "only Pump answers")
	x.Applied([]Applied{{Index: 2, From: 1, ID: b, Err: ErrNoSession}})
	x.Pump()
	x.requireResult(a, Result{Value: 11})
	x.requireAnswer(b, ErrNoSession)
	require.Empty(t, x.requests)
	require.Empty(t, x.placed)
}

func TestAProposalInWhosePlaceAnotherIsChosenNeverGetsItsResult(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	id := x.propose("a")
	x.Applied([]Applied{{Index: 1, From: 2, ID: id, Result: Result{Value: 99}}}) // another node's, of the same number
	x.Pump()
	x.requireAnswer(id, ErrOverwritten)
}

func TestProposalsOfSeveralTermsMayStandAtOneIndex(t *testing.T) {
	for chosen := range 3 {
		x := newRig(t, ReplicaConfig{}).lead(2)
		ids := []uint64{x.propose("a")}
		for term := Term(4); len(ids) < 3; term += 2 {
			x.follow(2, term-1)
			x.engine.status.Last = 0 // cut back
			ids = append(ids, x.lead(term).propose("b"))
		}
		x.Applied([]Applied{{Index: 1, From: 1, ID: ids[chosen], Result: Result{Value: 5}}})
		x.Pump()
		for i, id := range ids {
			if i == chosen {
				x.requireResult(id, Result{Value: 5})
			} else {
				x.requireAnswer(id, ErrOverwritten)
			}
		}
		require.Empty(t, x.placed)
	}
}

func TestAProposalThatASnapshotSkipsIsUnknown(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	a, b, c := x.propose("a"), x.propose("b"), x.propose("c")
	x.follow(2, 3)
	x.step(Effects{Write: Write{Seq: 1, Snapshot: &SnapshotMeta{Index: 2}}})
	x.Persisted(1)
	x.Pump()
	x.Restored(SnapshotMeta{Index: 2})
	x.Pump()
	x.requireAnswer(a, ErrUnknown)
	x.requireAnswer(b, ErrUnknown)
	require.True(t, x.open(c))
}

func TestAProposalOfATermThatIsOverIsNotWaitedForForEver(t *testing.T) {
	const second = Instant(1e9)
	x := newRig(t, ReplicaConfig{}).lead(2)
	id := x.propose("a")
	for range 10 {
		x.pass(second)
	}
	require.True(t, x.open(id), "it leads and may yet have it chosen")
	x.follow(2, 3)
	x.pass(second)
	x.pass(second)
	require.True(t, x.open(id), "the new leader is given time")
	x.pass(second)
	x.requireAnswer(id, ErrUnknown)
}

func TestASessionIsNotKeptWaitingWhenItsTermIsOver(t *testing.T) {
	const second = Instant(1e9)
	for _, kind := range []EntryKind{EntrySessionOpen, EntrySessionCommand, EntrySessionClose} {
		x := newRig(t, ReplicaConfig{}).follow(2, 2)
		id := x.NextID()
		x.Propose(id, kind, []byte("a"))
		x.Pump()
		for range 10 {
			x.pass(second)
		}
		require.True(t, x.open(id), "its leader may yet have it chosen")
		x.follow(3, 3)
		x.pass(second)
		x.requireAnswer(id, ErrUnknown)
	}
}

func TestARequestIsParkedUntilALeaderCanTakeIt(t *testing.T) {
	for name, refuse := range map[string]func(x *rig){
		"no leader known": func(x *rig) { x.follow(0, 2) },
		"busy":            func(x *rig) { x.lead(2).engine.err = ErrBusy },
		"transferring":    func(x *rig) { x.lead(2).engine.err = ErrTransferring },
	} {
		t.Run(name, func(t *testing.T) {
			x := newRig(t, ReplicaConfig{MaxParked: 1000})
			refuse(x)
			a, b := x.propose("a"), x.propose("b")
			require.True(t, x.open(a) && x.open(b))
			x.engine.err = nil
			x.lead(2)
			c := x.NextID()
			x.Propose(c, EntryCommand, []byte("c"))
			x.Pump()
			require.Equal(t, []Proposal{{From: 1, ID: a, Data: []byte("a")}, {From: 1, ID: b, Data: []byte("b")}, {From: 1, ID: c, Data: []byte("c")}},
				x.engine.proposals, "in the order in which they came")
			require.Zero(t, x.parkedBytes)
		})
	}
}

func TestWhatIsParkedIsBounded(t *testing.T) {
	x := newRig(t, ReplicaConfig{MaxParked: 300}).follow(0, 2)
	large := x.propose(string(make([]byte, 1000)))
	require.True(t, x.open(large), "one may exceed the bound")
	x.requireAnswer(x.propose("b"), ErrBusy)
	x.Cancel(large)
	x.Pump()
	x.requireAnswer(large, ErrNotApplied)
	ids := []uint64{x.propose("c"), x.propose("d"), x.propose("e"), x.propose("f"), x.propose("g")}
	require.True(t, x.open(ids[0]) && x.open(ids[1]) && x.open(ids[2]) && x.open(ids[3]))
	x.requireAnswer(ids[4], ErrBusy)
	read := x.readOne()
	x.Pump()
	require.True(t, x.open(read), "reads have a budget of their own")
}

func TestWithNoForwardARequestIsToldWhoLeads(t *testing.T) {
	x := newRig(t, ReplicaConfig{NoForward: true}).follow(3, 2)
	ids := []uint64{x.propose("a"), x.readOne(), x.NextID()}
	x.Change(ids[2], Members{Voters: []NodeID{1}}, 0)
	x.Pump()
	for _, id := range ids {
		x.requireAnswer(id, ErrNotLeader)
		var not *NotLeaderError
		require.ErrorAs(t, x.env.done[id].err, &not)
		require.Equal(t, NodeID(3), not.Leader)
	}
	x.lead(4).engine.err = ErrTransferring
	id := x.propose("a")
	require.True(t, x.open(id))
	x.engine.err = nil
	x.follow(2, 5).Pump()
	x.requireAnswer(id, ErrNotLeader)
}

func TestARefusalIsTheCallers(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	x.engine.err = ErrTooLarge
	x.requireAnswer(x.propose("a"), ErrTooLarge)
	x.engine.err = ErrConfigIndex
	id := x.NextID()
	x.Change(id, Members{Voters: []NodeID{1, 2}}, 7)
	x.Pump()
	x.requireAnswer(id, ErrConfigIndex)
	require.Equal(t, []Index{7}, x.engine.expects)
}

func TestAChangeEndsWithTheEntryThatCompletesIt(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	id := x.NextID()
	x.Change(id, Members{Voters: []NodeID{1, 2}}, 0)
	x.Pump()
	x.Applied([]Applied{{Index: 1, Kind: EntryMembers}})
	x.Pump()
	require.True(t, x.open(id), "the first half was chosen")
	x.Applied([]Applied{{Index: 2, Kind: EntryMembers, From: 1, ID: id, Result: Result{Value: 2}}})
	x.Pump()
	x.requireResult(id, Result{Value: 2})

	other := x.NextID()
	x.Change(other, Members{Voters: []NodeID{1}}, 2)
	x.engine.status.Last = 3
	x.Applied([]Applied{{Index: 2, Kind: EntryNoop}})
	x.Pump()
	x.requireAnswer(other, ErrOverwritten)
}

func TestATransferEndsWhenTheOtherLeadsOrCannot(t *testing.T) {
	start := func() (*rig, uint64) {
		x := newRig(t, ReplicaConfig{}).lead(2)
		id := x.NextID()
		x.Transfer(id, 3)
		x.Pump()
		require.True(t, x.open(id))
		return x, id
	}
	x, id := start()
	x.follow(0, 3).Pump()
	require.True(t, x.open(id), "nobody is known to lead yet")
	x.follow(3, 3).Pump()
	x.requireResult(id, Result{})

	x, id = start()
	x.follow(2, 3).Pump()
	x.requireAnswer(id, ErrNotLeader)

	x, id = start()
	x.lead(2).Pump()
	x.requireAnswer(id, ErrUnknown)

	x, id = start()
	x.follow(0, 3)
	for range patience {
		x.pass(1e9)
	}
	x.requireAnswer(id, ErrUnknown)

	x = newRig(t, ReplicaConfig{}).follow(2, 2)
	x.Transfer(1, 3)
	x.Pump()
	x.requireAnswer(1, ErrNotLeader)
}

func TestACancelledRequestIsNeverOnlyIfItHadNoEffect(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(0, 2)
	parked, read := x.propose("a"), x.readOne()
	x.Cancel(parked)
	x.Cancel(read)
	x.Pump()
	x.requireAnswer(parked, ErrNotApplied)
	x.requireAnswer(read, ErrNotApplied)

	x.follow(2, 2)
	sent := x.propose("b")
	x.Cancel(sent)
	proposed := x.lead(3).propose("c")
	x.Cancel(proposed)
	x.Cancel(proposed)
	x.Cancel(12345)
	x.Pump()
	x.requireAnswer(sent, ErrUnknown)
	x.requireAnswer(proposed, ErrUnknown)
	x.Applied([]Applied{{Index: 1, From: 1, ID: proposed}})
	x.Pump()
	require.Empty(t, x.requests)
}

func TestCloseAnswersEverythingAtOnce(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	proposed := x.propose("a")
	round := x.readOne()
	x.Pump()
	x.follow(2, 3)
	sent := x.propose("b")
	polling := x.readOne()
	x.Pump()
	waiting := x.readOne()
	x.follow(0, 4)
	parked := x.propose("c")
	x.Deliver(&Message{Kind: KindReadIndex, From: 3, Context: 1})
	x.Close()
	for _, id := range []uint64{proposed, sent} {
		x.requireAnswer(id, ErrUnknown)
	}
	for _, id := range []uint64{round, polling, waiting, parked} {
		x.requireAnswer(id, ErrClosed)
	}
	require.Empty(t, x.requests)
	x.env.take()
	late := []uint64{x.propose("d"), x.readOne(), x.NextID(), x.NextID()}
	x.Change(late[2], Members{}, 0)
	x.Transfer(late[3], 2)
	x.engine.effects = []Effects{{Early: msg(2)}}
	x.Pump()
	for _, id := range late {
		x.requireAnswer(id, ErrClosed)
	}
	require.Empty(t, x.env.take(), "nothing happens after Close")
	x.Close()
}

func TestARequestIsOpenedOnce(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	id := x.propose("a")
	require.Panics(t, func() { x.Propose(id, EntryCommand, nil) })
}
