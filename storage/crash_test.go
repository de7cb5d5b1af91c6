package storage_test

import (
	"flag"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed of the random crash tests")
	seeds     = flag.Int("seeds", 5, "how many seeds the random crash tests try")
)

// enough is up to how many ways for a crash to end all of them are tried.
const enough = 16

func TestCrashAnywhereInAScript(t *testing.T) {
	for _, sector := range []int{64, crashfs.Sector} {
		t.Run(fmt.Sprintf("sectors of %d bytes", sector), func(t *testing.T) {
			r := newRig(t, "go test ./storage -run '^TestCrashAnywhereInAScript$'", sector)
			r.probe = func(op crashfs.Op) {
				if outcomes(r.fs, enough) < enough {
					for o, n := new(crashfs.Odometer), 0; o.Next() && n < 2*enough; n++ {
						r.try(fmt.Sprintf("after %v, outcome %d", op, n), r.fs.Crash(crashfs.Cut{Choose: o.Choose}), n == op.N%4)
					}
					return
				}
				r.cut(op, 0, 6)
			}
			script(r)
			if r.failed != nil {
				r.fatalf(r.fs, "%v", r.failed)
			}
		})
	}
}

func TestCrashAnywhereInAScriptOnSegmentsOfTheUsualSize(t *testing.T) {
	r := newRig(t, "go test ./storage -run '^TestCrashAnywhereInAScriptOnSegmentsOfTheUsualSize$'", crashfs.Sector)
	r.segment = 0
	r.probe = func(op crashfs.Op) { r.cut(op, 0, 1) }
	script(r)
	if r.failed != nil {
		r.fatalf(r.fs, "%v", r.failed)
	}
}

func TestCrashAnywhereInARandomWorkload(t *testing.T) {
	for i := range *seeds {
		seed := *firstSeed + uint64(i)
		r := newRig(t, fmt.Sprintf("go test ./storage -run '^TestCrashAnywhereInARandomWorkload$' -seed %d -seeds 1", seed), 128)
		r.probe = func(op crashfs.Op) { r.cut(op, seed, 2) }
		random(seed, 30)(r)
		if r.failed != nil {
			r.fatalf(r.fs, "%v", r.failed)
		}
	}
}

// cut tries some ways for a crash after op to end, on careless file systems as well.
func (r *rig) cut(op crashfs.Op, seed uint64, some int) {
	r.t.Helper()
	for i := range some {
		n := op.N + i
		c := crashfs.Cut{Choose: crashfs.Random(seed<<32 | uint64(op.N)<<8 | uint64(i)), Garbage: n%3 == 1, Unordered: n%3 == 2}
		r.try(fmt.Sprintf("after %v, cut %d", op, i), r.fs.Crash(c), n%8 == 0)
	}
}

// The Disk is read, and a snapshot committed, between any two calls of an Append.
func TestCrashWhenASnapshotIsCommittedAmidAnAppend(t *testing.T) {
	commits := 0
	for n := 1; commits == n-1; n++ {
		r := newRig(t, "go test ./storage -run '^TestCrashWhenASnapshotIsCommittedAmidAnAppend$'", crashfs.Sector)
		calls := 0
		r.probe = func(op crashfs.Op) {
			r.try(fmt.Sprintf("snapshot at %d, after %v", n, op), r.fs.Crash(nothing), false)
			if r.during != "Append" || op.Kind != crashfs.WriteAt && op.Kind != crashfs.Sync {
				return
			}
			if calls++; calls == n {
				commits++
				r.requireShows(r.world)
				w, err := r.disk.Create(2, meta(5, 1))
				require.NoError(t, err)
				_, err = io.WriteString(w, "committed amid an Append")
				require.NoError(t, err)
				require.NoError(t, w.Commit())
			}
		}
		r.start()
		for i := consensus.Index(1); i < 6; i++ {
			r.append(put(1, i, i+1), put(3, i, i))
		}
		if commits == n {
			r.world = r.world.and(event{group: 2, snapshot: &consensus.SnapshotMeta{Index: 5, Term: 1}, data: "committed amid an Append"})
		}
		r.append(adoption(2, meta(5, 1)), put(1, 7, 7))
		require.NoError(t, r.failed)
		r.requireShows(r.world)
	}
	require.Greater(t, commits, 10)
}

// amid calls a function before each sync of a folder.
type amid struct {
	*crashfs.FS
	sync func()
}

func (a *amid) SyncDir(dir string) error {
	a.sync()
	return a.FS.SyncDir(dir)
}

// While a snapshot's name is made durable, one of the same name is adopted, which had been committed before.
func TestCrashWhenASnapshotIsAdoptedAmidTheCommitOfAnother(t *testing.T) {
	f := &amid{crashfs.New(crashfs.Sector), func() {}}
	d, err := openTiny(f)
	require.NoError(t, err)
	commit := func(data string) {
		w, err := d.Create(1, meta(5, 1))
		require.NoError(t, err)
		_, err = io.WriteString(w, data)
		require.NoError(t, err)
		require.NoError(t, w.Commit())
	}
	shows := func(f storage.FS) string {
		d, err := openTiny(f)
		require.NoError(t, err)
		v, err := look(d, 1)
		require.NoError(t, err)
		require.Equal(t, meta(5, 1), v.rec.Snapshot)
		require.NoError(t, d.Close())
		return v.snapshot
	}
	require.NoError(t, d.Append([]consensus.Write{put(1, 1, 9)}))
	commit("first")
	seen := make(map[string]bool)
	f.sync = func() {
		f.sync = func() {}
		require.NoError(t, d.Append([]consensus.Write{adoption(1, meta(5, 1)), put(2, 1, 1)}))
		for o := new(crashfs.Odometer); o.Next(); {
			seen[shows(f.Crash(crashfs.Cut{Choose: o.Choose}))] = true
		}
	}
	commit("second")
	require.Equal(t, map[string]bool{"first": true, "second": true}, seen)
	require.Equal(t, "second", shows(f.Crash(nothing)))
	require.NoError(t, d.Close())
}

// Groups go on while a call of one of them waits for the disk.
func TestNobodyWaitsForTheDiskWithALockThatOthersTake(t *testing.T) {
	r := newRig(t, "", crashfs.Sector)
	waits := make(map[crashfs.Kind]int)
	r.inject = func(op crashfs.Op) *crashfs.Fault {
		switch op.Kind {
		case crashfs.ReadAt, crashfs.WriteAt, crashfs.Sync, crashfs.SyncDir:
			if r.disk != nil {
				require.False(t, r.disk.Locked(), op)
				waits[op.Kind]++
			}
		}
		return nil
	}
	script(r)
	require.NoError(t, r.failed)
	r.requireShows(r.world)
	require.Len(t, waits, 4)
}

// requireShows requires that the Disk in use shows w.
func (r *rig) requireShows(w *world) {
	r.t.Helper()
	var seen [len(groups)]view
	for i, g := range groups {
		var err error
		seen[i], err = look(r.disk, g)
		require.NoError(r.t, err)
	}
	require.Empty(r.t, w.unlike(&seen))
}
