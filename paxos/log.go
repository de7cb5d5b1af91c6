package paxos

import "slices"

// A log is the slots above base, in memory: each with the last vote there or the chosen value, or
// nothing. It has holes.
//
// Slots lie in pages. Pieces of a page are handed out in writes and messages, and stay as they are for
// ever: what is put into an empty slot nobody has seen, and a page of which a piece is out is copied
// before anything that it holds is replaced.
type log struct {
	base  Slot   // slots up to here are under a snapshot
	pages []page // pages[k] is page first+k: see place
	first Slot
	last  Slot // the highest slot that holds something; base if none does
	bytes int

	unwritten []Slot // slots that changed since the last write, in no order

	spare   *spare // memory that nobody has used yet; nil: none
	settled bool   // a page has grown to its full size: the next ones begin with it
}

// A spare is taken in ever larger pieces, so that an idle group is small.
type spare struct {
	entries []Entry // for what lies in pieces
	ranges  []Range // for acknowledgements
	growing int     // of both
}

const (
	pageSize   = 1024
	mostInOne  = 2048 // entries in a spare, and ranges
	firstSpare = 16
	// window is how far above what it has learned a replica keeps votes.
	window = 1 << 20
)

// A page is as long as what it holds needs: it grows as its slots are used.
type page struct {
	entries []Entry // each the vote, its ballot in Term; or the value learned, and Chosen; Index 0: neither
	marks   []mark  // of the entry in the same place
	lent    bool    // a piece of entries was handed out
}

// A mark is what we know of an entry. It holds no pointer, so that collecting garbage need not look at it.
type mark struct {
	seq     uint64 // the write that holds it
	acks    uint64 // as its proposer: who has voted for it, a bit for each seat
	learned bool   // it is known to be chosen
}

// A cell is one slot that holds something: one instance of Paxos. It is good until the next put.
type cell struct {
	e *Entry // nil: the slot is empty
	*mark
}

// unissued is the seq of an entry that the next write will hold.
const unissued = 1<<64 - 1

// place is in which page slot s lies, and where.
func place(s Slot) (page, at Slot) { return (s - 1) / pageSize, (s - 1) % pageSize }

// at returns the cell of slot s, and an empty one if the slot is.
func (l *log) at(s Slot) cell {
	k, i := place(s)
	if s <= l.base || k-l.first >= Slot(len(l.pages)) {
		return cell{}
	}
	p := &l.pages[k-l.first]
	if i >= Slot(len(p.entries)) || p.entries[i].Index == 0 {
		return cell{}
	}
	return cell{&p.entries[i], &p.marks[i]}
}

// holds reports whether slot s holds something.
func (l *log) holds(s Slot) bool { return l.at(s).e != nil }

// put makes e what its slot holds, to be written. The slot must be above base.
func (l *log) put(e *Entry) cell {
	if len(l.pages) == 0 {
		l.first, _ = place(l.base + 1)
	}
	k, i := place(e.Index)
	for k-l.first >= Slot(len(l.pages)) {
		l.pages = append(l.pages, page{})
	}
	p := &l.pages[k-l.first]
	if i >= Slot(len(p.entries)) {
		l.grow(p, int(i)+1)
	}
	if old := &p.entries[i]; old.Index != 0 {
		l.bytes -= old.Size()
		if p.lent {
			p.move(len(p.entries))
		}
	}
	c := cell{&p.entries[i], &p.marks[i]}
	if c.e.Index == 0 || c.seq != unissued {
		l.unwritten = append(l.unwritten, e.Index)
	}
	*c.e, c.seq, c.acks = *e, unissued, 0
	l.bytes += e.Size()
	l.last = max(l.last, e.Index)
	return c
}

// grow makes room for n slots in p.
func (l *log) grow(p *page, n int) {
	size := 4
	for size < n {
		size *= 4
	}
	if size = min(size, pageSize); l.settled {
		size = pageSize
	}
	l.settled = size == pageSize
	p.move(size)
}

// move moves what p holds to fresh memory, for n slots.
func (p *page) move(n int) {
	p.entries, p.lent = append(make([]Entry, 0, n), p.entries...)[:n], false
	if n > len(p.marks) {
		p.marks = append(make([]mark, 0, n), p.marks...)[:n]
	}
}

// stretch returns the slots from s on, up to hi or the end of the page: s must hold something, the others may be
// empty. Whoever hands a piece of it out says so with lend.
func (l *log) stretch(s, hi Slot) ([]Entry, []mark) {
	k, from := place(s)
	p := &l.pages[k-l.first]
	to := min(from+hi+1-s, Slot(len(p.entries)))
	return p.entries[from:to], p.marks[from:to]
}

// lend says that a piece of the page of slot s is handed out.
func (l *log) lend(s Slot) {
	k, _ := place(s)
	l.pages[k-l.first].lent = true
}

// take returns what the write seq is to hold: every slot that changed, in order. Nearly always they
// follow one another.
func (l *log) take(seq uint64) []Entry {
	if len(l.unwritten) == 0 {
		return nil
	}
	if !slices.IsSorted(l.unwritten) {
		slices.Sort(l.unwritten)
	}
	first, last := l.unwritten[0], l.unwritten[len(l.unwritten)-1]
	es, marks := l.stretch(first, last)
	n := 0
	for ; n < len(marks) && marks[n].seq == unissued; n++ {
		marks[n].seq = seq
	}
	l.lend(first)
	es = es[:n:n]
	if len(es) < len(l.unwritten) {
		es = append(l.carve(len(l.unwritten)), es...)
		for _, s := range l.unwritten[len(es):] {
			c := l.at(s)
			c.seq = seq
			es = append(es, *c.e)
		}
	}
	l.unwritten = l.unwritten[:0]
	return es
}

// carve returns an empty slice with room for n entries, which nobody else will ever touch.
func (l *log) carve(n int) []Entry {
	x := l.unused()
	if n > len(x.entries) {
		x.growing = min(max(2*x.growing, firstSpare), mostInOne)
		x.entries = make([]Entry, max(n, x.growing))
	}
	es := x.entries[:0:n]
	x.entries = x.entries[n:]
	return es
}

// carveRange returns a slice that holds r, likewise.
func (l *log) carveRange(r Range) []Range {
	x := l.unused()
	if len(x.ranges) == 0 {
		x.ranges = make([]Range, max(x.growing, firstSpare))
	}
	rs := x.ranges[:1:1]
	rs[0] = r
	x.ranges = x.ranges[1:]
	return rs
}

func (l *log) unused() *spare {
	if l.spare == nil {
		l.spare = new(spare)
	}
	return l.spare
}

// cut forgets slot s and every one above it.
func (l *log) cut(s Slot) {
	for i := s; i <= l.last; i++ {
		l.clear(i)
	}
	l.last = max(l.base, min(l.last, s-1))
	for l.last > l.base && !l.holds(l.last) {
		l.last--
	}
	l.unwritten = slices.DeleteFunc(l.unwritten, func(i Slot) bool { return i >= s })
}

// clear makes slot s empty. What lies there is left to those who were handed it.
func (l *log) clear(s Slot) {
	if c := l.at(s); c.e != nil {
		l.bytes -= c.e.Size()
		k, i := place(s)
		p := &l.pages[k-l.first]
		if p.lent {
			p.move(len(p.entries))
		}
		p.entries[i], p.marks[i] = Entry{}, mark{}
	}
}

// compact forgets every slot up to s: a snapshot stands for them.
func (l *log) compact(s Slot) {
	if s <= l.base {
		return
	}
	for i := l.base + 1; i <= min(s, l.last); i++ {
		if c := l.at(i); c.e != nil {
			l.bytes -= c.e.Size()
		}
	}
	k, _ := place(s + 1)
	if drop := min(int(k-min(l.first, k)), len(l.pages)); drop > 0 {
		n := copy(l.pages, l.pages[drop:])
		clear(l.pages[n:])
		l.pages = l.pages[:n]
		l.first += Slot(drop)
	}
	l.base, l.last = s, max(l.last, s)
	l.unwritten = slices.DeleteFunc(l.unwritten, func(i Slot) bool { return i <= s })
}

// release gives back memory that nobody has used yet.
func (l *log) release() { l.spare, l.unwritten = nil, nil }

// newLog returns an empty log, with nothing up to base.
func newLog(base Slot) *log { return &log{base: base, last: base} }

// cloneInto copies l into dst.
func (l *log) cloneInto(dst *log) {
	pages, unwritten := dst.pages, dst.unwritten
	*dst = *l
	dst.spare = nil
	dst.unwritten = append(unwritten[:0], l.unwritten...)
	dst.pages = append(pages[:0], l.pages...)
	for i := range dst.pages {
		p := &dst.pages[i]
		p.marks = slices.Clone(p.marks)
		p.move(len(p.entries))
	}
}

// same reports whether two entries are the same value, whatever the ballots.
func same(a, b *Entry) bool {
	return a.Kind == b.Kind && a.From == b.From && a.ID == b.ID && string(a.Data) == string(b.Data)
}
