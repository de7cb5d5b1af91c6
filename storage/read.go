package storage

import (
	"errors"
	"sort"

	"github.com/consensus-go/consensus"
)

// read appends the entries of a run, whose memory is their own.
func (r *run) read(es []consensus.Entry) ([]consensus.Entry, error) {
	rec, err := r.at.read()
	if err != nil {
		return es, err
	}
	n := len(es)
	es, ok := rec.entries(es)
	if !ok {
		return es[:n], r.at.damaged()
	}
	all := es[n:]
	first := sort.Search(len(all), func(i int) bool { return all[i].Index >= r.first })
	end := sort.Search(len(all), func(i int) bool { return all[i].Index > r.last })
	return append(es[:n], all[first:end]...), nil
}

// Recover implements consensus.Storage.
func (d *Disk) Recover(id consensus.GroupID) (consensus.Recovered, error) {
	rec := consensus.Recovered{Incarnation: d.id.incarnation}
	rs, err := d.look(id, func(j *journal) runs {
		rec.State, rec.Snapshot = j.state, clone(j.meta)
		return j.above()
	})
	if err != nil {
		return rec, err
	}
	defer d.done(rs)
	for i := range rs {
		r := &rs[i]
		if !r.lost() {
			es, err := r.read(rec.Entries)
			if err == nil {
				rec.Entries = es
				continue
			}
			if !errors.Is(err, ErrDamaged) {
				return rec, err
			}
			d.report(err)
		}
		rec.Damaged = append(rec.Damaged, consensus.Range{First: r.first, Last: r.last})
	}
	return rec, nil
}

// Fetch implements consensus.Storage.
func (d *Disk) Fetch(id consensus.GroupID, lo, hi consensus.Index, maxBytes int) ([]consensus.Entry, error) {
	rs, err := d.look(id, func(j *journal) (rs runs) {
		bytes, next := 0, lo
		for i := j.runs.find(lo); i < len(j.runs) && bytes <= maxBytes; i++ {
			r := j.runs[i]
			if r.lost() || r.first > next || r.first > hi {
				break
			}
			r.cutTo(max(lo, r.first), min(hi, r.last))
			rs = append(rs, r)
			bytes += r.bytes
			next = r.last + 1
		}
		return rs
	})
	if err != nil {
		return nil, err
	}
	defer d.done(rs)
	var es []consensus.Entry
	for i := range rs {
		if es, err = rs[i].read(es); err != nil {
			return nil, err
		}
	}
	if len(es) == 0 {
		return nil, compacted(id, lo, hi)
	}
	n := 1
	for bytes := es[0].Size(); n < len(es); n++ {
		if bytes += es[n].Size(); bytes > maxBytes {
			break
		}
	}
	return es[:n:n], nil
}

// look has f choose runs of a group, and keeps their segments until done.
func (d *Disk) look(id consensus.GroupID, f func(*journal) runs) (runs, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.journals[id]
	if err := d.trouble(j); err != nil || j == nil {
		return nil, err
	}
	rs := f(j)
	for i := range rs {
		rs[i].at.segment.readers++
	}
	return rs, nil
}

func (d *Disk) done(rs runs) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range rs {
		rs[i].at.segment.readers--
	}
}

// trouble is why nothing can be said of a group; j is nil if nothing is known of it. Disk.mu is held.
func (d *Disk) trouble(j *journal) error {
	switch {
	case d.failed != nil:
		return d.failed
	case j != nil && j.damage != nil:
		return j.damage
	case j == nil || j.home == nil:
		return d.unknown
	}
	return nil
}

// report logs damage.
func (d *Disk) report(err error) { d.o.Logger.Error("damaged storage", "error", err) }
