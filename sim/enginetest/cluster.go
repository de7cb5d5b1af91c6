package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/consensus-go/consensus"
)

// A Cluster is a few engines under full manual control: nothing is delivered, written or ticked
// but by a call. It traces what the engines want, from their Effects alone, and checks after
// every input what must hold within and between them.
type Cluster struct {
	Protocol *Protocol
	Nodes    []*Node
	network
	safety

	Trace strings.Builder
	Quiet bool // trace nothing but violations
}

// The timers of every node of a Cluster.
const (
	ElectionTimeout = Instant(time.Second)
	Heartbeat       = ElectionTimeout / 10
)

// New is a cluster without nodes.
func New(p *Protocol) *Cluster {
	return &Cluster{Protocol: p, network: newNetwork(), safety: newSafety()}
}

// Found starts the members of m, with empty disks.
func Found(p *Protocol, m Members) *Cluster {
	c := New(p)
	m.All(func(id NodeID) { c.Add(id, consensus.EngineConfig{Members: m}).Start() })
	return c
}

// Watch fails the test for what has broken safety when it ends.
func (c *Cluster) Watch(t testing.TB) *Cluster {
	t.Cleanup(func() {
		for _, v := range c.Violations {
			t.Error(v)
		}
	})
	return c
}

// Voters are voters 1 to n.
func Voters(n int) (m Members) {
	for id := range n {
		m.Voters = append(m.Voters, NodeID(id+1))
	}
	return m
}

// Bound binds every elector to the store that it has in a cluster, so that any quorum elects.
func Bound(m Members) Members {
	for _, ids := range [...][]NodeID{m.Voters, m.Witnesses} {
		for _, id := range ids {
			m.Bound = append(m.Bound, consensus.Binding{Node: id, Incarnation: uint64(id)})
		}
	}
	return m
}

// Add makes a node with an empty disk, which is down.
func (c *Cluster) Add(id NodeID, cfg consensus.EngineConfig) *Node {
	cfg.ID, cfg.Seed, cfg.ElectionTimeout = id, 1, time.Duration(ElectionTimeout)
	cfg.Witness = cfg.Members.Kind(id) == consensus.Witness
	n := &Node{c: c, Config: cfg, Now: ElectionTimeout, Disk: NewDisk(uint64(id)), early: map[consensus.Kind]bool{}}
	c.Nodes = append(c.Nodes, n)
	return n
}

// Node returns the node of that id, or nil.
func (c *Cluster) Node(id NodeID) *Node {
	for _, n := range c.Nodes {
		if n.ID() == id {
			return n
		}
	}
	return nil
}

// Tracef adds a line to the trace.
func (c *Cluster) Tracef(format string, args ...any) {
	if !c.Quiet {
		fmt.Fprintf(&c.Trace, format+"\n", args...)
	}
}

// Campaign makes id a candidate now.
func (c *Cluster) Campaign(id NodeID) { c.Protocol.Campaign(c.Node(id)) }

// Patience lets id wait so long that it gives its vote again, and not so long that it campaigns.
func (c *Cluster) Patience(id NodeID) {
	if n := c.Node(id); n.Engine != nil {
		n.Tick(max(0, c.Protocol.Patience(n.Engine)-n.Now))
	}
}

// Elect makes id the leader by the votes of others, and reports whether it is. Nobody else takes
// part in the election or hears of it; what the new leader sends stays in flight.
func (c *Cluster) Elect(id NodeID, votes ...NodeID) bool {
	for _, v := range votes {
		c.Patience(v)
	}
	c.Campaign(id)
	election := c.Protocol.Election
	for range 4 {
		for _, v := range votes {
			c.Deliver(Filter{From: id, To: v, Kinds: election})
			c.Deliver(Filter{From: v, To: id, Kinds: election})
		}
	}
	for _, n := range c.Nodes {
		c.Drop(Filter{From: id, To: n.ID(), Kinds: election})
		c.Drop(Filter{From: n.ID(), To: id, Kinds: election})
	}
	return c.Node(id).Engine.Status().Role == consensus.Leader
}

// Eventually elects id by as many elections as it takes for all terms to be behind it.
func (c *Cluster) Eventually(id NodeID) bool {
	var votes []NodeID
	for _, n := range c.Nodes {
		if n.ID() != id {
			votes = append(votes, n.ID())
		}
	}
	for range 9 {
		if c.Elect(id, votes...) {
			return true
		}
	}
	return false
}

// Propose proposes at id and returns the index, which is 0 if that failed.
func (c *Cluster) Propose(id NodeID, data ...string) (last Index) {
	n := c.Node(id)
	for _, d := range data {
		n.Input(func() {
			i, err := n.Engine.Propose(consensus.Proposal{Data: []byte(d)})
			if err != nil {
				c.Tracef("  %d refuses %s: %v", id, d, err)
			}
			last = i
		})
	}
	return last
}

// Beat lets the heartbeat interval of id pass.
func (c *Cluster) Beat(id NodeID) { c.Node(id).Tick(Heartbeat) }

// Pass lets time go by for everybody, a heartbeat interval at a time, and delivers everything meanwhile.
func (c *Cluster) Pass(d Instant) {
	for ; d > 0; d -= Heartbeat {
		for _, n := range c.Nodes {
			n.Tick(min(d, Heartbeat))
		}
		c.Settle(Filter{})
	}
}
