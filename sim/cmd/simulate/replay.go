package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/consensus-go/consensus/sim"
)

// replay is the command that runs one seed again.
func replay(_ context.Context, args []string, stdout, _ io.Writer) (int, error) {
	fs := flag.NewFlagSet("replay", flag.ContinueOnError)
	var c common
	c.register(fs)
	var seed uint64
	var length time.Duration
	var trace bool
	fs.Uint64Var(&seed, "seed", 1, "the seed")
	fs.DurationVar(&length, "for", 0, "the simulated time with faults (default: drawn by the seed)")
	fs.BoolVar(&trace, "trace", false, "print a line for each transition")
	if err := parse(fs, args, stdout); err != nil {
		return exitUsage, err
	}
	o, err := c.options()
	if err != nil {
		return exitUsage, err
	}
	o.Seed, o.For = seed, length
	if err := check(o); err != nil {
		return exitUsage, err
	}
	out := bufio.NewWriter(stdout)
	defer out.Flush() // what led to a panic, too
	if trace {
		o.Trace = out
	}
	began := time.Now()
	result, err := sim.Simulate(o)
	if err != nil {
		return exitUsage, err
	}
	r := report{Report: sim.Report{Seeds: 1, Counters: result.Counters, Violations: result.Violations, Wall: time.Since(began)}}
	if trace {
		fmt.Fprintln(out)
	}
	if err := printReport(out, o, r); err != nil {
		return exitFound, err
	}
	fmt.Fprintf(out, "digest %016x\n", result.Digest)
	if err := out.Flush(); err != nil || r.Failed() {
		return exitFound, err
	}
	return exitClean, nil
}
