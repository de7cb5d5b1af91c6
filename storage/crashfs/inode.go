package crashfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// A history is what a sector or a size has been since it was durable.
type history[T comparable] struct {
	versions []T  // the first is durable; the last is what everybody sees; at least one
	dirty    bool // the next Sync makes the last one durable
}

func durable[T comparable](v T) *history[T] { return &history[T]{versions: []T{v}} }

func (h *history[T]) now() T { return h.versions[len(h.versions)-1] }

func (h *history[T]) set(v T) {
	switch {
	case v != h.now():
		h.versions = append(h.versions, v)
		h.dirty = true
	case len(h.versions) > 1:
		h.dirty = true // it may have been forgotten, and is written again
	}
}

func (h *history[T]) sync() {
	if h.dirty {
		h.versions, h.dirty = []T{h.now()}, false
	}
}

// forget is what a failed Sync does: the next one writes nothing of what this one should have
// written. Which of it had reached the disk before nobody knows.
func (h *history[T]) forget() { h.dirty = false }

func (h *history[T]) clone() *history[T] { return &history[T]{slices.Clone(h.versions), h.dirty} }

// survivor is what a power cut leaves.
func (h *history[T]) survivor(cut *Cut) T {
	if len(h.versions) == 1 {
		return h.versions[0]
	}
	return h.versions[cut.Choose(len(h.versions))]
}

// An inode is a file, whatever it is called.
type inode struct {
	sector  int64
	size    *history[int64]
	sectors map[int64]*history[string] // by number; "" is all zeros, as is one that is not there
}

func newInode(sector int) *inode {
	return &inode{int64(sector), durable[int64](0), make(map[int64]*history[string])}
}

// numbers are those of the sectors that have been written, sorted.
func (n *inode) numbers() []int64 { return slices.Sorted(maps.Keys(n.sectors)) }

// now returns a sector as everybody sees it.
func (n *inode) now(number int64) string {
	if h := n.sectors[number]; h != nil {
		return h.now()
	}
	return ""
}

// update puts p at an offset within a sector.
func (n *inode) update(number, offset int64, p []byte) {
	h := n.sectors[number]
	if h == nil {
		if zero(p) {
			return
		}
		h = durable("")
		n.sectors[number] = h
	}
	b := make([]byte, n.sector)
	copy(b, h.now())
	copy(b[offset:], p)
	if zero(b) {
		b = nil
	}
	h.set(string(b))
}

func zero(p []byte) bool { return len(bytes.TrimLeft(p, "\x00")) == 0 }

func (n *inode) readAt(p []byte, offset int64) (read int) {
	p = p[:max(0, min(int64(len(p)), n.size.now()-offset))]
	clear(p)
	for read < len(p) {
		at := offset + int64(read)
		rest := p[read:min(int64(len(p)), int64(read)+n.sector-at%n.sector)]
		if v := n.now(at / n.sector); v != "" {
			copy(rest, v[at%n.sector:])
		}
		read += len(rest)
	}
	return read
}

func (n *inode) writeAt(p []byte, offset int64) {
	if len(p) == 0 {
		return // and nothing grows
	}
	for len(p) > 0 {
		piece := p[:min(int64(len(p)), n.sector-offset%n.sector)]
		n.update(offset/n.sector, offset%n.sector, piece)
		p, offset = p[len(piece):], offset+int64(len(piece))
	}
	n.size.set(max(n.size.now(), offset))
}

// truncate leaves zeros beyond size, for when the file grows again.
func (n *inode) truncate(size int64) {
	for _, number := range n.numbers() {
		if from := max(0, size-number*n.sector); from < n.sector {
			n.update(number, from, make([]byte, n.sector-from))
		}
	}
	n.size.set(size)
}

func (n *inode) sync() {
	n.size.sync()
	for _, h := range n.sectors {
		h.sync()
	}
}

func (n *inode) forget() {
	n.size.forget()
	for _, h := range n.sectors {
		h.forget()
	}
}

func (n *inode) flip(offset int64, mask byte) {
	number := offset / n.sector
	h := n.sectors[number]
	if h == nil {
		h = durable("")
		n.sectors[number] = h
	}
	for i, v := range h.versions {
		b := make([]byte, n.sector)
		copy(b, v)
		b[offset%n.sector] ^= mask
		h.versions[i] = string(b)
	}
}

func (n *inode) clone() *inode {
	c := &inode{n.sector, n.size.clone(), make(map[int64]*history[string], len(n.sectors))}
	for number, h := range n.sectors {
		c.sectors[number] = h.clone()
	}
	return c
}

// survivor is what a power cut leaves of the file.
func (n *inode) survivor(cut *Cut) *inode {
	c := newInode(int(n.sector))
	size := n.size.survivor(cut)
	for _, number := range n.numbers() {
		if v := n.sectors[number].survivor(cut); v != "" {
			c.sectors[number] = durable(v)
		}
	}
	if cut.Garbage {
		synced := n.size.versions[0]
		for number := (synced + n.sector - 1) / n.sector; number*n.sector < size; number++ {
			if c.sectors[number] == nil {
				c.sectors[number] = durable(garbage(number, n.sector))
			}
		}
	}
	c.truncate(size)
	c.sync()
	return c
}

// garbage is what was in a sector before it was the file's.
func garbage(number, size int64) string {
	draw := rand.New(rand.NewPCG(uint64(number), 0))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(draw.Uint32())
	}
	return string(b)
}
