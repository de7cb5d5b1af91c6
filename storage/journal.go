package storage

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// A journal is one group of a Disk: what is in memory of it, and where the rest is.
type journal struct {
	id consensus.GroupID

	// As of the last record written, durable or not. Whoever appends looks at it.
	pending struct {
		number uint64
		end    consensus.Index // at or after the last entry
		index  consensus.Index // of the newest adopted snapshot, and
		term   consensus.Term  // its term
	}

	// As of the last record that is durable.
	number  uint64
	state   consensus.State
	meta    consensus.SnapshotMeta
	file    *snapshotFile   // the adopted snapshot; nil: there is none, or an empty one
	waiting []*snapshotFile // committed and not adopted, each above meta, the latest last; len ≤ maxWaiting
	runs    runs            // entries above the snapshot, and retained ones at or below it
	home    *segment        // where the last record is, and so the state
	adopted *segment        // where the record is that adopts the snapshot

	damage error // why the state cannot be told
}

// next is the number of the next record.
func (j *journal) next() uint64 {
	j.pending.number++
	return j.pending.number
}

// standIn makes s what *home is: a segment that a journal needs.
func standIn(home **segment, s *segment) {
	if *home == s {
		return
	}
	s.live++
	if *home != nil {
		(*home).live--
	}
	*home = s
}

// apply does what a record that is durable at p says, in the order of Write's fields.
func (j *journal) apply(r *record, config []byte, es []consensus.Entry, p place, retention int) {
	if r.has(flagAdopts) && r.index >= j.meta.Index {
		j.adopt(consensus.SnapshotMeta{Index: r.index, Term: r.term, Config: slices.Clone(config)}, retention)
		standIn(&j.adopted, p.segment)
	}
	if r.cut != 0 {
		j.runs.truncate(r.cut)
	}
	if r.has(flagLost) {
		j.lose(r.first, r.last, p.segment)
	}
	j.runs.places(es, j.meta.Index, p)
	j.number, j.state = r.number, r.state
	standIn(&j.home, p.segment)
}

// lose notes that the entries from first to last are unknown.
func (j *journal) lose(first, last consensus.Index, s *segment) {
	if first = max(first, j.meta.Index+1); first <= last {
		j.runs.put(run{first: first, last: last, at: place{segment: s}})
	}
}

// adopt makes the snapshot of meta the newest, or says again that it is.
func (j *journal) adopt(meta consensus.SnapshotMeta, retention int) {
	if meta.Index == j.meta.Index || j.knownChosen(&meta) {
		j.runs.compact(meta.Index, retention)
	} else {
		j.runs.remove(0, meta.Index)
	}
	j.meta = meta
}

// knownChosen reports whether all entries here at or below meta are known to be chosen: see there.
func (j *journal) knownChosen(meta *consensus.SnapshotMeta) bool {
	r := j.runs.at(meta.Index)
	return r != nil && !r.lost() && r.term == meta.Term || j.state.Commit >= meta.Index
}

// above returns copies of the runs with entries above the snapshot.
func (j *journal) above() runs {
	i := j.runs.find(j.meta.Index + 1)
	rs := slices.Clone(j.runs[i:])
	if len(rs) > 0 && rs[0].first <= j.meta.Index {
		rs[0].cutTo(j.meta.Index+1, rs[0].last)
	}
	return rs
}
