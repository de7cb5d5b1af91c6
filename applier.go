package consensus

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// applyChunk is after how many entries the applier hands over their results, so that the callers
// of the first ones do not wait for the last.
const applyChunk = 64

// applyBacklog bounds the bytes of entries that wait to be applied, of one group, for the state
// machine or for a snapshot that is being restored. Above it the
// group takes in no more of them: a leader answers proposals with ErrBusy, and a follower drops
// what is sent to it, so that the leader's window for it stays full until it has caught up.
const applyBacklog = 64 << 20

// An applier drives the Machine of one group, on a goroutine of its own while there is anything to do: a state
// machine that is slow, or stuck, holds up nothing but its own group.
type applier struct {
	group   *Group
	machine *Machine
	backlog atomic.Int64 // bytes of entries that wait

	mu      sync.Mutex
	jobs    []applierJob
	entries []Entry   // of the jobs that apply, one after the other
	results []Applied // what the loop has not collected yet
	told    bool      // the loop knows that there are results
	running bool      // a goroutine does the jobs
	stopped bool      // it is to end now

	// What jobs and entries trade places with: the goroutine's, or the loop's while there is none; nil at rest.
	spare *applierSpare
}

type applierSpare struct {
	jobs    []applierJob
	entries []Entry
}

// An applierJob is a run of entries to apply or, if do is set, anything else that must happen
// between two of them.
type applierJob struct {
	entries int
	do      func() error
}

func newApplier(g *Group, m *Machine) *applier { return &applier{group: g, machine: m} }

// waiting is how many bytes of entries wait to be applied.
func (a *applier) waiting() int { return int(a.backlog.Load()) }

// apply queues entries. It keeps them, not the slice.
func (a *applier) apply(es []Entry) {
	a.backlog.Add(int64(entriesSize(es)))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = append(a.entries, es...)
	if n := len(a.jobs); n > 0 && a.jobs[n-1].do == nil {
		a.jobs[n-1].entries += len(es)
	} else {
		a.jobs = append(a.jobs, applierJob{entries: len(es)})
	}
	a.begin()
}

// do queues a call between two entries. If it returns an error, the group stops with that.
func (a *applier) do(f func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jobs = append(a.jobs, applierJob{do: f})
	a.begin()
}

// begin sees to it that a goroutine does the jobs, until the group has stopped; a.mu is held.
func (a *applier) begin() {
	if !a.running && !a.stopped {
		a.running = true
		a.group.work.Add(1)
		a.group.host.workers.begin(a)
	}
}

// stop has nothing more done, when the group has stopped.
func (a *applier) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
}

// rest gives back the memory of an applier that has nothing to do.
func (a *applier) rest() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.running && len(a.results) == 0 {
		a.jobs, a.entries, a.results, a.spare = nil, nil, nil, nil
	}
}

// collect swaps the results that there are for an empty slice.
func (a *applier) collect(spare []Applied) []Applied {
	a.mu.Lock()
	defer a.mu.Unlock()
	spare, a.results = a.results, spare[:0]
	a.told = false
	return spare
}

// run does all jobs, in chunks that are made in chunk, until there are none, the group has stopped or the state
// machine fails. In the middle of a chunk it waits for the user's code, whatever happens. User's code that ends
// the goroutine (runtime.Goexit, as a failed assertion of a test does) stops the group.
func (a *applier) run(chunk []Applied) {
	failure := errGoexit
	defer func() {
		if failure != nil {
			a.group.fail(failure)
		}
		a.group.work.Done()
	}()
	for {
		jobs, entries := a.take()
		if len(jobs) == 0 {
			failure = nil
			return
		}
		if err := a.work(a.group.ctx, jobs, entries, chunk); err != nil {
			failure = err
			return
		}
		clear(jobs)
		clear(entries)
	}
}

// take swaps the jobs that there are for the spare slices. Without any the goroutine is to end.
func (a *applier) take() ([]applierJob, []Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.jobs) == 0 || a.stopped {
		a.running = false
		return nil, nil
	}
	if a.spare == nil {
		a.spare = new(applierSpare)
	}
	s := a.spare
	a.jobs, s.jobs = s.jobs[:0], a.jobs
	a.entries, s.entries = s.entries[:0], a.entries
	return s.jobs, s.entries
}

func (a *applier) work(ctx context.Context, jobs []applierJob, entries []Entry, chunk []Applied) error {
	for _, j := range jobs {
		if j.do != nil && ctx.Err() == nil {
			if err := j.do(); err != nil {
				return err
			}
		}
		for j.entries > 0 && ctx.Err() == nil {
			n := min(j.entries, applyChunk)
			began := a.group.host.now()
			results, err := a.machine.Apply(entries[:n], chunk)
			if err != nil {
				return err
			}
			m := a.group.loop.metrics
			m.Apply.observe(time.Duration(a.group.host.now() - began))
			addTo(&m.AppliedEntries, n)
			a.report(results)
			clear(results)
			a.backlog.Add(-int64(entriesSize(entries[:n])))
			entries, j.entries = entries[n:], j.entries-n
		}
	}
	return nil
}

// report adds to the results, and wakes the loop unless it has yet to come for earlier ones.
func (a *applier) report(results []Applied) {
	a.mu.Lock()
	a.results = append(a.results, results...)
	tell := !a.told
	a.told = true
	a.mu.Unlock()
	if tell {
		a.group.loop.mail.put(event{kind: eventApplied, group: a.group})
	}
}

// entriesSize is what entries count for in budgets.
func entriesSize(es []Entry) (n int) {
	for i := range es {
		n += es[i].Size()
	}
	return n
}
