package storage_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
)

// BenchmarkDiskAppend writes one entry of 16 bytes at a time, and compares with BenchmarkFsync.
func BenchmarkDiskAppend(b *testing.B) {
	for _, c := range []struct {
		name    string
		entries int
		bytes   int
	}{{"1x16", 1, 16}, {"64x16", 64, 16}, {"64x1024", 64, 1024}} {
		b.Run(c.name, func(b *testing.B) {
			d := openDisk(b, b.TempDir(), storage.Options{})
			defer d.Close()
			next := consensus.Index(1)
			writes := make([]consensus.Write, 1)
			es := make([]consensus.Entry, c.entries)
			b.ReportAllocs()
			b.SetBytes(int64(c.entries * c.bytes))
			for b.Loop() {
				for i := range es {
					es[i] = consensus.Entry{Index: next, Term: 1, From: 1, ID: uint64(next), Data: data[:c.bytes]}
					next++
				}
				writes[0] = consensus.Write{Group: 1, Seq: uint64(next), Entries: es, State: consensus.State{Term: 1}}
				require.NoError(b, d.Append(writes))
			}
		})
	}
}

var data = make([]byte, 1<<20)

// BenchmarkFsync is what BenchmarkDiskAppend cannot be faster than: a write to a file that does not
// grow, and a sync.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	require.NoError(b, err)
	defer f.Close()
	for range 64 {
		_, err := f.Write(data)
		require.NoError(b, err)
	}
	require.NoError(b, f.Sync())
	file, err := storage.OS.Open(f.Name())
	require.NoError(b, err)
	defer file.Close()
	offset := int64(0)
	for b.Loop() {
		_, err := file.WriteAt(data[:256], offset%(60<<20))
		require.NoError(b, err)
		require.NoError(b, file.Sync())
		offset += 256
	}
}

// BenchmarkDiskRecover opens a log of entries of 1 KiB and recovers its one group.
func BenchmarkDiskRecover(b *testing.B) {
	const total = 1 << 30
	dir := b.TempDir()
	d := openDisk(b, dir, storage.Options{})
	next := consensus.Index(1)
	for written := 0; written < total; {
		w := consensus.Write{Group: 1, Seq: uint64(next), State: consensus.State{Term: 1}}
		for range 64 {
			w.Entries = append(w.Entries, consensus.Entry{Index: next, Term: 1, From: 1, ID: uint64(next), Data: data[:1024]})
			next++
			written += 1024
		}
		require.NoError(b, d.Append([]consensus.Write{w}))
	}
	require.NoError(b, d.Close())
	b.SetBytes(total)
	for b.Loop() {
		d := openDisk(b, dir, storage.Options{})
		r, err := d.Recover(1)
		require.NoError(b, err)
		require.Len(b, r.Entries, int(next-1))
		require.NoError(b, d.Close())
	}
}
