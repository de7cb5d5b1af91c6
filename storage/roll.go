package storage

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// maxFree is how many files wait to be written again.
const maxFree = 2

// room begins a new segment if n bytes would make the active one too long.
func (d *Disk) room(n int) error {
	if d.active.end == headSize || d.active.end+int64(n) <= int64(d.o.SegmentSize) {
		return nil
	}
	return d.begin(d.roster(), nil)
}

// begin makes the segment after the active one, or the first, with these records in it: what must be
// durable before the segment before it ends where it does. A head is written last, and so a segment
// without one holds nothing that anybody was told of. Once it is durable the segment before it is told.
func (d *Disk) begin(records []byte, publish func(s *segment)) error {
	h := head{number: 1, incarnation: d.id.incarnation, oldest: 1}
	if d.active != nil {
		h.number, h.oldest, h.end = d.active.number+1, d.oldest(), uint64(d.active.end)
	}
	s, err := d.create(h.number)
	if err != nil {
		return err
	}
	at := s.end
	seal(records, s.seed, at, at)
	err = s.write(records)
	if err == nil {
		_, err = s.file.WriteAt(h.appendTo(nil), 0)
	}
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		err = d.o.FS.SyncDir(d.dir)
	}
	if err == nil && d.active != nil {
		err = d.active.follow()
	}
	if err != nil {
		s.file.Close()
		return fmt.Errorf("beginning %s: %w", s.name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.segments = append(d.segments, s)
	d.active = s
	if publish != nil {
		publish(s)
	}
	d.retire(h.oldest)
	d.reconsider()
	return nil
}

// create makes the file of segment number, out of one that is free if there is one.
func (d *Disk) create(number uint64) (*segment, error) {
	s := &segment{number: number, name: segmentName(d.dir, number), seed: seedOf(d.id.incarnation, number), end: headSize, limit: int64(d.o.SegmentSize)}
	n := len(d.free)
	if n == 0 {
		f, err := d.o.FS.Create(s.name)
		s.file = f
		return s, err
	}
	if err := d.o.FS.Rename(d.free[n-1], s.name); err != nil {
		return nil, err
	}
	if err := d.o.FS.SyncDir(d.dir); err != nil { // its old name must be gone before its contents are
		return nil, err
	}
	d.free = d.free[:n-1]
	f, err := d.o.FS.Open(s.name)
	if err != nil {
		return nil, err
	}
	s.file = f
	if s.filled, err = f.Size(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// roster is the record that says how far the groups have got in the active segment.
func (d *Disk) roster() []byte {
	var all []standing
	d.mu.Lock()
	for _, j := range d.journals {
		if j.home == d.active {
			all = append(all, standing{j.id, j.number})
		}
	}
	d.mu.Unlock()
	slices.SortFunc(all, func(a, b standing) int { return cmp.Compare(a.group, b.group) })
	r := record{number: d.active.number, flags: flagRoster}
	return r.appendTo(nil, func(b []byte) []byte {
		for _, s := range all {
			b = appendStanding(b, s)
		}
		return b
	})
}

// oldest is the first segment that is needed. Those before it go in order, once a head says so: a
// record that truncates must not go before what it truncates.
func (d *Disk) oldest() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.segments {
		if s.live > 0 || d.pinned {
			return s.number
		}
	}
	return d.active.number
}

// retire lets the segments before oldest go, unless somebody reads them. Disk.mu is held.
func (d *Disk) retire(oldest uint64) {
	n := 0
	for ; d.segments[n].number < oldest && d.segments[n].readers == 0; n++ {
		s := d.segments[n]
		s.file.Close()
		free := filepath.Join(d.dir, fmt.Sprintf("%016x.free", s.number))
		if len(d.free) < maxFree && d.o.FS.Rename(s.name, free) == nil {
			d.free = append(d.free, free)
		} else {
			d.o.FS.Remove(s.name) // if it stays, the next Open removes it
		}
	}
	clear(d.segments[:n])
	d.segments = d.segments[n:]
}
