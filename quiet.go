package consensus

import "sync"

// A hostWatch is the Detector of a host, which all its loops use. The first loop drives it.
type hostWatch struct {
	mu       sync.Mutex
	detector *Detector
	out      []Message
	lost     []NodeID
}

// watchHosts asks other hosts what is due, and has the loops wake the quiet groups whose leader's host is
// lost.
func (l *loop) watchHosts() {
	w := &l.host.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = w.detector.Tick(l.now, w.out[:0])
	l.send(w.out)
	w.lost = w.detector.Lost(l.now, w.lost[:0])
	for _, id := range w.lost {
		for _, o := range l.host.loops {
			o.mail.put(event{kind: eventCall, call: func() { o.wakeFollowers(id) }})
		}
	}
}

// hearHost takes a message that is for no group.
func (l *loop) hearHost(m *Message) {
	if m.Kind != KindHostHeartbeat && m.Kind != KindHostHeartbeatReply {
		addTo(&l.metrics.MessagesDropped, 1)
		return
	}
	w := &l.host.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = w.detector.Deliver(m, l.now, w.out[:0])
	l.send(w.out)
}

// wakeFollowers wakes the quiet groups of the loop that leader leads.
func (l *loop) wakeFollowers(leader NodeID) {
	for _, g := range l.groups {
		if g.quiet && g.watched == leader {
			l.touch(g)
		}
	}
}

// doze has g go quiet if it may: it is not ticked any more, and keeps no memory that it can make again.
func (g *Group) doze() {
	if !g.replica.Rest() || g.quiet {
		return
	}
	l := g.loop
	l.unseat(g)
	g.quiet, g.applied = true, nil
	if len(g.tickets) == 0 {
		g.tickets = nil
	}
	g.applier.rest()
	if now := g.leadership.Load().now; now.Role != Leader {
		g.watched = now.Leader
		w := &g.host.watch
		w.mu.Lock()
		defer w.mu.Unlock()
		w.detector.Watch(g.watched, g.heartbeat, g.election, l.now)
	}
}

// wake has g go on.
func (g *Group) wake() {
	if g.quiet {
		heard := g.stir()
		g.loop.seat(g)
		g.replica.Wake(g.loop.now, heard)
	}
}

// stir ends the quiet of g as far as the host is concerned, and returns when the leader's host was last
// known to be alive.
func (g *Group) stir() (heard Instant) {
	g.quiet = false
	if g.watched == 0 {
		return g.loop.now
	}
	w := &g.host.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	heard = w.detector.Heard(g.watched)
	w.detector.Unwatch(g.watched)
	g.watched = 0
	return heard
}

// depart is when g stops. Members that are quiet, which a leader may be the last to become, learn from this host
// alone that the one whom they follow is gone.
func (g *Group) depart() {
	if g.quiet {
		g.stir()
	} else {
		g.loop.unseat(g)
	}
	if leader := g.end.last.Leader; leader == 0 || leader == g.host.cfg.ID {
		w := &g.host.watch
		w.mu.Lock()
		defer w.mu.Unlock()
		w.detector.Renew()
	}
}

// seat adds g to the groups that are ticked, and unseat takes it away.
func (l *loop) seat(g *Group) {
	g.seat = len(l.awake)
	l.awake = append(l.awake, g)
}

func (l *loop) unseat(g *Group) {
	n := len(l.awake) - 1
	last := l.awake[n]
	l.awake[g.seat], last.seat = last, g.seat
	l.awake[n] = nil
	l.awake = l.awake[:n]
}
