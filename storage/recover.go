package storage

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/consensus-go/consensus"
)

// A recovery is what Open learns from the files of a folder that is not new.
type recovery struct {
	d      *Disk
	buffer []byte // a segment's file
	found  []finding
	marks  map[*journal]*mark
	heads  map[uint64]head // of the segments, if they can be read
	gaps   []*gap
	stale  []string // files of segments before the oldest, some of which may be gone
	unused []string // files of segments after the last, which were never in use

	entries []consensus.Entry // of the record that is being replayed
}

// A gap is where heads of records were damaged, so that nobody knows whose they were, unless the
// next segment has a roster.
type gap struct {
	segment  *segment
	err      error
	resolved bool
}

// A mark is what a recovery knows of a group.
type mark struct {
	gaps    int  // how many there were before its last record
	missing *gap // where its last records may be missing
	// snapshot is the latest that a record speaks of and does not adopt.
	snapshot *snapshotFile
}

// mark returns that of j.
func (v *recovery) mark(j *journal) *mark {
	m := v.marks[j]
	if m == nil {
		m = new(mark)
		v.marks[j] = m
	}
	return m
}

// recover opens the log, and begins a new segment.
func (d *Disk) recover() error {
	names, err := d.o.FS.ReadDir(d.dir)
	if err != nil {
		return err
	}
	v := &recovery{d: d, heads: make(map[uint64]head), marks: make(map[*journal]*mark)}
	if err := v.open(names); err != nil {
		return err
	}
	last := len(d.segments) - 1
	for i, s := range d.segments[:last] {
		if err := v.sealed(s, d.segments[i+1].number); err != nil {
			return err
		}
	}
	if err := v.last(d.segments[last]); err != nil {
		return err
	}
	v.judge()
	return v.clean(names)
}

// sealed replays a segment that is not the last: the next one says where it ends, and its own last record does.
// If neither can be read, it may end where a crash tore it: what is beyond never comes back.
func (v *recovery) sealed(s *segment, next uint64) error {
	if err := v.read(s); err != nil {
		return err
	}
	s.end = headSize
	h, known := v.heads[next]
	if known = known && h.end <= uint64(len(v.buffer)); known {
		s.end = int64(h.end)
	} else if known = followed(v.found); known {
		s.end = v.found[len(v.found)-1].offset
	} else if found, _ := torn(v.found); len(found) > 0 {
		last := found[len(found)-1]
		s.end = last.offset + last.size
	}
	v.replay(s, sealed(v.found, s.end))
	if !known {
		v.gap(s, s.end)
	}
	return nil
}

// last replays the last segment, and begins the next with the last batch in it. If the sync of that
// has failed, then it can be read now and is not on the disk, and another sync would not put it there:
// so it is written again.
func (v *recovery) last(s *segment) error {
	if err := v.read(s); err != nil {
		return err
	}
	if followed(v.found) {
		return &DamageError{File: segmentName(v.d.dir, s.number+1), What: "the segment is missing, or its head"}
	}
	for _, name := range v.unused {
		if err := v.d.o.FS.Remove(name); err != nil {
			return err
		}
	}
	found, synced := torn(v.found)
	if n := len(found); n < len(v.found) {
		v.d.o.Logger.Warn("cut off what a crash tore", "segment", s.name, "offset", v.found[n].offset)
	}
	n := sort.Search(len(found), func(i int) bool { return found[i].offset >= synced })
	s.end = synced
	v.replay(s, found[:n])
	tail := found[n:]
	if len(v.gaps) > 0 {
		v.d.pinned = true // until it is known what they mean
	}

	var records []byte
	if !slices.ContainsFunc(v.gaps, func(g *gap) bool { return g.segment == s }) {
		records = v.d.roster()
	}
	for i, at := 0, int64(headSize+len(records)); i < len(tail); i++ {
		f := &tail[i]
		records = f.record.appendTo(records, func(b []byte) []byte { return append(b, f.record.encoded...) })
		f.offset, at = at, at+f.size
	}
	if err := v.d.begin(records, func(s *segment) { v.replay(s, tail) }); err != nil {
		return err
	}
	return v.shorten(s)
}

// shorten gives back what was laid out for a segment and not used.
func (v *recovery) shorten(s *segment) error {
	if !slices.Contains(v.d.segments, s) {
		return nil
	}
	return s.file.Truncate(s.end)
}

// open opens the segments that are needed, and removes what is not.
func (v *recovery) open(names []string) error {
	d := v.d
	var numbers []uint64
	for _, name := range names {
		full := filepath.Join(d.dir, name)
		if n, ok := parseNumber(name, ".log"); ok {
			numbers = append(numbers, n)
		} else if _, ok := parseNumber(name, ".free"); ok && len(d.free) < maxFree {
			d.free = append(d.free, full)
		} else if ok || strings.HasSuffix(name, ".tmp") {
			if err := d.o.FS.Remove(full); err != nil {
				return err
			}
		}
	}
	slices.Sort(numbers)
	oldest, n := uint64(1), len(numbers)
	for ; n > 0 && numbers[n-1] >= oldest; n-- {
		s, err := v.openSegment(numbers[n-1])
		if err != nil {
			return err
		}
		h, known := v.heads[s.number]
		if !known && len(d.segments) == 0 {
			if unbegun, err := v.unbegun(s); err != nil {
				return err
			} else if unbegun {
				v.unused = append(v.unused, s.name)
				continue
			}
		}
		d.segments = append(d.segments, s)
		oldest = max(oldest, h.oldest)
	}
	slices.Reverse(d.segments)
	for _, number := range numbers[:n] {
		v.stale = append(v.stale, segmentName(d.dir, number))
	}
	for i := range max(1, len(d.segments)) {
		if want := oldest + uint64(i); i == len(d.segments) || d.segments[i].number != want {
			return &DamageError{File: segmentName(d.dir, want), What: "the segment is missing"}
		}
	}
	d.active = d.segments[len(d.segments)-1]
	return nil
}

// openSegment opens one, and reads its head.
func (v *recovery) openSegment(number uint64) (*segment, error) {
	d := v.d
	s := &segment{number: number, name: segmentName(d.dir, number), seed: seedOf(d.id.incarnation, number)}
	var err error
	if s.file, err = d.o.FS.Open(s.name); err != nil {
		return nil, err
	}
	b := make([]byte, headSize)
	if _, err := s.file.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, errors.Join(err, s.file.Close())
	}
	var h head
	version, ok := h.decode(b)
	switch {
	case !ok:
	case version != formatVersion:
		err = fmt.Errorf("%w: %s is of format %d", ErrVersion, s.name, version)
	case h.incarnation != d.id.incarnation:
		err = &DamageError{File: s.name, What: "it is of another store"}
	case h.number == number: // otherwise it was about to be written again
		v.heads[number] = h
	}
	if err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

// unbegun reports whether the last segment, which has no head, was never in use. It is closed then.
func (v *recovery) unbegun(s *segment) (bool, error) {
	err := v.read(s)
	if err == nil {
		if _, synced := torn(v.found); synced > headSize {
			return false, nil
		}
	}
	return true, errors.Join(err, s.file.Close())
}

// read finds what is in a segment.
func (v *recovery) read(s *segment) (err error) {
	if v.buffer, err = readAll(s.file, v.buffer); err != nil {
		return err
	}
	v.found = scan(v.buffer, s.seed, v.found[:0])
	return nil
}

// judge says of which groups it is unknown where they stand.
func (v *recovery) judge() {
	d := v.d
	for j, m := range v.marks {
		if m.missing != nil {
			j.damage = m.missing.err
		}
		v.unadopted(j, m)
	}
	for i, g := range v.gaps {
		if g.resolved {
			continue
		}
		d.unknown = cmp.Or(d.unknown, g.err)
		for j, m := range v.marks {
			if m.gaps <= i {
				j.damage = cmp.Or(j.damage, g.err)
			}
		}
	}
	d.pinned = d.unknown != nil
	for _, j := range d.journals {
		d.pinned = d.pinned || j.damage != nil
	}
}

// clean finds the files of the adopted snapshots, and removes all others, and the segments that are
// not needed. That they are not is durable only now that there is a new segment: what told of it may
// have been read and not be on the disk.
func (v *recovery) clean(names []string) error {
	d := v.d
	for _, name := range v.stale {
		if err := d.o.FS.Remove(name); err != nil {
			return err
		}
	}
	needed := make(map[string]bool)
	for _, j := range d.journals {
		if j.file == nil {
			continue
		}
		needed[j.file.name] = true
		if _, err := v.headOf(j.id, j.file); err != nil {
			d.report(err)
			j.damage = cmp.Or(j.damage, err)
		}
	}
	for _, name := range names {
		full := filepath.Join(d.dir, name)
		if strings.HasSuffix(name, ".snapshot") && !needed[full] && d.unknown == nil {
			if err := d.o.FS.Remove(full); err != nil {
				return err
			}
		}
	}
	return nil
}

// headOf reads the head of a snapshot.
func (v *recovery) headOf(id consensus.GroupID, s *snapshotFile) (consensus.SnapshotMeta, error) {
	f, err := v.d.o.FS.OpenRead(s.name)
	if errors.Is(err, fs.ErrNotExist) {
		return consensus.SnapshotMeta{}, &DamageError{File: s.name, What: "the snapshot is missing"}
	}
	if err != nil {
		return consensus.SnapshotMeta{}, err
	}
	defer f.Close()
	meta, _, err := readSnapshotHead(f, s.name, v.d.id.incarnation, id)
	if err == nil && !s.of(&meta) {
		err = &DamageError{File: s.name, What: "it is another snapshot"}
	}
	return meta, err
}
