package consensus

import (
	"context"
	"sync"
)

// A LeadershipEvent is a change of who leads a group, in the eyes of the member here.
type LeadershipEvent struct {
	Group GroupID
	Leadership
	// Lost is how many events just before this one the watcher had no room for. What holds now
	// Group.Leadership tells at any time.
	Lost int
}

// Watch returns the changes of leadership of all groups of this host from now on, those of one
// group in order. The channel holds n of them, or one if n is less; while it is full, further ones
// are lost, and nobody waits. It is closed when ctx is done or the host is closed.
func (h *Host) Watch(ctx context.Context, n int) <-chan LeadershipEvent {
	return h.watchers.add(ctx, max(n, 1))
}

// watchers are those who get a host's events.
type watchers struct {
	mu     sync.Mutex
	all    map[*watcher]bool
	closed bool
}

type watcher struct {
	events chan LeadershipEvent
	stop   func() bool // waiting for its context
	lost   int
}

func (ws *watchers) add(ctx context.Context, n int) <-chan LeadershipEvent {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := &watcher{events: make(chan LeadershipEvent, n)}
	if ws.closed {
		close(w.events)
		return w.events
	}
	if ws.all == nil {
		ws.all = make(map[*watcher]bool)
	}
	ws.all[w] = true
	w.stop = context.AfterFunc(ctx, func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		ws.remove(w)
	})
	return w.events
}

// remove ends w, unless that has happened before.
func (ws *watchers) remove(w *watcher) {
	if ws.all[w] {
		delete(ws.all, w)
		w.stop()
		close(w.events)
	}
}

// tell gives everybody e who has room for it.
func (ws *watchers) tell(e LeadershipEvent) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		e.Lost = w.lost
		select {
		case w.events <- e:
			w.lost = 0
		default:
			w.lost++
		}
	}
}

func (ws *watchers) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for w := range ws.all {
		ws.remove(w)
	}
}
