package consensus

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// A GroupConfig is what a member of a group is told each time it starts. Zero values take the
// default. All members of a group should be told the same.
type GroupConfig struct {
	ID       GroupID
	Protocol NewEngine // raft.New
	// StateMachine is a fresh one: it is filled from the snapshot and the log. A DurableStateMachine is the
	// one that this member has had, with what it has on disk. It is nil at a witness,
	// also while that is a learner still, and only there, for as long as the store lives.
	StateMachine StateMachine
	// Members founds the group. Open needs it again, the same, as long as no configuration is in
	// the log; a member that came by Join has none.
	Members Members

	ElectionTimeout   time.Duration // a follower campaigns after 1 to 2 of it without a leader; default 1s
	HeartbeatInterval time.Duration // at most half of ElectionTimeout; default a tenth of it
	MaxMessageSize    int           // bytes of entries in one message (one entry may exceed it); default 256 KiB
	MaxInflight       int           // bytes sent to one follower and not acknowledged; default 4 MiB
	MaxUncommitted    int           // bytes proposed and not committed: above, ErrBusy; default 64 MiB
	SnapshotSize      int           // a snapshot is taken after so many bytes of applied log; default 64 MiB
	NoForward         bool          // refuse with a *NotLeaderError instead of forwarding to the leader
}

// Create founds a group, on what Restore has left here if it was called. Every founder calls it, with
// the same Members. If the group is on disk here, the error is ErrGroupExists.
func (h *Host) Create(cfg GroupConfig) (*Group, error) {
	err := cfg.Members.Validate()
	if err == nil && cfg.Members.Kind(h.cfg.ID) == NotMember {
		err = &ConfigError{Field: "Members", Value: cfg.Members.String(), Reason: "node " + nodeString(h.cfg.ID) + " is not among them"}
	}
	if err != nil {
		return nil, err
	}
	return h.open(cfg, func(r *Recovered) error {
		if r.restored() {
			return nil
		}
		return isNew(r)
	})
}

// Join enters an existing group, as nobody yet: it takes part once a member changes the
// membership to include this node. If the group is on disk here, the error is ErrGroupExists.
func (h *Host) Join(cfg GroupConfig) (*Group, error) {
	if !cfg.Members.none() {
		return nil, &ConfigError{Field: "Members", Value: cfg.Members.String(), Reason: "a node that joins learns them from the group"}
	}
	return h.open(cfg, isNew)
}

func isNew(r *Recovered) error {
	if !r.Empty() {
		return ErrGroupExists
	}
	return nil
}

// Open continues with what is on disk. Without anything there, the error is ErrNoGroup.
func (h *Host) Open(cfg GroupConfig) (*Group, error) {
	return h.open(cfg, func(r *Recovered) error {
		if r.Empty() {
			return ErrNoGroup
		}
		return nil
	})
}

// open recovers a group, if admit lets it, and gives it to its loop. It does so on the caller's
// goroutine, and returns once the group runs.
func (h *Host) open(cfg GroupConfig, admit func(*Recovered) error) (*Group, error) {
	cfg, err := cfg.withDefaults(h)
	if err != nil {
		return nil, err
	}
	if err := h.reserve(cfg.ID); err != nil {
		return nil, err
	}
	defer h.opening.Done()
	g, err := h.load(cfg, admit)
	if err == nil && !g.loop.mail.put(event{kind: eventCall, group: g, call: g.begin}) {
		err = h.refusal()
		g.cancel(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		delete(h.groups, cfg.ID)
		return nil, err
	}
	h.groups[cfg.ID] = g
	return g, nil
}

// load makes a group out of what storage has.
func (h *Host) load(cfg GroupConfig, admit func(*Recovered) error) (*Group, error) {
	rec, err := h.cfg.Storage.Recover(cfg.ID)
	if err == nil {
		err = admit(&rec)
	}
	if err != nil {
		return nil, fmt.Errorf("group %d: %w", cfg.ID, err)
	}
	engine, err := cfg.Protocol(cfg.engine(h), rec)
	if err != nil {
		return nil, err
	}
	machine, err := h.machine(cfg, engine.Status().Kind, rec.Snapshot)
	if err != nil {
		return nil, err
	}
	g := &Group{
		id: cfg.ID, host: h, loop: h.loopOf(cfg.ID),
		election: cfg.ElectionTimeout, heartbeat: cfg.HeartbeatInterval, witness: cfg.StateMachine == nil, noForward: cfg.NoForward,
	}
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	g.applier = newApplier(g, machine)
	g.replica = NewReplica(ReplicaConfig{
		ID: h.cfg.ID, Group: cfg.ID, Life: uint32(random()), SnapshotSize: cfg.SnapshotSize, RetryInterval: cfg.ElectionTimeout, NoForward: cfg.NoForward,
	}, engine, groupEnv{g}, rec)
	status := engine.Status()
	g.condition.members = conditionOf(&status, condition{}).members
	g.publish()
	return g, nil
}

// machine returns the Machine as the snapshot left it.
func (h *Host) machine(cfg GroupConfig, kind MemberKind, snapshot SnapshotMeta) (*Machine, error) {
	switch {
	case cfg.StateMachine == nil && (kind == Voter || kind == Joining):
		return nil, &ConfigError{Field: "StateMachine", Value: "nil", Reason: "only a witness has none, and node " + nodeString(h.cfg.ID) + " is a " + kind.String()}
	case cfg.StateMachine != nil && kind == Witness:
		return nil, &ConfigError{Field: "StateMachine", Value: fmt.Sprintf("%T", cfg.StateMachine), Reason: "node " + nodeString(h.cfg.ID) + " is a witness, which keeps no state"}
	}
	m := NewMachine(cfg.StateMachine, SessionLimits{})
	if snapshot.Index == 0 {
		return m, nil
	}
	_, err := loadSnapshot(h.ctx, h.cfg.Storage, cfg.ID, snapshot, m)
	return m, err
}

// begin starts the group, on the loop.
func (g *Group) begin() {
	g.host.memory.groups.Add(1)
	s := g.replica.Status()
	g.log(slog.LevelDebug, "group opened", slog.String("kind", s.Kind.String()), slog.Uint64("term", uint64(s.Term)),
		slog.Uint64("snapshot", uint64(s.Snapshot)), slog.Uint64("last", uint64(s.Last)), slog.String("members", s.Members.String()))
	g.loop.groups[g.id] = g
	g.loop.seat(g)
}

// reserve takes the id of a group that is about to be opened.
func (h *Host) reserve(id GroupID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.ctx.Err() != nil {
		return h.refusal()
	}
	if _, ok := h.groups[id]; ok {
		return &ConfigError{Field: "ID", Value: strconv.FormatUint(uint64(id), 10), Reason: "the group is open on this host, or stopped and not closed"}
	}
	h.groups[id] = nil
	h.opening.Add(1)
	return nil
}

// refusal is what a host that has stopped says to a request.
func (h *Host) refusal() error {
	if cause := context.Cause(h.ctx); cause != nil {
		return cause
	}
	return ErrClosed
}

func (c GroupConfig) withDefaults(h *Host) (GroupConfig, error) {
	switch {
	case c.ID == 0:
		return c, &ConfigError{Field: "ID", Value: "0", Reason: "0 is no group"}
	case c.Protocol == nil:
		return c, &ConfigError{Field: "Protocol", Value: "nil", Reason: "a group runs one, such as raft.New"}
	case c.SnapshotSize < 0:
		return c, configInt("SnapshotSize", c.SnapshotSize, "a size cannot be negative")
	}
	if c.SnapshotSize == 0 {
		c.SnapshotSize = 64 << 20
	}
	if c.StateMachine == nil {
		c.SnapshotSize = 0 // there is nothing to take one of
	}
	e, err := c.engine(h).WithDefaults()
	c.ElectionTimeout, c.HeartbeatInterval = e.ElectionTimeout, e.HeartbeatInterval
	if err == nil && e.HeartbeatInterval < h.cfg.TickInterval {
		err = &ConfigError{Field: "HeartbeatInterval", Value: e.HeartbeatInterval.String(), Reason: "must be at least the host's tick interval " + h.cfg.TickInterval.String()}
	}
	return c, err
}

func (c *GroupConfig) engine(h *Host) EngineConfig {
	return EngineConfig{
		ID: h.cfg.ID, Group: c.ID, Members: c.Members, Witness: c.StateMachine == nil,
		ElectionTimeout: c.ElectionTimeout, HeartbeatInterval: c.HeartbeatInterval,
		MaxMessageSize: c.MaxMessageSize, MaxInflight: c.MaxInflight, MaxUncommitted: c.MaxUncommitted,
		Seed: h.cfg.Seed + uint64(c.ID), // so that the groups of a host do not all campaign at once
	}
}

func nodeString(id NodeID) string { return strconv.FormatUint(uint64(id), 10) }

func (m *Members) none() bool {
	return len(m.Voters)+len(m.Witnesses)+len(m.Learners)+len(m.Joining) == 0
}

func random() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
