package sim

import (
	"runtime/debug"
	"time"
)

// Simulate runs the one seed o.Seed. The error tells what is wrong with o.
func Simulate(o Options) (Result, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return Result{}, err
	}
	return new(World).run(o), nil
}

// run runs one seed. A panic is a violation like any other.
func (w *World) run(o Options) (r Result) {
	defer func() {
		if cause := recover(); cause != nil {
			w.fail("panic", "%v\n%s", cause, debug.Stack())
			r = w.finish()
		}
	}()
	w.reset(o)
	if o.setup != nil {
		o.setup(w)
	}
	w.simulate()
	return w.finish()
}

// simulate is the life of a world: it is founded, suffers, heals, and must then work.
func (w *World) simulate() {
	w.traceHead()
	for i := range w.nodes {
		w.nodes[i].start()
	}
	w.clients.begin(w)
	w.nemesis.begin(w)
	for end := int64(w.plan.length); !w.failed(); end += int64(time.Second) {
		w.loop(end)
		if w.clients.begun >= w.plan.operations {
			break
		}
	}
	w.heal()
	w.recover()
	w.checkHistory()
	w.checkUser()
	w.putOnTrial()
}

func (w *World) finish() Result {
	w.result.Simulated = time.Duration(w.now)
	w.result.Operations = uint64(w.clients.begun)
	w.digest(uint64(len(w.result.Violations)))
	return w.result
}

// loop lets happen what happens until the instant end, or a violation.
func (w *World) loop(end int64) {
	for !w.failed() && len(w.queue.events) > 0 && w.queue.events[0].at <= end {
		e := w.queue.pop()
		w.now = e.at
		w.spend()
		w.happen(e)
	}
	w.now = max(w.now, end)
}

// happen lets one event happen. What is meant for a life that has ended does not; what is meant
// for a node that pauses waits.
func (w *World) happen(e event) {
	if e.node == noNode {
		switch e.kind {
		case eventClient:
			w.clients.wake(w, e.arg)
		case eventCall:
			w.runCall(e.arg)
		}
		return
	}
	n := &w.nodes[e.node]
	if e.life != 0 && e.life != n.life {
		if e.kind == eventCall {
			w.forget(e.arg)
		}
		return
	}
	if n.pausedUntil > w.now {
		e.at = n.pausedUntil
		w.queue.push(e)
		return
	}
	w.digest(uint64(w.now)<<8 ^ uint64(e.kind)<<4 ^ uint64(e.node))
	switch e.kind {
	case eventTick:
		n.tick()
	case eventDeliver:
		w.deliver(n, e.arg)
	case eventWritten:
		n.written()
	case eventJob:
		n.finishJob()
	case eventCall:
		w.runCall(e.arg)
	}
}

func (w *World) runCall(i uint32) {
	f := w.calls[i]
	w.forget(i)
	f()
}

func (w *World) forget(i uint32) {
	w.calls[i] = nil
	w.unused = append(w.unused, i)
}
