package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/consensus-go/consensus/sim"
)

// shown is how many violations are printed in full; -json has them all.
const shown = 5

// printReport prints what was exercised and, last, what came of it.
func printReport(out io.Writer, o sim.Options, r report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, profile %v, %s from %d on\n\n", o.Name, o.Profile, count(r.Seeds, "seed"), o.Seed)
	row := func(name string, n uint64) { fmt.Fprintf(&b, "%-24s %15s\n", name, grouped(n)) }
	rate := func(name string, n uint64) {
		fmt.Fprintf(&b, "%-24s %15s %15s per second\n", name, grouped(n), grouped(uint64(perSecond(float64(n), r.Wall))))
	}
	rate("events", r.Events)
	rate("simulated seconds", uint64(r.Simulated.Seconds()))
	row("messages", r.Messages)
	row("crashes", r.Crashes)
	row("partitions", r.Partitions)
	row("elections", r.Elections)
	row("commits", r.Commits)
	row("reads", r.Reads)
	row("configuration changes", r.ConfigChanges)
	row("snapshots", r.Snapshots)
	printMarks(&b, &r.Marks)
	printViolations(&b, r.Violations)
	printVerdict(&b, &r)
	_, err := io.WriteString(out, b.String())
	return err
}

func printMarks(b *strings.Builder, marks *sim.Marks) {
	fmt.Fprintf(b, "\nsituations reached\n")
	for m, n := range marks {
		if n > 0 {
			fmt.Fprintf(b, "  %-42s %12s\n", sim.Mark(m), grouped(n))
		}
	}
}

func printViolations(b *strings.Builder, vs []sim.Violation) {
	for i, v := range vs {
		if i == shown {
			fmt.Fprintf(b, "\nand %d more\n", len(vs)-shown)
			return
		}
		fmt.Fprintf(b, "\nVIOLATION of %s, seed %d\n  %s\n  %s\n", v.Property, v.Seed,
			strings.ReplaceAll(strings.TrimSpace(v.Detail), "\n", "\n  "), v.Replay)
	}
}

func printVerdict(b *strings.Builder, r *report) {
	if cold := strings.Join(r.Cold, ", "); cold != "" {
		fmt.Fprintf(b, "\nnever reached: %s\n", cold)
		if len(r.Violations) == 0 && r.Failed() {
			fmt.Fprintf(b, "That fails a campaign of %s seeds or more: what is never reached is not tested.\n", grouped(sim.EnoughSeeds))
		}
	}
	end := ""
	if r.interrupted {
		end = ", interrupted"
	}
	fmt.Fprintf(b, "\n%s in %v%s: %s\n", count(r.Seeds, "seed"), r.Wall.Round(10*time.Millisecond), end, verdict(len(r.Violations)))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(uint64(n)) + " " + what + "s"
}

// grouped is n with a comma between thousands.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
