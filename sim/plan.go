package sim

import (
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// A plan is what one seed draws before it begins: sizes, timings, probabilities (in 1/parts),
// and the constants of the engine itself. Odd values find bugs that sensible ones hide.
type plan struct {
	founders, spares int
	witness          bool          // the last founder is a witness
	commitQuorum     int           // 0: more than half
	lease            time.Duration // 0: reads have no lease
	length           time.Duration // of the part with faults
	operations       int           // the part with faults goes on until so many were begun

	election, heartbeat, tick time.Duration
	maxMessage, maxInflight   int
	snapshotSize              int // 0: no snapshots
	retention                 int // entries that storage keeps below its snapshot
	segment, sector           int // of a real disk, in bytes
	limits                    consensus.SessionLimits
	retry                     time.Duration // of the replica
	noForward                 bool

	near, wide        time.Duration // message delay: from near to wide
	loss, twice, late int           // messages lost, doubled, and delayed with a heavy tail
	batch             bool          // what arrives at nearly the same time is pumped once
	fsync             time.Duration // mean time of a write
	apply             time.Duration // mean time to apply; 0: at once
	drift             int           // clocks run fast or slow by at most so many parts in a million

	clients, keys                 int
	think, timeout                time.Duration
	reads, swaps, sessions, stick int
	padding                       int // bytes added to a command, at most
	lull                          int // an answer is followed by a lull
	closes, echoes                int // sessions closed after an answer, and commands sent again

	faultEvery, dwell time.Duration
	faults            [faults]int // how likely each is, relative to the others
	hunt              int         // a leader is struck at a bad moment
	meddle            int         // one that was just elected is asked for another membership
	hold              int         // messages held back while a hoarder is about
}

const (
	maxFounders = 9
	maxSpares   = 3
	maxNodes    = maxFounders + maxSpares

	maxPadding = 60
	oneEntry   = 100 + maxPadding // what the largest command weighs as an entry, nearly
)

// draw makes the plan of a seed.
func (d dice) draw(o *Options) plan {
	p := d.shape(o)
	d.engine(&p)
	d.weather(&p)
	d.load(&p)
	p.faults = d.mixture(o.Profile)
	p.faultEvery = d.between(ChooseOptions, time.Second, 8*time.Second)
	p.dwell = d.between(ChooseOptions, 200*time.Millisecond, 2*time.Second)
	p.hunt, p.meddle = d.oneOf(0, 0, 5, 10, 20), 150
	p.hold = d.oneOf(100, 300, 700)
	switch d.mood(o.Profile) {
	case Calm:
		p.loss, p.twice, p.late, p.hunt, p.drift = 0, 0, 0, 0, 0
	case Hoarder:
		p.hunt, p.hold = 300, 700
		p.faults[faultHoard] += 8
		p.dwell = max(p.dwell, 2*p.election)
		p.faultEvery = max(p.faultEvery/4, p.dwell/3)
	case Crashes:
		p.hunt = 300
		p.faultEvery = max(p.faultEvery/4, p.dwell/3)
	case Storm:
		d.storm(&p)
	case Leases:
		d.leases(&p)
		if o.Rules == PaxosRules && p.founders >= 4 { // as few as may be elect, so that many must confirm
			p.commitQuorum = d.oneOf(0, p.founders-1)
		}
	case Upheaval:
		d.storm(&p)
		p.hunt, p.meddle, p.snapshotSize = d.oneOf(100, 300), 500, d.oneOf(0, 600)
		p.spares, p.operations = d.among(ChooseOptions, 1, maxSpares), 100
	}
	p.lull = d.oneOf(0, 10, 30)
	if o.Profile == Storm {
		p.founders, p.spares, p.witness, p.operations = 5, 0, false, 50
		p.commitQuorum = min(p.commitQuorum, 4)
	}
	if o.Storage {
		p.segment, p.sector = d.oneOf(1000, 4000, 20_000, 100_000), d.oneOf(64, crashfs.Sector)
	}
	if o.For != 0 {
		p.length = o.For
	}
	return p
}

// mood is what a seed is like. Some seeds of the swarm are as bad as those of other profiles.
func (d dice) mood(p Profile) Profile {
	if p == Swarm {
		return Profile(d.oneOf(int(Swarm), int(Swarm), int(Swarm), int(Swarm), int(Swarm), int(Crashes), int(Hoarder), int(Storm)))
	}
	return p
}

func (d dice) oneOf(values ...int) int { return values[d.Choose(ChooseOptions, len(values))] }

// shape draws who there is, and for how long.
func (d dice) shape(o *Options) plan {
	p := plan{
		founders:   d.oneOf(3, 3, 3, 4, 5, 5, 5, 6, 7),
		spares:     d.oneOf(0, 0, 1, 2),
		witness:    d.chance(ChooseOptions, 150),
		length:     d.between(ChooseOptions, 30*time.Second, 40*time.Second),
		operations: 200,
	}
	if o.Profile == Churn {
		p.spares = d.among(ChooseOptions, 1, maxSpares)
	}
	if o.Nodes != 0 {
		p.founders = o.Nodes
	}
	p.witness = p.witness && p.founders >= 3
	if o.Rules == PaxosRules && p.founders >= 4 && d.chance(ChooseOptions, 250) {
		p.commitQuorum = d.among(ChooseOptions, 2, p.founders-1)
	}
	return p
}

// engine draws the engine's own constants.
func (d dice) engine(p *plan) {
	p.election = d.between(ChooseOptions, time.Second, 2*time.Second)
	p.heartbeat = p.election / time.Duration(d.among(ChooseOptions, 4, 8))
	p.tick = p.heartbeat / time.Duration(d.among(ChooseOptions, 2, 4))
	p.maxMessage = d.oneOf(oneEntry, oneEntry, 2*oneEntry, 1000, 0)
	p.maxInflight = d.oneOf(1, 300, 2000, 0)
	p.snapshotSize = d.oneOf(0, 600, 1500, 4000, 15000)
	p.retention = d.oneOf(0, 10, 100, 1000)
	p.retry = p.election * time.Duration(d.oneOf(1, 2, 4)) / 2
	p.noForward = d.chance(ChooseOptions, 100)
	if d.chance(ChooseOptions, 300) {
		p.lease = p.election * time.Duration(d.among(ChooseOptions, 2, 8)) / 8
	}
}

// weather draws how network, disks and clocks are on an ordinary day.
func (d dice) weather(p *plan) {
	p.near = d.between(ChooseOptions, 200*time.Microsecond, 5*time.Millisecond)
	p.wide = p.near * time.Duration(d.oneOf(1, 2, 5, 20))
	p.loss = d.oneOf(0, 0, 5, 30, 100)
	p.twice = d.oneOf(0, 5, 30, 150)
	p.late = d.oneOf(0, 5, 30, 150)
	p.batch = d.chance(ChooseOptions, 512)
	p.fsync = d.between(ChooseOptions, 50*time.Microsecond, 4*time.Millisecond) * time.Duration(d.oneOf(1, 1, 1, 10))
	if d.chance(ChooseOptions, 400) {
		p.apply = d.between(ChooseOptions, 100*time.Microsecond, 20*time.Millisecond)
	}
	p.drift = d.oneOf(0, 1000, 50_000)
}

// load draws what the clients do.
func (d dice) load(p *plan) {
	p.clients = d.among(ChooseOptions, 3, 8)
	p.keys = d.among(ChooseOptions, 3, 6)
	p.think = time.Duration(p.clients) * d.between(ChooseOptions, 60*time.Millisecond, 150*time.Millisecond)
	p.timeout = p.election * time.Duration(d.among(ChooseOptions, 1, 3))
	p.reads = d.oneOf(100, 300, 500)
	p.swaps = d.oneOf(50, 200)
	p.sessions = d.oneOf(0, 300, 1024)
	p.limits = consensus.SessionLimits{
		Sessions: d.oneOf(consensus.MaxSessions, consensus.MaxSessions, 2, 5), Answers: d.oneOf(consensus.MaxAnswers, consensus.MaxAnswers, 1, 2),
		SessionBytes: d.oneOf(consensus.MaxSessionBytes, consensus.MaxSessionBytes, 3*answerOverhead, 6*answerOverhead),
	}
	p.closes, p.echoes = d.oneOf(0, 50, 200), d.oneOf(0, 100, 400)
	p.stick = d.oneOf(200, 900)
	p.padding = d.oneOf(0, 20, maxPadding)
}

// leases makes reads rest, mostly, on leases that last nearly as long as it takes to notice that a leader is gone.
func (d dice) leases(p *plan) {
	p.lease = p.election * time.Duration(d.oneOf(0, 5, 7, 8, 8)) / 8
	p.heartbeat = p.election / time.Duration(d.oneOf(4, 4, 8))
	p.tick = p.heartbeat / 4
	p.loss, p.drift = d.oneOf(0, 30, 100), d.oneOf(0, 50_000)
	p.near, p.wide, p.late = min(p.near, time.Millisecond), 5*time.Millisecond, 0
	p.faultEvery = 4 * p.election
	p.reads = 300
}

// storm makes elections follow one another so fast that few entries get through.
func (d dice) storm(p *plan) {
	p.election = d.between(ChooseOptions, 150*time.Millisecond, 400*time.Millisecond)
	p.heartbeat = p.election / 4
	p.tick = p.heartbeat / 2
	p.lease = 0
	p.maxMessage, p.snapshotSize = oneEntry, 0
	p.near, p.wide = 5*time.Millisecond, p.election/time.Duration(d.among(ChooseOptions, 2, 6))
	p.late, p.twice, p.loss = 150, 100, 60
	p.think *= 3
	p.timeout, p.retry = 3*p.election, p.election
	p.faultEvery, p.dwell = p.election, 2*p.election
	p.hunt, p.hold = 500, 500
}
