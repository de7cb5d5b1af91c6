package storage_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// promises are the comments of storage.FS and storage.File, a sentence each. dir is an empty folder.
var promises = []struct {
	name string
	test func(t *testing.T, fsys storage.FS, dir string)
}{
	{"MkdirAll makes a folder and those that it is in", func(t *testing.T, fsys storage.FS, dir string) {
		deep := filepath.Join(dir, "a", "b")
		_, err := fsys.ReadDir(deep)
		require.ErrorIs(t, err, fs.ErrNotExist)
		for range 2 { // it may be there already
			require.NoError(t, fsys.MkdirAll(deep))
			requireNames(t, fsys, deep)
		}
	}},
	{"ReadDir sorts, and leaves folders out", func(t *testing.T, fsys storage.FS, dir string) {
		require.NoError(t, fsys.MkdirAll(filepath.Join(dir, "folder")))
		for _, name := range []string{"c", "a", "b"} {
			create(t, fsys, filepath.Join(dir, name), "")
		}
		requireNames(t, fsys, dir, "a", "b", "c")
	}},
	{"Create makes a file to read and write, which must not exist", func(t *testing.T, fsys storage.FS, dir string) {
		name := filepath.Join(dir, "f")
		f, err := fsys.Create(name)
		require.NoError(t, err)
		defer f.Close()
		requireContent(t, f, "")
		_, err = f.WriteAt([]byte("new"), 0)
		require.NoError(t, err)
		requireContent(t, f, "new")
		_, err = fsys.Create(name)
		require.ErrorIs(t, err, fs.ErrExist)
		requireFile(t, fsys, name, "new")
	}},
	{"nothing is in a folder that is not there", func(t *testing.T, fsys storage.FS, dir string) {
		gone := filepath.Join(dir, "no", "f")
		_, err := fsys.Create(gone)
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = fsys.Lock(gone)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}},
	{"a file that is not there is an ErrNotExist", func(t *testing.T, fsys storage.FS, dir string) {
		name := filepath.Join(dir, "f")
		f, err := fsys.Open(name)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.Nil(t, f)
		f, err = fsys.OpenRead(name)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.Nil(t, f)
		require.ErrorIs(t, fsys.Remove(name), fs.ErrNotExist)
		require.ErrorIs(t, fsys.Rename(name, filepath.Join(dir, "g")), fs.ErrNotExist)
	}},
	{"Open reads and writes what is there", func(t *testing.T, fsys storage.FS, dir string) {
		name := filepath.Join(dir, "f")
		create(t, fsys, name, "old content")
		f, err := fsys.Open(name)
		require.NoError(t, err)
		n, err := f.WriteAt([]byte("NEW"), 0)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
		requireFile(t, fsys, name, "NEW content")
	}},
	{"what was opened to read cannot be written", func(t *testing.T, fsys storage.FS, dir string) {
		name := filepath.Join(dir, "f")
		create(t, fsys, name, "old")
		f, err := fsys.OpenRead(name)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteAt([]byte("new"), 0)
		require.Error(t, err)
		require.Error(t, f.Truncate(0))
		requireContent(t, f, "old")
	}},
	{"ReadAt reads up to the end", func(t *testing.T, fsys storage.FS, dir string) {
		name := filepath.Join(dir, "f")
		create(t, fsys, name, "content")
		f, err := fsys.OpenRead(name)
		require.NoError(t, err)
		defer f.Close()
		b := make([]byte, 4)
		n, err := f.ReadAt(b, 1)
		require.NoError(t, err)
		require.Equal(t, "onte", string(b[:n]))
		n, err = f.ReadAt(b, 5)
		require.Equal(t, io.EOF, err)
		require.Equal(t, "nt", string(b[:n]))
		_, err = f.ReadAt(b, 99)
		require.Equal(t, io.EOF, err)
	}},
	{"a gap reads as zeros", func(t *testing.T, fsys storage.FS, dir string) {
		f, err := fsys.Create(filepath.Join(dir, "f"))
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteAt([]byte("x"), 3)
		require.NoError(t, err)
		requireContent(t, f, "\x00\x00\x00x")
	}},
	{"Truncate cuts or grows a file", func(t *testing.T, fsys storage.FS, dir string) {
		f, err := fsys.Create(filepath.Join(dir, "f"))
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteAt([]byte("content"), 0)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(3))
		requireContent(t, f, "con")
		require.NoError(t, f.Truncate(5))
		requireContent(t, f, "con\x00\x00")
	}},
	{"Rename takes the place of the file that has the name", func(t *testing.T, fsys storage.FS, dir string) {
		from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
		create(t, fsys, from, "new")
		create(t, fsys, to, "old")
		old, err := fsys.OpenRead(to)
		require.NoError(t, err)
		require.NoError(t, fsys.Rename(from, to))
		requireNames(t, fsys, dir, "to")
		requireFile(t, fsys, to, "new")
		requireContent(t, old, "old")
		require.NoError(t, old.Close())
	}},
	{"a file that was removed can still be read by who has it open", func(t *testing.T, fsys storage.FS, dir string) {
		name := filepath.Join(dir, "f")
		create(t, fsys, name, "content")
		f, err := fsys.OpenRead(name)
		require.NoError(t, err)
		require.NoError(t, fsys.Remove(name))
		requireNames(t, fsys, dir)
		requireContent(t, f, "content")
		require.NoError(t, f.Close())
	}},
	{"SyncDir wants a folder that is there", func(t *testing.T, fsys storage.FS, dir string) {
		create(t, fsys, filepath.Join(dir, "f"), "")
		require.NoError(t, fsys.SyncDir(dir))
	}},
	{"a lock is one caller's until it is closed", func(t *testing.T, fsys storage.FS, dir string) {
		name := filepath.Join(dir, "lock")
		held, err := fsys.Lock(name)
		require.NoError(t, err)
		for range 2 {
			other, err := fsys.Lock(name)
			require.ErrorIs(t, err, storage.ErrInUse)
			require.ErrorContains(t, err, name)
			require.Nil(t, other)
		}
		require.NoError(t, held.Close())
		held, err = fsys.Lock(name)
		require.NoError(t, err)
		require.NoError(t, held.Close())
	}},
	{"what is closed is closed", func(t *testing.T, fsys storage.FS, dir string) {
		f, err := fsys.Create(filepath.Join(dir, "f"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		_, err = f.WriteAt([]byte("x"), 0)
		require.ErrorIs(t, err, fs.ErrClosed)
		require.ErrorIs(t, f.Sync(), fs.ErrClosed)
		require.ErrorIs(t, f.Close(), fs.ErrClosed)
	}},
}

func TestTheOperatingSystemKeepsThePromisesOfFS(t *testing.T) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) { p.test(t, storage.OS, t.TempDir()) })
	}
}

func TestCrashfsKeepsThePromisesOfFS(t *testing.T) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) { p.test(t, crashfs.New(4), ".") })
	}
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, storage.OS.MkdirAll(dir))
	create(t, storage.OS, filepath.Join(dir, "f"), "secret")
	for _, name := range []string{dir, filepath.Join(dir, "f")} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		if os.PathSeparator == '/' { // Windows has lists of access rights instead
			require.Zero(t, info.Mode().Perm()&0o077, name)
		}
	}
}

// create makes a file with some content, and makes it all durable.
func create(t testing.TB, fsys storage.FS, name, content string) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, fsys.SyncDir(filepath.Dir(name)))
}

func requireNames(t testing.TB, fsys storage.FS, dir string, want ...string) {
	t.Helper()
	names, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, want, names)
}

func requireFile(t testing.TB, fsys storage.FS, name, want string) {
	t.Helper()
	f, err := fsys.OpenRead(name)
	require.NoError(t, err)
	requireContent(t, f, want)
	require.NoError(t, f.Close())
}

func requireContent(t testing.TB, f storage.File, want string) {
	t.Helper()
	size, err := f.Size()
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size+1))
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}
