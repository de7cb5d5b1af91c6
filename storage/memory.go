package storage

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/consensus-go/consensus"
)

// defaultRetention is how many bytes of entries below the snapshot a Memory keeps of a group.
const defaultRetention = 16 << 20

// A Memory is a Storage in memory. It loses everything with the process and nothing before: no
// call fails, and Recover may be called at any time, as if the host had just restarted.
type Memory struct {
	incarnation uint64
	retention   int

	mu     sync.Mutex
	groups map[consensus.GroupID]*group
}

var _ consensus.Storage = (*Memory)(nil)

// A MemoryOption changes how NewMemory makes a Memory.
type MemoryOption func(*Memory)

// WithIncarnation gives the store an incarnation, not 0, where a random one would make two runs
// of a test differ.
func WithIncarnation(n uint64) MemoryOption { return func(m *Memory) { m.incarnation = n } }

// WithRetention keeps up to so many bytes of entries at or below the snapshot, per group, for
// Fetch. The default is 16 MiB; 0 keeps none.
func WithRetention(bytes int) MemoryOption { return func(m *Memory) { m.retention = bytes } }

// NewMemory returns an empty store with an incarnation of its own.
func NewMemory(options ...MemoryOption) *Memory {
	m := &Memory{
		incarnation: randomIncarnation(),
		retention:   defaultRetention,
		groups:      make(map[consensus.GroupID]*group),
	}
	for _, option := range options {
		option(m)
	}
	if m.incarnation == 0 {
		panic("storage: an incarnation of 0 is no store")
	}
	return m
}

func randomIncarnation() uint64 {
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails: it ends the program instead
		if n := binary.LittleEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

// Recover implements consensus.Storage. The result shares only entries and bytes that nobody changes.
func (m *Memory) Recover(id consensus.GroupID) (consensus.Recovered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := consensus.Recovered{Incarnation: m.incarnation}
	if g := m.groups[id]; g != nil {
		r.State, r.Snapshot = g.state, g.snapshot.meta
		r.Entries = g.log.from(g.snapshot.meta.Index + 1)
	}
	return r, nil
}

// Append implements consensus.Storage. It allocates only while a group's log grows beyond what
// it has ever been.
func (m *Memory) Append(writes []consensus.Write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range writes {
		m.group(writes[i].Group).write(&writes[i], m.retention)
	}
	return nil
}

// Fetch implements consensus.Storage.
func (m *Memory) Fetch(id consensus.GroupID, lo, hi consensus.Index, maxBytes int) ([]consensus.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g := m.groups[id]; g != nil {
		if es := g.log.run(lo, hi, maxBytes); len(es) > 0 {
			return es, nil
		}
	}
	return nil, fmt.Errorf("group %d, entries %d to %d: %w", id, lo, hi, consensus.ErrCompacted)
}

// Create implements consensus.Storage.
func (m *Memory) Create(id consensus.GroupID, meta consensus.SnapshotMeta) (consensus.SnapshotWriter, error) {
	return &memoryWriter{store: m, group: id, index: meta.Index, term: meta.Term}, nil
}

// Open implements consensus.Storage.
func (m *Memory) Open(id consensus.GroupID) (consensus.SnapshotMeta, io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.groups[id]
	if g == nil || g.snapshot.meta.Index == 0 {
		return consensus.SnapshotMeta{}, nil, fmt.Errorf("snapshot of group %d: %w", id, fs.ErrNotExist)
	}
	return g.snapshot.meta, io.NopCloser(bytes.NewReader(g.snapshot.data)), nil
}

// Close does nothing: the next host finds here what this one left.
func (m *Memory) Close() error { return nil }

// group returns the group named id, a new one if need be.
func (m *Memory) group(id consensus.GroupID) *group {
	g := m.groups[id]
	if g == nil {
		g = new(group)
		m.groups[id] = g
	}
	return g
}

// A memoryWriter is a snapshot that nobody sees yet. What describes it otherwise than by the
// entry that it ends with is told again by the Write that adopts it.
type memoryWriter struct {
	store *Memory
	group consensus.GroupID
	index consensus.Index
	term  consensus.Term
	data  bytes.Buffer
}

func (w *memoryWriter) Write(p []byte) (int, error) { return w.data.Write(p) }

func (w *memoryWriter) Commit() error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.group(w.group).commit(snapshot{consensus.SnapshotMeta{Index: w.index, Term: w.term}, w.data.Bytes()})
	return nil
}

func (w *memoryWriter) Abort() { w.data = bytes.Buffer{} }

// clone returns a copy of meta that shares nothing with it.
func clone(meta consensus.SnapshotMeta) consensus.SnapshotMeta {
	meta.Config = bytes.Clone(meta.Config)
	return meta
}
