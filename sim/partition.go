package sim

import (
	"time"

	"github.com/consensus-go/consensus"
)

// A link is cut or whole in each direction on its own. Faults that cut the same one add up.
type link struct{ from, to uint8 }

// partition cuts links, in a shape that n is at the centre of.
func (w *World) partition(n *node, dwell time.Duration) {
	var cut []link
	one := func(from, to int) { cut = append(cut, link{uint8(from), uint8(to)}) }
	both := func(a, b int) { one(a, b); one(b, a) }
	total, centre := len(w.nodes), int(n.index)
	name := "is cut off"
	switch shape := w.dice.Choose(ChooseFault, 8); shape {
	case 0, 1: // isolate one
		for i := range total {
			both(centre, i)
		}
	case 2, 3: // split: two sides
		name = "is in a split"
		side := w.sides()
		for i := range total {
			for j := range i {
				if side[i] != side[j] {
					both(i, j)
				}
			}
		}
	case 4: // bridge: two sides that only the centre reaches
		name = "is a bridge"
		side := w.sides()
		for i := range total {
			for j := range i {
				if side[i] != side[j] && i != centre && j != centre {
					both(i, j)
				}
			}
		}
	case 5: // one way: the centre is not heard, or does not hear
		name = "is cut off one way"
		deaf := w.dice.chance(ChooseFault, 512)
		for i := range total {
			if deaf {
				one(i, centre)
			} else {
				one(centre, i)
			}
		}
	case 6: // ring: each reaches only its neighbours
		name = "is in a ring"
		for i := range total {
			for j := range i {
				if d := i - j; d != 1 && d != total-1 {
					both(i, j)
				}
			}
		}
	default: // some links, some of them one way
		name = "loses links, as others do"
		for i := range total {
			for j := range total {
				if w.dice.chance(ChooseFault, 300) {
					one(i, j)
				}
			}
		}
	}
	if n.status.Role == consensus.Leader {
		w.rushTo(n, min(dwell, 3*w.plan.election))
	}
	w.cut(cut, 1)
	w.result.Partitions++
	w.fault(n, dwell, name, func() { w.cut(cut, -1) })
}

// squeeze has the leader lose touch by and by: first it hears the others late, or does not reach some of
// them, and later nobody. So what it believes of its lease, and what each of the others has granted, come apart.
func (w *World) squeeze(dwell time.Duration) {
	l := w.leader()
	if l == nil {
		return
	}
	late := w.dice.chance(ChooseFault, 512)
	lag := w.dice.between(ChooseFault, w.plan.election/8, w.plan.election*5/8)
	var some, all []link
	for i := range w.nodes {
		o := uint8(i)
		all = append(all, link{l.index, o}, link{o, l.index})
		if !late && w.dice.chance(ChooseFault, 512) {
			some = append(some, link{l.index, o})
		}
	}
	slow := func(by time.Duration) {
		for i := range w.nodes {
			w.net.lag[i][l.index] += by
		}
	}
	if late {
		slow(lag)
	}
	w.cut(some, 1)
	first := w.dice.between(ChooseDwell, w.plan.election/2, 2*w.plan.election)
	w.fault(l, first, "hears others late, or does not reach some", func() {
		if late {
			slow(-lag)
		}
		w.cut(some, -1)
		if w.nemesis.active {
			w.cut(all, 1)
			w.rushTo(l, w.plan.election)
			w.fault(l, max(dwell, 3*w.plan.election/2), "is cut off", func() { w.cut(all, -1) })
		}
	})
	w.result.Partitions++
}

// deafen cuts every link to n.
func (w *World) deafen(n *node, dwell time.Duration) {
	var cut []link
	for i := range w.nodes {
		cut = append(cut, link{uint8(i), n.index})
	}
	w.cut(cut, 1)
	w.result.Partitions++
	w.fault(n, dwell, "hears nobody", func() { w.cut(cut, -1) })
}

// sides puts each node on one of two sides.
func (w *World) sides() (side [maxNodes]bool) {
	for i := range w.nodes {
		side[i] = w.dice.chance(ChooseFault, 512)
	}
	return side
}

func (w *World) cut(links []link, by int) {
	for _, l := range links {
		if l.from != l.to {
			w.net.cut[l.from][l.to] = uint8(int(w.net.cut[l.from][l.to]) + by)
		}
	}
}

// slowLink makes the links of n, or one of them, slow in one direction or both.
func (w *World) slowLink(n *node, dwell time.Duration) {
	lag := w.dice.between(ChooseFault, time.Millisecond, w.plan.election)
	var slow []link
	for i := range w.nodes {
		if w.dice.chance(ChooseFault, 512) {
			slow = append(slow, link{n.index, uint8(i)})
		}
		if w.dice.chance(ChooseFault, 512) {
			slow = append(slow, link{uint8(i), n.index})
		}
	}
	add := func(by time.Duration) {
		for _, l := range slow {
			w.net.lag[l.from][l.to] += by
		}
	}
	add(lag)
	w.fault(n, dwell, "has slow links", func() { add(-lag) })
}
