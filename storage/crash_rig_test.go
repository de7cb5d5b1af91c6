package storage_test

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

const folder = "data/node"

// tiny are options with which segments roll over, and idle groups are rewritten, all the time.
var tiny = storage.Options{Node: 1, SegmentSize: 1 << 10, Retention: 200, Logger: slog.New(slog.DiscardHandler)}

func openTiny(fsys storage.FS) (*storage.Disk, error) { return openSized(fsys, tiny.SegmentSize) }

func openSized(fsys storage.FS, segment int) (*storage.Disk, error) {
	o := tiny
	o.FS, o.SegmentSize = fsys, segment
	return storage.Open(folder, o)
}

// A rig uses a Disk, and knows what it must hold. A workload runs on it until a call fails.
type rig struct {
	t       testing.TB
	replay  string // the command that runs the test again
	segment int    // how long they are
	fs      *crashfs.FS
	disk    *storage.Disk
	world   *world   // what was acknowledged
	allowed []*world // what a crash may leave: world, and as much as there is of the Append under way
	last    []*world // what the last Append may have left, up to world: damage to it cannot be told from a crash
	failed  error    // of the first call that failed; the workload has ended
	during  string   // which call that was

	calls  int                                // of all file systems that there were
	inject func(op crashfs.Op) *crashfs.Fault // N of the Op is calls
	probe  func(crashfs.Op)
}

func newRig(t testing.TB, replay string, sector int) *rig {
	r := &rig{t: t, replay: replay, segment: tiny.SegmentSize, world: new(world)}
	r.allowed = []*world{r.world}
	r.last = r.allowed
	r.boot(crashfs.New(sector))
	return r
}

// boot goes on with another file system, on which nothing is open.
func (r *rig) boot(f *crashfs.FS) {
	r.fs = f
	f.Inject(func(op crashfs.Op) *crashfs.Fault {
		if r.calls++; r.inject == nil {
			return nil
		}
		op.N = r.calls
		return r.inject(op)
	})
	f.After(func(op crashfs.Op) {
		if r.probe != nil && op.Kind.Writes() {
			r.probe(op)
		}
	})
}

// fatalf ends the test, and says how to see it again and what the Disk had done.
func (r *rig) fatalf(f *crashfs.FS, format string, args ...any) {
	r.t.Helper()
	lines := strings.Split(r.fs.Log(), "\n")
	lines = lines[max(0, len(lines)-40):]
	r.t.Fatalf("%s\nreplay: %s\nthe last calls before the crash:\n%s\nand the calls after it:\n%s",
		fmt.Sprintf(format, args...), r.replay, strings.Join(lines, "\n"), f.Log())
}

// start opens the Disk.
func (r *rig) start() {
	if r.failed == nil {
		r.disk, r.failed = openSized(r.fs, r.segment)
		r.during = "Open"
	}
}

// append has the Disk write, and the world move on once it has.
func (r *rig) append(writes ...consensus.Write) {
	if r.failed != nil {
		return
	}
	r.during = "Append"
	r.allowed = r.world.then(writes...)
	if r.failed = r.disk.Append(writes); r.failed != nil {
		return
	}
	r.world, r.last = r.allowed[len(writes)], r.allowed
	r.allowed = []*world{r.world}
}

// snapshot commits one, which no crash shows before a write adopts it.
func (r *rig) snapshot(g consensus.GroupID, meta consensus.SnapshotMeta, data string) {
	if r.failed != nil {
		return
	}
	r.during = "Create"
	w, err := r.disk.Create(g, meta)
	if err == nil {
		r.during = "Commit"
		if _, err = io.WriteString(w, data); err != nil {
			w.Abort()
		} else {
			err = w.Commit()
		}
	}
	if r.failed = err; err == nil {
		r.world = r.world.and(event{group: g, snapshot: &meta, data: data})
		r.allowed = []*world{r.world}
	}
}

// abort begins a snapshot and ends it.
func (r *rig) abort(g consensus.GroupID, meta consensus.SnapshotMeta) {
	if r.failed != nil {
		return
	}
	r.during = "Create"
	w, err := r.disk.Create(g, meta)
	if r.failed = err; err == nil {
		io.WriteString(w, "never seen")
		w.Abort()
	}
}

// reopen is a restart in peace.
func (r *rig) reopen() {
	if r.failed != nil {
		return
	}
	r.during = "Close"
	if r.failed = r.disk.Close(); r.failed == nil {
		r.forget()
		r.start()
	}
}

// kill ends the process, and the next one begins on the same machine.
func (r *rig) kill() {
	if r.failed != nil {
		return
	}
	r.forget()
	r.boot(r.fs.Kill())
	r.start()
}

func (r *rig) forget() {
	r.world = r.world.restarted()
	r.allowed = []*world{r.world}
}

// crash cuts the power, and goes on with one of the worlds that may be left.
func (r *rig) crash(cut crashfs.Cut) {
	if r.failed != nil {
		return
	}
	left := r.fs.Crash(cut)
	d, w := r.survives(left, r.allowed, "after a crash of the workload")
	must(d.Close())
	if i := slices.Index(r.allowed, w); i > 0 {
		r.last = r.allowed[:i+1]
	}
	r.world = w
	r.forget()
	r.boot(left)
	r.start()
}

// survives requires that a Disk opens on what a crash left, and holds one of the worlds, and says which.
func (r *rig) survives(left *crashfs.FS, allowed []*world, when string) (*storage.Disk, *world) {
	r.t.Helper()
	d, err := openSized(left, r.segment)
	if err != nil {
		r.fatalf(left, "%s: Open: %v", when, err)
	}
	var seen [len(groups)]view
	for i, g := range groups {
		if seen[i], err = look(d, g); err != nil {
			r.fatalf(left, "%s: %v", when, err)
		}
	}
	var diffs []string
	for i := len(allowed) - 1; i >= 0; i-- {
		diff := allowed[i].unlike(&seen)
		if diff == "" {
			return d, allowed[i]
		}
		diffs = append(diffs, fmt.Sprintf("with %d writes of the Append under way: %s", i, diff))
	}
	r.fatalf(left, "%s: the store is none that it may be:\n%s", when, strings.Join(diffs, "\n"))
	return nil, nil
}

// try requires that what is left of the workload's file system is good: it opens, and if deep, it
// does even if the power fails again meanwhile, nothing is unsure any more once it has, and it can be
// written.
func (r *rig) try(when string, left *crashfs.FS, deep bool) {
	r.t.Helper()
	if deep {
		left.After(func(op crashfs.Op) {
			if op.Kind.Writes() {
				again := left.Crash(crashfs.Cut{Choose: crashfs.Random(uint64(op.N))})
				d, _ := r.survives(again, r.allowed, fmt.Sprintf("%s, and again after %v", when, op))
				must(d.Close())
			}
		})
	}
	d, w := r.survives(left, r.allowed, when)
	left.After(nil)
	if !deep {
		must(d.Close())
		return
	}
	other, _ := r.survives(left.Crash(nothing), []*world{w}, when+", recovered, and crashed at once")
	must(other.Close())

	w = w.restarted()
	for _, g := range groups {
		write := follow(g, w.of(g))
		if err := d.Append([]consensus.Write{write}); err != nil {
			r.fatalf(left, "%s, recovered: Append: %v", when, err)
		}
		w = w.then(write)[1]
	}
	other, _ = r.survives(left.Crash(nothing), []*world{w}, when+", recovered, written, and crashed")
	must(other.Close())
	must(d.Close())
}

// follow is a write that goes on after what is seen of a group.
func follow(g consensus.GroupID, v *view) consensus.Write {
	w := put(g, last(v)+1, last(v)+1, v.rec.State.Term+1)
	return cut(w)
}

// nothing that was not durable survives.
var nothing = crashfs.Cut{Choose: func(int) int { return 0 }}

// everything survives.
var everything = crashfs.Cut{Choose: func(n int) int { return n - 1 }}

// outcomes is how many ways a crash may end, at most limit.
func outcomes(f *crashfs.FS, limit int) int {
	n := 1
	f.Crash(crashfs.Cut{Choose: func(k int) int {
		n = min(limit, n*k)
		return k - 1
	}})
	return n
}
