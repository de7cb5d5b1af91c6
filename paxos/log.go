package paxos

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// A log is the slots above base, in memory: each with the last vote there or the chosen value, or
// nothing. It has holes. Slots lie in pages; nothing outside points into a page, as a slot changes
// when it is voted on again.
type log struct {
	base  Slot    // slots up to here are under a snapshot
	pages []*page // pages[k] holds the slots from (first+k)*pageSize on; nil: nothing there
	first Slot
	last  Slot // the highest slot that holds something; base if none does
	bytes int

	unwritten []Slot // slots that changed since the last write, in no order

	// Memory that nobody has used yet. It is taken in ever larger pieces, so that an idle group is small.
	slab    []page
	arena   []Entry // for writes and messages
	ranges  []Range // for acknowledgements
	growth  int     // of slab
	growing int     // of arena and ranges
}

const (
	pageSize   = 64
	mostPages  = 16   // in a slab
	mostInOne  = 2048 // entries in an arena, and ranges
	firstArena = 16
	// window is how far above what it has learned a replica keeps votes.
	window = 1 << 20
)

type page [pageSize]cell

// A cell is one slot: one instance of Paxos.
type cell struct {
	e       Entry  // the vote, its ballot in Term; or the value learned, and Chosen. Index 0: neither
	seq     uint64 // the write that holds e
	acks    uint64 // as the leader: who has voted for e in our ballot, a bit for each seat
	learned bool   // e is known to be chosen
}

// unissued is the seq of a cell that the next write will hold.
const unissued = 1<<64 - 1

// at returns the cell of slot s, or nil if nothing was ever put near it.
func (l *log) at(s Slot) *cell {
	k := s / pageSize
	if s <= l.base || k < l.first || k >= l.first+Slot(len(l.pages)) || l.pages[k-l.first] == nil {
		return nil
	}
	return &l.pages[k-l.first][s%pageSize]
}

// holds returns the cell of slot s if it holds something, else nil.
func (l *log) holds(s Slot) *cell {
	if c := l.at(s); c != nil && c.e.Index != 0 {
		return c
	}
	return nil
}

// put makes e what its slot holds, to be written. The slot must be above base.
func (l *log) put(e Entry) *cell {
	k := e.Index / pageSize
	if len(l.pages) == 0 {
		l.first = l.base / pageSize
	}
	for k >= l.first+Slot(len(l.pages)) {
		l.pages = append(l.pages, nil)
	}
	if l.pages[k-l.first] == nil {
		l.pages[k-l.first] = l.page()
	}
	c := &l.pages[k-l.first][e.Index%pageSize]
	if c.e.Index != 0 {
		l.bytes -= c.e.Size()
	}
	if c.e.Index == 0 || c.seq != unissued {
		l.unwritten = append(l.unwritten, e.Index)
	}
	c.e, c.seq, c.acks = e, unissued, 0
	l.bytes += e.Size()
	l.last = max(l.last, e.Index)
	return c
}

// page returns an empty page.
func (l *log) page() *page {
	if len(l.slab) == 0 {
		l.growth = min(max(2*l.growth, 1), mostPages)
		l.slab = make([]page, l.growth)
	}
	p := &l.slab[0]
	l.slab = l.slab[1:]
	return p
}

// take returns what the write seq is to hold: every slot that changed, in order.
func (l *log) take(seq uint64) []Entry {
	if len(l.unwritten) == 0 {
		return nil
	}
	if !slices.IsSorted(l.unwritten) {
		slices.Sort(l.unwritten)
	}
	es := l.carve(len(l.unwritten))
	for _, s := range l.unwritten {
		c := l.at(s)
		c.seq = seq
		es = append(es, c.e)
	}
	l.unwritten = l.unwritten[:0]
	return es
}

// carve returns an empty slice with room for n entries, which nobody else will ever touch.
func (l *log) carve(n int) []Entry {
	if n > len(l.arena) {
		l.growing = min(max(2*l.growing, firstArena), mostInOne)
		l.arena = make([]Entry, max(n, l.growing))
	}
	es := l.arena[:0:n]
	l.arena = l.arena[n:]
	return es
}

// carveRange returns a slice that holds r, likewise.
func (l *log) carveRange(r Range) []Range {
	if len(l.ranges) == 0 {
		l.ranges = make([]Range, max(l.growing, firstArena))
	}
	rs := l.ranges[:1:1]
	rs[0] = r
	l.ranges = l.ranges[1:]
	return rs
}

// cut forgets slot s and every one above it.
func (l *log) cut(s Slot) {
	for i := s; i <= l.last; i++ {
		if c := l.holds(i); c != nil {
			l.bytes -= c.e.Size()
			*c = cell{}
		}
	}
	l.last = max(l.base, min(l.last, s-1))
	for l.last > l.base && l.holds(l.last) == nil {
		l.last--
	}
	l.unwritten = slices.DeleteFunc(l.unwritten, func(i Slot) bool { return i >= s })
}

// compact forgets every slot up to s: a snapshot stands for them.
func (l *log) compact(s Slot) {
	if s <= l.base {
		return
	}
	for i := l.base + 1; i <= min(s, l.last); i++ {
		if c := l.holds(i); c != nil {
			l.bytes -= c.e.Size()
			*c = cell{}
		}
	}
	if drop := min(int(s/pageSize-min(l.first, s/pageSize)), len(l.pages)); drop > 0 {
		n := copy(l.pages, l.pages[drop:])
		clear(l.pages[n:])
		l.pages = l.pages[:n]
		l.first += Slot(drop)
	}
	l.base, l.last = s, max(l.last, s)
	l.unwritten = slices.DeleteFunc(l.unwritten, func(i Slot) bool { return i <= s })
}

// reset empties l, for another use of its memory, with nothing up to base.
func (l *log) reset(base Slot) {
	l.cut(l.base + 1)
	l.base, l.last, l.unwritten = base, base, l.unwritten[:0]
	l.pages = l.pages[:0]
}

// cloneInto copies l into dst.
func (l *log) cloneInto(dst *log) {
	pages, unwritten := dst.pages, dst.unwritten
	*dst = *l
	dst.slab, dst.arena, dst.ranges = nil, nil, nil
	dst.unwritten = append(unwritten[:0], l.unwritten...)
	dst.pages = append(pages[:0], l.pages...)
	for i, p := range dst.pages {
		if p != nil {
			fresh := *p
			dst.pages[i] = &fresh
		}
	}
}

// same reports whether two entries are the same value, whatever the ballots.
func same(a, b *Entry) bool {
	return a.Kind == b.Kind && a.From == b.From && a.ID == b.ID && string(a.Data) == string(b.Data)
}

// noop fills a gap.
func noop(s Slot, b Ballot) Entry {
	return Entry{Index: s, Term: b, Kind: consensus.EntryNoop}
}
