package storage

import (
	"cmp"
	"errors"
	"slices"

	"github.com/consensus-go/consensus"
)

// rewriteBytes is about how much of an old segment goes along with one Append.
const rewriteBytes = 256 << 10

// A rewriting moves what is needed of the oldest segment into the active one, bit by bit, so that the
// old one can go: the state of idle groups, and the log of those that seldom take a snapshot. Entries
// that are only retained are dropped.
//
// It is begun when more than half of the log is of no use, and a pass over all segments moves what is
// of use once. So rewriting writes no more than the groups do, in the long run.
type rewriting struct {
	segment  *segment
	journals []*journal      // that have something in it
	next     consensus.Index // of the first of them: what is below has been moved
}

// reconsider begins to rewrite the oldest segment, if that is worth it. Disk.mu is held.
func (d *Disk) reconsider() {
	if len(d.rewriting.journals) > 0 || d.segments[0] == d.active || d.pinned {
		return
	}
	used, needed := int64(0), int64(0)
	for _, s := range d.segments {
		used += max(s.end, int64(d.o.SegmentSize)/16) // a file has its price, too
	}
	for _, j := range d.journals {
		needed += recordSize
		for i := range j.runs {
			needed += int64(j.runs[i].at.size)
		}
	}
	if used <= 2*needed+2*int64(d.o.SegmentSize) {
		return
	}
	w := &d.rewriting
	w.segment = d.segments[0]
	for _, j := range d.journals {
		if j.needs(w.segment) {
			w.journals = append(w.journals, j)
		}
	}
	slices.SortFunc(w.journals, func(a, b *journal) int { return cmp.Compare(a.id, b.id) })
}

// needs reports whether anything of the group is in s.
func (j *journal) needs(s *segment) bool {
	return j.home == s || j.adopted == s || slices.ContainsFunc(j.runs, func(r run) bool { return r.at.segment == s })
}

// rewrite adds to the batch, which is empty, what is to move with it. So it comes before what the
// groups write now, and speaks of them as they are.
func (d *Disk) rewrite() error {
	w := &d.rewriting
	for len(w.journals) > 0 && len(d.batch.bytes) < rewriteBytes {
		j := w.journals[0]
		r, more := d.nextOf(j, w.segment, w.next)
		if !more {
			if j.home == w.segment || j.adopted == w.segment {
				d.restate(j, 0, item{})
			}
			w.journals, w.next = w.journals[1:], 0
			continue
		}
		var alone window
		es, err := alone.read(runs{r}, 0, nil)
		switch {
		case errors.Is(err, ErrDamaged):
			d.report(err)
			r.at.size = 0
		case err != nil:
			return err
		}
		if r.lost() {
			d.restate(j, flagLost, item{record: record{first: r.first, last: r.last}})
		} else {
			d.restate(j, 0, item{record: record{first: r.first, last: r.last}, entries: es})
		}
		w.next = r.last + 1
	}
	if len(w.journals) == 0 {
		*w = rewriting{}
	}
	return nil
}

// nextOf returns the next run of j in s from index on that is needed, and forgets those that are only
// retained.
func (d *Disk) nextOf(j *journal, s *segment, index consensus.Index) (run, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := j.runs.find(index); i < len(j.runs); i++ {
		r := j.runs[i]
		switch {
		case r.at.segment != s:
		case r.last <= j.meta.Index:
			j.runs.remove(r.first, r.last)
			i--
		default:
			r.cutTo(max(r.first, j.meta.Index+1), r.last)
			return r, true
		}
	}
	return run{}, false
}

// restate adds a record that says of a group what is known of it.
func (d *Disk) restate(j *journal, flags uint32, it item) {
	r := record{first: it.record.first, last: it.record.last, flags: flags,
		group: j.id, number: j.next(), end: j.pending.end, state: j.state, index: j.meta.Index, term: j.meta.Term}
	if j.meta.Index > 0 {
		r.flags |= flagAdopts
		it.config, it.file = j.meta.Config, j.file
		if j.file != nil {
			r.flags |= flagFile
		}
	}
	d.batch.add(&r, it)
}
