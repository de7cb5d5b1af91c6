package storage_test

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// A failure is a way for calls to fail.
type failure struct {
	name  string
	fault crashfs.Fault
	ever  bool // all calls from there on fail
	fits  func(crashfs.Kind) bool
}

var failures = [...]failure{
	{"EIO", crashfs.Fault{Err: syscall.EIO}, false, func(crashfs.Kind) bool { return true }},
	{"EIO for ever", crashfs.Fault{Err: syscall.EIO}, true, crashfs.Kind.Writes},
	{"ENOSPC", crashfs.Fault{Err: syscall.ENOSPC, Half: true}, false, func(k crashfs.Kind) bool { return k == crashfs.WriteAt }},
}

func TestCrashAfterAnErrorAtEveryCall(t *testing.T) {
	kinds := calls(t, script)
	for _, f := range failures {
		for i, kind := range kinds {
			if f.fits(kind) {
				failAt(t, i+1, f, script, "go test ./storage -run '^TestCrashAfterAnErrorAtEveryCall$'")
			}
		}
	}
}

func TestCrashAfterAnErrorInARandomWorkload(t *testing.T) {
	for i := range *seeds {
		seed := *firstSeed + uint64(i)
		workload, draw := random(seed, 30), rand.New(rand.NewPCG(seed, 3))
		kinds := calls(t, workload)
		for range 12 {
			n, f := draw.IntN(len(kinds)), failures[draw.IntN(len(failures))]
			if f.fits(kinds[n]) {
				failAt(t, n+1, f, workload, fmt.Sprintf("go test ./storage -run '^TestCrashAfterAnErrorInARandomWorkload$' -seed %d -seeds 1", seed))
			}
		}
	}
}

// calls are those that a workload makes when none fails.
func calls(t *testing.T, workload func(*rig)) (kinds []crashfs.Kind) {
	t.Helper()
	r := newRig(t, "", crashfs.Sector)
	r.inject = func(op crashfs.Op) *crashfs.Fault { kinds = append(kinds, op.Kind); return nil }
	workload(r)
	require.NoError(t, r.failed)
	return kinds
}

// failAt runs a workload with a call that fails, and requires that its error is told, that it is final
// where it must be, and that nothing is lost.
func failAt(t *testing.T, n int, f failure, workload func(*rig), replay string) {
	t.Helper()
	r := newRig(t, replay, crashfs.Sector)
	var hit crashfs.Op
	r.inject = func(op crashfs.Op) *crashfs.Fault {
		if op.N == n {
			hit = op
		}
		if op.N == n || f.ever && op.N > n {
			return &f.fault
		}
		return nil
	}
	workload(r)
	when := fmt.Sprintf("%v of %s at call %v, told by %s", f.name, hit.Kind, hit, r.during)
	if r.failed != nil {
		require.ErrorIs(t, r.failed, f.fault.Err, when)
	}
	if !f.ever {
		r.inject = nil // what is refused from here on is refused by the Disk
	}
	if r.disk != nil && r.during != "Close" && r.failed != nil {
		requireFinal(r, f.fault.Err, when)
	}
	r.inject = nil
	r.try(when+", and a crash that nothing survives", r.fs.Crash(nothing), false)
	if hit.Kind.Writes() {
		r.try(when+", and a crash", r.fs.Crash(crashfs.Cut{Choose: crashfs.Random(uint64(n))}), false)
		r.try(when+", and the end of the process", r.fs.Kill(), true)
	}
	if r.disk != nil {
		r.disk.Close()
	}
	require.Zero(t, r.fs.Opened(), "%s: files are left open", when)
	d, w := r.survives(r.fs, r.allowed, when+", in the same process")
	must(d.Close())
	d, _ = r.survives(r.fs.Crash(nothing), []*world{w}, when+", opened again, and a crash")
	must(d.Close())
}

// requireFinal requires that a Disk that could not write refuses everything with the first error, and
// syncs nothing again. A snapshot that could not be written may be the only thing lost.
func requireFinal(r *rig, cause error, when string) {
	r.t.Helper()
	syncs := 0
	r.fs.After(func(op crashfs.Op) {
		if op.Kind == crashfs.Sync || op.Kind == crashfs.SyncDir {
			syncs++
		}
	})
	defer r.fs.After(nil)
	write := follow(1, r.world.of(1))
	err := r.disk.Append([]consensus.Write{write})
	if r.during != "Append" && err == nil {
		r.world = r.world.then(write)[1]
		r.allowed = []*world{r.world}
		return
	}
	_, recovering := r.disk.Recover(1)
	_, fetching := r.disk.Fetch(1, 1, math.MaxUint64, math.MaxInt)
	_, _, opening := r.disk.Open(1)
	_, creating := r.disk.Create(1, meta(99, 9))
	for _, err := range []error{err, recovering, fetching, opening, creating} {
		require.ErrorIs(r.t, err, storage.ErrFailed, when)
		require.ErrorIs(r.t, err, cause, when)
	}
	require.Zero(r.t, syncs, when)
}

// A state machine may not look at the errors that it is told while it writes itself.
func TestASnapshotOfWhichAPartWasNotWrittenIsNotCommitted(t *testing.T) {
	for _, half := range []bool{false, true} {
		f := crashfs.New(crashfs.Sector)
		d, err := openTiny(f)
		require.NoError(t, err)
		w, err := d.Create(1, meta(1, 1))
		require.NoError(t, err)
		for n := range 10 {
			f.Inject(func(op crashfs.Op) *crashfs.Fault {
				if op.Kind == crashfs.WriteAt && n == 5 {
					return &crashfs.Fault{Err: syscall.ENOSPC, Half: half}
				}
				return nil
			})
			w.Write(make([]byte, 100<<10))
		}
		_, err = w.Write([]byte("more"))
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorIs(t, w.Commit(), syscall.ENOSPC)
		requireNames(t, f, folder, "0000000000000001.log", "LOCK", "identity")
		require.NoError(t, d.Append([]consensus.Write{put(1, 1, 1)}), "the log is whole")
		require.NoError(t, d.Close())
	}
}

func TestAFolderInUseIsRefused(t *testing.T) {
	f := crashfs.New(crashfs.Sector)
	d, err := openTiny(f)
	require.NoError(t, err)
	_, err = openTiny(f)
	require.ErrorIs(t, err, storage.ErrInUse)
	require.ErrorContains(t, err, folder)
	require.NoError(t, d.Close())
	d, err = openTiny(f)
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

func TestAFolderOfAnotherNodeIsRefusedAndFree(t *testing.T) {
	r := newRig(t, "", crashfs.Sector)
	script(r)
	require.NoError(t, r.failed)
	require.NoError(t, r.disk.Close())
	for _, o := range []storage.Options{{Node: 2}, {Node: 1, Cluster: 7}} {
		o.FS = r.fs
		_, err := storage.Open(folder, o)
		require.ErrorIs(t, err, storage.ErrOtherStore)
		require.ErrorContains(t, err, folder)
	}
	r.try("after others tried", r.fs, true)
}

func TestAFolderThatCannotBeWrittenIsAnErrorOfTheOperatingSystem(t *testing.T) {
	r := newRig(t, "", crashfs.Sector)
	script(r)
	require.NoError(t, r.failed)
	require.NoError(t, r.disk.Close())
	r.inject = func(op crashfs.Op) *crashfs.Fault {
		if op.Kind.Writes() && op.Kind != crashfs.MkdirAll {
			return &crashfs.Fault{Err: syscall.EROFS}
		}
		return nil
	}
	_, err := openTiny(r.fs)
	require.ErrorIs(t, err, syscall.EROFS)
	r.inject = nil
	r.try("after the folder could not be written", r.fs, true)
}

// A file system that cannot be written, and so has nothing to sync, may say that it knows no such call; the
// folder is on another one that is mounted there.
func TestAFolderMayBeBelowOneThatCannotBeSynced(t *testing.T) {
	for _, err := range []error{syscall.EINVAL, syscall.EACCES} {
		f := crashfs.New(crashfs.Sector)
		f.Inject(func(op crashfs.Op) *crashfs.Fault {
			if op.Kind == crashfs.SyncDir && op.Name != folder {
				return &crashfs.Fault{Err: err}
			}
			return nil
		})
		d, err := openTiny(f)
		require.NoError(t, err)
		require.NoError(t, d.Close())
	}
}

func TestAClosedDiskRefusesEverything(t *testing.T) {
	d, err := openTiny(crashfs.New(crashfs.Sector))
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	_, err = d.Recover(1)
	require.ErrorIs(t, err, consensus.ErrClosed)
	require.ErrorIs(t, d.Append([]consensus.Write{put(1, 1, 1)}), consensus.ErrClosed)
	_, err = d.Create(1, meta(1, 1))
	require.ErrorIs(t, err, consensus.ErrClosed)
	_, _, err = d.Open(1)
	require.ErrorIs(t, err, consensus.ErrClosed)
	require.NotErrorIs(t, err, fs.ErrNotExist)
}
