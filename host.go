package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A HostConfig is what a host is told once. Zero values take the default.
type HostConfig struct {
	ID        NodeID // of this machine
	Storage   Storage
	Transport Transport

	TickInterval time.Duration // how often the engines hear the time when nothing happens; default 10ms
	Seed         uint64        // of the engines' randomised timeouts; default: a random one
	MemoryBudget int           // bytes that logs, queues and parked proposals of all groups may hold in memory, about; default 1 GiB

	// Logger is told, with the node and the group: groups opened and closed, at slog.LevelDebug as there may be
	// thousands, and stopped, changes of leadership and of membership, what becomes of snapshots, a store that is refused, a log that is
	// damaged and one that is repaired, and a disk that is slow. It is called on a goroutine of its
	// own and never waited for but by Close; records that it has no time for are lost, and counted
	// in Metrics. Default: slog.Default(), because who has said nothing wants to find the cause where
	// the rest of the program writes it; slog.DiscardHandler makes a silent one.
	Logger *slog.Logger
}

// A Host runs the members of many groups on one machine. They share its storage, where one fsync
// serves them all, its transport, and one loop per core. A loop has a goroutine of its own, but what comes alone,
// a request or a message, is done on the one that brought it: see loop.here.
//
//	callers ──requests──┐             ┌─ Send ──→ Transport
//	Transport ─messages─┤             ├─ Write ─→ writer ───→ Storage.Append ─→ Persisted ─┐
//	ticker ─────────────┼→ mailbox → loop: replicas                                        │
//	                    │             ├─ Apply ─→ applier ──→ StateMachine ───→ Applied ───┤
//	                    │             └─ snapshots, Fetch ──→ Storage, Transport ──────────┤
//	                    └──────────────────────────────────────────────────────────────────┘
//
// A failure of storage is final, because nobody knows then what is on disk: every group of the
// host stops with an ErrStopped, and the process lives.
type Host struct {
	cfg      HostConfig
	start    time.Time
	loops    []*loop
	writer   *writer
	memory   memory
	watch    hostWatch
	workers  workers
	metrics  *Metrics // of what serves all groups
	logger   *logger
	watchers *watchers

	ctx     context.Context // done when the host stops, with the cause
	cancel  context.CancelCauseFunc
	running *errgroup.Group // loops, writer, and Transport.Serve

	mu      sync.Mutex
	groups  map[GroupID]*Group // nil while a group is being opened
	opening sync.WaitGroup
	closed  bool

	tickets sync.Pool // its own, so that no channel leaves a test's bubble
}

// Start starts a host without groups. The error is a *ConfigError. Storage and transport remain
// the caller's to close, after the host.
func Start(cfg HostConfig) (*Host, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, start: time.Now(), metrics: new(Metrics), groups: make(map[GroupID]*Group)}
	h.logger = newLogger(cfg.Logger, cfg.ID, h.metrics)
	h.memory.budget = int64(cfg.MemoryBudget)
	h.watch.detector = NewDetector(cfg.ID, random())
	h.writer = newWriter(h)
	h.watchers = newWatchers()
	h.tickets.New = newTicket
	var ctx context.Context
	ctx, h.cancel = context.WithCancelCause(context.Background())
	h.running, h.ctx = errgroup.WithContext(ctx)
	cores := runtime.GOMAXPROCS(0)
	for range cores {
		h.loops = append(h.loops, newLoop(h, h.memory.mailbox(cores)))
	}
	for _, l := range h.loops {
		h.running.Go(func() error { l.run(h.ctx); return nil })
	}
	h.running.Go(func() error { return h.writer.run(h.ctx) })
	h.running.Go(func() error {
		err := cfg.Transport.Serve(h.ctx, handler{h})
		if err == nil && h.ctx.Err() == nil {
			err = errors.New("it serves no more")
		}
		if err != nil {
			return h.failed("transport", err)
		}
		return nil
	})
	return h, nil
}

func (c HostConfig) withDefaults() (HostConfig, error) {
	switch {
	case c.ID == 0:
		return c, &ConfigError{Field: "ID", Value: "0", Reason: "0 is no node"}
	case c.Storage == nil:
		return c, &ConfigError{Field: "Storage", Value: "nil", Reason: "a host must remember"}
	case c.Transport == nil:
		return c, &ConfigError{Field: "Transport", Value: "nil", Reason: "a host must be reachable"}
	case c.TickInterval < 0:
		return c, &ConfigError{Field: "TickInterval", Value: c.TickInterval.String(), Reason: "a duration cannot be negative"}
	case c.MemoryBudget < 0:
		return c, configInt("MemoryBudget", c.MemoryBudget, "a size cannot be negative")
	}
	if c.MemoryBudget == 0 {
		c.MemoryBudget = 1 << 30
	}
	if c.TickInterval == 0 {
		c.TickInterval = 10 * time.Millisecond
	}
	if c.Seed == 0 {
		c.Seed = random()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// failed logs why the host stops by itself, and returns it as an ErrStopped.
func (h *Host) failed(what string, err error) error {
	h.logger.log(slog.LevelError, "host stopped", slog.String("failed", what), errAttr(err))
	return because(ErrStopped, fmt.Errorf("%s: %w", what, err))
}

// Close stops all groups and returns when nothing of the host runs any more: it waits for the
// calls of state machines, storage, transport and logger that are under way. The error is the ErrStopped
// that had stopped the host by itself, if any.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel(ErrClosed)
	err := h.running.Wait()
	h.opening.Wait()
	for _, g := range h.members() {
		<-g.ctx.Done()
		h.release(g)
	}
	h.workers.close()
	h.watchers.close()
	h.logger.stop()
	return err
}

// A HostStatus says how a host is doing.
type HostStatus struct {
	Groups  int    // open
	Dropped uint64 // messages that were for no group that is open here, or for which there was no room
}

// Status describes the host as it is now.
func (h *Host) Status() HostStatus {
	return HostStatus{Groups: len(h.members()), Dropped: h.Metrics().MessagesDropped}
}

// members are the groups that are open.
func (h *Host) members() []*Group {
	h.mu.Lock()
	defer h.mu.Unlock()
	var gs []*Group
	for _, g := range h.groups {
		if g != nil {
			gs = append(gs, g)
		}
	}
	return gs
}

// release waits for what is left of a group that has halted, and frees its id.
func (h *Host) release(g *Group) {
	g.work.Wait()
	if s := g.storing.Load(); s != nil {
		s.stream.abort()
	}
	h.writer.flush()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.groups[g.id] == g {
		delete(h.groups, g.id)
	}
}

// now reads the host's clock, which is monotonic.
func (h *Host) now() Instant { return Instant(time.Since(h.start)) }

// loopOf spreads the groups by a product whose upper bits depend on the whole of the id, so that
// ids with a pattern do not share a loop (Knuth, The Art of Computer Programming, §6.4: the
// golden ratio).
func (h *Host) loopOf(id GroupID) *loop {
	n, _ := bits.Mul64(uint64(id)*0x9e3779b97f4a7c15, uint64(len(h.loops)))
	return h.loops[n]
}

// A handler is the side of a host that its transport sees.
type handler struct{ h *Host }

// Deliver hands each run of messages for one loop to that loop. If there is one run only, and the loop rests and is calm,
// it is done here.
func (t handler) Deliver(msgs []Message) {
	dropped, all := 0, len(msgs)
	addTo(&t.h.metrics.MessagesReceived, len(msgs))
	for len(msgs) > 0 {
		l, n := t.h.loopOf(msgs[0].Group), 0
		for n < len(msgs) && msgs[n].To == t.h.cfg.ID && t.h.loopOf(msgs[n].Group) == l {
			n++
		}
		if n == 0 {
			dropped++
			msgs = msgs[1:]
			continue
		}
		lost, turn := l.mail.deliver(msgs[:n])
		switch {
		case turn && n == all && l.isCalm():
			l.here()
		case turn:
			l.mail.pass()
		}
		dropped += lost
		msgs = msgs[n:]
	}
	if dropped > 0 {
		addTo(&t.h.metrics.MessagesDropped, dropped)
	}
}

// DeliverSnapshot stores a snapshot for a group that is open here.
func (t handler) DeliverSnapshot(m Message, meta SnapshotMeta, r io.Reader) error {
	t.h.mu.Lock()
	g := t.h.groups[m.Group]
	t.h.mu.Unlock()
	if g == nil || m.To != t.h.cfg.ID {
		addTo(&t.h.metrics.SnapshotsUnreceived, 1)
		return errors.New("no such group is open here")
	}
	return g.receive(m, meta, r)
}
