package sim

import (
	"slices"
	"time"

	"github.com/consensus-go/consensus"
)

// A disk holds what is durable at a node, and the writes that are not durable yet. Writes finish
// late, and in order. A crash keeps those that happen to have reached the platter: the first few.
type disk struct {
	incarnation uint64
	state       consensus.State
	snapshot    consensus.SnapshotMeta // the newest adopted one
	image       []byte                 // and what is in it
	log         window[consensus.Entry]
	bad         []consensus.Range // of the log: it cannot be read
	created     []image           // committed, not adopted

	queue      []consensus.Write // unfinished, oldest first, from head on
	head       int
	doneAt     int64         // when the last of them finishes
	slow       time.Duration // added to every write
	stuckUntil int64
	failing    bool // the next write that should finish fails
	early      int  // writes that were durable before their time, in one batch with an earlier one
}

// An image is a snapshot in storage.
type image struct {
	meta     consensus.SnapshotMeta
	bytes    []byte
	received bool
}

// format makes the disk a new, empty one.
func (d *disk) format(incarnation uint64) {
	clear(d.queue)
	clear(d.created)
	*d = disk{incarnation: incarnation, log: d.log, created: d.created[:0], queue: d.queue[:0]}
	d.log.reset()
}

// format gives n a new, empty disk.
func (n *node) format() {
	incarnation := n.w.dice.id()
	n.disk.format(incarnation)
	n.real = nil
	if n.w.options.Storage {
		n.real = newRealDisk(n, incarnation)
	}
}

// recover is what n finds when it starts.
func (n *node) recover() consensus.Recovered {
	if n.real != nil {
		return n.real.boot()
	}
	return n.disk.recover()
}

// image is what is in the newest adopted snapshot.
func (n *node) image() []byte {
	if n.real != nil && n.disk.image != nil {
		return n.real.image()
	}
	return n.disk.image
}

// A lostDisk is what the checks remember of a disk that was wiped or damaged: what was on it was durable
// as long as it lived, and was acknowledged by messages that may still arrive.
type lostDisk struct {
	at          int64 // when
	incarnation uint64
	snapshot    consensus.Index
	terms       window[consensus.Term]
}

// reached reports whether the disk held what is at index i.
func (l *lostDisk) reached(i consensus.Index) bool { return l.snapshot >= i || l.terms.at(i) != nil }

// held reports whether the store that the membership binds n to holds, or held, the entry of that
// index and term.
func (n *node) held(incarnation uint64, i consensus.Index, t consensus.Term) bool {
	if (incarnation == 0 || incarnation == n.disk.incarnation) && n.disk.holds(i, t) {
		return true
	}
	was := n.lost.terms.at(i)
	return incarnation == n.lost.incarnation && (i <= n.lost.snapshot || was != nil && *was == t)
}

// recover is what a node finds when it starts. It shares no slice with the disk.
func (d *disk) recover() consensus.Recovered {
	rec := consensus.Recovered{Incarnation: d.incarnation, State: d.state, Snapshot: d.snapshot, Damaged: slices.Clone(d.bad)}
	first := max(d.snapshot.Index+1, d.log.first)
	if first < d.log.end() {
		rec.Entries = make([]consensus.Entry, 0, d.log.end()-first)
	}
	for i := first; i < d.log.end(); i++ {
		if e := d.log.at(i); e.Index != 0 && !within(d.bad, i) {
			rec.Entries = append(rec.Entries, *e)
		}
	}
	return rec
}

// submit has w finish later.
func (d *disk) submit(n *node, w consensus.Write) {
	d.queue = append(d.queue, w)
	at := max(d.doneAt, d.stuckUntil, n.w.now) + int64(n.w.diskDelay(n))
	d.doneAt = at
	n.w.queue.push(event{at: at, kind: eventWritten, node: n.index, life: n.life})
}

func (w *World) diskDelay(n *node) time.Duration {
	return w.dice.about(ChooseDelay, w.plan.fsync) + n.disk.slow + n.slow
}

// written is the event that the oldest unfinished write is durable.
func (n *node) written() {
	d := &n.disk
	if d.early > 0 {
		d.early--
		return
	}
	batch, ok := d.sync(n)
	if !ok {
		n.halt()
		return
	}
	var seq uint64
	for range batch {
		seq = d.finish(n)
	}
	d.early = batch - 1
	if n.w.trace.on() {
		n.w.trace.say(n.w, n, "write %d is durable", seq)
	}
	n.input()
	n.replica.Persisted(seq)
	n.settle()
}

// sync reports how many of the unfinished writes are durable now, and whether that did not fail.
func (d *disk) sync(n *node) (batch int, ok bool) {
	if n.real == nil {
		return 1, !d.failing
	}
	return n.real.append(d.queue[d.head:], d.failing)
}

// finish makes the oldest unfinished write durable.
func (d *disk) finish(n *node) (seq uint64) {
	w := &d.queue[d.head]
	if w.Snapshot != nil {
		d.adopt(n, w.Snapshot)
	}
	if w.Truncate != 0 {
		d.log.cut(w.Truncate)
		d.repaired(w.Truncate, 1<<62)
	}
	for i := range w.Entries {
		*d.log.put(w.Entries[i].Index) = w.Entries[i]
		d.repaired(w.Entries[i].Index, w.Entries[i].Index)
		n.w.noteVote(n, &w.Entries[i])
	}
	d.state, seq = w.State, w.Seq
	*w = consensus.Write{}
	if d.head++; d.head == len(d.queue) {
		d.queue, d.head = d.queue[:0], 0
	}
	return seq
}

// adopt makes the snapshot of meta the newest. A witness adopts one that nobody created.
func (d *disk) adopt(n *node, meta *consensus.SnapshotMeta) {
	found := image{meta: *meta, received: n.witness}
	for i := range d.created {
		if d.created[i].meta.Index == meta.Index {
			found = d.created[i]
		}
	}
	if found.bytes == nil && !n.witness {
		n.w.fail("snapshots", "node %d adopts the snapshot at %d, which is not in its storage", n.id, meta.Index)
	}
	d.snapshot, d.image = *meta, found.bytes
	d.repaired(0, meta.Index)
	kept := d.created[:0]
	for _, c := range d.created {
		if c.meta.Index > meta.Index {
			kept = append(kept, c)
		}
	}
	d.created = kept
	if n.slot.index == meta.Index && (!n.slot.received || n.witness) { // a witness has nothing to restore
		n.slot = slot{}
	}
	if found.received {
		d.log.drop(meta.Index + 1) // what is below may never have been chosen
		n.w.result.Snapshots++
	} else if r := consensus.Index(n.w.plan.retention); meta.Index > r {
		d.log.drop(meta.Index - r + 1)
	}
}

// lose is what a crash does: a random number of the unfinished writes, the oldest ones, are
// durable all the same. The others never happened.
func (d *disk) lose(n *node) {
	unfinished := len(d.queue) - d.head
	if n.real != nil {
		n.real.lose()
	} else {
		for range n.w.dice.Choose(ChooseCrash, unfinished+1) {
			d.finish(n)
		}
	}
	if d.head < len(d.queue) {
		n.w.mark(MarkCrashLostWrites)
	}
	clear(d.queue)
	d.queue, d.head, d.doneAt, d.stuckUntil, d.early = d.queue[:0], 0, 0, 0, 0
	clear(d.created)
	d.created = d.created[:0]
}

// holds reports whether the entry of that index and term is durable here, in the log or under
// the snapshot.
func (d *disk) holds(i consensus.Index, t consensus.Term) bool {
	if i <= d.snapshot.Index {
		return true
	}
	e := d.log.at(i)
	return e != nil && e.Index == i && e.Term == t && t != 0
}

// last is the end of the durable log. An entry of term 0 is none of the log: it reminds a replica of
// Raft of damage.
func (d *disk) last() consensus.Index {
	i := d.log.end() - 1
	for e := d.log.at(i); e != nil && e.Term == 0; e = d.log.at(i) {
		i--
	}
	return max(d.snapshot.Index, i)
}

// fetch is what storage retains of what f asks for.
func (n *node) fetch(f consensus.Fetch) (es []consensus.Entry) {
	if n.real != nil {
		return n.real.fetch(f)
	}
	size := 0
	for i := f.Lo; i <= f.Hi; i++ {
		e := n.disk.log.at(i)
		if e == nil || e.Index != i || within(n.disk.bad, i) || len(es) > 0 && size+e.Size() > f.MaxBytes {
			break
		}
		es = append(es, *e)
		size += e.Size()
	}
	return es
}

// fetched answers a Fetch from what storage retains.
func (n *node) fetched(f consensus.Fetch) {
	es := n.fetch(f)
	n.input()
	if len(es) > 0 {
		n.w.mark(MarkFetchServed)
		n.replica.Fetched(f, es, nil)
	} else {
		n.w.mark(MarkFetchFailed)
		n.replica.Fetched(f, nil, consensus.ErrCompacted)
	}
	if n.w.trace.on() {
		n.w.trace.say(n.w, n, "fetched %d entries from %d for %d", len(es), f.Lo, f.To)
	}
	n.pump()
}
