package raft

import (
	"errors"
	"fmt"
	"slices"

	"github.com/consensus-go/consensus"
)

// A node is one engine with its disk, its state machine, and the smallest host that keeps the
// rules of Effects. Each rule can be broken, to see what it is for.
type node struct {
	c    *cluster
	cfg  consensus.EngineConfig
	raft *Raft // nil while the node is down
	now  Instant
	life int
	disk *disk

	manual   bool // writes finish only when told
	batching bool // effects are asked for only when told
	slow     bool // reads of old entries are answered only when told

	early     map[consensus.Kind]bool // spoiled: these leave before the disk has finished
	unordered bool                    // spoiled: writes may finish in any order
	hasty     bool                    // spoiled: what is committed is applied, though a snapshot is not restored yet

	eff      consensus.Effects
	issued   uint64
	finished uint64
	gate     []gated
	queue    []task
	reads    []consensus.Read
	fetches  []consensus.Fetch

	applied Index   // by the state machine
	machine []Entry // the state machine: all that it applied. A witness has none
}

// gated is a message that waits until the writes up to seq are durable (rule 1).
type gated struct {
	seq uint64
	m   Message
}

// A task is something for the state machine to do, in order (rule 3).
type task struct {
	entries []Entry
	restore *consensus.SnapshotMeta // once the write seq is durable
	seq     uint64
}

func (n *node) id() NodeID { return n.cfg.ID }

// start begins a life with what is on disk.
func (n *node) start() {
	e, err := New(n.cfg, n.disk.recover())
	if err != nil {
		panic(err)
	}
	n.life++
	n.raft = e.(*Raft)
	n.issued, n.finished, n.gate, n.queue, n.reads, n.fetches = 0, 0, nil, nil, nil, nil
	n.applied, n.machine = n.disk.snapshot.Index, slices.Clone(n.disk.blobs[n.disk.snapshot.Index])
	n.c.commits[n.id()] = 0
	n.input(func() { n.raft.Tick(n.now) })
}

// crash ends a life. Of the unfinished writes the first keep survive.
func (n *node) crash(keep int) {
	n.disk.crash(keep)
	n.raft = nil
}

// wipe gives a node that is down an empty disk, of another incarnation.
func (n *node) wipe() { n.disk = newDisk(n.disk.incarnation + 100) }

// input gives the engine an input and does what it wants done.
func (n *node) input(f func()) {
	if n.raft == nil {
		return
	}
	f()
	if !n.batching {
		n.pump()
	}
	n.c.check(n)
}

func (n *node) tick(d Instant) {
	n.now += d
	n.input(func() { n.raft.Tick(n.now) })
}

// pump asks for effects until there are none.
func (n *node) pump() {
	for n.raft.Ready(&n.eff) {
		n.act(&n.eff)
		n.eff.Reset()
		for !n.manual && len(n.disk.unfinished) > 0 {
			n.finish(0)
		}
		for !n.slow && len(n.fetches) > 0 {
			n.answerFetch()
		}
	}
}

// act is the host.
func (n *node) act(eff *consensus.Effects) {
	for _, m := range eff.Early {
		n.c.send(n, m, "")
	}
	if w := eff.Write; w.Seq != 0 {
		n.write(w)
	}
	for _, m := range eff.Messages {
		switch {
		case n.finished == n.issued:
			n.c.send(n, m, "")
		case n.early[m.Kind]:
			n.c.send(n, m, "EARLY ")
		default:
			if n.manual {
				n.c.tracef("  after #%d: %v", n.issued, &m)
			}
			n.gate = append(n.gate, gated{n.issued, m})
		}
	}
	if len(eff.Committed) > 0 {
		n.queue = append(n.queue, task{entries: slices.Clone(eff.Committed)})
	}
	for _, r := range eff.Reads {
		n.c.tracef("  %d answers %s", n.id(), readString(r))
		n.reads = append(n.reads, r)
	}
	for _, m := range eff.Snapshots {
		n.c.stream(n, m)
	}
	for _, f := range eff.Fetch {
		n.c.tracef("  %d fetches %d to %d for %d", n.id(), f.Lo, f.Hi, f.To)
		n.fetches = append(n.fetches, f)
	}
	n.apply()
}

func (n *node) write(w consensus.Write) {
	if w.Seq != n.issued+1 {
		n.c.violation("%d issued write %d after %d", n.id(), w.Seq, n.issued)
	}
	n.issued = w.Seq
	n.disk.issue(w)
	n.c.tracef("  %d writes %s", n.id(), writeString(w))
	if s := w.Snapshot; s != nil && s.Index > n.taken() {
		n.queue = append(n.queue, task{restore: s, seq: w.Seq})
	}
}

// taken is how far the state machine will be when it has done all that is queued.
func (n *node) taken() Index {
	for k := len(n.queue) - 1; k >= 0; k-- {
		if t := n.queue[k]; t.restore != nil {
			return t.restore.Index
		} else if len(t.entries) > 0 {
			return t.entries[len(t.entries)-1].Index
		}
	}
	return n.applied
}

// finish makes the k-th unfinished write durable and tells the engine.
func (n *node) finish(k int) {
	w := n.disk.finish(k)
	if !slices.EqualFunc(w.Entries, w.copy, sameEntry) {
		n.c.violation("entries of write %d of %d changed while it was under way", w.Seq, n.id())
	}
	if n.manual {
		n.c.tracef("  %d has written #%d", n.id(), w.Seq)
	}
	n.finished = max(n.finished, w.Seq)
	n.raft.Persisted(w.Seq)
	for len(n.gate) > 0 && n.gate[0].seq <= n.finished {
		m := n.gate[0].m
		n.gate = n.gate[1:]
		n.c.send(n, m, "")
	}
	n.apply()
}

// apply does what the state machine may do now.
func (n *node) apply() {
	for k := 0; k < len(n.queue); {
		t := n.queue[k]
		if t.restore != nil && n.hasty {
			k++
			continue
		}
		if t.restore != nil && t.seq > n.finished {
			return
		}
		n.queue = slices.Delete(n.queue, k, k+1)
		if t.restore != nil {
			n.restore(*t.restore)
		}
		for _, e := range t.entries {
			n.applyEntry(e)
		}
	}
}

func (n *node) restore(meta consensus.SnapshotMeta) {
	blob, ok := n.disk.blobs[meta.Index]
	if !ok && n.raft.kind != consensus.Witness {
		n.c.violation("%d adopted a snapshot at %d that is not in storage", n.id(), meta.Index)
	}
	n.c.tracef("  %d restores a snapshot at %d", n.id(), meta.Index)
	n.applied, n.machine = meta.Index, slices.Clone(blob)
}

func (n *node) applyEntry(e Entry) {
	n.c.tracef("  %d applies %s", n.id(), entryString(e))
	if e.Index != n.applied+1 {
		n.c.violation("%d applied %d after %d", n.id(), e.Index, n.applied)
	}
	if x, ok := n.disk.log[e.Index]; !ok || !sameEntry(x, e) {
		n.c.violation("%d applied %d, which is not durable there", n.id(), e.Index)
	}
	n.c.chose(n, e)
	n.applied = e.Index
	if n.raft.kind != consensus.Witness {
		n.machine = append(n.machine, e)
	}
}

// compact takes a snapshot of the state machine and tells the engine.
func (n *node) compact() {
	i := n.applied
	if i == 0 {
		return
	}
	n.disk.blobs[i] = slices.Clone(n.machine)
	meta := consensus.SnapshotMeta{Index: i, Term: n.machine[i-1].Term, Config: n.raft.configAt(i).encode()}
	n.input(func() { n.raft.Compacted(meta) })
}

// answerFetch reads the oldest range that the engine asked for.
func (n *node) answerFetch() {
	f := n.fetches[0]
	n.fetches = n.fetches[1:]
	es, err := n.disk.fetch(f)
	if err != nil {
		n.c.tracef("  %d has %d no longer", n.id(), f.Lo)
	}
	n.raft.Fetched(f, es, err)
}

var errStream = errors.New("the stream broke")

func sameEntry(a, b Entry) bool {
	return a.Index == b.Index && a.Term == b.Term && a.From == b.From && a.ID == b.ID && a.Kind == b.Kind && string(a.Data) == string(b.Data)
}

func entryString(e Entry) string {
	if e.Kind == consensus.EntryCommand {
		return fmt.Sprintf("%d/%d %s", e.Index, e.Term, e.Data)
	}
	return fmt.Sprintf("%d/%d %v", e.Index, e.Term, e.Kind)
}

func readString(r consensus.Read) string {
	switch {
	case r.Err != nil:
		return fmt.Sprintf("read %d: %v", r.ID, r.Err)
	case r.Until != 0:
		return fmt.Sprintf("read %d: at %d, leased", r.ID, r.Index)
	}
	return fmt.Sprintf("read %d: at %d", r.ID, r.Index)
}

func writeString(w consensus.Write) string {
	s := fmt.Sprintf("#%d: term=%d vote=%d", w.Seq, w.State.Term, w.State.Vote)
	if w.State.Commit != 0 {
		s += fmt.Sprintf(" commit=%d", w.State.Commit)
	}
	if w.Snapshot != nil {
		s += fmt.Sprintf(" snapshot=%d/%d", w.Snapshot.Index, w.Snapshot.Term)
	}
	if w.Truncate != 0 {
		s += fmt.Sprintf(" truncate=%d", w.Truncate)
	}
	for _, e := range w.Entries {
		s += fmt.Sprintf(" %d/%d", e.Index, e.Term)
	}
	return s
}
