package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/consensus-go/consensus"
)

// The format of a snapshot's file:
//
//	file  := magic "CONSSNAP" | checksum:4 | version:4 | incarnation | group | index | term | length:8 | config byte ...
//	         chunk ... end
//	chunk := length:4 checksum:4 byte ...
//	end   := 0:4 checksum:4
//
// The first checksum covers all up to the chunks, one of a chunk its offset in the file, its length
// and its bytes. No chunk is longer than chunkSize. A file without an end was never committed.
const (
	snapshotMagic = "CONSSNAP"
	snapshotHead  = 56
	chunkSize     = 256 << 10
	chunkHead     = 8
)

// A snapshotFile is a snapshot that was committed. It is removed once nobody needs it: neither a
// journal, as its adopted or a waiting one, nor a reader.
type snapshotFile struct {
	name  string
	index consensus.Index
	term  consensus.Term
	uses  int // guarded by Disk.mu
}

func (f *snapshotFile) of(meta *consensus.SnapshotMeta) bool {
	return f.index == meta.Index && f.term == meta.Term
}

// snapshotName is the name of a snapshot's file in dir.
func snapshotName(dir string, group consensus.GroupID, index consensus.Index, term consensus.Term) string {
	return filepath.Join(dir, fmt.Sprintf("%016x-%016x-%016x.snapshot", uint64(group), uint64(index), uint64(term)))
}

// appendSnapshotHead appends what a file begins with.
func appendSnapshotHead(b []byte, incarnation uint64, group consensus.GroupID, meta *consensus.SnapshotMeta) []byte {
	at := len(b)
	b = append(b, snapshotMagic...)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	for _, v := range [...]uint64{incarnation, uint64(group), uint64(meta.Index), uint64(meta.Term), uint64(len(meta.Config))} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(b, meta.Config...)
	binary.LittleEndian.PutUint32(b[at+8:], checksum(b[at+12:]))
	return b
}

// readSnapshotHead reads what a file begins with, and returns where its chunks begin.
func readSnapshotHead(f File, name string, incarnation uint64, group consensus.GroupID) (meta consensus.SnapshotMeta, at int64, err error) {
	damaged := &DamageError{File: name, What: "the head of a snapshot"}
	size, err := f.Size()
	if err != nil {
		return meta, 0, err
	}
	b := make([]byte, min(size, snapshotHead))
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return meta, 0, err
	}
	if len(b) < snapshotHead || string(b[:8]) != snapshotMagic {
		return meta, 0, damaged
	}
	length := binary.LittleEndian.Uint64(b[48:])
	if length > uint64(size-snapshotHead) {
		return meta, 0, damaged
	}
	b = append(b, make([]byte, length)...)
	if _, err := f.ReadAt(b[snapshotHead:], snapshotHead); err != nil && err != io.EOF {
		return meta, 0, err
	}
	var v [4]uint64
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(b[16+8*i:])
	}
	switch {
	case binary.LittleEndian.Uint32(b[8:]) != checksum(b[12:]):
		return meta, 0, damaged
	case binary.LittleEndian.Uint32(b[12:]) != formatVersion:
		return meta, 0, fmt.Errorf("%w: %s", ErrVersion, name)
	case v[0] != incarnation || v[1] != uint64(group):
		return meta, 0, damaged
	}
	meta = consensus.SnapshotMeta{Index: consensus.Index(v[2]), Term: consensus.Term(v[3]), Config: slices.Clip(b[snapshotHead:])}
	return meta, int64(len(b)), nil
}

// chunkChecksum is that of a chunk at offset; data is of the length that b, its head, begins with.
func chunkChecksum(offset int64, b, data []byte) uint32 {
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(offset))
	return crc32.Update(crc32.Update(checksum(at[:]), castagnoli, b[:4]), castagnoli, data)
}

// Create implements consensus.Storage.
func (d *Disk) Create(id consensus.GroupID, meta consensus.SnapshotMeta) (consensus.SnapshotWriter, error) {
	d.mu.Lock()
	err := d.failed
	d.temps++
	name := filepath.Join(d.dir, strconv.Itoa(d.temps)+".tmp")
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	f, err := createTemp(d.o.FS, name)
	if err != nil {
		return nil, err
	}
	w := &snapshotWriter{d: d, group: id, index: meta.Index, term: meta.Term, temp: name, file: f}
	w.buffer = appendSnapshotHead(make([]byte, 0, chunkHead+chunkSize), d.id.incarnation, id, &meta)
	if err := w.write(); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// A snapshotWriter is a temporary file.
type snapshotWriter struct {
	d      *Disk
	group  consensus.GroupID
	index  consensus.Index
	term   consensus.Term
	temp   string
	file   File
	offset int64
	buffer []byte // not written yet: a chunk, with its head, unless it is empty
	err    error  // why a part is missing: there is nothing to commit, whether who writes has looked or not
}

// write writes the buffer.
func (w *snapshotWriter) write() error {
	var n int
	n, w.err = w.file.WriteAt(w.buffer, w.offset)
	w.offset += int64(n)
	w.buffer = w.buffer[:0]
	return w.err
}

// chunk writes the buffer as a chunk.
func (w *snapshotWriter) chunk() error {
	if len(w.buffer) == 0 {
		w.buffer = append(w.buffer, make([]byte, chunkHead)...)
	}
	binary.LittleEndian.PutUint32(w.buffer, uint32(len(w.buffer)-chunkHead))
	binary.LittleEndian.PutUint32(w.buffer[4:], chunkChecksum(w.offset, w.buffer, w.buffer[chunkHead:]))
	return w.write()
}

func (w *snapshotWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if len(w.buffer) == 0 {
			w.buffer = append(w.buffer, make([]byte, chunkHead)...)
		}
		some := min(len(p), chunkHead+chunkSize-len(w.buffer))
		w.buffer = append(w.buffer, p[:some]...)
		p, n = p[some:], n+some
		if len(w.buffer) == chunkHead+chunkSize {
			w.chunk()
		}
	}
	return n, w.err
}

// Commit implements consensus.SnapshotWriter. Once it has returned, the name is durable.
func (w *snapshotWriter) Commit() error {
	err := w.err
	if err == nil && len(w.buffer) > 0 {
		err = w.chunk()
	}
	if err == nil {
		err = w.chunk() // the end
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err == nil {
		err = w.d.commit(w)
	}
	if err != nil {
		w.d.o.FS.Remove(w.temp) // if it stays, the next Open removes it
	}
	return err
}

func (w *snapshotWriter) Abort() {
	w.file.Close() // there is nothing to lose
	w.d.o.FS.Remove(w.temp)
}

// commit gives a snapshot its name, and adds it to those that a write may adopt. No write is meant to adopt
// it before the name is durable, unless there was one of that name, which a crash would bring back.
func (d *Disk) commit(w *snapshotWriter) error {
	if named, err := d.name(w); err != nil || !named {
		return err
	}
	return d.fail(d.o.FS.SyncDir(d.dir)) // the folder is the log's, too
}

// name is commit but for the sync; false: the snapshot will never be the newest, and is removed.
func (d *Disk) name(w *snapshotWriter) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return false, d.failed
	}
	j := d.journal(w.group)
	if w.index <= j.pending.index {
		return false, d.o.FS.Remove(w.temp)
	}
	f := &snapshotFile{name: snapshotName(d.dir, w.group, w.index, w.term), index: w.index, term: w.term, uses: 1}
	if err := d.o.FS.Rename(w.temp, f.name); err != nil {
		return false, err
	}
	j.waiting = slices.DeleteFunc(j.waiting, func(old *snapshotFile) bool { return old.name == f.name })
	j.waiting = append(j.waiting, f)
	if len(j.waiting) > maxWaiting {
		d.drop(j.waiting[0])
		j.waiting = slices.Delete(j.waiting, 0, 1)
	}
	return true, nil
}

// claim takes the snapshot that a write adopts out of those that wait.
func (j *journal) claim(meta *consensus.SnapshotMeta) (f *snapshotFile) {
	i := slices.IndexFunc(j.waiting, func(f *snapshotFile) bool { return f.of(meta) })
	if i >= 0 {
		f = j.waiting[i]
		j.waiting = slices.Delete(j.waiting, i, i+1)
	}
	return f
}

// drop ends one use of a file. Disk.mu is held. A file that cannot be removed does no harm, and the
// next Open tries again.
func (d *Disk) drop(f *snapshotFile) {
	if f.uses--; f.uses == 0 {
		d.o.FS.Remove(f.name)
	}
}

// release ends one use of a file.
func (d *Disk) release(f *snapshotFile) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(f)
}

// Open implements consensus.Storage.
func (d *Disk) Open(id consensus.GroupID) (consensus.SnapshotMeta, io.ReadCloser, error) {
	meta, of, err := d.newest(id)
	if err != nil {
		return consensus.SnapshotMeta{}, nil, err
	}
	if of == nil {
		return meta, io.NopCloser(strings.NewReader("")), nil
	}
	f, err := d.o.FS.OpenRead(of.name)
	if err != nil {
		d.release(of)
		return consensus.SnapshotMeta{}, nil, err
	}
	r := &snapshotReader{d: d, of: of, file: f}
	if _, r.offset, err = readSnapshotHead(f, of.name, d.id.incarnation, id); err != nil {
		return consensus.SnapshotMeta{}, nil, errors.Join(err, r.Close())
	}
	return meta, r, nil
}

// newest is the adopted snapshot, and its file, if it has one, which stays until it is released.
func (d *Disk) newest(id consensus.GroupID) (meta consensus.SnapshotMeta, of *snapshotFile, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.journals[id]
	if err := d.trouble(j); err != nil {
		return meta, nil, err
	}
	if j == nil || j.meta.Index == 0 {
		return meta, nil, fmt.Errorf("snapshot of group %d: %w", id, fs.ErrNotExist)
	}
	if j.file != nil {
		j.file.uses++
	}
	return j.meta, j.file, nil
}

// A snapshotReader hands out chunk by chunk what is whole.
type snapshotReader struct {
	d      *Disk
	of     *snapshotFile
	file   File
	offset int64
	chunk  []byte // what is left of the last one read
	memory []byte
	ended  bool
}

func (r *snapshotReader) Read(p []byte) (int, error) {
	if len(r.chunk) == 0 && !r.ended {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	if r.ended {
		return 0, io.EOF
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// next reads a chunk, and verifies it.
func (r *snapshotReader) next() error {
	damaged := &DamageError{File: r.of.name, Offset: r.offset, What: "a chunk of a snapshot"}
	var head [chunkHead]byte
	if n, err := r.file.ReadAt(head[:], r.offset); n < chunkHead {
		if err == io.EOF {
			return damaged
		}
		return err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length > chunkSize {
		return damaged
	}
	r.memory = slices.Grow(r.memory[:0], int(length))
	data := r.memory[:length]
	if n, err := r.file.ReadAt(data, r.offset+chunkHead); n < len(data) {
		if err == io.EOF {
			return damaged
		}
		return err
	}
	if binary.LittleEndian.Uint32(head[4:]) != chunkChecksum(r.offset, head[:], data) {
		return damaged
	}
	r.chunk, r.offset, r.ended = data, r.offset+chunkHead+int64(length), length == 0
	return nil
}

func (r *snapshotReader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	r.d.release(r.of)
	return err
}
