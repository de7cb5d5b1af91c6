package consensus

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// A loop runs the replicas of the groups whose id falls to it, in rounds. It never waits for a disk, a network or a
// user's code: those have goroutines of their own, and come back as events. So it matters to nobody on which goroutine
// a round runs: what comes alone while the loop rests, a message or a request, is done where it is, and the rest by the
// loop's own goroutine.
type loop struct {
	host    *Host
	mail    *mailbox
	metrics *Metrics // of its groups

	now    Instant // when the round began
	groups map[GroupID]*Group
	awake  []*Group // those that are not quiet, in any order
	dirty  []*Group // those that this round has told anything, each once
	out    []Message
	msgs   []Message
	events []event
	lean   int // ticks since more than a small burst had to be done in a round

	ticking  bool // the loop's own goroutine listens to its ticker; that alone writes it
	open     int  // requests that wait for an answer
	answers  int  // given in this round, and
	answered int  // in the latest one before that gave any
}

func newLoop(h *Host, mailbox int) *loop {
	return &loop{host: h, mail: newMailbox(mailbox), metrics: new(Metrics), groups: make(map[GroupID]*Group), ticking: true}
}

// run goes round until ctx is done; then every group of the loop stops with the cause.
func (l *loop) run(ctx context.Context) {
	ticker := time.NewTicker(l.host.cfg.TickInterval)
	defer ticker.Stop()
	for {
		tick := ticker.C
		if !l.ticking {
			tick = nil
		}
		select {
		case <-ctx.Done():
			if !l.mail.close() {
				<-l.mail.wake
			}
			l.round() // whoever was let in gets an answer
			for _, g := range l.groups {
				g.halt(context.Cause(ctx))
			}
			return
		case <-tick:
			if !l.mail.ring() {
				continue // who has the turn passes it on
			}
		case <-l.mail.wake:
			// Whoever can run does so first, and what they put in comes along. A loop that takes the first
			// of many callers who were just answered makes many small batches of them.
			runtime.Gosched()
		}
		l.round()
		l.ticking = l.needsTick()
		l.mail.leave(false)
	}
}

// here uses the turn, which the caller has, on the caller's own goroutine: what comes alone does not wait for another
// one to wake up.
func (l *loop) here() {
	defer die()
	l.round()
	l.mail.leave(l.needsTick() && !l.ticking)
}

// die ends the process after a panic, though the goroutine be one whose owner recovers from panics. What a
// round has left half done nobody may go on with.
func die() {
	if r := recover(); r != nil {
		go panic(fmt.Sprintf("%v\n\n%s", r, debug.Stack()))
		select {}
	}
}

// isAlone reports whether a request that comes now, to who has the turn, is the only one. If several were answered at
// once their callers are about to ask again.
func (l *loop) isAlone() bool { return l.open == 0 && l.answered <= 1 }

// fewRequests is how many may wait for an answer in a loop that is calm.
const fewRequests = 16

// isCalm reports whether messages that come now, to who has the turn, answer a few requests at most. If they answer many,
// it is better that whoever has read them reads on, and that the loop's own goroutine is about when all of them ask again.
func (l *loop) isCalm() bool { return l.open <= fewRequests }

// needsTick reports whether time matters to the loop: a group is awake, other hosts are to be watched, or there is
// memory to give back.
func (l *loop) needsTick() bool {
	return len(l.awake) > 0 || l == l.host.loops[0] || l.lean <= leanTicks || l.host.memory.short()
}

// round takes everything that has arrived, tells the replicas, and then pumps each of them once.
// The clock is read after the messages arrived, and a replica hears the time before its messages:
// what it then notes as the arrival of a heartbeat is not before it, however long this process
// was paused. Leases rest on that.
func (l *loop) round() {
	var tick bool
	l.msgs, l.events, tick = l.mail.take(l.msgs, l.events)
	l.now = l.host.now()
	if tick {
		l.relieve()
		if l == l.host.loops[0] {
			l.watchHosts()
			l.rouse()
		}
		for _, g := range l.awake {
			l.touch(g)
		}
	}
	for i := range l.msgs {
		m := &l.msgs[i]
		if m.Group == 0 {
			l.hearHost(m)
			continue
		}
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
		e := &l.events[i]
		switch {
		case e.group == nil:
			e.call()
			continue
		case e.group.halted || e.kind == eventLook:
		case e.kind == eventApplied && e.group.quiet: // no news to the engine
			l.mark(e.group)
		default:
			l.touch(e.group)
		}
		e.group.handle(e)
	}
	for _, g := range l.dirty {
		g.dirty, g.told = false, false
		g.pump()
	}
	if len(l.out) > 0 {
		l.host.cfg.Transport.Send(l.out)
	}
	if l.answers > 0 {
		l.answered, l.answers = l.answers, 0
	}
	l.tidy(tick)
}

// tidy empties what the round has used. What grew in a burst, and has not been of use for a while since, is
// given back.
func (l *loop) tidy(tick bool) {
	if len(l.msgs) > smallBurst || len(l.events) > smallBurst || len(l.out) > smallBurst {
		l.lean = 0
	} else if tick {
		l.lean++
	}
	lean := l.lean >= leanTicks
	l.msgs, l.events = emptied(l.msgs, lean), emptied(l.events, lean)
	l.out, l.dirty = emptied(l.out, lean), emptied(l.dirty, lean)
}

const (
	smallBurst = 256  // messages or events
	leanTicks  = 1000 // without more than that in one round
)

// emptied returns s without what was in it, or nil if it is large and lean asks for thrift.
func emptied[T any](s []T, lean bool) []T {
	if lean && cap(s) > smallBurst {
		return nil
	}
	clear(s)
	return s[:0]
}

// touch marks g as one to pump, and tells it the time, once a round. If it is quiet, it wakes.
func (l *loop) touch(g *Group) {
	l.mark(g)
	if !g.told {
		g.told = true
		g.wake()
		g.replica.Tick(l.now)
	}
}

func (l *loop) mark(g *Group) {
	if !g.dirty {
		g.dirty = true
		l.dirty = append(l.dirty, g)
	}
}

// send sends messages at the end of the round: those of all groups leave together.
func (l *loop) send(msgs []Message) {
	addTo(&l.metrics.MessagesSent, len(msgs))
	l.out = append(l.out, msgs...)
}
