package consensus

import "sync/atomic"

// Leadership is who leads a group, as one member knows it.
type Leadership struct {
	Role   Role
	Leader NodeID // 0 if unknown
	Term   Term
}

type leadershipChange struct {
	now  Leadership
	next atomic.Pointer[chan struct{}] // closed once there is a newer one; nil as long as nobody asked for it
}

// Leadership returns this member's role and who leads, and a channel that is closed at the next
// change. There is only ever the latest value, so a slow watcher misses what was in between, and
// holds up nobody. A member that has stopped is a follower of nobody. To watch:
//
//	for {
//		now, changed := g.Leadership()
//		...
//		select {
//		case <-changed:
//		case <-g.Done():
//			return
//		}
//	}
func (g *Group) Leadership() (Leadership, <-chan struct{}) {
	c := g.leadership.Load()
	if c.next.Load() == nil {
		next := make(chan struct{})
		c.next.CompareAndSwap(nil, &next)
	}
	return c.now, *c.next.Load()
}

// end closes next, also for those who have yet to ask for it.
func (c *leadershipChange) end() {
	if next := c.next.Swap(&closed); next != nil {
		close(*next)
	}
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// publish shows what the engine says now, if that is new.
func (g *Group) publish() {
	s := g.replica.Status()
	g.track(&s)
	g.logCondition(&s)
	g.announce(Leadership{Role: s.Role, Leader: s.Leader, Term: s.Term})
}

// resign shows that this member has stopped.
func (g *Group) resign() { g.announce(Leadership{Term: g.end.last.Term}) }

func (g *Group) announce(now Leadership) {
	before := g.leadership.Load()
	if before != nil && before.now == now {
		return
	}
	g.leadership.Store(&leadershipChange{now: now})
	if before != nil {
		before.end()
		g.loop.metrics.elections(before.now, now)
		g.logLeadership(before.now, now)
		g.host.watchers.tell(LeadershipEvent{Group: g.id, Leadership: now})
	}
}

// elections counts what a change says of elections.
func (m *Metrics) elections(before, now Leadership) {
	led := before.Role == Leader
	switch now.Role {
	case Candidate:
		addTo(&m.Campaigns, 1)
	case Leader:
		if !led || now.Term != before.Term {
			addTo(&m.Elected, 1)
		}
	}
	if led && (now.Role != Leader || now.Term != before.Term) {
		addTo(&m.Deposed, 1)
	}
}
