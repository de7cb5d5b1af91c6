package enginetest

import (
	"maps"
	"slices"

	"github.com/consensus-go/consensus"
)

// The contract's vocabulary.
type (
	Index   = consensus.Index
	Term    = consensus.Term
	NodeID  = consensus.NodeID
	Instant = consensus.Instant
	Entry   = consensus.Entry
	Members = consensus.Members
	Message = consensus.Message
)

// A Disk keeps what one node must never forget. Writes are issued at once and finish, in order,
// when a test says so; a crash keeps some of the unfinished ones.
type Disk struct {
	Incarnation uint64
	State       consensus.State
	Snapshot    consensus.SnapshotMeta
	Log         map[Index]Entry   // all that is retained, below the snapshot too
	Floor       Index             // what was at or below is no longer retained
	Damaged     map[Index]bool    // written, and cannot be read
	Blobs       map[Index][]Entry // snapshots of the state machine, which is the list of all it applied
	Unfinished  []Issued
}

// An Issued write is under way. It keeps its entries as they were when it was issued: they may not change.
type Issued struct {
	consensus.Write
	copy []Entry
}

// Changed reports whether an entry of the write is no longer what it was.
func (w *Issued) Changed() bool { return !slices.EqualFunc(w.Entries, w.copy, SameEntry) }

// NewDisk is an empty disk.
func NewDisk(incarnation uint64) *Disk {
	return &Disk{Incarnation: incarnation, Log: map[Index]Entry{}, Damaged: map[Index]bool{}, Blobs: map[Index][]Entry{}}
}

// Issue begins a write.
func (d *Disk) Issue(w consensus.Write) {
	d.Unfinished = append(d.Unfinished, Issued{w, slices.Clone(w.Entries)})
}

// Finish makes the k-th unfinished write durable. A real disk finishes the first.
func (d *Disk) Finish(k int) Issued {
	w := d.Unfinished[k]
	d.Unfinished = slices.Delete(d.Unfinished, k, k+1)
	if s := w.Snapshot; s != nil {
		d.adopt(*s)
	}
	if w.Truncate != 0 {
		d.forget(func(i Index) bool { return i >= w.Truncate })
	}
	for _, e := range w.Entries {
		d.Log[e.Index] = e
		delete(d.Damaged, e.Index)
	}
	d.State = w.State
	return w
}

// adopt makes s the newest snapshot. If it was received, what is retained below it may never have
// been chosen.
func (d *Disk) adopt(s consensus.SnapshotMeta) {
	if e, ok := d.Log[s.Index]; !(ok && e.Term == s.Term) && d.State.Commit < s.Index {
		d.forget(func(i Index) bool { return i <= s.Index })
		d.Floor = s.Index
	}
	d.Snapshot = s
	maps.DeleteFunc(d.Damaged, func(i Index, _ bool) bool { return i <= s.Index })
}

func (d *Disk) forget(gone func(Index) bool) {
	maps.DeleteFunc(d.Log, func(i Index, _ Entry) bool { return gone(i) })
	maps.DeleteFunc(d.Damaged, func(i Index, _ bool) bool { return gone(i) })
}

func (d *Disk) holds(i Index) bool { _, ok := d.Log[i]; return ok }

// Damage makes the entries from lo to hi unreadable.
func (d *Disk) Damage(lo, hi Index) {
	for i := lo; i <= hi; i++ {
		delete(d.Log, i)
		d.Damaged[i] = true
	}
}

// Retain forgets what is retained below lo, as far as the snapshot stands for it.
func (d *Disk) Retain(lo Index) {
	d.Floor = max(d.Floor, min(lo-1, d.Snapshot.Index))
	d.forget(func(i Index) bool { return i <= d.Floor })
}

// Crash keeps the first of the unfinished writes and loses the rest.
func (d *Disk) Crash(keep int) {
	for range keep {
		d.Finish(0)
	}
	d.Unfinished = nil
}

// Recover is what a node has after a restart.
func (d *Disk) Recover() consensus.Recovered {
	rec := consensus.Recovered{Incarnation: d.Incarnation, State: d.State, Snapshot: d.Snapshot}
	for _, i := range slices.Sorted(maps.Keys(d.Log)) {
		if i > d.Snapshot.Index {
			rec.Entries = append(rec.Entries, d.Log[i])
		}
	}
	for _, i := range slices.Sorted(maps.Keys(d.Damaged)) {
		if n := len(rec.Damaged); n > 0 && rec.Damaged[n-1].Last == i-1 {
			rec.Damaged[n-1].Last = i
		} else {
			rec.Damaged = append(rec.Damaged, consensus.Range{First: i, Last: i})
		}
	}
	return rec
}

// Fetch answers an Effects.Fetch from what is retained.
func (d *Disk) Fetch(f consensus.Fetch) ([]Entry, error) {
	var es []Entry
	size := 0
	for i := f.Lo; i <= f.Hi; i++ {
		e, ok := d.Log[i]
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

// Clone is a disk of its own with the same on it.
func (d *Disk) Clone() *Disk {
	c := *d
	c.Log, c.Damaged, c.Blobs, c.Unfinished = maps.Clone(d.Log), maps.Clone(d.Damaged), maps.Clone(d.Blobs), slices.Clone(d.Unfinished)
	return &c
}

// SameEntry reports whether a and b are equal.
func SameEntry(a, b Entry) bool {
	return a.Index == b.Index && a.Term == b.Term && SameValue(a, b)
}

// SameValue reports whether a and b are equal, their terms aside.
func SameValue(a, b Entry) bool {
	return a.From == b.From && a.ID == b.ID && a.Kind == b.Kind && string(a.Data) == string(b.Data)
}
