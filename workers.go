package consensus

import "sync"

// workers are the goroutines that call the state machines of a host's groups: one for each group that has
// something to apply. One that has done its work takes the next group's, so that a group at rest has none.
type workers struct {
	mu      sync.Mutex
	idle    []chan *applier // of those that wait for work; nil ends one
	closed  bool
	running sync.WaitGroup
}

// maxIdleWorkers is how many goroutines wait for work.
const maxIdleWorkers = 16

// begin has a goroutine do the jobs of a.
func (w *workers) begin(a *applier) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.idle); n > 0 {
		w.idle[n-1] <- a // it has one slot
		w.idle = w.idle[:n-1]
		return
	}
	w.running.Go(func() { w.run(a) })
}

func (w *workers) run(a *applier) {
	next := make(chan *applier, 1)
	chunk := make([]Applied, 0, applyChunk)
	for a != nil {
		a.run(chunk)
		if !w.wait(next) {
			return
		}
		a = <-next
	}
}

// wait has next told of work, unless there are enough who wait.
func (w *workers) wait(next chan *applier) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) == maxIdleWorkers {
		return false
	}
	w.idle = append(w.idle, next)
	return true
}

// close returns when all goroutines have ended. Nothing may begin any more.
func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	for _, next := range w.idle {
		next <- nil
	}
	w.idle = nil
	w.mu.Unlock()
	w.running.Wait()
}
