package storage_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// Files that are damaged as a whole or missing.

func TestDamageToASnapshotIsNeverRead(t *testing.T) {
	base, worlds := closed(t)
	for _, name := range files(t, base, ".snapshot") {
		for offset := range int64(len(content(t, base, name))) {
			f := base.Kill()
			require.NoError(t, f.Flip(name, offset, 1<<(offset%8)))
			seen, err := sights(f)
			require.NoError(t, err)
			damaged := 0
			for i, g := range groups {
				if seen[i].err == nil {
					require.Empty(t, seen[i].unlike(worlds[len(worlds)-1].of(g)))
					continue
				}
				require.ErrorIs(t, seen[i].err, storage.ErrDamaged)
				require.ErrorContains(t, seen[i].err, filepath.Base(name))
				damaged++
			}
			require.Equal(t, 1, damaged, "%s at %d", name, offset)
		}
	}
}

func TestDamageToTheIdentityIsRefused(t *testing.T) {
	base, _ := closed(t)
	name := filepath.Join(folder, "identity")
	for offset := range int64(len(content(t, base, name))) {
		f := base.Kill()
		require.NoError(t, f.Flip(name, offset, 1))
		_, err := sights(f)
		require.ErrorIs(t, err, storage.ErrDamaged)
		require.ErrorContains(t, err, name)
	}
}

func TestDamageOfAMissingFileIsRefused(t *testing.T) {
	base, _ := closed(t)
	logs := files(t, base, ".log")
	for _, name := range append(logs, filepath.Join(folder, "identity")) {
		f := base.Kill()
		require.NoError(t, f.Remove(name))
		requireRefused(t, f, name)
	}
	newest := base.Kill()
	require.NoError(t, newest.Remove(logs[len(logs)-1]))
	create(t, newest, logs[len(logs)-1], "")
	requireRefused(t, newest, logs[len(logs)-1])
	f := base.Kill()
	for _, name := range files(t, f, ".log") {
		require.NoError(t, f.Remove(name))
	}
	_, err := sights(f)
	require.ErrorIs(t, err, storage.ErrDamaged)
}

// requireRefused requires that the folder does not open, and not the second time either, because of the file name.
func requireRefused(t *testing.T, f *crashfs.FS, name string) {
	t.Helper()
	for range 2 {
		_, err := sights(f)
		require.ErrorIs(t, err, storage.ErrDamaged)
		require.ErrorContains(t, err, name)
	}
}

func TestDamageOfAMissingSnapshotIsItsGroups(t *testing.T) {
	base, worlds := closed(t)
	for _, name := range files(t, base, ".snapshot") {
		f := base.Kill()
		require.NoError(t, f.Remove(name))
		seen, err := sights(f)
		require.NoError(t, err)
		for i, g := range groups {
			if strings.HasPrefix(filepath.Base(name), fmt.Sprintf("%016x-", uint64(g))) {
				require.ErrorIs(t, seen[i].err, storage.ErrDamaged)
				require.ErrorContains(t, seen[i].err, filepath.Base(name))
			} else {
				require.NoError(t, seen[i].err)
				require.Empty(t, seen[i].unlike(worlds[len(worlds)-1].of(g)))
			}
		}
	}
}

func TestALaterFormatIsRefused(t *testing.T) {
	base, _ := closed(t)
	logs := files(t, base, ".log")
	heads := map[string]int{filepath.Join(folder, "identity"): 40, logs[0]: storage.HeadSize, logs[len(logs)-1]: storage.HeadSize}
	for name, size := range heads {
		f := base.Kill()
		b := content(t, f, name)[:size]
		storage.Reversion(b)
		h, err := f.Open(name)
		require.NoError(t, err)
		_, err = h.WriteAt(b, 0)
		require.NoError(t, err)
		require.NoError(t, h.Close())
		_, err = sights(f)
		require.ErrorIs(t, err, storage.ErrVersion)
		require.ErrorContains(t, err, name)
	}
}
