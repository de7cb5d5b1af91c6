package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/consensus-go/consensus/sim"
)

// A bar shows on a terminal how far a campaign has got. It is told of one seed at a time.
type bar struct {
	out   io.Writer // nil if it is no terminal
	seeds int       // that there will be, or 0
	limit time.Duration
	began time.Time
	shown time.Time

	done   int
	failed int
	events uint64
}

// refresh is how often the bar is drawn, at most.
const refresh = 100 * time.Millisecond

func newBar(out io.Writer, seeds int, limit time.Duration) *bar {
	b := &bar{seeds: seeds, limit: limit, began: time.Now()}
	if isTerminal(out) {
		b.out = out
	}
	return b
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (b *bar) seed(r sim.Result) {
	b.done++
	b.events += r.Events
	if len(r.Violations) > 0 {
		b.failed++
	}
	if now := time.Now(); b.out != nil && now.Sub(b.shown) >= refresh {
		b.shown = now
		fmt.Fprintf(b.out, "\r%s\x1b[K", b.line(now.Sub(b.began)))
	}
}

// line is the bar after so much time: whichever of the seeds and the time is nearer its end.
func (b *bar) line(elapsed time.Duration) string {
	var part float64
	if b.limit > 0 {
		part = elapsed.Seconds() / b.limit.Seconds()
	}
	of := ""
	if b.seeds > 0 {
		part = max(part, float64(b.done)/float64(b.seeds))
		of = " of " + grouped(uint64(b.seeds))
	}
	const width = 30
	full := min(int(part*width), width)
	return fmt.Sprintf("[%s%s] %3.0f%%  %s%s seeds  %s events/s  %s",
		strings.Repeat("#", full), strings.Repeat(".", width-full), min(part, 1)*100,
		grouped(uint64(b.done)), of, grouped(uint64(perSecond(float64(b.events), elapsed))), verdict(b.failed))
}

// clear removes the bar, for what is printed next.
func (b *bar) clear() {
	if b.out != nil {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}

func verdict(violations int) string {
	switch violations {
	case 0:
		return "no violation"
	case 1:
		return "1 violation"
	}
	return grouped(uint64(violations)) + " violations"
}
