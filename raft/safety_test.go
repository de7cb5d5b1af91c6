package raft

import (
	"fmt"
	"maps"
	"slices"

	"github.com/consensus-go/consensus"
)

// safety is what must hold between replicas (Figure 3 of the paper), seen from outside.
type safety struct {
	leaders    map[Term]NodeID
	chosen     map[Index]Entry
	commits    map[NodeID]Index
	violations []string
}

func newSafety() safety {
	return safety{leaders: map[Term]NodeID{}, chosen: map[Index]Entry{}, commits: map[NodeID]Index{}}
}

func (c *cluster) violation(format string, args ...any) {
	v := fmt.Sprintf(format, args...)
	c.violations = append(c.violations, v)
	fmt.Fprintf(&c.trace, "VIOLATION: %s\n", v)
}

// check is called after every input of n.
func (c *cluster) check(n *node) {
	r := n.raft
	if err := r.Check(); err != nil {
		c.violation("%d: %v", n.id(), err)
	}
	if r.contradictions > 0 {
		c.violation("%d heard what contradicts what it knows to be chosen", n.id())
		r.contradictions = 0
	}
	if r.commit < c.commits[n.id()] {
		c.violation("%d: the commit index fell from %d to %d", n.id(), c.commits[n.id()], r.commit)
	}
	c.commits[n.id()] = r.commit
	if r.role == consensus.Leader {
		c.leads(n)
	}
}

// leads checks Election Safety (§5.2) and Leader Completeness (§5.4).
func (c *cluster) leads(n *node) {
	if x, ok := c.leaders[n.raft.term]; ok {
		if x != n.id() {
			c.violation("%d leads term %d, and so did %d", n.id(), n.raft.term, x)
		}
		return
	}
	c.leaders[n.raft.term] = n.id()
	c.tracef("  %d leads term %d", n.id(), n.raft.term)
	for _, i := range slices.Sorted(maps.Keys(c.chosen)) {
		e := c.chosen[i]
		if t, ok := n.raft.log.term(i); i > n.raft.snapshot.Index && (!ok || t != e.Term) {
			c.violation("%d leads term %d without %s, which was committed", n.id(), n.raft.term, entryString(e))
		}
	}
}

// chose checks State Machine Safety (§5.4.3): one entry for each index, for ever.
func (c *cluster) chose(n *node, e Entry) {
	if x, ok := c.chosen[e.Index]; ok && !sameEntry(x, e) {
		c.violation("%d applied %s, and another applied %s", n.id(), entryString(e), entryString(x))
	}
	c.chosen[e.Index] = e
}
