package storage

import (
	"cmp"
	"math"
)

// replay does what the records of a segment say, and takes note of those that cannot be read.
func (v *recovery) replay(s *segment, found []finding) {
	for i := range found {
		f := &found[i]
		switch {
		case f.gap:
			v.gap(s, f.offset)
		case f.record.has(flagRoster):
			v.roster(&f.record)
		default:
			v.record(s, f)
		}
	}
}

// gap notes that heads of records are damaged at offset of s.
func (v *recovery) gap(s *segment, offset int64) {
	err := &DamageError{File: s.name, Offset: offset, What: "records of unknown groups"}
	v.d.report(err)
	v.gaps = append(v.gaps, &gap{segment: s, err: err})
}

// roster says of a segment, all of which has been replayed and nothing after it, which groups lack
// their last records there.
func (v *recovery) roster(r *record) {
	if r.encoded == nil {
		return // the gap stays what it is
	}
	for i := range v.gaps {
		g := v.gaps[i]
		if g.segment.number != r.number {
			continue
		}
		g.resolved = true
		for _, s := range r.roster() {
			if j := v.d.journal(s.group); j.number < s.number {
				v.mark(j).missing = g // until a later record tells
			}
		}
	}
}

// record does what a record says. One whose body is damaged has lost its entries, but no state.
func (v *recovery) record(s *segment, f *finding) {
	r := &f.record
	j := v.d.journal(r.group)
	if r.number <= j.number {
		return
	}
	v.missing(j, r)
	es, whole := r.entries(v.entries[:0])
	v.entries = es
	if whole = whole && r.encoded != nil; !whole {
		v.d.report(&DamageError{File: s.name, Offset: f.offset, What: "entries"})
		es = nil
		if r.first > 0 {
			r.flags |= flagLost
		}
	}
	config, _, _ := r.config()
	if !whole {
		r.flags &^= flagAdopts
	}
	if r.index > j.meta.Index && !r.has(flagAdopts) { // who adopts that cannot be read
		j.runs.remove(0, r.index) // as if it had been received: what it replaces may never have been chosen
		if m := v.mark(j); m.snapshot == nil || m.snapshot.index < r.index {
			m.snapshot = v.file(r)
		}
	}
	before := j.meta.Index
	j.apply(r, config, es, s.place(f.offset, r.size()), v.d.o.Retention)
	if j.meta.Index > before {
		j.file = nil
		if r.has(flagFile) {
			j.file = v.file(r)
		}
	}
	j.pending.number, j.pending.end, j.pending.index, j.pending.term = r.number, r.end, r.index, r.term
}

// missing notes what is unknown of the log if records before r are missing. All above what is known to
// be committed may have been cut off, and written anew; below, what is not there may have been moved to
// where it cannot be read. What proves that something is missing stays as long as it is.
func (v *recovery) missing(j *journal, r *record) {
	m := v.mark(j)
	switch {
	case j.number > 0 && r.number == j.number+1:
	case j.number > 0:
		if r.end < math.MaxUint64 {
			j.runs.truncate(r.end + 1)
		}
		next, committed := j.meta.Index+1, max(j.meta.Index, j.state.Commit)
		for _, known := range j.above() {
			if known.first > committed {
				break
			}
			j.lose(next, known.first-1, j.home)
			next = min(known.last, committed) + 1
		}
		j.lose(next, r.end, j.home)
	case r.number > 1:
		if g := cmp.Or(m.missing, v.unresolved()); g != nil {
			j.lose(r.index+1, r.end, g.segment)
		}
	}
	m.missing, m.gaps = nil, len(v.gaps)
}

// unresolved is the first gap of which it is unknown what it means.
func (v *recovery) unresolved() *gap {
	for _, g := range v.gaps {
		if !g.resolved {
			return g
		}
	}
	return nil
}

// unadopted finds the snapshot that records of a group speak of, if none of them adopts it, because
// that one cannot be read: its configuration is in its file as well. An empty snapshot has no file.
func (v *recovery) unadopted(j *journal, m *mark) {
	f := m.snapshot
	if f == nil || f.index <= j.meta.Index {
		return
	}
	meta, err := v.headOf(j.id, f)
	if err != nil {
		j.damage = err
		return
	}
	j.runs.remove(0, meta.Index)
	j.meta, j.file = meta, f
	standIn(&j.adopted, j.home)
}

func (v *recovery) file(r *record) *snapshotFile {
	return &snapshotFile{name: snapshotName(v.d.dir, r.group, r.index, r.term), index: r.index, term: r.term, uses: 1}
}
