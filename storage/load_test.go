package storage_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
)

// Goroutines share a log of 48 MiB, in which some entries were replaced and some are damaged.
func TestALongLogIsRecoveredInOrder(t *testing.T) {
	dir, o := t.TempDir(), storage.Options{FS: unsynced{storage.OS}}
	d := openDisk(t, dir, o)
	var want []consensus.Entry
	var wrote []consensus.Range
	for term := consensus.Term(1); term <= 64; term++ {
		w := consensus.Write{Group: 1, Seq: uint64(term), State: consensus.State{Term: term}}
		if term%3 == 0 {
			w.Truncate = consensus.Index(len(want))
			want = want[:len(want)-1]
		}
		for range 3 {
			i := consensus.Index(len(want) + 1)
			e := consensus.Entry{Index: i, Term: term, From: 1, ID: uint64(term), Data: bytes.Repeat([]byte{byte(i)}, 256<<10)}
			w.Entries, want = append(w.Entries, e), append(want, e)
		}
		wrote = append(wrote, consensus.Range{First: w.Entries[0].Index, Last: w.Entries[2].Index})
		require.NoError(t, d.Append([]consensus.Write{w}))
	}
	require.NoError(t, d.Close())
	requireWhole := func() {
		d := openDisk(t, dir, o)
		defer d.Close()
		r, err := d.Recover(1)
		require.NoError(t, err)
		require.True(t, equalEntries(want, r.Entries), "%d entries, not %d", len(r.Entries), len(want))
		require.Empty(t, r.Damaged)
	}
	requireWhole()

	name := filepath.Join(dir, "0000000000000001.log")
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	const damaged = 30 // the write after it replaced none of its entries
	for _, p := range storage.Pieces(b) {
		if p.Group == 1 && p.Number == damaged+1 {
			b[p.Offset+p.Size/2] ^= 1
		}
	}
	require.NoError(t, os.WriteFile(name, b, 0o600))
	d = openDisk(t, dir, o)
	defer d.Close()
	r, err := d.Recover(1)
	require.NoError(t, err)
	lost := wrote[damaged]
	require.Equal(t, []consensus.Range{lost}, r.Damaged)
	require.True(t, equalEntries(append(want[:lost.First-1:lost.First-1], want[lost.Last:]...), r.Entries))
}

func equalEntries(a, b []consensus.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b consensus.Entry) bool {
		return a.Index == b.Index && a.Term == b.Term && bytes.Equal(a.Data, b.Data)
	})
}
