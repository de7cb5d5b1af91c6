package consensus

import (
	"errors"
	"sync/atomic"
	"time"
)

// Metrics are numbers of a host, of all its groups together. Those that count do so since the host
// was started; the others tell what is now.
type Metrics struct {
	Proposals Requests // commands and session entries that were proposed on this host
	Reads     Requests

	Append       Histogram // calls of Storage.Append: each is one fsync, for all groups that write
	Writes       uint64    // done by them, and
	WrittenBytes uint64    // the bytes of their entries
	// AppendFor is for how long the present call has been under way; 0 if none is. A disk that is
	// stuck shows here, and in Append only when it is no longer.
	AppendFor time.Duration

	Apply          Histogram // what the state machines take for up to 64 entries at a time
	AppliedEntries uint64

	MessagesSent     uint64 // given to the transport
	MessagesReceived uint64 // taken from it
	MessagesDropped  uint64 // of those: for no group that is open here, or there was no room
	MessagesIgnored  uint64 // of those: malformed
	Contradictions   uint64 // of those: they contradict what is known to be chosen

	SnapshotsTaken      uint64 // of the state machines here, and stored
	SnapshotsFailed     uint64 // of those that storage could not take
	SnapshotsSent       uint64
	SnapshotsUnsent     uint64 // broken off, on either side
	SnapshotsReceived   uint64 // and stored
	SnapshotsUnreceived uint64 // refused, or broken off, on either side
	SnapshotsRestored   uint64 // of those received, put into the state machine

	Campaigns uint64 // a member here became a candidate
	Elected   uint64 // and the leader
	Deposed   uint64 // it led, and no longer does

	Groups  [Leader + 1]uint64 // that are open here, by the Role of the member
	Refused uint64             // of these: the membership is bound to another store: see Status.Refused
	Damaged uint64             // of these: see Status.Damaged

	LogRecordsLost uint64 // for which HostConfig.Logger was too slow

	LogBytes         uint64 // in memory
	UncommittedBytes uint64 // of these: proposed, and not committed and durable
	BacklogBytes     uint64 // committed, and not applied
	HeldBytes        uint64 // what counts for HostConfig.MemoryBudget, but for the mailboxes
}

// Requests are the answers to one kind of request, and how long those that succeeded took, from
// when the request reached its group until its answer.
type Requests struct {
	OK         uint64
	Busy       uint64 // ErrBusy
	NotApplied uint64 // any other ErrNotApplied
	Unknown    uint64 // the outcome is unknown, or its answer is no longer kept
	Latency    Histogram
}

func (r *Requests) count(err error, took time.Duration) {
	switch {
	case err == nil:
		addTo(&r.OK, 1)
		r.Latency.observe(took)
	case errors.Is(err, ErrBusy):
		addTo(&r.Busy, 1)
	case errors.Is(err, ErrNotApplied):
		addTo(&r.NotApplied, 1)
	default:
		addTo(&r.Unknown, 1)
	}
}

// addTo adds n to a number that others add to and read as well. Each loop counts in Metrics of its
// own, as does what serves the whole host, so that counting costs no more than that.
func addTo(p *uint64, n int) { atomic.AddUint64(p, uint64(n)) }

// Metrics returns the numbers as they are now.
func (h *Host) Metrics() Metrics {
	var m Metrics
	m.gather(h.metrics)
	for _, l := range h.loops {
		m.gather(l.metrics)
	}
	for _, g := range h.members() {
		m.Groups[g.leadership.Load().now.Role]++
	}
	m.HeldBytes = uint64(h.memory.held.Load())
	m.AppendFor = h.writer.busyFor()
	return m
}

// gather adds the numbers of from, of which others still count.
func (m *Metrics) gather(from *Metrics) {
	for i := range families {
		for _, s := range families[i].series {
			if s.number != nil {
				*s.number(m) += atomic.LoadUint64(s.number(from))
			} else {
				s.times(m).gather(s.times(from))
			}
		}
	}
}

// A tracked is what a group has counted of itself so far.
type tracked struct {
	log, uncommitted, backlog int
	ignored, contradictions   uint64
	refused, damaged          int // 1 if so
}

// track counts what has changed since the last time.
func (g *Group) track(s *Status) {
	now := tracked{
		log: s.LogBytes, uncommitted: s.Uncommitted, backlog: g.applier.waiting() + g.replica.Waiting(),
		ignored: s.Ignored, contradictions: s.Contradictions, refused: one(s.Refused), damaged: one(s.Damaged),
	}
	if now != g.tracked {
		g.retrack(now)
	}
	g.hold(g.holds(s) - g.held)
}

func (g *Group) retrack(now tracked) {
	m, was := g.loop.metrics, &g.tracked
	addTo(&m.LogBytes, now.log-was.log)
	addTo(&m.UncommittedBytes, now.uncommitted-was.uncommitted)
	addTo(&m.BacklogBytes, now.backlog-was.backlog)
	addTo(&m.MessagesIgnored, int(now.ignored-was.ignored))
	addTo(&m.Contradictions, int(now.contradictions-was.contradictions))
	addTo(&m.Refused, now.refused-was.refused)
	addTo(&m.Damaged, now.damaged-was.damaged)
	g.tracked = now
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
