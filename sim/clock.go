package sim

import (
	"time"

	"github.com/consensus-go/consensus"
)

// A clock is the monotonic clock of one node: it begins anywhere, and runs a little fast or slow.
// Rates stay within 5 % of true, so that any two clocks differ by less than one part in eight,
// which leases rest on (consensus.Members.Lease).
type clock struct {
	since   int64             // world time
	reading consensus.Instant // then
	rate    int64             // a million is true
}

const trueRate = 1_000_000

// at is the reading at an instant of world time.
func (c *clock) at(now int64) consensus.Instant {
	return c.reading + consensus.Instant((now-c.since)/trueRate*c.rate+(now-c.since)%trueRate*c.rate/trueRate)
}

// set gives the clock another rate from now on.
func (c *clock) set(now, rate int64) { *c = clock{since: now, reading: c.at(now), rate: rate} }

// real is how long the clock takes to advance by d.
func (c *clock) real(d time.Duration) time.Duration {
	return d * trueRate / time.Duration(c.rate)
}
