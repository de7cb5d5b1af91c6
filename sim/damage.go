package sim

import (
	"slices"
	"time"

	"github.com/consensus-go/consensus"
)

// What goes wrong with disks beyond slowness. None of it may ever cost the group what is committed: so
// it happens to one node at a time, without which the others can elect and commit; and until that
// one has repaired the damage, none of the others loses anything (VOPR calls that its atlas).

// repaired reports whether n has voted, or learned what is chosen, in every damaged slot above i since it was started.
func (n *node) repaired(i consensus.Index) bool {
	for _, r := range n.disk.bad {
		for s := max(r.First, i+1); s <= r.Last; s++ {
			if b := n.log.at(s); b == nil || *b == 0 {
				return false
			}
		}
	}
	return true
}

// lastBad is the last position that cannot be read, or 0.
func (d *disk) lastBad() consensus.Index {
	if len(d.bad) == 0 {
		return 0
	}
	return d.bad[len(d.bad)-1].Last
}

// repaired takes the positions from lo to hi out of those that cannot be read: they are written again,
// or gone.
func (d *disk) repaired(lo, hi consensus.Index) {
	if len(d.bad) == 0 {
		return
	}
	var rest []consensus.Range
	for _, r := range d.bad {
		if r.First < lo {
			rest = append(rest, consensus.Range{First: r.First, Last: min(r.Last, lo-1)})
		}
		if r.Last > hi {
			rest = append(rest, consensus.Range{First: max(r.First, hi+1), Last: r.Last})
		}
	}
	d.bad = rest
}

// damageOne crashes n, and some of its log cannot be read any more.
func (w *World) damageOne(n *node) {
	if !w.spareable(n) || !n.up {
		return
	}
	n.crash()
	d := &n.disk
	first := max(d.snapshot.Index+1, d.log.first)
	if first < d.log.end() {
		n.lose(d.snapshot.Index)
		if n.real != nil {
			d.bad = n.real.damage()
		} else {
			d.damage(w.dice, first)
		}
		if len(d.bad) > 0 {
			n.unsure = max(d.log.end()-1, d.lastBad()) // Raft has no use for what follows a hole
			w.mark(MarkDamaged)
		}
	}
	w.fault(n, w.dice.about(ChooseDwell, w.plan.dwell), "has a damaged disk and is down", n.restart)
}

// damage draws what cannot be read any more, from first on.
func (d *disk) damage(dice dice, first consensus.Index) {
	for range dice.among(ChooseFault, 1, 2) {
		lo := first + consensus.Index(dice.Choose(ChooseFault, int(d.log.end()-first)))
		for i := range consensus.Index(dice.among(ChooseFault, 1, 3)) {
			if e := d.log.at(lo + i); e != nil && e.Index != 0 && !within(d.bad, lo+i) {
				d.bad = append(d.bad, consensus.Range{First: lo + i, Last: lo + i})
			}
		}
	}
	slices.SortFunc(d.bad, func(a, b consensus.Range) int { return int(a.First) - int(b.First) })
}

// healed notes that n has everything again that was damaged, or does not need it. A replica of Raft that
// has what is committed in a later term than it came back with has all that it ever acknowledged and
// that was committed, however short its log.
func (n *node) healed(st *consensus.Status) {
	if n.unsure == 0 || len(n.disk.bad) > 0 {
		return
	}
	has := st.Commit >= n.unsure
	if n.w.options.Rules == RaftRules {
		i := min(st.Commit, st.Durable)
		has = i >= n.unsure || n.termAt(i) > n.lostTerm
	}
	if has {
		n.unsure = 0
		n.w.mark(MarkDamageRepaired)
	}
}

// damaged reports whether some node has damage that it has not repaired.
func (w *World) damaged() bool {
	for i := range w.nodes {
		if w.nodes[i].unsure != 0 {
			return true
		}
	}
	return false
}

// lose has the checks remember what is on the disk, of which some will be gone.
func (n *node) lose(snapshot consensus.Index) {
	d := &n.disk
	n.lost = lostDisk{at: n.w.now, incarnation: d.incarnation, snapshot: snapshot}
	for i := range d.log.items {
		*n.lost.terms.put(d.log.first + consensus.Index(i)) = d.log.items[i].Term
	}
}

// wipe replaces the disk by another one, which is empty or was restored from an old backup. It is
// another store: who restores a backup must say so, since what was promised after it is forgotten.
func (n *node) wipe() {
	w := n.w
	n.lose(n.disk.snapshot.Index)
	backup := n.backup
	n.format()
	n.founder, n.wiped, n.unsure, n.backup, n.shelf = false, true, 0, nil, shelf{}
	if backup == nil || n.witness || w.dice.chance(ChooseFault, 512) {
		return
	}
	d := &n.disk
	d.state, d.snapshot, d.image = backup.state, backup.snapshot, backup.image
	n.shelf = backup.shelf
	for i := range backup.log {
		*d.log.put(backup.log[i].Index) = backup.log[i]
	}
	if n.real != nil {
		n.real.load(backup)
	}
	w.mark(MarkBackupRestored)
}

// A backup is what was on a disk once.
type backup struct {
	state    consensus.State
	snapshot consensus.SnapshotMeta
	image    []byte
	log      []consensus.Entry
	shelf    shelf
}

// backUp makes a backup of what n has on its disk, now and then as it goes down.
func (n *node) backUp() {
	if n.w.plan.faults[faultWipe] == 0 || n.backup != nil || n.unsure != 0 || !n.w.dice.chance(ChooseFault, 256) {
		return
	}
	rec := n.disk.recover()
	n.backup = &backup{state: rec.State, snapshot: rec.Snapshot, image: n.disk.image, log: rec.Entries, shelf: n.shelf}
}

// failDisk has the next write of n fail.
func (w *World) failDisk(n *node, dwell time.Duration) {
	n.disk.failing = true
	w.fault(n, dwell, "has a disk that fails", func() { n.disk.failing = false })
}

// halt is what a Host does when a write fails: the group answers everybody, and stops. What is on the
// disk of that write and of those after it is not known.
func (n *node) halt() {
	w := n.w
	w.mark(MarkWriteFailed)
	n.replica.Close()
	n.disk.failing = false
	w.crashFor(n, w.dice.about(ChooseDwell, w.plan.dwell))
}
