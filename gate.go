package consensus

// A gate decides which forwarded requests may be proposed: each at most once for one stamp. It
// remembers one stamp, the highest it has judged; forward.go says why that is enough.
//
// For each life of each origin it keeps the highest ID that it has seen and what became of that
// one and the ones before it, up to gateWindow of them. That costs 2 KiB for an origin.
type gate struct {
	recovered Term // what an earlier life let pass up to here is not known
	term      Term // the stamp that lives are about
	lives     []life
}

const (
	// gateWindow is how far behind the highest ID of its life a forwarded request may come.
	gateWindow = 8192
	// gateLives is how many lives of origins may forward to one leader in one term.
	gateLives = 64

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

// A life is one life of an origin.
type life struct {
	from   NodeID
	number uint32
	top    uint32 // the highest counter seen
	passes [gateWindow / passPerWord]uint64
}

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
	if t <= g.recovered || t < g.term || t > current {
		return gateUnknown
	}
	if t > g.term {
		g.term = t
		g.lives = g.lives[:0]
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
	if c := uint32(id); l != nil && l.top-c < gateWindow {
		word, shift := l.at(c)
		*word = *word&^(3<<shift) | uint64(p)<<shift
	}
}

// life is what is kept of the life that id is of, with id in its window if it is new; nil if there
// are too many.
func (g *gate) life(from NodeID, id uint64) *life {
	number, c := uint32(id>>32), uint32(id)
	for i := range g.lives {
		if l := &g.lives[i]; l.from == from && l.number == number {
			if c > l.top {
				l.raise(c)
			}
			return l
		}
	}
	n := len(g.lives)
	if n == gateLives {
		return nil
	}
	if n < cap(g.lives) {
		g.lives = g.lives[:n+1]
		g.lives[n] = life{}
	} else {
		g.lives = append(g.lives, life{})
	}
	l := &g.lives[n]
	l.from, l.number, l.top = from, number, c
	return l
}

// raise moves the window up to c, and forgets what falls out of it.
func (l *life) raise(c uint32) {
	if c-l.top >= gateWindow {
		l.passes = [gateWindow / passPerWord]uint64{}
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
	if l.top-c >= gateWindow {
		return passAnswered
	}
	word, shift := l.at(c)
	return pass(*word >> shift & 3)
}

func (l *life) at(c uint32) (*uint64, uint32) {
	i := c % gateWindow
	return &l.passes[i/passPerWord], i % passPerWord * passBits
}
