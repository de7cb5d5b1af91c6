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
	over    chan struct{} // closed with the host
	running sync.WaitGroup

	mu  sync.Mutex
	all map[*watcher]bool // nil once the host is closed
}

type watcher struct {
	events chan LeadershipEvent
	lost   int
}

func newWatchers() *watchers {
	return &watchers{over: make(chan struct{}), all: make(map[*watcher]bool)}
}

func (ws *watchers) add(ctx context.Context, n int) <-chan LeadershipEvent {
	w := &watcher{events: make(chan LeadershipEvent, n)}
	done := ctx.Done() // this may be the user's code, and the loops wait for the lock
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.all == nil {
		close(w.events)
		return w.events
	}
	ws.all[w] = true
	ws.running.Go(func() {
		select {
		case <-done:
		case <-ws.over:
		}
		ws.remove(w)
	})
	return w.events
}

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
	close(w.events)
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

// close ends all of them. They have had every event by then.
func (ws *watchers) close() {
	ws.mu.Lock()
	if ws.all != nil {
		close(ws.over)
		ws.all = nil
	}
	ws.mu.Unlock()
	ws.running.Wait()
}
