package storage_test

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
	"github.com/consensus-go/consensus/storage/storagetest"
)

// openDisk opens a folder of node 1.
func openDisk(t testing.TB, dir string, o storage.Options) *storage.Disk {
	o.Node, o.Logger = 1, slog.New(slog.DiscardHandler)
	d, err := storage.Open(dir, o)
	require.NoError(t, err)
	return d
}

func TestDiskKeepsThePromisesOfStorage(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) func() consensus.Storage {
		o := storage.Options{FS: crashfs.New(crashfs.Sector), SegmentSize: 16 << 10}
		return func() consensus.Storage { return openDisk(t, "disk", o) }
	})
}

func TestDiskOfManySegmentsKeepsThePromisesOfStorage(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) func() consensus.Storage {
		o := storage.Options{FS: crashfs.New(crashfs.Sector), SegmentSize: 600, Retention: -1}
		return func() consensus.Storage { return openDisk(t, "disk", o) }
	})
}

func TestDiskOnTheOperatingSystemKeepsThePromisesOfStorage(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) func() consensus.Storage {
		dir := t.TempDir()
		return func() consensus.Storage { return openDisk(t, dir, storage.Options{FS: unsynced{storage.OS}}) }
	})
}

func TestIdentifySaysWhoseFolderItIs(t *testing.T) {
	dir := t.TempDir()
	_, err := storage.Identify(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "it makes no store of it")

	d := openDisk(t, dir, storage.Options{Cluster: 7, Incarnation: 9, FS: unsynced{storage.OS}})
	defer d.Close()
	id, err := storage.Identify(dir)
	require.NoError(t, err, "also while it is in use")
	require.Equal(t, storage.Identity{Node: 1, Cluster: 7, Incarnation: 9}, id)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "identity"), []byte("CONSENID, or so it seems"), 0o600))
	_, err = storage.Identify(dir)
	require.ErrorIs(t, err, storage.ErrDamaged)
}

// unsynced is a file system that leaves syncing to the operating system, where no power is cut.
type unsynced struct{ storage.FS }

type unsyncedFile struct{ storage.File }

func (unsyncedFile) Sync() error { return nil }

func (unsynced) SyncDir(string) error { return nil }

func (u unsynced) Create(name string) (storage.File, error) {
	f, err := u.FS.Create(name)
	return unsyncedFile{f}, err
}

func (u unsynced) Open(name string) (storage.File, error) {
	f, err := u.FS.Open(name)
	return unsyncedFile{f}, err
}
