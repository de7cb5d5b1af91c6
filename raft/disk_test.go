package raft

import (
	"maps"
	"slices"

	"github.com/consensus-go/consensus"
)

// A disk keeps what one node must never forget. Writes are issued at once and finish, in order,
// when a test says so; a crash keeps some of the unfinished ones.
type disk struct {
	incarnation uint64
	state       consensus.State
	snapshot    consensus.SnapshotMeta
	log         map[Index]Entry   // all that is retained, below the snapshot too
	floor       Index             // what was at or below is no longer retained
	damaged     map[Index]bool    // written, and cannot be read
	blobs       map[Index][]Entry // snapshots of the state machine, which is the list of all it applied
	unfinished  []issued
}

// issued is a write under way, and its entries as they were when it was issued: they may not change.
type issued struct {
	consensus.Write
	copy []Entry
}

func newDisk(incarnation uint64) *disk {
	return &disk{incarnation: incarnation, log: map[Index]Entry{}, damaged: map[Index]bool{}, blobs: map[Index][]Entry{}}
}

func (d *disk) issue(w consensus.Write) {
	d.unfinished = append(d.unfinished, issued{w, slices.Clone(w.Entries)})
}

// finish makes the k-th unfinished write durable. A real disk finishes the first.
func (d *disk) finish(k int) issued {
	w := d.unfinished[k]
	d.unfinished = slices.Delete(d.unfinished, k, k+1)
	if s := w.Snapshot; s != nil {
		d.adopt(*s)
	}
	if w.Truncate != 0 {
		d.forget(func(i Index) bool { return i >= w.Truncate })
	}
	for _, e := range w.Entries {
		d.log[e.Index] = e
		delete(d.damaged, e.Index)
	}
	d.state = w.State
	return w
}

// adopt makes s the newest snapshot. If it was received, what is retained below it may never have
// been chosen.
func (d *disk) adopt(s consensus.SnapshotMeta) {
	if e, ok := d.log[s.Index]; !(ok && e.Term == s.Term) && d.state.Commit < s.Index {
		d.forget(func(i Index) bool { return i <= s.Index })
		d.floor = s.Index
	}
	d.snapshot = s
	maps.DeleteFunc(d.damaged, func(i Index, _ bool) bool { return i <= s.Index })
}

func (d *disk) forget(gone func(Index) bool) {
	maps.DeleteFunc(d.log, func(i Index, _ Entry) bool { return gone(i) })
	maps.DeleteFunc(d.damaged, func(i Index, _ bool) bool { return gone(i) })
}

// damage makes the entries from lo to hi unreadable.
func (d *disk) damage(lo, hi Index) {
	for i := lo; i <= hi; i++ {
		delete(d.log, i)
		d.damaged[i] = true
	}
}

// retain forgets what is retained below lo, as far as the snapshot stands for it.
func (d *disk) retain(lo Index) {
	d.floor = max(d.floor, min(lo-1, d.snapshot.Index))
	d.forget(func(i Index) bool { return i <= d.floor })
}

// crash keeps the first of the unfinished writes and loses the rest.
func (d *disk) crash(keep int) {
	for range keep {
		d.finish(0)
	}
	d.unfinished = nil
}

func (d *disk) recover() consensus.Recovered {
	rec := consensus.Recovered{Incarnation: d.incarnation, State: d.state, Snapshot: d.snapshot}
	for _, i := range slices.Sorted(maps.Keys(d.log)) {
		if i > d.snapshot.Index {
			rec.Entries = append(rec.Entries, d.log[i])
		}
	}
	for _, i := range slices.Sorted(maps.Keys(d.damaged)) {
		if n := len(rec.Damaged); n > 0 && rec.Damaged[n-1].Last == i-1 {
			rec.Damaged[n-1].Last = i
		} else {
			rec.Damaged = append(rec.Damaged, consensus.Range{First: i, Last: i})
		}
	}
	return rec
}

func (d *disk) fetch(f consensus.Fetch) ([]Entry, error) {
	var es []Entry
	size := 0
	for i := f.Lo; i <= f.Hi; i++ {
		e, ok := d.log[i]
		if !ok {
			break
		}
		if size += e.Size(); len(es) > 0 && size > f.MaxBytes {
			break
		}
		es = append(es, e)
	}
	if len(es) == 0 {
		return nil, consensus.ErrCompacted
	}
	return es, nil
}
