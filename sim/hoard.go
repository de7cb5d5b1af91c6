package sim

import "github.com/consensus-go/consensus"

// A hoard holds messages back while there is a hoarder about, until a later election: then they
// arrive in a world that they do not fit, as stale votes and acknowledgements of another life.
// Volume alone hardly ever delays the right message for that long.
type hoard struct {
	kinds uint64 // a set of consensus.Kind; 0: nobody hoards
	share int    // of those kinds, in 1/parts
	held  []uint32
	top   consensus.Term // the highest term seen in a request for votes
}

func (h *hoard) reset() { *h = hoard{held: h.held[:0]} }

const mostHeld = 200

// hold decides whether packet i is held back, and lets earlier ones go if it begins an election.
func (w *World) hold(i uint32) bool {
	h, p := &w.net.hoard, &w.net.packets[i]
	if (p.kind == consensus.KindRequestVote || p.kind == consensus.KindPrepare) && p.term > h.top {
		h.top = p.term
		w.releaseHeld(p.from)
	}
	if h.kinds>>p.kind&1 == 0 || len(h.held) >= mostHeld || !w.dice.chance(ChooseFate, h.share) {
		return false
	}
	h.held = append(h.held, i)
	return true
}

// releaseHeld lets messages go when the node of that index becomes a candidate or a leader, or begins
// another life: most of those that are meant for it, which it may take for answers to what it has just
// sent, and a few others. They arrive soon, or within an election.
func (w *World) releaseHeld(index uint8) {
	h := &w.net.hoard
	kept := h.held[:0]
	for _, i := range h.held {
		p := 100
		if w.net.packets[i].to == index {
			p = 700
		}
		if !w.dice.chance(ChooseFate, p) {
			kept = append(kept, i)
			continue
		}
		w.let(i)
	}
	h.held = kept
}

// let has packet i, which was held back, arrive.
func (w *World) let(i uint32) {
	w.mark(MarkHeldReleased)
	delay := w.dice.between(ChooseDelay, 0, 4*w.net.wide)
	if w.dice.chance(ChooseDelay, 256) {
		delay = w.dice.between(ChooseDelay, 0, w.plan.election)
	}
	w.after(delay, event{kind: eventDeliver, node: w.net.packets[i].to, arg: i})
}

// releaseAll ends the hoard.
func (w *World) releaseAll() {
	for _, i := range w.net.hoard.held {
		w.let(i)
	}
	w.net.hoard.held = w.net.hoard.held[:0]
}
