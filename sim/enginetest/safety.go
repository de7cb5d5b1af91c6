package enginetest

import (
	"fmt"

	"github.com/consensus-go/consensus"
)

// safety is what must hold between replicas, seen from outside.
type safety struct {
	leaders    map[Term]NodeID
	Committed  map[Index]Entry // what was applied anywhere
	Violations []string
}

func newSafety() safety { return safety{leaders: map[Term]NodeID{}, Committed: map[Index]Entry{}} }

// Violatef notes something that must never be, and traces it.
func (c *Cluster) Violatef(format string, args ...any) {
	v := fmt.Sprintf(format, args...)
	c.Violations = append(c.Violations, v)
	fmt.Fprintf(&c.Trace, "VIOLATION: %s\n", v)
}

// check is called after every input of n.
func (c *Cluster) check(n *Node) {
	if err := n.Engine.Check(); err != nil {
		c.Violatef("%d: %v", n.ID(), err)
	}
	st := n.Engine.Status()
	if st.Contradictions > n.contradictions {
		c.Violatef("%d heard what contradicts what it knows to be chosen", n.ID())
	}
	if st.Commit < n.commit {
		c.Violatef("%d: the commit index fell from %d to %d", n.ID(), n.commit, st.Commit)
	}
	n.contradictions, n.commit = st.Contradictions, st.Commit
	if st.Role == consensus.Leader {
		c.leads(n, st.Term)
	}
}

// leads checks that a term has one leader.
func (c *Cluster) leads(n *Node, t Term) {
	name, term := c.Protocol.TermName, c.Protocol.term(t)
	if x, ok := c.leaders[t]; ok {
		if x != n.ID() {
			c.Violatef("%d leads %s %s, and so did %d", n.ID(), name, term, x)
		}
		return
	}
	c.leaders[t] = n.ID()
	c.Tracef("  %d leads %s %s", n.ID(), name, term)
	if c.Protocol.Leads != nil {
		c.Protocol.Leads(c, n)
	}
}

// chose checks that all apply the same: one entry for each index, for ever.
func (c *Cluster) chose(n *Node, e Entry) {
	if x, ok := c.Committed[e.Index]; ok && !SameEntry(x, e) {
		c.Violatef("%d applied %s, and another applied %s", n.ID(), c.Protocol.Entry(e), c.Protocol.Entry(x))
	}
	c.Committed[e.Index] = e
}
