package enginetest

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/stretchr/testify/require"
)

func write(seq uint64, t Term, es ...Entry) consensus.Write {
	return consensus.Write{Seq: seq, Entries: es, State: consensus.State{Term: t, Commit: Index(seq) - 1}}
}

func TestACrashKeepsTheFirstWrites(t *testing.T) {
	d := NewDisk(7)
	for seq := range uint64(3) {
		d.Issue(write(seq+1, 1, Entry{Index: Index(seq + 1), Term: 1}))
	}
	d.Crash(2)
	require.Empty(t, d.Unfinished)
	rec := d.Recover()
	require.Len(t, rec.Entries, 2)
	require.Equal(t, uint64(7), rec.Incarnation)
	require.Equal(t, consensus.State{Term: 1, Commit: 1}, rec.State)
}

func TestAnEntryThatChangesUnderWayIsSeen(t *testing.T) {
	d := NewDisk(1)
	es := []Entry{{Index: 1, Term: 1}}
	d.Issue(write(1, 1, es...))
	same := d.Finish(0)
	require.False(t, same.Changed())
	d.Issue(write(2, 1, es...))
	es[0].Term = 2
	changed := d.Finish(0)
	require.True(t, changed.Changed())
}

// Of a received snapshot it is not known that what is retained below was ever chosen: as Storage promises.
func TestAReceivedSnapshotForgetsWhatIsBelow(t *testing.T) {
	for commit, retained := range map[Index]int{1: 1, 2: 3} {
		d := NewDisk(1)
		w := write(1, 1, Entry{Index: 1, Term: 1}, Entry{Index: 2, Term: 1}, Entry{Index: 3, Term: 1})
		w.State.Commit = commit
		d.Issue(w)
		d.Finish(0)
		d.Damage(1, 1)
		d.Log[1] = Entry{Index: 1, Term: 1}
		d.Issue(consensus.Write{Seq: 2, Snapshot: &consensus.SnapshotMeta{Index: 2}, State: w.State})
		d.Finish(0)
		require.Len(t, d.Log, retained)
		require.Empty(t, d.Damaged)
		require.Len(t, d.Recover().Entries, 1)
		_, err := d.Fetch(consensus.Fetch{Lo: 1, Hi: 2, MaxBytes: 1 << 20})
		require.Equal(t, retained == 1, err != nil)
	}
}

func TestAClonedDiskSharesNothing(t *testing.T) {
	d := NewDisk(1)
	d.Issue(write(1, 1, Entry{Index: 1, Term: 1}))
	c := d.Clone()
	c.Crash(1)
	c.Damage(1, 2)
	require.Len(t, d.Unfinished, 1)
	require.Empty(t, d.Log)
	require.Equal(t, []consensus.Range{{First: 1, Last: 2}}, c.Recover().Damaged)
}

func TestEntriesOfAScript(t *testing.T) {
	var p Protocol
	require.Equal(t, "4/2 , 5/3 ", p.Entries(p.entries("2,3", 3)))
	require.Equal(t, "1/1 , 4/2 , 5/2 x, 9/3 ", p.Entries(p.entries("1,4/2,5/2/x,9/3", 0)))
	require.Equal(t, "2/1 c, 3/1 c, 4/1 c, 5/7 ", p.Entries(p.entries("2-4/1/c,7", 0)))
	require.Empty(t, p.entries("", 0))
}
