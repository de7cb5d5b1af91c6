package consensus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// logQueue is how many records may wait for the handler of the user's logger.
const logQueue = 256

// slowAppend is how long Storage.Append may take before that is logged.
const slowAppend = time.Second

// A logger hands records to the user's slog.Handler, on a goroutine of its own: a handler is the
// user's code, and may block, so it must hold up nothing. What it has no room for is lost, and
// counted.
type logger struct {
	handler slog.Handler
	metrics *Metrics
	queue   chan slog.Record
	last    sync.Once     // closes done
	done    chan struct{} // nothing more will be logged
	ended   chan struct{} // everything was handed over
}

// newLogger starts a logger of that node.
func newLogger(to *slog.Logger, node NodeID, m *Metrics) *logger {
	l := &logger{
		handler: to.With("node", uint64(node)).Handler(), metrics: m,
		queue: make(chan slog.Record, logQueue), done: make(chan struct{}), ended: make(chan struct{}),
	}
	go l.run()
	return l
}

// log queues a record. It does not block, and asks the handler nothing.
func (l *logger) log(level slog.Level, msg string, attrs ...slog.Attr) {
	r := slog.NewRecord(time.Now(), level, msg, 0)
	r.AddAttrs(attrs...)
	select {
	case l.queue <- r:
	default:
		addTo(&l.metrics.LogRecordsLost, 1)
	}
}

func (l *logger) run() {
	defer close(l.ended)
	for {
		select {
		case r := <-l.queue:
			l.handle(r)
		case <-l.done:
			for len(l.queue) > 0 {
				l.handle(<-l.queue)
			}
			return
		}
	}
}

// handle calls the user's code. What it panics over is lost: the process does not end for a log.
func (l *logger) handle(r slog.Record) {
	defer func() {
		if recover() != nil {
			addTo(&l.metrics.LogRecordsLost, 1)
		}
	}()
	if ctx := context.Background(); l.handler.Enabled(ctx, r.Level) {
		l.handler.Handle(ctx, r)
	}
}

// stop returns once the handler has had everything that was logged before.
func (l *logger) stop() {
	l.last.Do(func() { close(l.done) })
	<-l.ended
}

func (g *Group) log(level slog.Level, msg string, attrs ...slog.Attr) {
	g.host.logger.log(level, msg, append(attrs, slog.Uint64("group", uint64(g.id)))...)
}

// errAttr survives an Error that panics, as that of a nil pointer may.
func errAttr(err error) slog.Attr { return slog.String("err", fmt.Sprint(err)) }

func indexAttr(i Index) slog.Attr { return slog.Uint64("index", uint64(i)) }

// logLeadership logs a change of it: at a level that is usually on only who leads.
func (g *Group) logLeadership(before, now Leadership) {
	level := slog.LevelInfo
	if now.Leader == before.Leader && (now.Role == Leader) == (before.Role == Leader) {
		level = slog.LevelDebug
	}
	g.log(level, "leadership changed", slog.String("role", now.Role.String()), slog.Uint64("leader", uint64(now.Leader)), slog.Uint64("term", uint64(now.Term)))
}

// A condition is what of a group's Status is logged when it changes.
type condition struct {
	members          Index
	refused, damaged bool
}

func conditionOf(s *Status, before condition) condition {
	c := condition{members: before.members, refused: s.Refused, damaged: s.Damaged}
	if !s.Changing {
		c.members = s.MembersIndex
	}
	return c
}

// logCondition logs what has changed since the last time.
func (g *Group) logCondition(s *Status) {
	was, now := g.condition, conditionOf(s, g.condition)
	if now == was {
		return
	}
	g.condition = now
	if now.members != was.members {
		g.log(slog.LevelInfo, "membership changed", indexAttr(now.members), slog.String("members", s.Members.String()))
	}
	switch {
	case now.refused && !was.refused:
		g.log(slog.LevelError, "this store is refused: the membership is bound to another one of this node; change the membership to admit it as a learner")
	case was.refused && !now.refused:
		g.log(slog.LevelInfo, "this store is admitted")
	}
	switch {
	case now.damaged && !was.damaged:
		g.log(slog.LevelWarn, "damaged log: this member does not vote before its peers have repaired it")
	case was.damaged && !now.damaged:
		g.log(slog.LevelInfo, "the damaged log is repaired")
	}
}
