package enginetest

import (
	"errors"
	"slices"

	"github.com/consensus-go/consensus"
)

// A network is what is in flight between the nodes, and what happens to it.
type network struct {
	Flight []*Packet // in the order in which they were sent
	Cut    map[Link]bool
	Held   map[Link]bool
}

func newNetwork() network { return network{Cut: map[Link]bool{}, Held: map[Link]bool{}} }

// A Link goes from one node to another.
type Link struct{ From, To NodeID }

// A Packet is a message in flight, encoded, and the stream that follows the header of one.
type Packet struct {
	Link
	kind   consensus.Kind
	wire   []byte
	life   int // of the sender
	stream bool
	blob   []Entry // the snapshot, of a stream
}

// Message decodes what is on the wire.
func (p *Packet) Message() (m Message) {
	if err := m.DecodeFrom(p.wire); err != nil {
		panic(err)
	}
	return m
}

// ErrStream is what the sender of a snapshot is told when it does not arrive.
var ErrStream = errors.New("the stream broke")

func (c *Cluster) send(m Message, how string) {
	c.Tracef("  %s%s", how, c.Protocol.message(&m))
	c.Post(m)
}

// Post puts a message into flight.
func (c *Cluster) Post(m Message) {
	c.post(&Packet{Link: Link{m.From, m.To}, kind: m.Kind, wire: m.AppendTo(nil)})
}

func (c *Cluster) sendStream(n *Node, m Message) {
	c.Tracef("  stream %s", c.Protocol.message(&m))
	blob, ok := n.Disk.Blobs[m.Index]
	if !ok {
		c.Violatef("%d streams a snapshot at %d that it does not have", n.ID(), m.Index)
	}
	c.post(&Packet{Link: Link{m.From, m.To}, kind: m.Kind, wire: m.AppendTo(nil), life: n.life, stream: true, blob: slices.Clone(blob)})
}

func (c *Cluster) post(p *Packet) {
	if c.Cut[p.Link] && !p.stream { // a stream hangs until it is dropped
		return
	}
	c.Flight = append(c.Flight, p)
}

// A Filter says which packets are meant; zero values mean all.
type Filter struct {
	From, To NodeID
	Kinds    []consensus.Kind
	N        int // the first so many
}

func (f *Filter) matches(p *Packet) bool {
	return (f.From == 0 || f.From == p.From) && (f.To == 0 || f.To == p.To) && (len(f.Kinds) == 0 || slices.Contains(f.Kinds, p.kind))
}

// named reports whether f asks for one link, and so for what is held on it.
func (f *Filter) named() bool { return f.From != 0 && f.To != 0 }

// take removes from the network what f means.
func (c *Cluster) take(f Filter) (taken []*Packet) {
	rest := c.Flight[:0:0]
	for _, p := range c.Flight {
		if f.matches(p) && (f.named() || !c.Held[p.Link]) && !c.Cut[p.Link] && (f.N == 0 || len(taken) < f.N) {
			taken = append(taken, p)
		} else {
			rest = append(rest, p)
		}
	}
	c.Flight = rest
	return taken
}

// Deliver delivers what is in flight now, and not what is sent because of it. It returns how much that was.
func (c *Cluster) Deliver(f Filter) int {
	ps := c.take(f)
	for _, p := range ps {
		c.arrive(p)
	}
	return len(ps)
}

// Settle delivers until nothing is in flight but what is held.
func (c *Cluster) Settle(f Filter) {
	for k := 0; c.Deliver(f) > 0; k++ {
		if k > 1000 {
			c.Violatef("the network does not come to rest")
			return
		}
	}
}

func (c *Cluster) arrive(p *Packet) {
	m := p.Message()
	c.Tracef("> %s", c.Protocol.message(&m))
	n := c.Node(p.To)
	if n == nil || n.Engine == nil {
		c.Tracef("  %d is down", p.To)
		c.sent(p, ErrStream)
		return
	}
	if p.stream {
		n.Disk.Blobs[m.Index] = p.blob
	}
	n.Input(func() { n.Engine.Step(&m) })
	c.sent(p, nil)
}

// Drop loses what f means, and returns how much that was.
func (c *Cluster) Drop(f Filter) int {
	ps := c.take(f)
	for _, p := range ps {
		c.sent(p, ErrStream)
	}
	return len(ps)
}

// sent tells the sender of a stream how it ended, if it still lives.
func (c *Cluster) sent(p *Packet, err error) {
	if n := c.Node(p.From); p.stream && n.life == p.life {
		n.Input(func() { n.Engine.SnapshotSent(p.To, err) })
	}
}

// Duplicate puts a copy of what f means at the end of the network, and returns how much that was.
func (c *Cluster) Duplicate(f Filter) int {
	n := 0
	for _, p := range slices.Clone(c.Flight) {
		if f.matches(p) && (f.N == 0 || n < f.N) {
			c.Flight = append(c.Flight, p)
			n++
		}
	}
	return n
}

// Isolate cuts all links of id, both ways.
func (c *Cluster) Isolate(id NodeID) {
	for _, n := range c.Nodes {
		c.Cut[Link{id, n.ID()}], c.Cut[Link{n.ID(), id}] = true, true
	}
}

// Flush takes all that is in flight off the network, and returns it.
func (c *Cluster) Flush() (ms []Message) {
	for _, p := range c.Flight {
		ms = append(ms, p.Message())
	}
	c.Flight = nil
	return ms
}
