package sim

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// Campaign runs the seeds from o.Seed on, o.Seeds of them, on all processors, until they are
// done or ctx is. This file has the only goroutines of the package: each runs whole seeds, and
// what they come to is put together in the order of the seeds.
func Campaign(ctx context.Context, o Options) (Report, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return Report{}, err
	}
	began := time.Now()
	// A world is small, and its garbage is not: with the usual setting a third of the time would go
	// into collecting it.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	workers := o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	c := campaign{options: o, ctx: ctx, results: make([]Result, o.Seeds), done: make([]bool, o.Seeds), end: o.Seeds}
	var wait sync.WaitGroup
	for range min(workers, o.Seeds) {
		wait.Go(c.work)
	}
	wait.Wait()
	report := c.report()
	report.Wall = time.Since(began)
	return report, nil
}

type campaign struct {
	options Options
	ctx     context.Context

	mu      sync.Mutex
	next    int // of the seeds not begun
	end     int // seeds at or after it are left out
	results []Result
	done    []bool
}

// work runs seeds until none is left, in one world that it uses again and again.
func (c *campaign) work() {
	w := new(World)
	for {
		i, ok := c.take()
		if !ok {
			return
		}
		o := c.options
		o.Seed += uint64(i)
		c.finish(i, w.run(o))
	}
}

func (c *campaign) take() (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next >= c.end || c.ctx.Err() != nil {
		return 0, false
	}
	c.next++
	return c.next - 1, true
}

func (c *campaign) finish(i int, r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results[i], c.done[i] = r, true
	if len(r.Violations) > 0 && c.options.FirstOnly {
		c.end = min(c.end, i+1)
	}
	if c.options.Progress != nil {
		c.options.Progress(r)
	}
}

// report adds up the results, by seed. Seeds that ran although an earlier one ended the campaign
// do not count: who ran them is a matter of timing.
func (c *campaign) report() Report {
	var r Report
	for i := range c.end {
		if !c.done[i] {
			continue
		}
		one := &c.results[i]
		r.Seeds++
		r.Counters.add(&one.Counters)
		r.Violations = append(r.Violations, one.Violations...)
		r.Digest = mix(r.Digest ^ one.Digest)
	}
	for _, m := range c.options.marks() {
		if r.Marks[m] == 0 {
			r.Cold = append(r.Cold, m.String())
		}
	}
	return r
}
