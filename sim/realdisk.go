package sim

import (
	"bytes"
	"io"
	"log/slog"
	"slices"
	"strings"
	"syscall"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// A realDisk is a storage.Disk on a file system that loses what power cuts lose. With Options.Storage
// every node has one beside the modelled disk. That one then says what has to be in it: when writes
// finish, how late, and so what a crash may have left, which is the writes that were acknowledged and
// the first few of the others. Whatever is read comes from the real one. "storage" is the property that
// it is one of the things that the model allows.
type realDisk struct {
	node    *node
	fs      *crashfs.FS
	disk    *storage.Disk
	options storage.Options
}

const folder = "node"

// newRealDisk makes an empty folder.
func newRealDisk(n *node, incarnation uint64) *realDisk {
	w := n.w
	d := &realDisk{node: n, options: storage.Options{
		Node: n.id, Incarnation: incarnation, Logger: slog.New(slog.DiscardHandler),
		SegmentSize: w.plan.segment, Retention: max(-1, w.plan.retention*100-1),
	}}
	d.reopen(crashfs.New(w.plan.sector))
	return d
}

// reopen opens the folder that is on fs. Now and then another power cut comes while that is under way.
func (d *realDisk) reopen(fs *crashfs.FS) {
	w := d.node.w
	if w.dice.chance(ChooseCrash, parts/4) {
		fs = d.cut(fs, func() {
			if disk := d.open(fs); disk != nil {
				disk.Close()
			}
		})
	}
	d.fs, d.disk = fs, d.open(fs)
}

func (d *realDisk) open(fs *crashfs.FS) *storage.Disk {
	o := d.options
	o.FS = fs
	disk, err := storage.Open(folder, o)
	if err != nil {
		d.node.w.fail("storage", "node %d cannot open its folder: %v", d.node.id, err)
	}
	return disk
}

// cut is what a power cut leaves that comes while f is at work on fs, or right after.
func (d *realDisk) cut(fs *crashfs.FS, f func()) (left *crashfs.FS) {
	w := d.node.w
	cut := crashfs.Cut{Choose: crashfs.Random(w.dice.id()), Garbage: w.dice.chance(ChooseCrash, 100)}
	fs.After(func(op crashfs.Op) {
		if left == nil && op.Kind.Writes() && w.dice.chance(ChooseCrash, 200) {
			left = fs.Crash(cut)
		}
	})
	f()
	fs.After(nil)
	if left == nil {
		left = fs.Crash(cut)
	}
	return left
}

// append makes the oldest of the model's unfinished writes durable, and with it, as a Host's writer would,
// some of those that wait behind it. If the file system is failing, some call may fail.
func (d *realDisk) append(unfinished []consensus.Write, failing bool) (batch int, ok bool) {
	n := 1
	for n < len(unfinished) && n < 4 && adds(&unfinished[n-1], &unfinished[n]) {
		n++
	}
	batch = 1 + d.node.w.dice.Choose(ChooseCrash, n)
	if failing {
		d.fs.Inject(d.fault())
		defer d.fs.Inject(nil)
	}
	return batch, d.disk.Append(unfinished[:batch]) == nil
}

// adds reports whether b takes nothing back of what a makes true. A Host's batches are of any writes, and
// what then leaves late is as if the network had been slow; but the checks look at the disk as it leaves.
func adds(a, b *consensus.Write) bool {
	return b.Truncate == 0 && b.Snapshot == nil && b.State.Term == a.State.Term && b.State.Vote == a.State.Vote
}

// fault draws which call fails, and how.
func (d *realDisk) fault() func(crashfs.Op) *crashfs.Fault {
	w := d.node.w
	skip := w.dice.Choose(ChooseFault, 3)
	fault := &crashfs.Fault{Err: syscall.EIO, Half: w.dice.chance(ChooseFault, parts/2)}
	if w.dice.chance(ChooseFault, parts/2) {
		fault.Err = syscall.ENOSPC
	}
	return func(op crashfs.Op) *crashfs.Fault {
		if op.Kind.Writes() {
			skip--
		}
		if skip >= 0 {
			return nil
		}
		return fault
	}
}

// lose is what the end of the process does, or a power cut, in the middle of some writes or in that of a
// snapshot. It has the model finish those of the unfinished writes that are there all the same.
func (d *realDisk) lose() {
	n := d.node
	w := n.w
	unfinished := n.disk.queue[n.disk.head:]
	work := func() {
		if w.dice.chance(ChooseCrash, 200) {
			d.halfSnapshot()
		}
		for len(unfinished) > 0 && w.dice.chance(ChooseCrash, parts/2) {
			batch := 1 + w.dice.Choose(ChooseCrash, len(unfinished))
			if d.disk.Append(unfinished[:batch]) != nil {
				return // it had failed before
			}
			unfinished = unfinished[batch:]
		}
	}
	if w.dice.chance(ChooseCrash, parts/4) {
		work()
		d.reopen(d.fs.Kill())
	} else {
		d.reopen(d.cut(d.fs, work))
	}
	d.match()
}

// halfSnapshot leaves a snapshot in the making.
func (d *realDisk) halfSnapshot() {
	if s, err := d.disk.Create(group, consensus.SnapshotMeta{Index: 1 << 40, Term: 1}); err == nil {
		s.Write(make([]byte, 1000))
	}
}

// match finds out how many of the model's unfinished writes are there, and has the model finish them.
func (d *realDisk) match() {
	n := d.node
	rec, ok := d.recover()
	m := &n.disk
	before, unfinished := m.recover(), len(m.queue)-m.head
	for k := 0; ok && !same(&rec, m); k++ {
		if k == unfinished {
			n.w.fail("storage", "node %d recovers %s; there was %s, and %d writes later %s",
				n.id, tell(&rec), tell(&before), unfinished, tell(ptr(m.recover())))
			return
		}
		m.finish(n)
	}
}

func (d *realDisk) recover() (consensus.Recovered, bool) {
	if d.disk == nil {
		return consensus.Recovered{}, false // and it was said why
	}
	rec, err := d.disk.Recover(group)
	if err != nil {
		d.node.w.fail("storage", "node %d cannot recover: %v", d.node.id, err)
	}
	return rec, err == nil
}

// boot is what the node finds as it starts.
func (d *realDisk) boot() consensus.Recovered {
	rec, ok := d.recover()
	if ok && !same(&rec, &d.node.disk) {
		d.node.w.fail("storage", "node %d recovers %s when it starts, and it was %s", d.node.id, tell(&rec), tell(ptr(d.node.disk.recover())))
	}
	return rec
}

// create stores a snapshot, which nobody sees until a write adopts it.
func (d *realDisk) create(meta consensus.SnapshotMeta, b []byte) {
	s, err := d.disk.Create(group, meta)
	if err == nil {
		if _, err = s.Write(b); err == nil {
			err = s.Commit()
		}
	}
	if err != nil {
		d.node.w.fail("storage", "node %d cannot store the snapshot at %d: %v", d.node.id, meta.Index, err)
	}
}

// image reads the newest snapshot.
func (d *realDisk) image() []byte {
	n := d.node
	meta, r, err := d.disk.Open(group)
	var b []byte
	if err == nil {
		b, err = io.ReadAll(r)
		r.Close()
	}
	if err != nil || meta.Index != n.disk.snapshot.Index || !bytes.Equal(b, n.disk.image) {
		n.w.fail("storage", "node %d reads %d bytes of a snapshot at %d, and not the %d bytes of that at %d: %v", n.id, len(b), meta.Index, len(n.disk.image), n.disk.snapshot.Index, err)
	}
	return b
}

// fetch reads old entries.
func (d *realDisk) fetch(f consensus.Fetch) []consensus.Entry {
	n := d.node
	es, err := d.disk.Fetch(group, f.Lo, f.Hi, f.MaxBytes)
	for i := range es {
		e := &es[i]
		was := n.disk.log.at(e.Index)
		if e.Index != f.Lo+consensus.Index(i) || was != nil && was.Index != 0 && (was.Term != e.Term || entryHash(was) != entryHash(e)) {
			n.w.fail("storage", "node %d reads an entry of term %d at %d, which it does not have there", n.id, e.Term, e.Index)
		}
	}
	if err != nil && len(es) > 0 {
		n.w.fail("storage", "node %d reads %d entries and an error: %v", n.id, len(es), err)
	}
	return es
}

// load puts a backup into an empty folder.
func (d *realDisk) load(b *backup) {
	w := consensus.Write{Group: group, Seq: 1, State: b.state, Entries: b.log}
	if b.snapshot.Index != 0 {
		d.create(b.snapshot, b.image)
		w.Snapshot = &b.snapshot
	}
	if err := d.disk.Append([]consensus.Write{w}); err != nil {
		d.node.w.fail("storage", "node %d cannot write what was in a backup: %v", d.node.id, err)
	}
}

// damage flips bits in what is synced, and says what of the log cannot be read any more. Damage to more
// than the log is undone: that node would have to be replaced, and others are.
func (d *realDisk) damage() []consensus.Range {
	w := d.node.w
	whole := d.fs.Kill()
	d.disk.Close()
	names, _ := d.fs.ReadDir(folder)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
	names = names[:len(names)-1] // damage to the last batch cannot be told from a crash
	for range w.dice.among(ChooseFault, 1, 4) {
		name := folder + "/" + names[w.dice.Choose(ChooseFault, len(names))]
		f, err := d.fs.OpenRead(name)
		if err == nil {
			size, _ := f.Size()
			err = d.fs.Flip(name, int64(w.dice.Choose(ChooseFault, int(size))), 1<<w.dice.Choose(ChooseFault, 8))
			f.Close()
		}
		if err != nil {
			w.fail("storage", "%v", err)
		}
	}
	o := d.options
	o.FS = d.fs
	disk, err := storage.Open(folder, o)
	if err == nil {
		d.disk = disk
		if rec, err := disk.Recover(group); err == nil && len(rec.Damaged) > 0 {
			return rec.Damaged
		}
		disk.Close()
	}
	d.reopen(whole)
	return nil
}
