package enginetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/consensus-go/consensus"
)

// show has f tell about each of the nodes that are named, or of all.
func (s *script) show(a arguments, f func(*Node) string) string {
	var b strings.Builder
	show := func(n *Node) { fmt.Fprintf(&b, "%d %s\n", n.ID(), f(n)) }
	if len(a.words) == 0 {
		for _, n := range s.Nodes {
			show(n)
		}
		return b.String()
	}
	s.each(a, show)
	return b.String()
}

// up asks the engine, if it is up.
func (s *script) up(f func(consensus.Engine) string) func(*Node) string {
	return func(n *Node) string {
		if n.Engine == nil {
			return "down"
		}
		return f(n.Engine)
	}
}

// log is the log in memory.
func (s *script) log(e consensus.Engine) string {
	base, term, es := s.protocol.Log(e)
	if base > 0 {
		return fmt.Sprintf("…%s, %s", s.protocol.Position(base, term), s.protocol.Entries(es))
	}
	return s.protocol.Entries(es)
}

// disk is what would survive a crash now, and what may.
func (s *script) disk(n *Node) string {
	d := n.Disk
	var es []Entry
	for _, i := range slices.Sorted(maps.Keys(d.Log)) {
		es = append(es, d.Log[i])
	}
	x := s.protocol.Durable(d.State) + ": " + s.protocol.Entries(es)
	if d.Snapshot.Index > 0 {
		x += "; snapshot=" + s.protocol.Position(d.Snapshot.Index, d.Snapshot.Term)
	}
	for _, w := range d.Unfinished {
		x += "; under way " + s.protocol.write(w.Write)
	}
	return x
}

// applied is the state machine.
func (s *script) applied(n *Node) string {
	if n.Engine != nil && n.witness() {
		return fmt.Sprintf("keeps no state, up to %d", n.Applied)
	}
	return s.protocol.Entries(n.Machine)
}
