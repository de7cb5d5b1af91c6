package storage

import (
	"slices"
	"sort"

	"github.com/consensus-go/consensus"
)

// An entryLog holds entries by increasing index, with holes where a Paxos replica has none. The
// slice is never handed out: what leaves is a copy, so that it may be changed in place and its
// memory used again.
type entryLog struct {
	entries []consensus.Entry
}

// find returns the position of the first entry at or after index.
func (l *entryLog) find(index consensus.Index) int {
	n := len(l.entries)
	if n == 0 || l.entries[n-1].Index < index { // appending: the common case
		return n
	}
	return sort.Search(n, func(i int) bool { return l.entries[i].Index >= index })
}

// at returns the entry at index, or nil.
func (l *entryLog) at(index consensus.Index) *consensus.Entry {
	if i := l.find(index); i < len(l.entries) && l.entries[i].Index == index {
		return &l.entries[i]
	}
	return nil
}

// put stores e, in place of the entry at its index if there is one.
func (l *entryLog) put(e *consensus.Entry) {
	switch i := l.find(e.Index); {
	case i == len(l.entries):
		l.entries = append(l.entries, *e)
	case l.entries[i].Index == e.Index:
		l.entries[i] = *e
	default:
		l.entries = slices.Insert(l.entries, i, *e)
	}
}

// truncate forgets the entries at and after index.
func (l *entryLog) truncate(index consensus.Index) {
	i := l.find(index)
	clear(l.entries[i:])
	l.entries = l.entries[:i]
}

// compact forgets of the entries at or below index all but the last that are retained bytes long
// together.
func (l *entryLog) compact(index consensus.Index, retained int) {
	first := l.find(index + 1)
	for first > 0 && l.entries[first-1].Size() <= retained {
		first--
		retained -= l.entries[first].Size()
	}
	l.entries = slices.Delete(l.entries, 0, first)
}

// from returns a copy of the entries at and after index.
func (l *entryLog) from(index consensus.Index) []consensus.Entry {
	return copied(l.entries[l.find(index):])
}

// run returns a copy of the consecutive entries from lo on, up to hi: the first, and as many
// more as are maxBytes long together. It is empty if there is none at lo.
func (l *entryLog) run(lo, hi consensus.Index, maxBytes int) []consensus.Entry {
	first := l.find(lo)
	end, next := first, lo
	for end < len(l.entries) && next <= hi && l.entries[end].Index == next {
		maxBytes -= l.entries[end].Size()
		if maxBytes < 0 && end > first {
			break
		}
		end, next = end+1, next+1
	}
	return copied(l.entries[first:end])
}

// copied returns a copy of es, nil if it is empty: then it keeps no memory of the log alive.
func copied(es []consensus.Entry) []consensus.Entry { return append([]consensus.Entry(nil), es...) }
