package crashfs_test

import (
	"io/fs"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/storage/crashfs"
)

func TestAFaultHasNoEffectButItsError(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "old.")
	steps := map[string]func() error{
		"create":   func() error { _, err := d.Create("g"); return err },
		"open":     func() error { _, err := d.Open("f"); return err },
		"openread": func() error { _, err := d.OpenRead("f"); return err },
		"readdir":  func() error { _, err := d.ReadDir("."); return err },
		"mkdir":    func() error { return d.MkdirAll("dir") },
		"rename":   func() error { return d.Rename("f", "g") },
		"remove":   func() error { return d.Remove("f") },
		"syncdir":  func() error { return d.SyncDir(".") },
		"lock":     func() error { _, err := d.Lock("lock"); return err },
		"read":     func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"write":    func() error { _, err := f.WriteAt([]byte("new."), 0); return err },
		"truncate": func() error { return f.Truncate(0) },
		"size":     func() error { _, err := f.Size(); return err },
		"sync":     f.Sync,
	}
	for name, step := range steps {
		d.FailAt(d.Ops()+1, crashfs.Fault{Err: syscall.EIO})
		require.ErrorIs(t, step(), syscall.EIO, name)
		d.Inject(nil)
		require.Equal(t, "f=old.", d.tree(d.FS), name)
		_, err := d.ReadDir("dir")
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	d.create("g")
	d.FailAt(d.Ops()+1, crashfs.Fault{Err: syscall.EIO})
	require.Error(t, d.SyncDir("."))
	d.requireLeaves(crashfs.Cut{}, "f=old.", "f=old. g=")
}

func TestAFailedCloseCloses(t *testing.T) {
	d := newDisk(t)
	f := d.create("f")
	l, err := d.Lock("f")
	require.NoError(t, err)
	d.Inject(func(crashfs.Op) *crashfs.Fault { return &crashfs.Fault{Err: syscall.EIO} })
	require.ErrorIs(t, f.Close(), syscall.EIO)
	require.ErrorIs(t, l.Close(), syscall.EIO)
	d.Inject(nil)
	require.ErrorIs(t, f.Close(), fs.ErrClosed)
	_, err = d.Lock("f")
	require.NoError(t, err)
}

func TestAWriteMayFailHalfWay(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....")
	d.FailAt(d.Ops()+1, crashfs.Fault{Err: syscall.ENOSPC, Half: true})
	n, err := f.WriteAt([]byte("ABCDEFGH"), 2)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 4, n)
	require.Equal(t, "f=..ABCD", d.tree(d.FS))
}

func TestEveryCallIsLoggedAndToldOf(t *testing.T) {
	d := newDisk(t)
	var told []crashfs.Op
	d.After(func(op crashfs.Op) {
		told = append(told, op)
		require.Equal(t, op.N, d.Ops())
		d.Crash(crashfs.Cut{Choose: crashfs.Random(1)})
	})
	f := d.create("f")
	d.write(f, 3, "word")
	require.NoError(t, f.Truncate(5))
	require.NoError(t, d.Rename("f", "g"))
	require.Error(t, d.Remove("f"))
	require.Equal(t, `1 Create f
2 WriteAt f, 4 bytes at 3
3 Truncate f to 5
4 Rename f to g
5 Remove f: file does not exist
`, d.Log())
	require.Len(t, told, 5)
	require.Equal(t, crashfs.Op{N: 2, Kind: crashfs.WriteAt, Name: "f", Offset: 3, Len: 4}, told[1])
}

func TestManyGoroutinesMayUseOneFS(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....")
	var wg sync.WaitGroup
	for i := range int64(8) {
		wg.Go(func() {
			for range 50 {
				f.WriteAt([]byte{byte('a' + i)}, i)
				f.Sync()
				d.Crash(crashfs.Cut{Choose: crashfs.Random(uint64(i))})
				d.Kill()
			}
		})
	}
	wg.Wait()
	require.Equal(t, "f=abcdefgh", d.tree(d.FS))
	d.requireLeaves(crashfs.Cut{}, "f=abcdefgh")
}
