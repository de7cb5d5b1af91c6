package consensus

import "sync/atomic"

// A memory is the budget of a host in bytes, for what all of its groups hold: their logs in memory,
// what waits to be applied or restored, and proposals that wait for a leader.
//
// A quarter is the mailboxes'. Half is for whichever group needs it. The last quarter is shared out
// evenly, and a group that holds less than its share may always hold more: so one whose state
// machine is stuck, or whose followers are, uses up the half, and holds up no other group.
//
// A group above its share, when the half is used up, refuses proposals with ErrBusy, does not take in
// entries from its leader, and takes a snapshot to shorten its log.
type memory struct {
	budget int64
	held   atomic.Int64
	groups atomic.Int64 // that run
}

// mailbox is how many bytes of messages may wait for each of n loops.
func (m *memory) mailbox(n int) int { return int(min(m.budget/4/int64(n), mailboxBytes)) }

// short reports whether more is held than is for everybody to take.
func (m *memory) short() bool { return m.held.Load() > m.budget/2 }

// share is what a group may hold in any case.
func (m *memory) share() int64 { return m.budget / 4 / max(m.groups.Load(), 1) }

// hold notes that the group holds n bytes more. What a round takes in is counted at once, and put
// right when the group was pumped.
func (g *Group) hold(n int) {
	if n != 0 {
		g.held += n
		g.host.memory.held.Add(int64(n))
	}
}

// holds is what the group holds now. What waits to be applied is in the log as well, unless a
// received snapshot has taken the log's place.
func (g *Group) holds(s *Status) int {
	return max(s.LogBytes, g.applier.waiting()) + g.replica.Waiting() + g.replica.Parked()
}

// isGreedy reports whether the group holds more than it may now.
func (g *Group) isGreedy() bool {
	m := &g.host.memory
	return m.short() && int64(g.held) > m.share()
}

// relieve has the groups of the loop that hold more than they may shorten their logs.
func (l *loop) relieve() {
	if !l.host.memory.short() {
		return
	}
	for _, g := range l.groups {
		if g.isGreedy() {
			g.shorten()
			l.mark(g)
		}
	}
}

// rouse has the other loops tick while memory is short, though their groups be all quiet: see loop.needsTick.
func (l *loop) rouse() {
	if l.host.memory.short() {
		for _, o := range l.host.loops {
			if o != l && o.mail.ring() {
				o.mail.pass()
			}
		}
	}
}

// shorten has a snapshot taken if half of the log could go with it. While storage has no room for
// snapshots that is tried once in an election timeout.
func (g *Group) shorten() {
	if g.failure != nil && g.loop.now-g.shortened < Instant(g.election) {
		return
	}
	s := g.replica.Status()
	applied := g.replica.AppliedIndex()
	if applied > s.Snapshot && 2*(applied-s.Snapshot) >= s.Last-s.Snapshot {
		g.shortened = g.loop.now
		g.replica.Compact()
	}
}
