package storage

import (
	"errors"
	"sort"

	"github.com/consensus-go/consensus"
)

// windowSize is about how much is read at once.
const windowSize = 1 << 20

// A window is a piece of a segment that was read at once: a record and those after it that are wanted,
// too. Its memory belongs to the entries in it.
type window struct {
	segment *segment
	offset  int64
	bytes   []byte
}

// read appends the entries of rs[i]. The runs after it are read along with it, if they are next to it.
func (w *window) read(rs runs, i int, es []consensus.Entry) ([]consensus.Entry, error) {
	r := &rs[i]
	p := r.at
	if r.lost() {
		return es, p.damaged()
	}
	if w.segment != p.segment || p.offset < w.offset || p.offset+int64(p.size) > w.offset+int64(len(w.bytes)) {
		if err := w.fill(rs[i:]); err != nil {
			return es, err
		}
	}
	var rec record
	if !rec.decode(w.bytes[p.offset-w.offset:], p.segment.seed, p.offset) {
		return es, p.damaged()
	}
	n := len(es)
	es, ok := rec.entries(es)
	if !ok {
		return es[:n], p.damaged()
	}
	all := es[n:]
	first := sort.Search(len(all), func(i int) bool { return all[i].Index >= r.first })
	end := sort.Search(len(all), func(i int) bool { return all[i].Index > r.last })
	return append(es[:n], all[first:end]...), nil
}

// fill reads the first of rs, and those that follow it in the segment as well.
func (w *window) fill(rs runs) error {
	p := rs[0].at
	end := p.offset + int64(p.size)
	for i := range rs[1:] {
		next := rs[i+1].at
		if next.segment != p.segment || next.offset > end || next.offset < p.offset || end-p.offset >= windowSize {
			break
		}
		end = max(end, next.offset+int64(next.size))
	}
	*w = window{p.segment, p.offset, make([]byte, end-p.offset)}
	_, err := p.segment.file.ReadAt(w.bytes, p.offset)
	return err
}

// Fetch implements consensus.Storage.
func (d *Disk) Fetch(id consensus.GroupID, lo, hi consensus.Index, maxBytes int) ([]consensus.Entry, error) {
	rs, err := d.look(id, func(j *journal) (rs runs) {
		bytes, next := 0, lo
		for i := j.runs.find(lo); i < len(j.runs) && next <= hi && (next == lo || bytes <= maxBytes); i++ {
			r := j.runs[i]
			if r.lost() || r.first > next {
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
	var w window
	var es []consensus.Entry
	for i := range rs {
		if es, err = w.read(rs, i, es); err != nil {
			if errors.Is(err, ErrDamaged) {
				d.report(err)
			}
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
func (d *Disk) report(err error) { d.o.Logger.Error("damaged storage", "err", err) }
