package storage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// segments counts the segments of a folder.
func segments(t testing.TB, fs storage.FS, dir string) (n int) {
	names, err := fs.ReadDir(dir)
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			n++
		}
	}
	return n
}

// TestNoGroupKeepsTheLogFromBeingShortened: one group writes and takes snapshots; others wrote once, a
// vote or some entries, and nothing since.
func TestNoGroupKeepsTheLogFromBeingShortened(t *testing.T) {
	o := storage.Options{FS: crashfs.New(crashfs.Sector), SegmentSize: 4 << 10, Retention: -1}
	d := openDisk(t, "disk", o)
	var idle []consensus.Write
	for g := consensus.GroupID(10); g < 30; g++ {
		w := consensus.Write{Group: g, Seq: 1, State: consensus.State{Term: consensus.Term(g), Vote: 2}}
		for i := range consensus.Index(g % 3) {
			w.Entries = append(w.Entries, consensus.Entry{Index: i + 1, Term: 1, Data: fmt.Append(nil, "entry ", i, " of ", g)})
		}
		idle = append(idle, w)
	}
	require.NoError(t, d.Append(idle))
	next := consensus.Index(1)
	for round := range 200 {
		w := consensus.Write{Group: 1, Seq: uint64(round) + 1, State: consensus.State{Term: 1, Commit: next - 1}}
		for range 10 {
			w.Entries = append(w.Entries, consensus.Entry{Index: next, Term: 1, Data: make([]byte, 50)})
			next++
		}
		if round%5 == 4 {
			w.Snapshot = &consensus.SnapshotMeta{Index: w.Entries[0].Index - 1, Term: 1}
		}
		require.NoError(t, d.Append([]consensus.Write{w}))
		if round%70 == 69 {
			require.NoError(t, d.Close())
			d = openDisk(t, "disk", o)
		}
		require.Less(t, segments(t, o.FS, "disk"), 12)
	}
	for range 2 {
		for _, w := range idle {
			r, err := d.Recover(w.Group)
			require.NoError(t, err)
			require.Equal(t, w.State, r.State)
			require.Equal(t, w.Entries, r.Entries)
		}
		require.NoError(t, d.Close())
		d = openDisk(t, "disk", o)
	}
}
