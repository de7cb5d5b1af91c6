package storage

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// maxWaiting is how many snapshots may wait to be adopted: one taken here and one received.
const maxWaiting = 2

// A group is what a Memory keeps of one group.
type group struct {
	state    consensus.State
	snapshot snapshot   // the newest adopted one; none if its index is 0
	waiting  []snapshot // committed and not adopted, each above snapshot, the latest last; len ≤ maxWaiting
	log      entryLog   // entries above the snapshot, and retained ones at or below it
}

// A snapshot and its bytes, which never change.
type snapshot struct {
	meta consensus.SnapshotMeta
	data []byte
}

// write does what w says, in the order of its fields.
func (g *group) write(w *consensus.Write, retention int) {
	if w.Snapshot != nil && w.Snapshot.Index > g.snapshot.meta.Index {
		g.adopt(w.Snapshot, retention)
	}
	if w.Truncate != 0 {
		g.log.truncate(w.Truncate)
	}
	for i := range w.Entries {
		if w.Entries[i].Index > g.snapshot.meta.Index {
			g.log.put(&w.Entries[i])
		}
	}
	g.state = w.State
}

// adopt makes the snapshot of meta the newest. One that nobody created is a witness's: empty.
func (g *group) adopt(meta *consensus.SnapshotMeta, retention int) {
	if !g.knownChosen(meta) {
		retention = 0
	}
	adopted := snapshot{meta: clone(*meta)}
	if i := slices.IndexFunc(g.waiting, func(s snapshot) bool { return s.of(meta) }); i >= 0 {
		adopted.data = g.waiting[i].data
	}
	g.snapshot = adopted
	g.waiting = slices.DeleteFunc(g.waiting, func(s snapshot) bool { return s.meta.Index <= meta.Index })
	g.log.compact(meta.Index, retention)
}

// knownChosen reports whether all entries here at or below meta are known to be chosen, so that
// they may be retained for others. They are in either of two cases:
//
//   - The log holds the entry that the snapshot ends with, of the same term: then it is the same
//     up to there (Raft §5.3, Log Matching). Paxos's snapshots have no term, and no entry's is 0.
//   - The replica had written that it knows everything up to there to be committed.
//
// Every snapshot taken here is in the first case, or nearly always in the second; one received is
// in neither unless it brings nothing new. In doubt the entries go: that costs a slow follower a
// snapshot, where an entry that was never chosen would cost it its state.
func (g *group) knownChosen(meta *consensus.SnapshotMeta) bool {
	last := g.log.at(meta.Index)
	return last != nil && last.Term == meta.Term || g.state.Commit >= meta.Index
}

// commit adds a snapshot that a later write may adopt.
func (g *group) commit(s snapshot) {
	if s.meta.Index <= g.snapshot.meta.Index {
		return // it will never be the newest
	}
	g.waiting = slices.DeleteFunc(g.waiting, func(old snapshot) bool { return old.of(&s.meta) })
	if len(g.waiting) == maxWaiting {
		g.waiting = slices.Delete(g.waiting, 0, 1)
	}
	g.waiting = append(g.waiting, s)
}

// of reports whether s is a snapshot of the log up to meta's entry.
func (s snapshot) of(meta *consensus.SnapshotMeta) bool {
	return s.meta.Index == meta.Index && s.meta.Term == meta.Term
}
