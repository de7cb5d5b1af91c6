package storage

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/consensus-go/consensus"
)

// Options are what Open is told. Zero values take the default.
type Options struct {
	Node    consensus.NodeID // whose folder it is; it must be given
	Cluster uint64           // which cluster the node is of, as its transport says it
	// Incarnation is what a new folder is given, where a random one would make two runs differ.
	Incarnation uint64

	SegmentSize int          // bytes of log in one file, about; default 64 MiB
	Retention   int          // bytes of entries kept below the snapshot of each group, for Fetch; default 16 MiB, negative: none
	Logger      *slog.Logger // of what was cut off and what is damaged; default slog.Default()
	FS          FS           // default OS
}

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Node == 0:
		return o, &consensus.ConfigError{Field: "Node", Value: "0", Reason: "0 is no node"}
	case o.SegmentSize < 0 || o.SegmentSize > math.MaxInt32:
		return o, &consensus.ConfigError{Field: "SegmentSize", Value: strconv.Itoa(o.SegmentSize), Reason: "must be from 0 to 2 GiB"}
	}
	o.SegmentSize = cmp.Or(o.SegmentSize, 64<<20)
	o.Retention = max(0, cmp.Or(o.Retention, defaultRetention))
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.FS == nil {
		o.FS = OS
	}
	return o, nil
}

// A Disk is a Storage in a folder: one log for all groups, and files for their snapshots. It starts
// no goroutine. What it wrote is drawn in format.go.
//
// After a write that failed it refuses everything with an ErrFailed, as nobody knows what is on
// disk; Open finds out. It never syncs again what it failed to sync: an operating system may forget
// that there was anything to write. The exception is a snapshot that cannot be written for want of
// room: it is none.
type Disk struct {
	dir string
	id  identity
	o   Options

	lock io.Closer

	// The log is written by one Append at a time. What follows is its own.
	appending sync.Mutex
	active    *segment // the last one; the others are never written
	batch     batch
	rewriting rewriting

	mu       sync.Mutex
	journals map[consensus.GroupID]*journal
	segments []*segment // by number; the last is active
	free     []string   // files of segments that are no longer needed
	pinned   bool       // all segments stay: it is unknown whose records were damaged
	unknown  error      // why a group that nothing is known of may be one that was damaged
	failed   error      // an ErrFailed
	temps    int        // how many temporary files there were
}

var _ consensus.Storage = (*Disk)(nil)

// Open opens the folder dir, or makes it. The error is an ErrInUse, ErrOtherStore, ErrVersion,
// ErrDamaged, a *consensus.ConfigError, or one of the operating system.
//
// What a crash tore is cut off and logged: it was never acknowledged. What was durable and cannot be
// read is logged as well. If that is entries, Recover says which; if it is more, and so it is unknown
// what a group has promised, Recover of that group is an ErrDamaged, and the others go on. No segment of the
// log is removed any more then, as it would be forgotten, so the node is to be replaced before its disk is full.
// Damage to the last batch that was written cannot be told from a crash.
func Open(dir string, o Options) (*Disk, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, err
	}
	lock, err := o.FS.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	d := &Disk{dir: dir, o: o, lock: lock, journals: make(map[consensus.GroupID]*journal)}
	found, err := d.identify()
	switch {
	case err != nil:
	case found:
		err = d.recover()
	default:
		err = d.establish()
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Close frees the folder. All that was acknowledged is durable already.
func (d *Disk) Close() error {
	d.appending.Lock()
	defer d.appending.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil
	}
	var err error
	for _, s := range d.segments {
		err = errors.Join(err, s.file.Close())
	}
	err = errors.Join(err, d.lock.Close())
	d.lock, d.segments = nil, nil
	if d.failed == nil {
		d.failed = fmt.Errorf("storage: %w", consensus.ErrClosed)
	}
	return err
}

// fail stops everything, if err is not nil, and returns what later calls are told.
func (d *Disk) fail(err error) error {
	if err == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return d.failed
}

func (d *Disk) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// Append implements consensus.Storage: one write to the file, and one sync, for all of writes.
func (d *Disk) Append(writes []consensus.Write) error {
	d.appending.Lock()
	defer d.appending.Unlock()
	if err := d.failure(); err != nil || len(writes) == 0 {
		return err
	}
	d.batch.reset()
	if err := d.rewrite(); err != nil {
		return d.fail(err)
	}
	for i := range writes {
		d.encode(&writes[i])
	}
	return d.fail(d.flush())
}

// encode adds the record of a write to the batch.
func (d *Disk) encode(w *consensus.Write) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.journal(w.Group)
	r := record{group: w.Group, number: j.next(), cut: w.Truncate, state: w.State}
	it := item{entries: w.Entries}
	if s := w.Snapshot; s != nil && s.Index > j.pending.index {
		j.pending.index, j.pending.term = s.Index, s.Term
		j.pending.end = max(j.pending.end, s.Index)
		it.config, it.file = s.Config, j.claim(s)
		r.flags = flagAdopts
		if it.file != nil {
			r.flags |= flagFile
		}
	}
	if w.Truncate != 0 {
		j.pending.end = min(j.pending.end, w.Truncate-1)
	}
	if n := len(w.Entries); n > 0 {
		r.first, r.last = w.Entries[0].Index, w.Entries[n-1].Index
		j.pending.end = max(j.pending.end, r.last)
	}
	r.end, r.index, r.term = j.pending.end, j.pending.index, j.pending.term
	d.batch.add(&r, it)
}

// journal returns that of a group, a new one if need be. Disk.mu is held.
func (d *Disk) journal(id consensus.GroupID) *journal {
	j := d.journals[id]
	if j == nil {
		j = &journal{id: id}
		d.journals[id] = j
	}
	return j
}

// flush makes the batch durable, and then known.
func (d *Disk) flush() error {
	if err := d.room(len(d.batch.bytes)); err != nil {
		return err
	}
	s := d.active
	at := s.end
	seal(d.batch.bytes, s.seed, at, at)
	if err := s.write(d.batch.bytes); err != nil {
		return fmt.Errorf("writing %s: %w", s.name, err)
	}
	d.publish(s, at)
	return nil
}

// publish shows the batch, which is durable at offset of s.
func (d *Disk) publish(s *segment, offset int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.batch.items {
		it := &d.batch.items[i]
		j := d.journals[it.record.group]
		before := j.meta.Index
		j.apply(&it.record, it.config, it.entries, s.place(offset, it.record.size()), d.o.Retention)
		if j.meta.Index > before {
			d.replace(j, it.file)
		}
		offset += int64(it.record.size())
	}
}

// replace makes f the file of the adopted snapshot, in place of all older ones.
func (d *Disk) replace(j *journal, f *snapshotFile) {
	if j.file != nil {
		d.drop(j.file)
	}
	j.file = f
	j.waiting = slices.DeleteFunc(j.waiting, func(old *snapshotFile) bool {
		stale := old.index <= j.meta.Index
		if stale {
			d.drop(old)
		}
		return stale
	})
}

// A batch is the records of one Append in the making.
type batch struct {
	bytes []byte
	items []item
}

type item struct {
	record  record
	config  []byte            // of the snapshot that it adopts, and
	file    *snapshotFile     // its file, if any
	entries []consensus.Entry // whose memory is the caller's
}

func (b *batch) reset() {
	clear(b.items)
	b.bytes, b.items = b.bytes[:0], b.items[:0]
}

func (b *batch) add(r *record, it item) {
	b.bytes = r.appendTo(b.bytes, func(b []byte) []byte { return appendBody(b, r, it.config, it.entries) })
	it.record = *r
	b.items = append(b.items, it)
}
