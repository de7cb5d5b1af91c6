package raft

import (
	"cmp"
	"fmt"
	"slices"
)

// A log is the part of the replicated log that is in memory: every entry above base. It lies in
// pages, so that compaction frees memory and growth copies next to nothing.
//
// Slices of a page are handed out in messages and writes and stay valid for ever: an append
// fills places that nobody has seen, and a truncation copies what it keeps of a page to a new
// one, so that nothing handed out is overwritten.
type log struct {
	base     Index // what precedes the first entry in memory: compacted away, or 0
	baseTerm Term
	pages    []page // pages[i] ends where pages[i+1] begins; none is empty
	last     Index  // == base if there are no entries
	lastTerm Term
	bytes    int // of all entries in memory

	// What is on disk. A write is numbered, and writes finish in order.
	issued   Index  // entries up to here are in writes issued, finished or not
	cut      Index  // if not 0, the next write must truncate here first
	pending  []mark // the writes that have not finished, oldest first
	finished Index  // entries up to here are durable
}

// A page is a run of consecutive entries. It is filled up to its capacity.
type page []Entry

// A mark says how much of the current log a write, and all before it, hold once it has finished.
type mark struct {
	seq  uint64
	last Index // cut below every index truncated since: that write holds another entry there
}

// Pages are ever larger, so that an idle group is small; the first one begins with half of its size.
var pageSizes = [...]int{8, 32, 128, 1024}

// find returns the page that holds i, which must be above base and at most last.
func (l *log) find(i Index) int {
	n := len(l.pages)
	if n > 0 && l.pages[n-1][0].Index <= i {
		return n - 1 // nearly always
	}
	k, exact := slices.BinarySearchFunc(l.pages, i, func(p page, i Index) int { return cmp.Compare(p[0].Index, i) })
	if exact {
		return k
	}
	return k - 1
}

// entry returns the entry at i, or nil if it is not in memory.
func (l *log) entry(i Index) *Entry {
	if i <= l.base || i > l.last {
		return nil
	}
	p := l.pages[l.find(i)]
	return &p[i-p[0].Index]
}

// term returns the term of the entry at i, and whether it is known here.
func (l *log) term(i Index) (Term, bool) {
	switch {
	case i == l.last:
		return l.lastTerm, true
	case i == l.base:
		return l.baseTerm, true
	}
	if e := l.entry(i); e != nil {
		return e.Term, true
	}
	return 0, false
}

// append adds the entry after the last one.
func (l *log) append(e *Entry) {
	if e.Index != l.last+1 {
		panic(fmt.Sprintf("raft: entry %d appended after %d", e.Index, l.last))
	}
	l.makeRoom()
	n := len(l.pages)
	l.pages[n-1] = append(l.pages[n-1], *e)
	l.last, l.lastTerm = e.Index, e.Term
	l.bytes += e.Size()
}

// makeRoom sees to it that the last page has room for an entry.
func (l *log) makeRoom() {
	switch n := len(l.pages); {
	case n == 0:
		l.pages = append(l.pages, make(page, 0, pageSizes[0]/2))
	case len(l.pages[n-1]) < cap(l.pages[n-1]):
	case n == 1 && cap(l.pages[0]) < pageSizes[0]:
		l.pages[0] = append(make(page, 0, pageSizes[0]), l.pages[0]...)
	default:
		l.pages = append(l.pages, make(page, 0, pageSizes[min(n, len(pageSizes)-1)]))
	}
}

// truncate forgets every entry at and after i. What a write holds of them is no longer part of
// this log, so no completion of that write may make them durable (the ABA case: the same index
// written, truncated, and written again while the first write is still in flight).
func (l *log) truncate(i Index) {
	if i > l.last {
		return
	}
	k := l.find(i)
	p := l.pages[k]
	for _, q := range l.pages[k+1:] {
		l.bytes -= q.size()
	}
	clear(l.pages[k+1:])
	l.pages = l.pages[:k]
	l.bytes -= p[i-p[0].Index:].size()
	if kept := p[:i-p[0].Index]; len(kept) > 0 {
		fresh := make(page, len(kept), cap(p))
		copy(fresh, kept)
		l.pages = append(l.pages, fresh)
	}
	l.last = i - 1
	l.lastTerm = l.baseTerm
	if e := l.entry(l.last); e != nil {
		l.lastTerm = e.Term
	}
	l.forget(i)
}

// forget cuts what is on disk, or on its way there, below i.
func (l *log) forget(i Index) {
	if l.issued >= i {
		l.issued = i - 1
		if l.cut == 0 || i < l.cut {
			l.cut = i
		}
	}
	for k := range l.pending {
		l.pending[k].last = min(l.pending[k].last, i-1)
	}
	l.finished = min(l.finished, i-1)
}

// compact drops entries at and below i from memory; i is at most last.
func (l *log) compact(i Index) {
	if i <= l.base {
		return
	}
	term, _ := l.term(i)
	k := 0
	for k < len(l.pages) && l.pages[k][len(l.pages[k])-1].Index <= i {
		l.bytes -= l.pages[k].size()
		k++
	}
	if k > 0 {
		n := copy(l.pages, l.pages[k:])
		clear(l.pages[n:])
		l.pages = l.pages[:n]
	}
	if len(l.pages) > 0 && l.pages[0][0].Index <= i {
		drop := int(i - l.pages[0][0].Index + 1)
		l.bytes -= l.pages[0][:drop].size()
		l.pages[0] = l.pages[0][drop:]
	}
	l.base, l.baseTerm = i, term
	l.issued = max(l.issued, i) // what a snapshot covers need not be written any more
}

// restart makes the log empty after i: a snapshot stands for everything before.
func (l *log) restart(i Index, term Term) {
	clear(l.pages)
	l.pages = l.pages[:0]
	l.base, l.baseTerm, l.last, l.lastTerm, l.bytes = i, term, i, term, 0
	// The write that adopts the snapshot truncates at i+1; what is in flight is cut by it.
	l.issued, l.finished, l.cut = i, min(l.finished, i), i+1
	for k := range l.pending {
		l.pending[k].last = min(l.pending[k].last, i)
	}
}

// slice returns entries from lo on, as many as lie in one page and fit into maxBytes, but at
// least one.
func (l *log) slice(lo, hi Index, maxBytes int) []Entry {
	p := l.pages[l.find(lo)]
	from := int(lo - p[0].Index)
	to, size := from, 0
	for to < len(p) && p[to].Index <= hi {
		size += p[to].Size()
		if to > from && size > maxBytes {
			break
		}
		to++
	}
	return p[from:to:to]
}

// unwritten returns the entries that the next write should hold: what has not been issued, up to
// the end of a page.
func (l *log) unwritten() []Entry {
	if l.issued >= l.last {
		return nil
	}
	return l.slice(l.issued+1, l.last, 1<<62)
}

// wrote notes that the write seq holds the log up to last.
func (l *log) wrote(seq uint64, last Index) {
	l.issued, l.cut = last, 0
	l.pending = append(l.pending, mark{seq, last})
}

// persisted notes that the write seq, and all before it, have finished.
func (l *log) persisted(seq uint64) {
	k := 0
	for k < len(l.pending) && l.pending[k].seq <= seq {
		l.finished = l.pending[k].last
		k++
	}
	l.pending = l.pending[:copy(l.pending, l.pending[k:])]
}

// durable is the last index up to which this log is on disk.
func (l *log) durable() Index { return l.finished }

// findTerm returns the last position at or below i whose term is at most t, as far as is known
// here: below base everything counts as such. It skips a whole term in one step of a
// backtracking leader or follower (§5.3, end).
func (l *log) findTerm(i Index, t Term) (Index, Term) {
	i = min(i, l.last)
	for i > l.base {
		if e := l.entry(i); e.Term <= t {
			return i, e.Term
		}
		i--
	}
	term, _ := l.term(i)
	return i, term
}

func (p page) size() int {
	n := 0
	for i := range p {
		n += p[i].Size()
	}
	return n
}

// cloneInto copies l into dst. Full pages are shared, as nobody writes to them; the last one, which
// both would append to, is copied.
func (l *log) cloneInto(dst *log) {
	pages, pending := append(dst.pages[:0], l.pages...), append(dst.pending[:0], l.pending...)
	*dst = *l
	dst.pages, dst.pending = pages, pending
	if n := len(pages); n > 0 {
		fresh := make(page, len(pages[n-1]), cap(pages[n-1]))
		copy(fresh, pages[n-1])
		pages[n-1] = fresh
	}
}
