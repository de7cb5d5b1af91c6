package consensus

import (
	"context"
	"runtime"
	"time"
)

// A loop runs the replicas of the groups whose id falls to it. It never waits for a disk, a
// network or a user's code: those have goroutines of their own, and come back as events.
type loop struct {
	host    *Host
	mail    *mailbox
	metrics *Metrics // of its groups

	now    Instant // when the round began
	groups map[GroupID]*Group
	dirty  []*Group // those that this round has told anything, each once
	msgs   []Message
	events []event
}

func newLoop(h *Host, mailbox int) *loop {
	return &loop{host: h, mail: newMailbox(mailbox), metrics: new(Metrics), groups: make(map[GroupID]*Group)}
}

// run goes round until ctx is done; then every group of the loop stops with the cause.
func (l *loop) run(ctx context.Context) {
	ticker := time.NewTicker(l.host.cfg.TickInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			l.mail.close()
			l.round(false) // whoever was let in gets an answer
			for _, g := range l.groups {
				g.halt(context.Cause(ctx))
			}
			return
		case <-ticker.C:
			l.round(true)
		case <-l.mail.wake:
			// Whoever can run does so first, and what they put in comes along. A loop that takes the first
			// of many callers who were just answered makes many small batches of them.
			runtime.Gosched()
			l.round(false)
		}
	}
}

// round takes everything that has arrived, tells the replicas, and then pumps each of them once.
// The clock is read after the messages arrived, and a replica hears the time before its messages:
// what it then notes as the arrival of a heartbeat is not before it, however long this process
// was paused. Leases rest on that.
func (l *loop) round(tick bool) {
	l.msgs, l.events = l.mail.take(l.msgs, l.events)
	l.now = l.host.now()
	if tick {
		l.relieve()
		for _, g := range l.groups {
			l.touch(g)
		}
	}
	for i := range l.msgs {
		m := &l.msgs[i]
		g := l.groups[m.Group]
		if g == nil || len(m.Entries) > 0 && g.full() {
			addTo(&l.metrics.MessagesDropped, 1)
			continue
		}
		g.hold(entriesSize(m.Entries))
		l.touch(g)
		g.replica.Deliver(m)
	}
	for i := range l.events {
		g := l.events[i].group
		if !g.halted {
			l.touch(g)
		}
		g.handle(&l.events[i])
	}
	for _, g := range l.dirty {
		g.dirty = false
		g.pump()
	}
	clear(l.msgs)
	clear(l.events)
	clear(l.dirty)
	l.dirty = l.dirty[:0]
}

// touch marks g as one to pump, and tells it the time, once a round.
func (l *loop) touch(g *Group) {
	if !g.dirty {
		g.dirty = true
		l.dirty = append(l.dirty, g)
		g.replica.Tick(l.now)
	}
}
