package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/consensus-go/consensus/sim"
)

// run is the command that simulates many seeds.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	var c common
	c.register(fs)
	var seeds int
	var start uint64
	var limit time.Duration
	var first, asJSON bool
	fs.IntVar(&seeds, "seeds", 1000, "how many seeds to run, from -start on")
	fs.Uint64Var(&start, "start", 1, "the first seed")
	fs.DurationVar(&limit, "for", 0, "run until this much time is up, or -seeds are done if that is given")
	fs.BoolVar(&first, "first", false, "stop at the first violation")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	if err := parse(fs, args, stdout); err != nil {
		return exitUsage, err
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })

	o, err := c.options()
	switch {
	case err != nil:
		return exitUsage, err
	case seeds < 1:
		return exitUsage, wrong("seeds", seeds, "must be at least 1")
	case given["for"] && limit <= 0:
		return exitUsage, wrong("for", limit, "must be above 0")
	}
	o.Seed, o.Seeds, o.FirstOnly = start, seeds, first
	if given["for"] && !given["seeds"] {
		o.Seeds = 0 // no end but the time's
	}
	if err := check(o); err != nil {
		return exitUsage, err
	}
	r, err := campaign(interruptible(ctx), o, limit, stderr)
	if err != nil {
		return exitUsage, err
	}
	if asJSON {
		err = json.NewEncoder(stdout).Encode(summary(o, &r.Report))
		if r.Failed() && len(r.Violations) == 0 {
			fmt.Fprintln(stderr, "simulate run: never reached:", strings.Join(r.Cold, ", "))
		}
	} else {
		err = printReport(stdout, o, r)
	}
	if err != nil || r.Failed() {
		return exitFound, err
	}
	return exitClean, nil
}

// A Summary is what -json prints.
type Summary struct {
	Protocol      string            `json:"protocol"`
	Seeds         int               `json:"seeds"`
	Events        uint64            `json:"events"`
	SimulatedS    float64           `json:"simulated_s"`
	WallS         float64           `json:"wall_s"`
	EventsPerS    float64           `json:"events_per_s"`
	Messages      uint64            `json:"messages"`
	Crashes       uint64            `json:"crashes"`
	Partitions    uint64            `json:"partitions"`
	Elections     uint64            `json:"elections"`
	Commits       uint64            `json:"commits"`
	Reads         uint64            `json:"reads"`
	ConfigChanges uint64            `json:"config_changes"`
	Snapshots     uint64            `json:"snapshots"`
	Marks         map[string]uint64 `json:"marks"`
	Violations    []sim.Violation   `json:"violations"`
}

func summary(o sim.Options, r *sim.Report) Summary {
	s := Summary{
		Protocol: o.Name, Seeds: r.Seeds, Events: r.Events,
		SimulatedS: r.Simulated.Seconds(), WallS: r.Wall.Seconds(), EventsPerS: perSecond(float64(r.Events), r.Wall),
		Messages: r.Messages, Crashes: r.Crashes, Partitions: r.Partitions, Elections: r.Elections, Commits: r.Commits,
		Reads: r.Reads, ConfigChanges: r.ConfigChanges, Snapshots: r.Snapshots, Marks: r.Marks.Named(), Violations: r.Violations,
	}
	if s.Violations == nil {
		s.Violations = []sim.Violation{} // an empty list, not null
	}
	return s
}

func perSecond(n float64, wall time.Duration) float64 {
	if wall <= 0 {
		return 0
	}
	return n / wall.Seconds()
}
