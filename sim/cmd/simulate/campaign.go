package main

import (
	"context"
	"io"
	"math"
	"slices"
	"time"

	"github.com/consensus-go/consensus/sim"
)

// batch is how many seeds are run by one sim.Campaign, which keeps what each came to.
const batch = 1 << 14

// A report is what a campaign of any length came to.
type report struct {
	sim.Report
	interrupted bool // by the user; having run out of time is no interruption
}

// campaign runs o.Seeds seeds, or any number of them if that is 0, until they are done, the
// limit is over (0: there is none), or ctx is done. Progress goes to stderr if that is a terminal.
func campaign(ctx context.Context, o sim.Options, limit time.Duration, stderr io.Writer) (report, error) {
	limited := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	bar := newBar(stderr, o.Seeds, limit)
	defer bar.clear()
	o.Progress = bar.seed

	left := o.Seeds
	if left == 0 {
		left = math.MaxInt
	}
	var sum report
	for left > 0 && limited.Err() == nil && !(o.FirstOnly && len(sum.Violations) > 0) {
		o.Seeds = min(left, batch)
		r, err := sim.Campaign(limited, o)
		if err != nil {
			return sum, err
		}
		sum.add(&r)
		o.Seed += uint64(o.Seeds)
		left -= o.Seeds
	}
	sum.interrupted = ctx.Err() != nil
	return sum, nil
}

// add adds what the next seeds came to. A mark is cold if it is so in all of them.
func (r *report) add(next *sim.Report) {
	if r.Seeds == 0 {
		r.Cold = next.Cold
	}
	r.Cold = slices.DeleteFunc(r.Cold, func(m string) bool { return !slices.Contains(next.Cold, m) })
	r.Seeds += next.Seeds
	r.Events += next.Events
	r.Simulated += next.Simulated
	r.Messages += next.Messages
	r.Crashes += next.Crashes
	r.Partitions += next.Partitions
	r.Elections += next.Elections
	r.Commits += next.Commits
	r.Reads += next.Reads
	r.ConfigChanges += next.ConfigChanges
	r.Snapshots += next.Snapshots
	r.Operations += next.Operations
	for m := range next.Marks {
		r.Marks[m] += next.Marks[m]
	}
	r.Violations = append(r.Violations, next.Violations...)
	r.Wall += next.Wall
}
