package sim

import "time"

// Counters say what a run, or a campaign, exercised.
type Counters struct {
	Events        uint64        // things that happened to one replica; idle ticks don't count
	Simulated     time.Duration // virtual time
	Messages      uint64        // sent
	Crashes       uint64
	Partitions    uint64 // of every shape
	Elections     uint64 // leaders that came to be
	Commits       uint64 // positions committed
	Reads         uint64 // linearizable reads that were answered
	ConfigChanges uint64 // memberships that came into force and were committed
	Snapshots     uint64 // taken, or installed
	Operations    uint64 // clients' requests that were begun
	Marks         Marks
}

// A Violation is a property that did not hold.
type Violation struct {
	Seed     uint64 `json:"seed"`
	Property string `json:"property"` // its short name
	Detail   string `json:"detail"`   // what was seen, and when
	Replay   string `json:"replay"`   // the command that shows it again
}

// A Result is what one seed came to.
type Result struct {
	Seed uint64
	Counters
	Violations []Violation // a run ends at the first event that violates anything
	Digest     uint64      // of every event in order: two runs of one seed have the same
}

// A Report is what a campaign came to. Apart from Wall it does not depend on the number of
// workers or on the machine.
type Report struct {
	Seeds int // that ran
	Counters
	Violations []Violation // by seed
	Cold       []string    // marks that no seed reached, of those that the profile should
	Digest     uint64      // of the digests by seed
	Wall       time.Duration
}

// EnoughSeeds is how many seeds a campaign must have before a cold mark fails it.
const EnoughSeeds = 2000

// Failed reports whether the campaign found a violation, or was long enough for a cold mark to
// be one.
func (r *Report) Failed() bool {
	return len(r.Violations) > 0 || len(r.Cold) > 0 && r.Seeds >= EnoughSeeds
}

func (c *Counters) add(o *Counters) {
	c.Events += o.Events
	c.Simulated += o.Simulated
	c.Messages += o.Messages
	c.Crashes += o.Crashes
	c.Partitions += o.Partitions
	c.Elections += o.Elections
	c.Commits += o.Commits
	c.Reads += o.Reads
	c.ConfigChanges += o.ConfigChanges
	c.Snapshots += o.Snapshots
	c.Operations += o.Operations
	for m := range o.Marks {
		c.Marks[m] += o.Marks[m]
	}
}
