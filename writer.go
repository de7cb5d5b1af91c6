package consensus

import (
	"context"
	"fmt"
	"sync"
)

// A writer makes the writes of all groups of a host durable. Whatever has come while one Append
// was under way goes into the next, so that one fsync serves all.
type writer struct {
	storage Storage
	wake    chan struct{}

	mu     sync.Mutex
	idle   sync.Cond // signalled when finished catches up, and when the writer ends
	writes []Write
	owners []*Group // of writes
	issued uint64   // writes put in, ever
	done   uint64   // of those, how many are durable; done <= issued
	ended  bool     // nothing more will be written
}

func newWriter(s Storage) *writer {
	w := &writer{storage: s, wake: make(chan struct{}, 1)}
	w.idle.L = &w.mu
	return w
}

// put queues a write of g. Groups bound what they have in flight, so the queue is bounded too.
func (w *writer) put(g *Group, write Write) {
	w.mu.Lock()
	w.writes = append(w.writes, write)
	w.owners = append(w.owners, g)
	w.issued++
	w.mu.Unlock()
	signal(w.wake)
}

// run writes until ctx is done or storage fails. The error is an ErrStopped.
func (w *writer) run(ctx context.Context) error {
	defer w.end()
	var writes []Write
	var owners []*Group
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		}
		w.mu.Lock()
		writes, w.writes = w.writes, writes[:0]
		owners, w.owners = w.owners, owners[:0]
		w.mu.Unlock()
		if len(writes) == 0 {
			continue
		}
		if err := w.storage.Append(writes); err != nil {
			return because(ErrStopped, fmt.Errorf("storage: %w", err))
		}
		for i, g := range owners {
			g.loop.mail.put(event{kind: eventPersisted, group: g, seq: writes[i].Seq})
		}
		w.finish(len(writes))
		clear(writes)
		clear(owners)
	}
}

func (w *writer) finish(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done += uint64(n)
	w.idle.Broadcast()
}

func (w *writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.idle.Broadcast()
}

// flush waits until every write that was put before is durable, or none will be any more.
func (w *writer) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for issued := w.issued; w.done < issued && !w.ended; {
		w.idle.Wait()
	}
}
