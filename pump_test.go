package consensus

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMessageLeavesWhenEveryWriteIssuedSoFarIsDurable(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	require.Equal(t, []string{"send 1→2 AppendEntriesReply"}, x.step(Effects{Messages: msg(2)}), "nothing is being written")

	got := x.step(
		Effects{Early: msg(9), Write: Write{Seq: 1}, Messages: msg(3)},
		Effects{Messages: msg(4)},
		Effects{Write: Write{Seq: 2}, Messages: msg(5)})
	require.Equal(t, []string{"send 1→9 AppendEntriesReply", "write 1", "write 2"}, got)

	x.Persisted(1)
	require.Empty(t, x.env.take(), "only Pump acts")
	require.Equal(t, []string{"send 1→3 AppendEntriesReply", "send 1→4 AppendEntriesReply"}, x.step())
	require.Equal(t, uint64(1), x.engine.persisted)

	require.Equal(t, []string{"write 3"}, x.step(Effects{Write: Write{Seq: 3}, Messages: msg(6)}))
	x.Persisted(3)
	require.Equal(t, []string{"send 1→5 AppendEntriesReply", "send 1→6 AppendEntriesReply"}, x.step(), "in order, and 3 says that 2 is durable")
}

func TestMessagesHeldForAStuckDiskAreBounded(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	x.step(Effects{Write: Write{Seq: 1}})
	for range maxHeld {
		x.step(Effects{Messages: msg(2)})
	}
	x.step(Effects{Write: Write{Seq: 2}, Messages: msg(3)})
	x.Persisted(1)
	sent := x.step()
	require.Len(t, sent, maxHeld)
	require.NotContains(t, sent, "send 1→3 AppendEntriesReply")
	x.step(Effects{Messages: msg(4)})
	x.Persisted(2)
	require.Equal(t, []string{"send 1→4 AppendEntriesReply"}, x.step(), "there is room again")
}

func TestTheEngineLearnsThatAWriteIsDurableOnce(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	x.step(Effects{Write: Write{Seq: 1}}, Effects{Write: Write{Seq: 2}})
	x.Persisted(2)
	x.Persisted(1)
	require.Equal(t, uint64(2), x.engine.persisted)
	require.Panics(t, func() { x.Persisted(3) }, "it was never issued")
	require.Panics(t, func() { x.step(Effects{Write: Write{Seq: 4}}) }, "3 was left out")
}

func TestNothingIsAppliedBetweenAReceivedSnapshotAndItsRestore(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	got := x.step(
		Effects{Committed: entries(1, 3)},
		Effects{Write: Write{Seq: 1, Snapshot: &SnapshotMeta{Index: 9}}, Committed: entries(10, 11)})
	require.Equal(t, []string{"apply 1 to 3", "write 1"}, got, "it waits until it is durable")
	x.Applied(applied(1, 3))
	require.Empty(t, x.step(Effects{Committed: entries(12, 12)}))

	x.Persisted(1)
	require.Equal(t, []string{"restore 9"}, x.step(Effects{Committed: entries(13, 13)}))
	require.Empty(t, x.step(Effects{Committed: entries(14, 14)}), "it is restored once")
	require.Equal(t, Index(3), x.AppliedIndex())

	x.Restored(SnapshotMeta{Index: 9})
	require.Equal(t, Index(9), x.AppliedIndex())
	require.Equal(t, []string{"apply 10 to 14"}, x.step())
	require.Equal(t, []string{"apply 15 to 15"}, x.step(Effects{Committed: entries(15, 15)}))
}

func TestAReceivedSnapshotTakesThePlaceOfOneThatWaits(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	x.step(
		Effects{Write: Write{Seq: 1, Snapshot: &SnapshotMeta{Index: 5}}, Committed: entries(6, 7)},
		Effects{Write: Write{Seq: 2, Snapshot: &SnapshotMeta{Index: 9}}, Committed: entries(10, 10)})
	x.Persisted(1)
	require.Empty(t, x.step())
	x.Persisted(2)
	require.Equal(t, []string{"restore 9"}, x.step())
	require.Equal(t, entryOverhead, x.Waiting(), "6 and 7 need not wait any more")
	x.Restored(SnapshotMeta{Index: 9})
	require.Equal(t, []string{"apply 10 to 10"}, x.step())
	require.Zero(t, x.Waiting())
}

func TestARestoreMayBringALaterSnapshot(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	x.step(Effects{Write: Write{Seq: 1, Snapshot: &SnapshotMeta{Index: 5}}, Committed: entries(6, 7)})
	x.Persisted(1)
	require.Equal(t, []string{"restore 5"}, x.step())
	require.Equal(t, []string{"write 2"}, x.step(Effects{Write: Write{Seq: 2, Snapshot: &SnapshotMeta{Index: 9}}, Committed: entries(10, 10)}))
	require.Empty(t, x.step(Effects{Committed: entries(11, 11)}))
	require.Equal(t, 2*entryOverhead, x.Waiting())
	x.Restored(SnapshotMeta{Index: 9}) // the second was adopted in storage when the first was to be read
	require.Equal(t, []string{"apply 10 to 11"}, x.step())
	require.Zero(t, x.Waiting())
}

func TestAnEntryBelowAReceivedSnapshotIsAppliedBeforeIt(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	got := x.step(Effects{Write: Write{Seq: 1, Snapshot: &SnapshotMeta{Index: 2}}, Committed: entries(1, 3)})
	require.Equal(t, []string{"apply 1 to 2", "write 1", "apply 3 to 3"}, got, "and then there is nothing to restore")
}

func TestASnapshotIsTakenAfterSoManyBytesOneAtATime(t *testing.T) {
	x := newRig(t, ReplicaConfig{SnapshotSize: 100})
	x.become(Status{Kind: Voter})
	x.step(Effects{Committed: entries(1, 8)})
	x.Applied([]Applied{{Index: 1, Size: 64}})
	require.Empty(t, x.step())
	x.Applied([]Applied{{Index: 2, Size: 64}})
	require.Equal(t, []string{"snapshot"}, x.step())
	x.Applied([]Applied{{Index: 3, Size: 200}})
	require.Empty(t, x.step(), "the first is not stored yet")
	x.Compacted(SnapshotMeta{Index: 2}, nil)
	require.Equal(t, []SnapshotMeta{{Index: 2}}, x.engine.compacted)
	require.Equal(t, []string{"write 1", "snapshot"}, x.step(Effects{Write: Write{Seq: 1, Snapshot: &SnapshotMeta{Index: 2}}}), "our own is not restored")

	x.Compacted(SnapshotMeta{}, errors.New("disk full"))
	require.Empty(t, x.step(), "not before as much is applied again")
	require.Len(t, x.engine.compacted, 1)
	x.Applied([]Applied{{Index: 4, Size: 100}})
	require.Equal(t, []string{"snapshot"}, x.step())
}

func TestSnapshotsAndFetchesGoOutAtOnce(t *testing.T) {
	x := newRig(t, ReplicaConfig{})
	got := x.step(Effects{Write: Write{Seq: 1}, Snapshots: []Message{{To: 3}}, Fetch: []Fetch{{To: 2, Lo: 7}}})
	require.Equal(t, []string{"write 1", "send snapshot to 3", "fetch 7 for 2"}, got)
}

func TestAPumpWithProposalsAllocatesNothing(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	env := &quietEnv{}
	x.Replica.env = env
	eff := []Effects{{Early: msg(2), Messages: msg(3)}}
	results := make([]Applied, 8)
	seq := uint64(0)
	round := func() {
		x.Tick(x.now + 1000)
		for i := range results {
			id := x.NextID()
			x.Propose(id, EntryCommand, nil)
			results[i] = Applied{Index: x.engine.status.Last, From: 1, ID: id, Size: 64}
		}
		x.engine.proposals = x.engine.proposals[:0]
		seq++
		eff[0].Write.Seq = seq
		x.engine.effects = eff
		x.Pump()
		x.Persisted(seq)
		x.Applied(results)
		x.Read(x.NextID())
		x.Pump()
		x.engine.effects = eff[:0]
		x.onReads([]Read{{ID: x.engine.reads[0], Index: 0}})
		x.engine.reads = x.engine.reads[:0]
		x.Pump()
	}
	for range 100 {
		round()
	}
	require.Zero(t, testing.AllocsPerRun(1000, round))
	require.Equal(t, 9*(100+1+1000), env.done)
}
