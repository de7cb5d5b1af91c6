package consensus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Group is this host's member of one replicated log. Its methods may be called concurrently,
// on any member: what only the leader can do is forwarded to it, and its answer comes back. Those
// that wait must not be called from within the group's state machine.
//
// An error of a request is an ErrNotApplied or an ErrUnknown: see there.
type Group struct {
	id        GroupID
	host      *Host
	loop      *loop
	election  time.Duration // its timeout
	heartbeat time.Duration
	witness   bool // it has no state machine
	noForward bool

	applier *applier
	storing atomic.Pointer[storing] // nil before the first snapshot

	ctx    context.Context // done once the group has halted, with the cause
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // the goroutines of this group

	leadership atomic.Pointer[leadershipChange]

	// What follows is the loop's alone.
	replica   *Replica
	tickets   map[uint64]*ticket // by id: the requests that wait for an answer
	applied   []Applied          // the spare slice of applier.collect
	halted    bool
	dirty     bool
	told      bool   // the time, in this round
	quiet     bool   // the replica is not ticked: see quiet.go
	watched   NodeID // while it is quiet, the leader, if that is on another host
	seat      int    // while it is not, where in loop.awake
	failure   error  // GroupStatus.SnapshotError
	tracked   tracked
	held      int     // bytes that count in Host.memory
	shortened Instant // when a snapshot was asked for because of that, last
	condition condition
	end       *ending // once it has halted
}

// An ending is how a group stopped. It does not change any more once the group's ctx is done.
type ending struct {
	last    GroupStatus
	cause   error
	refusal error // what requests are answered
}

// A GroupStatus says how a member is doing.
type GroupStatus struct {
	Status
	// Applied is how far the state machine has got.
	Applied Index
	// SnapshotError is why storage could not take the last snapshot of it, or nil. Until the next
	// one succeeds the log grows.
	SnapshotError error
}

// Propose has the command cmd chosen and applied, and returns what the state machine answered. A
// nil error means that a quorum has it on disk. cmd belongs to the log from now on and must not be
// changed.
//
// While nobody leads, or the leader has as much in flight as it may, up to 1 MiB of proposals wait
// here, each within its ctx. One that is above that, or for which the state machine or the host's
// memory leaves no room, is answered ErrBusy at once.
//
// Propose does not retry, so it never applies cmd twice. Use a Session for retries.
func (g *Group) Propose(ctx context.Context, cmd []byte) (Result, error) {
	return g.request(ctx, event{kind: eventPropose, entry: EntryCommand, data: cmd})
}

// Read returns nil once this member's state machine may be read linearizably: it has applied
// everything that was acknowledged anywhere before Read was called. It writes nothing to the log.
func (g *Group) Read(ctx context.Context) error {
	_, err := g.request(ctx, event{kind: eventRead})
	return err
}

// Change makes members the whole membership, if the current one was set at the index expect:
// Status().MembersIndex, 0 for the founding one. It returns the index at which the new one is
// set, which is what the next Change expects. Members' Bound is filled in by the engine. Once it has
// returned nil a node that it removed is needed by nobody, and may be switched off.
func (g *Group) Change(ctx context.Context, members Members, expect Index) (Index, error) {
	if err := members.Validate(); err != nil {
		return 0, err
	}
	members = members.Clone()
	r, err := g.ask(ctx, func(id uint64) { g.replica.Change(id, members, expect) })
	return Index(r.Value), err
}

// Transfer hands leadership to the voter to, and returns once that has succeeded or failed.
// Proposals wait meanwhile. It is not forwarded: on a member that does not lead the error is a
// *NotLeaderError.
func (g *Group) Transfer(ctx context.Context, to NodeID) error {
	_, err := g.ask(ctx, func(id uint64) { g.replica.Transfer(id, to) })
	return err
}

// Status describes this member as it is now or, once it has stopped, as it was then.
func (g *Group) Status() GroupStatus {
	answer := make(chan GroupStatus, 1)
	if g.look(func() { answer <- g.status() }) {
		return <-answer
	}
	<-g.ctx.Done() // the loop is ending
	return g.end.last
}

// ID is the group's.
func (g *Group) ID() GroupID { return g.id }

// Done is closed when this member has stopped: Close was called on it or its host, or it stopped by itself.
func (g *Group) Done() <-chan struct{} { return g.ctx.Done() }

// Err is nil as long as this member runs, ErrClosed once it was closed, and an ErrStopped that
// wraps the cause if it stopped by itself.
func (g *Group) Err() error { return context.Cause(g.ctx) }

// Close stops this member, answers every request that waits here, and returns when nothing of it
// runs any more: it waits for the calls of the state machine and of storage that are under way.
// What it had acknowledged is durable, and Open continues there. The error is that of Err, unless
// it is ErrClosed.
func (g *Group) Close() error {
	g.look(func() { g.halt(ErrClosed) })
	<-g.ctx.Done()
	g.host.release(g)
	if err := g.Err(); err != ErrClosed {
		return err
	}
	return nil
}

// fail stops the group by itself, for the reason err.
func (g *Group) fail(err error) {
	err = because(ErrStopped, err)
	g.look(func() { g.halt(err) })
}

// run has f, which calls the state machine, run on a goroutine that Close waits for. One that the
// user's code ends (runtime.Goexit, as a failed assertion of a test does) stops the group.
func (g *Group) run(f func()) {
	g.work.Go(func() {
		returned := false
		defer func() {
			if !returned {
				g.fail(errGoexit)
			}
		}()
		f()
		returned = true
	})
}

var errGoexit = errors.New("the state machine ended the goroutine that called it")

// call has f run on the loop, unless the group has stopped by then.
func (g *Group) call(f func()) { g.loop.mail.put(event{kind: eventCall, group: g, call: f}) }

// look has f run on the loop, though the group may have stopped by then, and without waking it: f tells the
// replica nothing. It reports false if the loop is ending.
func (g *Group) look(f func()) bool {
	return g.loop.mail.put(event{kind: eventLook, group: g, call: f})
}

// handle does on the loop what an event says.
func (g *Group) handle(e *event) {
	if e.kind.asks() {
		e.ticket.began = g.loop.now
	}
	if g.halted {
		switch {
		case e.kind.asks():
			g.reply(e.ticket, answer{err: g.end.refusal})
		case e.kind == eventLook:
			e.call()
		}
		return
	}
	switch e.kind {
	case eventPropose:
		if g.full() {
			g.reply(e.ticket, answer{err: ErrBusy})
			return
		}
		g.hold(entryOverhead + len(e.data))
		g.replica.Propose(g.register(e.ticket), e.entry, e.data)
	case eventRead:
		g.replica.Read(g.register(e.ticket))
	case eventAsk:
		e.ask(g.register(e.ticket))
	case eventCancel:
		if g.tickets[e.ticket.id] == e.ticket {
			g.replica.Cancel(e.ticket.id)
		}
	case eventPersisted:
		g.replica.Persisted(e.seq)
		if s := g.storing.Load(); s != nil {
			s.slot.persisted(e.seq)
		}
	case eventApplied:
		g.applied = g.applier.collect(g.applied)
		g.replica.Applied(g.applied)
		clear(g.applied)
		if g.quiet {
			g.applied = nil
			g.applier.rest()
		}
	case eventCall, eventLook:
		e.call()
	}
}

// full reports whether so much waits to be applied, or is held, that no more entries should be taken in.
func (g *Group) full() bool {
	return g.applier.waiting()+g.replica.Waiting() > applyBacklog || g.isGreedy()
}

// pump lets the replica do what has become due, and publishes what everybody may see of it.
func (g *Group) pump() {
	if g.halted {
		return
	}
	g.replica.Pump()
	if s := g.storing.Load(); s != nil {
		s.slot.pumped()
	}
	g.publish()
	g.doze()
}

// halt ends the replica, on the loop: every request is answered, and the goroutines are told.
func (g *Group) halt(cause error) {
	if g.halted {
		return
	}
	g.end, g.halted = &ending{last: g.status(), cause: cause, refusal: cause}, true
	if cause != ErrClosed {
		g.end.refusal = because(ErrNotApplied, cause)
		g.log(slog.LevelError, "group stopped", errAttr(cause))
	} else {
		g.log(slog.LevelDebug, "group closed")
	}
	g.replica.Close()
	g.replica.Pump() // the answers
	g.resign()
	g.retrack(tracked{ignored: g.tracked.ignored, contradictions: g.tracked.contradictions})
	g.hold(-g.held)
	g.host.memory.groups.Add(-1)
	g.depart()
	delete(g.loop.groups, g.id)
	g.applier.stop()
	g.cancel(cause)
}

func (g *Group) status() GroupStatus {
	if g.halted {
		return g.end.last
	}
	return GroupStatus{Status: g.replica.Status(), Applied: g.replica.AppliedIndex(), SnapshotError: g.failure}
}

// A groupEnv is the Env of a group's replica. Its methods run on the loop.
type groupEnv struct{ g *Group }

func (e groupEnv) Now() Instant              { return e.g.host.now() }
func (e groupEnv) Apply(es []Entry)          { e.g.applier.apply(es) }
func (e groupEnv) Restore(meta SnapshotMeta) { e.g.restore(meta) }
func (e groupEnv) TakeSnapshot()             { e.g.takeSnapshot() }
func (e groupEnv) SendSnapshot(m Message)    { e.g.sendSnapshot(m) }
func (e groupEnv) Fetch(f Fetch)             { e.g.fetch(f) }

func (e groupEnv) Send(msgs []Message) { e.g.loop.send(msgs) }

func (e groupEnv) Write(w Write) {
	if s := e.g.storing.Load(); s != nil && w.Snapshot != nil {
		s.slot.adopted(&w)
	}
	e.g.host.writer.put(e.g, w)
}

func (e groupEnv) Done(id uint64, r Result, err error) { e.g.answer(id, r, err) }
