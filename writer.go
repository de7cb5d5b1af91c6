package consensus

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A writer makes the writes of all groups of a host durable. Whatever has come while one Append
// was under way goes into the next, so that one fsync serves all.
type writer struct {
	host  *Host
	wake  chan struct{}
	began atomic.Int64 // the Instant when the Append under way was called; -1: none is

	mu     sync.Mutex
	idle   sync.Cond // signalled when finished catches up, and when the writer ends
	writes []Write
	owners []*Group // of writes
	issued uint64   // writes put in, ever
	done   uint64   // of those, how many are durable; done <= issued
	ended  bool     // nothing more will be written
}

func newWriter(h *Host) *writer {
	w := &writer{host: h, wake: make(chan struct{}, 1)}
	w.idle.L = &w.mu
	w.began.Store(-1)
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
	slow := time.AfterFunc(slowAppend, w.logSlow)
	slow.Stop()
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
		slow.Reset(slowAppend)
		err := w.append(writes)
		slow.Stop()
		if err != nil {
			return w.host.failed("storage", err)
		}
		for i, g := range owners {
			g.loop.mail.put(event{kind: eventPersisted, group: g, seq: writes[i].Seq})
		}
		w.finish(len(writes))
		clear(writes)
		clear(owners)
	}
}

// append has storage make writes durable, and measures that.
func (w *writer) append(writes []Write) error {
	h := w.host
	began := h.now()
	w.began.Store(int64(began))
	err := h.cfg.Storage.Append(writes)
	w.began.Store(-1)
	if err != nil {
		return err
	}
	bytes := 0
	for i := range writes {
		bytes += entriesSize(writes[i].Entries)
	}
	h.metrics.Append.observe(time.Duration(h.now() - began))
	addTo(&h.metrics.Writes, len(writes))
	addTo(&h.metrics.WrittenBytes, bytes)
	return nil
}

// logSlow says so when an Append takes long, once for each, and while it is under way: one of a disk
// that is stuck may never return.
func (w *writer) logSlow() {
	if d := w.busyFor(); d > 0 {
		w.host.logger.log(slog.LevelWarn, "storage is slow", slog.Duration("append", d))
	}
}

// busyFor is how long the Append under way has taken so far; 0 if there is none.
func (w *writer) busyFor() time.Duration {
	began := Instant(w.began.Load())
	if began < 0 {
		return 0
	}
	return time.Duration(w.host.now() - began)
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
