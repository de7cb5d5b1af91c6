package transport

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/consensus-go/consensus"
)

// queueBytes is how much may wait for one node. What exceeds it is dropped, but for a message
// that waits alone: so one of any size can pass.
const queueBytes = 16 << 20

// messageOverhead is about what a message takes in memory beside its entries and data.
const messageOverhead = 256

// A Memory is the Transport of one node of a Network. Messages pass from hand to hand, without
// being encoded; what two nodes then share is immutable.
type Memory struct {
	network *Network
	id      consensus.NodeID
	wake    chan struct{} // one token: there is something in queue

	mu      sync.Mutex
	service *service            // nil while nobody serves
	queue   []consensus.Message // empty if service is nil
	bytes   int                 // in queue
}

var _ consensus.Transport = (*Memory)(nil)

// A service is one call of Serve.
type service struct {
	ctx     context.Context
	handler consensus.Handler
	streams sync.WaitGroup // calls of DeliverSnapshot; added to only under Memory.mu, by who sees service set
}

// Serve implements consensus.Transport. Once it has returned the node may be served again.
func (t *Memory) Serve(ctx context.Context, h consensus.Handler) error {
	s := &service{ctx: ctx, handler: h}
	if !t.begin(s) {
		return errors.New("transport: the node is being served already")
	}
	var msgs []consensus.Message
	for {
		select {
		case <-ctx.Done():
			t.end()
			s.streams.Wait()
			return nil
		case <-t.wake:
		}
		msgs = t.take(msgs)
		if ctx.Err() == nil {
			h.Deliver(msgs)
		}
		clear(msgs) // keep the memory for the next batch, not what it points to
	}
}

func (t *Memory) begin(s *service) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.service != nil {
		return false
	}
	t.service = s
	return true
}

// end loses what is queued: the node is down.
func (t *Memory) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.service, t.queue, t.bytes = nil, nil, 0
	select {
	case <-t.wake:
	default:
	}
}

// take returns all that is queued, and makes the memory of old the new queue's.
func (t *Memory) take(old []consensus.Message) []consensus.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	msgs := t.queue
	if cap(old) > 16*max(len(old), 64) {
		old = nil // it grew in a burst that is over
	}
	t.queue, t.bytes = old[:0], 0
	return msgs
}

// Send implements consensus.Transport.
func (t *Memory) Send(msgs []consensus.Message) {
	for len(msgs) > 0 {
		n := 1
		for n < len(msgs) && msgs[n].To == msgs[0].To {
			n++
		}
		if to := t.network.reach(t.id, msgs[0].To); to != nil {
			to.enqueue(msgs[:n])
		}
		msgs = msgs[n:]
	}
}

// enqueue queues copies of msgs, as many as there is room for.
func (t *Memory) enqueue(msgs []consensus.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.service == nil {
		return
	}
	for i := range msgs {
		size := sizeOf(&msgs[i])
		if t.bytes+size > queueBytes && len(t.queue) > 0 {
			continue
		}
		t.queue = append(t.queue, passOn(&msgs[i]))
		t.bytes += size
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// sizeOf is what m counts for in a queue: at least what it takes in memory, and on the wire.
func sizeOf(m *consensus.Message) int {
	const sizeOfRange = 20
	size := messageOverhead + len(m.Data) + sizeOfRange*len(m.Ranges)
	for i := range m.Entries {
		size += m.Entries[i].Size()
	}
	return size
}

// passOn returns a copy of m for its receiver. The sender may use its Ranges again; entries and
// data are immutable, and shared by all receivers, so whoever appends to them must copy.
func passOn(m *consensus.Message) consensus.Message {
	c := *m
	c.Ranges = slices.Clone(m.Ranges)
	c.Entries = slices.Clip(m.Entries)
	c.Data = slices.Clip(m.Data)
	return c
}
