package main

import (
	"context"
	"time"
)

// runLinks harms one link after the other, or several at once, once at least, whatever else is done
// to the nodes, until ends is done.
func (n *nemesis) runLinks(ctx, ends context.Context) {
	for i := 0; i == 0 || ends.Err() == nil; i++ {
		n.random = n.source(i)
		n.rest(ctx, 3*time.Second)
		ds, c := n.links()
		n.log("%v: %v", c, ds)
		n.harm(ds, c)
		n.rest(ctx, 3*time.Second)
		n.harm(ds, condition{})
	}
}

// links are those to be harmed, and how.
func (n *nemesis) links() ([]direction, condition) {
	ids := n.members()
	n.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	one, rest := ids[:1], ids[1:]
	c := condition{cut: true}
	if n.network.slows() && n.random.IntN(4) == 0 {
		c = condition{delay: time.Duration(n.random.Int64N(int64(election)))}
	}
	switch n.random.IntN(6) {
	case 0:
		return both(one, rest), c // alone
	case 1:
		return oneWay(one, rest), c // not heard
	case 2:
		return oneWay(rest, one), c // deaf
	case 3:
		return oneWay(one, rest[:1]), c
	case 4:
		half := len(ids) / 2
		return both(ids[:half], ids[half:]), c // two sides
	}
	return both(one, rest[:1]), c
}

// harm sets the condition of links.
func (n *nemesis) harm(ds []direction, c condition) {
	if c.cut {
		n.counts.cuts.Add(int64(len(ds)))
		n.health.setCut(true, ds)
	}
	for _, d := range ds {
		if err := n.network.set(d.from, d.to, c); err != nil {
			n.report("changing the link %v: %v", d, err)
		}
	}
	if !c.cut {
		n.health.setCut(false, ds)
	}
}
