package storage_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/storagetest"
)

func TestMemoryKeepsThePromisesOfStorage(t *testing.T) {
	storagetest.Run(t, func(*testing.T) func() consensus.Storage {
		m := storage.NewMemory()
		return func() consensus.Storage { return m }
	})
}

func TestMemoryRetainingNothingKeepsThePromisesOfStorage(t *testing.T) {
	storagetest.Run(t, func(*testing.T) func() consensus.Storage {
		m := storage.NewMemory(storage.WithRetention(0))
		return func() consensus.Storage { return m }
	})
}

func TestIncarnationCanBeGiven(t *testing.T) {
	r, err := storage.NewMemory(storage.WithIncarnation(42)).Recover(1)
	require.NoError(t, err)
	require.Equal(t, uint64(42), r.Incarnation)
	require.Panics(t, func() { storage.NewMemory(storage.WithIncarnation(0)) })
}

// log writes entries 1 to n of term 1, each of 100 bytes with what an entry weighs.
func log(t testing.TB, m *storage.Memory, n consensus.Index, commit consensus.Index) {
	w := consensus.Write{Group: 1, Seq: 1, State: consensus.State{Term: 1, Commit: commit}}
	for i := consensus.Index(1); i <= n; i++ {
		e := consensus.Entry{Index: i, Term: 1}
		e.Data = make([]byte, 100-e.Size())
		w.Entries = append(w.Entries, e)
	}
	require.NoError(t, m.Append([]consensus.Write{w}))
}

func adopt(t testing.TB, m *storage.Memory, meta consensus.SnapshotMeta) {
	w := consensus.Write{Group: 1, Seq: 2, Snapshot: &meta, State: consensus.State{Term: 1, Commit: meta.Index}}
	require.NoError(t, m.Append([]consensus.Write{w}))
}

// oldest is the first entry that can still be fetched.
func oldest(t testing.TB, m *storage.Memory, last consensus.Index) consensus.Index {
	for i := consensus.Index(1); i <= last; i++ {
		if es, err := m.Fetch(1, i, last, math.MaxInt); err == nil {
			require.Len(t, es, int(last-i+1))
			return i
		}
	}
	return last + 1
}

func TestRetentionIsInBytesBelowTheSnapshot(t *testing.T) {
	for _, c := range []struct {
		retention int
		oldest    consensus.Index
	}{{0, 9}, {99, 9}, {100, 8}, {199, 8}, {350, 6}, {800, 1}, {1 << 20, 1}} {
		m := storage.NewMemory(storage.WithRetention(c.retention))
		log(t, m, 10, 0)
		adopt(t, m, consensus.SnapshotMeta{Index: 8, Term: 1})
		require.Equal(t, c.oldest, oldest(t, m, 10), "retention of %d", c.retention)
	}
}

func TestASnapshotWithoutATermRetainsWhatWasKnownToBeCommitted(t *testing.T) {
	for _, c := range []struct{ commit, oldest consensus.Index }{{8, 1}, {9, 1}, {7, 9}} {
		m := storage.NewMemory()
		log(t, m, 10, c.commit)
		adopt(t, m, consensus.SnapshotMeta{Index: 8})
		require.Equal(t, c.oldest, oldest(t, m, 10), "commit %d", c.commit)
	}
}

func TestAnOwnAndAReceivedSnapshotMayWaitTogether(t *testing.T) {
	m := storage.NewMemory()
	log(t, m, 4, 0)
	for _, index := range []consensus.Index{4, 9} {
		w, err := m.Create(1, consensus.SnapshotMeta{Index: index, Term: 1})
		require.NoError(t, err)
		_, err = w.Write([]byte{byte(index)})
		require.NoError(t, err)
		require.NoError(t, w.Commit())
	}
	for _, index := range []consensus.Index{4, 9} {
		adopt(t, m, consensus.SnapshotMeta{Index: index, Term: 1})
		_, r, err := m.Open(1)
		require.NoError(t, err)
		data := make([]byte, 1)
		_, err = r.Read(data)
		require.NoError(t, err)
		require.Equal(t, byte(index), data[0])
	}
}

func TestAnOlderSnapshotNeverReplacesANewerOne(t *testing.T) {
	m := storage.NewMemory()
	adopt(t, m, consensus.SnapshotMeta{Index: 9, Term: 1})
	adopt(t, m, consensus.SnapshotMeta{Index: 5, Term: 1})
	meta, _, err := m.Open(1)
	require.NoError(t, err)
	require.Equal(t, consensus.Index(9), meta.Index)
}

// round appends 64 entries after last, and adopts a snapshot of the log before them.
func round(m *storage.Memory, writes []consensus.Write, last consensus.Index) consensus.Index {
	w := &writes[0]
	w.Seq++
	w.Truncate = last + 1
	w.Snapshot.Index, w.Snapshot.Term = last, 1
	for i := range w.Entries {
		w.Entries[i].Index = last + 1 + consensus.Index(i)
	}
	m.Append(writes)
	return last + consensus.Index(len(w.Entries))
}

func batch() []consensus.Write {
	es := make([]consensus.Entry, 64)
	for i := range es {
		es[i] = consensus.Entry{Term: 1, Data: make([]byte, 100)}
	}
	return []consensus.Write{{Group: 1, Snapshot: new(consensus.SnapshotMeta), Entries: es, State: consensus.State{Term: 1}}}
}

func TestAppendDoesNotAllocateInTheSteadyState(t *testing.T) {
	m, writes, last := storage.NewMemory(storage.WithRetention(1<<20)), batch(), consensus.Index(0)
	for range 200 {
		last = round(m, writes, last)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { last = round(m, writes, last) }))
}

func BenchmarkMemoryAppend64(b *testing.B) {
	m, writes, last := storage.NewMemory(storage.WithRetention(1<<20)), batch(), consensus.Index(0)
	b.ReportAllocs()
	for b.Loop() {
		last = round(m, writes, last)
	}
}
