package consensus

import "slices"

// A gate decides which forwarded requests may be proposed: each at most once for one stamp. It
// remembers one stamp, the highest it has judged; forward.go says why that is enough.
//
// For each life of each origin it keeps the highest ID that it has seen and what became of that
// one and the ones before it, up to gateWindow of them. That costs 2 KiB for a life. An origin has
// two of them; of the lives before it keeps only that they have been, so that what became of their
// requests is unknown. However often an origin restarts, the others do not notice.
type gate struct {
	first   Term // the first that this replica has led in this life, or 0
	term    Term // the stamp that origins are about
	origins []origin
}

const (
	// gateWindow is how far behind the highest ID of its life a forwarded request may come.
	gateWindow = 8192
	// gateOrigins is how many replicas may forward to one leader in one term.
	gateOrigins = 64
	// gateGone is how many lives of one origin may come to be forgotten in one term.
	gateGone = 1024

	passBits    = 2
	passPerWord = 64 / passBits
)

// A pass is what is known of one ID for the stamp of the gate.
type pass uint8

const (
	passNone     pass = iota // never seen, so never let pass
	passPending              // let pass and not answered yet
	passRefused              // never let pass, and never will be
	passAnswered             // let pass and answered, with what is no longer known
)

// An origin is a replica that forwards. No life is in both lives and gone.
type origin struct {
	from  NodeID
	lives [2]life
	n     int // how many of lives there are
	last  int // the one that was used last
	gone  []uint32
}

// A life is one life of an origin.
type life struct {
	number uint32
	top    uint32  // the highest counter seen
	passes *passes // nil: all up to top count as passAnswered
}

type passes [gateWindow / passPerWord]uint64

// A verdict is the gate's.
type verdict uint8

const (
	gateNew     verdict = iota // not seen before
	gatePending                // a copy of one that is pending
	gateRefused                // never let pass for this stamp
	gateUnknown
)

// judge says what is known of a request with stamp t, when current is the term of the engine. If it
// is gateNew the caller must decide, and set what it decided.
func (g *gate) judge(t, current Term, from NodeID, id uint64) verdict {
	if g.first == 0 || t < g.first || t < g.term || t > current {
		return gateUnknown
	}
	if t > g.term {
		g.term = t
		g.origins = g.origins[:0]
	}
	l := g.life(from, id)
	if l == nil {
		return gateUnknown
	}
	switch l.pass(uint32(id)) {
	case passNone:
		return gateNew
	case passPending:
		return gatePending
	case passRefused:
		return gateRefused
	}
	return gateUnknown
}

// set notes what became of an ID that judge found new, or of one that is pending.
func (g *gate) set(from NodeID, id uint64, p pass) {
	l := g.life(from, id)
	if c := uint32(id); l != nil && l.passes != nil && l.top-c < gateWindow {
		word, shift := l.at(c)
		*word = *word&^(3<<shift) | uint64(p)<<shift
	}
}

// life is what is kept of the life that id is of, with id in its window if it is new; nil if that
// is nothing.
func (g *gate) life(from NodeID, id uint64) *life {
	o := g.origin(from)
	if o == nil {
		return nil
	}
	l := o.life(uint32(id>>32), uint32(id))
	if c := uint32(id); l != nil && c > l.top {
		l.raise(c)
	}
	return l
}

// origin is what is kept of a replica, or nil if there are too many.
func (g *gate) origin(from NodeID) *origin {
	for i := range g.origins {
		if o := &g.origins[i]; o.from == from {
			return o
		}
	}
	n := len(g.origins)
	if n == gateOrigins {
		return nil
	}
	if n < cap(g.origins) {
		g.origins = g.origins[:n+1]
	} else {
		g.origins = append(g.origins, origin{})
	}
	o := &g.origins[n]
	o.from, o.n, o.last, o.gone = from, 0, 0, o.gone[:0]
	return o
}

// life is the life of that number. A new one, whose first counter is c, takes the place of the one
// that was used less recently: a late copy of an earlier life does not cost the present one its place.
func (o *origin) life(number, c uint32) *life {
	for i := range o.lives[:o.n] {
		if l := &o.lives[i]; l.number == number {
			o.last = i
			return l
		}
	}
	switch {
	case slices.Contains(o.gone, number) || len(o.gone) == gateGone:
		return nil
	case o.n < len(o.lives):
		o.last = o.n
		o.n++
	default:
		o.last = 1 - o.last
		o.gone = append(o.gone, o.lives[o.last].number)
	}
	l := &o.lives[o.last]
	if l.passes == nil {
		l.passes = new(passes)
	}
	*l.passes = passes{}
	l.number, l.top = number, c
	return l
}

// raise moves the window up to c, and forgets what falls out of it.
func (l *life) raise(c uint32) {
	if l.passes == nil {
		l.passes = new(passes)
		for i := range l.passes {
			l.passes[i] = ^uint64(0) // passAnswered
		}
	}
	if c-l.top >= gateWindow {
		*l.passes = passes{}
		l.top = c
		return
	}
	for l.top < c {
		l.top++
		word, shift := l.at(l.top)
		*word &^= 3 << shift
	}
}

// pass is what is known of counter c. Below the window it is passAnswered: it may have been let pass.
func (l *life) pass(c uint32) pass {
	if l.passes == nil || l.top-c >= gateWindow {
		return passAnswered
	}
	word, shift := l.at(c)
	return pass(*word >> shift & 3)
}

// rest gives the windows back: what became of the IDs in them is unknown from then on.
func (g *gate) rest() {
	for i := range g.origins {
		o := &g.origins[i]
		for k := range o.lives {
			o.lives[k].passes = nil
		}
	}
}

func (l *life) at(c uint32) (*uint64, uint32) {
	i := c % gateWindow
	return &l.passes[i/passPerWord], i % passPerWord * passBits
}
