package raft

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consensus-go/consensus"
)

// A cluster is a few engines under full manual control: nothing is delivered, written or ticked
// but by a call. It traces what the engines want, from their Effects alone, and checks after
// every input what must hold within and between them.
type cluster struct {
	nodes []*node
	net   []*packet // in flight, in the order in which they were sent
	lost  map[link]bool
	held  map[link]bool
	safety

	trace strings.Builder
	quiet bool
}

type link struct{ from, to NodeID }

// A packet is a message in flight, encoded, and the stream that follows the header of one.
type packet struct {
	link
	kind consensus.Kind
	wire []byte
	life int     // of the sender
	blob []Entry // InstallSnapshot
}

const (
	electionTimeout = Instant(time.Second)
	heartbeat       = electionTimeout / 10
)

// newCluster starts voters 1 to n whose stores are bound already, so that any quorum elects.
// What breaks safety fails the test.
func newCluster(t testing.TB, n int) *cluster {
	c := foundCluster(bound(voters(n)))
	t.Cleanup(func() {
		for _, v := range c.violations {
			t.Error(v)
		}
	})
	return c
}

func voters(n int) (m Members) {
	for id := range n {
		m.Voters = append(m.Voters, NodeID(id+1))
	}
	return m
}

// bound binds every elector to the store that it has in a cluster.
func bound(m Members) Members {
	for _, ids := range [...][]NodeID{m.Voters, m.Witnesses} {
		for _, id := range ids {
			m.Bound = append(m.Bound, consensus.Binding{Node: id, Incarnation: uint64(id)})
		}
	}
	return m
}

func foundCluster(m Members) *cluster {
	c := &cluster{lost: map[link]bool{}, held: map[link]bool{}, safety: newSafety()}
	m.All(func(id NodeID) { c.add(id, consensus.EngineConfig{Members: m}).start() })
	return c
}

// add makes a node with an empty disk, which is down.
func (c *cluster) add(id NodeID, cfg consensus.EngineConfig) *node {
	cfg.ID, cfg.Seed, cfg.ElectionTimeout = id, 1, time.Duration(electionTimeout)
	cfg.Witness = cfg.Members.Kind(id) == consensus.Witness
	n := &node{c: c, cfg: cfg, now: electionTimeout, disk: newDisk(uint64(id)), early: map[consensus.Kind]bool{}}
	c.nodes = append(c.nodes, n)
	return n
}

// node returns the node of that id, or nil.
func (c *cluster) node(id NodeID) *node {
	for _, n := range c.nodes {
		if n.id() == id {
			return n
		}
	}
	return nil
}

func (c *cluster) raft(id NodeID) *Raft { return c.node(id).raft }

func (c *cluster) tracef(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(&c.trace, format+"\n", args...)
	}
}

func (c *cluster) send(n *node, m Message, how string) {
	c.tracef("  %s%v", how, &m)
	c.post(n, &packet{link: link{m.From, m.To}, kind: m.Kind, wire: m.AppendTo(nil), life: n.life})
}

func (c *cluster) stream(n *node, m Message) {
	c.tracef("  stream %v", &m)
	blob, ok := n.disk.blobs[m.Index]
	if !ok {
		c.violation("%d streams a snapshot at %d that it does not have", n.id(), m.Index)
	}
	c.post(n, &packet{link: link{m.From, m.To}, kind: m.Kind, wire: m.AppendTo(nil), life: n.life, blob: slices.Clone(blob)})
}

func (c *cluster) post(n *node, p *packet) {
	if c.lost[p.link] && p.kind != InstallSnapshot { // a stream hangs until it is dropped
		return
	}
	c.net = append(c.net, p)
}

// A filter says which packets are meant; zero values mean all.
type filter struct {
	from, to NodeID
	kinds    []consensus.Kind
	n        int // the first so many
}

func (f *filter) matches(p *packet) bool {
	return (f.from == 0 || f.from == p.from) && (f.to == 0 || f.to == p.to) && (len(f.kinds) == 0 || slices.Contains(f.kinds, p.kind))
}

// named reports whether f asks for one link, and so for what is held on it.
func (f *filter) named() bool { return f.from != 0 && f.to != 0 }

// take removes from the network what f means.
func (c *cluster) take(f filter) (taken []*packet) {
	rest := c.net[:0:0]
	for _, p := range c.net {
		if f.matches(p) && (f.named() || !c.held[p.link]) && !c.lost[p.link] && (f.n == 0 || len(taken) < f.n) {
			taken = append(taken, p)
		} else {
			rest = append(rest, p)
		}
	}
	c.net = rest
	return taken
}

// deliver delivers what is in flight now, and not what is sent because of it.
func (c *cluster) deliver(f filter) int {
	ps := c.take(f)
	for _, p := range ps {
		c.arrive(p)
	}
	return len(ps)
}

// settle delivers until nothing is in flight but what is held.
func (c *cluster) settle(f filter) {
	for k := 0; c.deliver(f) > 0; k++ {
		if k > 1000 {
			c.violation("the network does not come to rest")
			return
		}
	}
}

func (c *cluster) arrive(p *packet) {
	var m Message
	if err := m.DecodeFrom(p.wire); err != nil {
		panic(err)
	}
	c.tracef("> %v", &m)
	n := c.node(p.to)
	if n == nil || n.raft == nil {
		c.tracef("  %d is down", p.to)
		c.sent(p, errStream)
		return
	}
	if p.kind == InstallSnapshot {
		n.disk.blobs[m.Index] = p.blob
	}
	n.input(func() { n.raft.Step(&m) })
	c.sent(p, nil)
}

// drop loses what f means.
func (c *cluster) drop(f filter) int {
	ps := c.take(f)
	for _, p := range ps {
		c.sent(p, errStream)
	}
	return len(ps)
}

// sent tells the sender of a stream how it ended, if it still lives.
func (c *cluster) sent(p *packet, err error) {
	if n := c.node(p.from); p.kind == InstallSnapshot && n.life == p.life {
		n.input(func() { n.raft.SnapshotSent(p.to, err) })
	}
}

// duplicate puts a copy of what f means at the end of the network.
func (c *cluster) duplicate(f filter) int {
	n := 0
	for _, p := range slices.Clone(c.net) {
		if f.matches(p) && (f.n == 0 || n < f.n) {
			c.net = append(c.net, p)
			n++
		}
	}
	return n
}

// isolate cuts all links of id, both ways.
func (c *cluster) isolate(id NodeID) {
	for _, n := range c.nodes {
		c.lost[link{id, n.id()}], c.lost[link{n.id(), id}] = true, true
	}
}

// campaign lets the election timeout of id end.
func (c *cluster) campaign(id NodeID) {
	n := c.node(id)
	n.tick(max(0, n.raft.deadline-n.now))
}

// patience lets id wait so long that it gives its vote again, and not so long that it campaigns.
func (c *cluster) patience(id NodeID) {
	if n := c.node(id); n.raft != nil {
		n.tick(max(0, n.raft.heard+electionTimeout-n.now))
	}
}

// elect makes id the leader by the votes of others, and reports whether it is. Nobody else takes
// part in the election or hears of it; what the new leader sends stays in flight.
func (c *cluster) elect(id NodeID, votes ...NodeID) bool {
	for _, v := range votes {
		c.patience(v)
	}
	c.campaign(id)
	election := []consensus.Kind{PreVote, PreVoteReply, RequestVote, RequestVoteReply}
	for range 4 {
		for _, v := range votes {
			c.deliver(filter{from: id, to: v, kinds: election})
			c.deliver(filter{from: v, to: id, kinds: election})
		}
	}
	for _, n := range c.nodes {
		c.drop(filter{from: id, to: n.id(), kinds: election})
		c.drop(filter{from: n.id(), to: id, kinds: election})
	}
	return c.raft(id).role == consensus.Leader
}

// eventually elects id by as many elections as it takes for all terms to be behind it.
func (c *cluster) eventually(id NodeID) bool {
	var votes []NodeID
	for _, n := range c.nodes {
		if n.id() != id {
			votes = append(votes, n.id())
		}
	}
	for range 9 {
		if c.elect(id, votes...) {
			return true
		}
	}
	return false
}

// propose proposes at id and returns the index, which is 0 if that failed.
func (c *cluster) propose(id NodeID, data ...string) (last Index) {
	n := c.node(id)
	for _, d := range data {
		n.input(func() {
			i, err := n.raft.Propose(consensus.Proposal{Data: []byte(d)})
			if err != nil {
				c.tracef("  %d refuses %s: %v", id, d, err)
			}
			last = i
		})
	}
	return last
}

// beat lets the heartbeat interval of id pass.
func (c *cluster) beat(id NodeID) { c.node(id).tick(heartbeat) }
