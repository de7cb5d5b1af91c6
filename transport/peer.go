package transport

import (
	"net"
	"sync"

	"github.com/consensus-go/consensus"
)

// A peer is another node, as one to send to: its queue, and the connection for its messages.
//
// The queue is taken whole by the goroutine that writes, which encodes it and writes it, and then
// takes what has come meanwhile. So the more there is to send the fewer system calls it takes, and
// nothing waits for more.
type peer struct {
	t    *TCP
	id   consensus.NodeID
	wake chan struct{} // one slot: there may be something in queue
	kick chan struct{} // one slot: it may be reachable now, so try at once

	streams chan struct{} // slots for the snapshots that are sent to it

	mu      sync.Mutex
	address string   // empty: nothing is sent to it
	conn    net.Conn // nil while there is none
	away    bool     // it could not be reached just now: what is to be sent is dropped
	queue   batch
	writing int // bytes of the batch that is being written; it counts as queued
	stats   PeerStats
}

// maxSpare is for how many messages an empty batch keeps memory, and maxSpareRanges for how many of their ranges:
// about a megabyte each.
const (
	maxSpare       = 4096
	maxSpareRanges = 16 * maxSpare
)

// A batch is messages that are sent together.
type batch struct {
	msgs   []consensus.Message
	ranges []consensus.Range // copies of those of msgs, so that none is allocated by itself
	bytes  int
}

func (b *batch) add(m *consensus.Message, size int) {
	c := *m
	if n := len(b.ranges); len(m.Ranges) > 0 {
		b.ranges = append(b.ranges, m.Ranges...)
		c.Ranges = b.ranges[n:]
	}
	b.msgs = append(b.msgs, c)
	b.bytes += size
}

// reset empties b and keeps its memory, unless that is a lot, but not what it points to.
func (b *batch) reset() {
	if cap(b.msgs) > maxSpare || cap(b.ranges) > maxSpareRanges {
		*b = batch{}
	}
	clear(b.msgs)
	b.msgs, b.ranges, b.bytes = b.msgs[:0], b.ranges[:0], 0
}

func newPeer(t *TCP, id consensus.NodeID, address string) *peer {
	return &peer{t: t, id: id, address: address, wake: make(chan struct{}, 1), kick: make(chan struct{}, 1), streams: make(chan struct{}, maxStreams)}
}

// enqueue queues copies of msgs, as many as there is room for.
func (p *peer) enqueue(msgs []consensus.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dropped := &p.stats.Dropped
	switch {
	case p.address == "":
		dropped.Unknown += uint64(len(msgs))
		return
	case p.away:
		dropped.Unreachable += uint64(len(msgs))
		return
	}
	for i := range msgs {
		m := &msgs[i]
		waiting, size := p.queue.bytes+p.writing, sizeOf(m)
		switch {
		case m.From != p.t.opt.ID:
			dropped.Unknown++
		case size > p.t.opt.MaxMessageBytes:
			dropped.TooLarge++
		case waiting > 0 && waiting+size > p.t.opt.QueueBytes:
			dropped.QueueFull++
		default:
			p.queue.add(m, size)
		}
	}
	signal(p.wake)
}

// take returns all that is queued, and makes the memory of spare, which is empty, the new queue's.
func (p *peer) take(spare batch) batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.queue
	p.queue, p.writing = spare, b.bytes
	return b
}

// setAddress has the peer found at address from now on. The connection to the old one is closed.
func (p *peer) setAddress(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address == address {
		return
	}
	p.address = address
	if p.conn != nil {
		p.conn.Close()
	}
	signal(p.kick)
}

// alive notes that the peer has been heard of, so that it can be reached again, perhaps.
func (p *peer) alive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		signal(p.kick)
	}
}

// use makes conn, to address, the connection, unless the address has changed since.
func (p *peer) use(conn net.Conn, address string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address != address {
		return errMoved
	}
	p.conn, p.stats.LastError = conn, ""
	p.stats.Connects++
	signal(p.wake) // for what is queued
	return nil
}

// lose notes that there is no connection, and why, and drops what is queued, because it will be
// old by the time there is one.
func (p *peer) lose(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Dropped.Unreachable += uint64(len(p.queue.msgs))
	p.queue.reset()
	p.conn, p.writing, p.away, p.stats.LastError = nil, 0, true, err.Error()
}

// retry lets messages be queued again.
func (p *peer) retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
}

// status is what Stats says of the peer.
func (p *peer) status() PeerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Address, s.Connected, s.QueuedBytes = p.address, p.conn != nil, p.queue.bytes+p.writing
	return s
}

// sent counts what has been written.
func (p *peer) sent(x Traffic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Sent.add(x)
}

// written notes that the batch that was taken has been written.
func (p *peer) written(b *batch) {
	b.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writing = 0
}
