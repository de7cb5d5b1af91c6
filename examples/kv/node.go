package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
)

// protocols are what a cluster may run, by the name of them.
var protocols = map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New}

// groupID is the one group that a node has.
const groupID consensus.GroupID = 1

// A nodeConfig is what a node is made of.
type nodeConfig struct {
	id        consensus.NodeID
	storage   consensus.Storage
	transport consensus.Transport
	protocol  string            // of protocols
	members   consensus.Members // that found the cluster
	join      bool              // it exists, and this node is not of them
	timeout   time.Duration     // how long a command may take
	election  time.Duration     // consensus.GroupConfig.ElectionTimeout
	snapshot  int               // consensus.GroupConfig.SnapshotSize
	segment   int               // storage.Options.SegmentSize
	retention int               // storage.Options.Retention
	log       *slog.Logger

	setAddress func(consensus.NodeID, string) // of the transport; nil if it has none
}

// A node is one replica of the store.
type node struct {
	cfg   nodeConfig
	host  *consensus.Host
	group *consensus.Group
	store *store

	started time.Time

	opening chan struct{}      // one slot: a session is being opened
	session *consensus.Session // nil until there is one; whoever holds the slot has it
}

// startNode continues with what is on disk or, if there is nothing, founds the cluster or joins it.
func startNode(cfg nodeConfig) (*node, error) {
	n := &node{cfg: cfg, store: newStore(), started: time.Now(), opening: make(chan struct{}, 1)}
	var err error
	n.host, err = consensus.Start(consensus.HostConfig{ID: cfg.id, Storage: cfg.storage, Transport: cfg.transport, Logger: cfg.log})
	if err != nil {
		return nil, err
	}
	group := consensus.GroupConfig{
		ID: groupID, Protocol: protocols[cfg.protocol], StateMachine: n.store, Members: cfg.members, ElectionTimeout: cfg.election, SnapshotSize: cfg.snapshot,
	}
	enter := n.host.Create
	if cfg.join {
		enter, group.Members = n.host.Join, consensus.Members{}
	}
	n.group, err = n.host.Open(group)
	if errors.Is(err, consensus.ErrNoGroup) {
		n.group, err = enter(group)
	}
	if err != nil {
		n.host.Close()
		return nil, cfg.explain(err)
	}
	return n, nil
}

// explain says of a log that makes no sense what is most often the matter with it.
func (cfg *nodeConfig) explain(err error) error {
	if errors.Is(err, consensus.ErrMalformed) {
		return fmt.Errorf("%w (is it a log of -protocol %s?)", err, cfg.protocol)
	}
	return err
}

// close stops the node. The error is why it had stopped before, if it had.
func (n *node) close() error { return n.host.Close() }

// read executes calls of which none writes, on a store that has everything that was acknowledged
// anywhere before. If a key should have expired meanwhile, it has the log say so first.
func (n *node) read(ctx context.Context, calls []call) ([]byte, error) {
	for now := time.Now().UnixMilli(); ; {
		if err := n.group.Read(ctx); err != nil {
			return nil, err
		}
		if answers, current := n.store.read(now, calls); current {
			return answers, nil
		}
		if _, err := n.propose(ctx, entry{stamp: now}); err != nil {
			return nil, refused{err} // whatever has become of the clock, nothing was read
		}
	}
}

// write has calls executed by all replicas, as one entry, exactly once.
func (n *node) write(ctx context.Context, calls []call) ([]byte, error) {
	return n.propose(ctx, entry{stamp: time.Now().UnixMilli(), calls: calls})
}

// propose has an entry applied through a session. Its error is an ErrNotApplied or an ErrUnknown.
func (n *node) propose(ctx context.Context, e entry) ([]byte, error) {
	data := e.appendTo(nil)
	for {
		s, err := n.openSession(ctx)
		if err != nil {
			return nil, refused{err} // the session may be open, but the entry was not proposed
		}
		r, err := s.Propose(ctx, data)
		// That the session is gone means that no attempt was applied, or it would be ErrUnknown.
		if !errors.Is(err, consensus.ErrNoSession) {
			return r.Data, err
		}
		n.forget(s)
	}
}

// openSession returns the node's session. All its clients share it: it takes up to
// consensus.MaxAnswers entries at a time, and each holds what a client has sent at once.
func (n *node) openSession(ctx context.Context) (*consensus.Session, error) {
	select {
	case n.opening <- struct{}{}:
		defer func() { <-n.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if n.session == nil {
		s, err := n.group.OpenSession(ctx)
		if err != nil {
			return nil, err
		}
		n.session = s
	}
	return n.session, nil
}

// forget gives up a session that the group has evicted.
func (n *node) forget(s *consensus.Session) {
	n.opening <- struct{}{}
	defer func() { <-n.opening }()
	if n.session == s {
		n.session = nil
	}
}

// refused is an error that is an ErrNotApplied, whatever it wraps says.
type refused struct{ cause error }

func (e refused) Error() string { return e.cause.Error() }

// Is also keeps an ErrUnknown within from being seen.
func (e refused) Is(target error) bool { return target == consensus.ErrNotApplied }

// errorReply is what a client is told about a request that failed.
//
//   - TRYAGAIN: it was not executed, and never will be. Trying again is safe.
//   - UNKNOWN: it may have been executed, or may yet be.
//   - READONLY: it was not executed, and this node is no member of the cluster. Another one may be.
//   - ERR: it was not executed, and trying again is of no use: it is wrong, too large, or the node has stopped.
func (n *node) errorReply(err error) string {
	var wrong *consensus.ConfigError
	switch {
	case errors.Is(err, consensus.ErrTooLarge), errors.Is(err, consensus.ErrClosed), errors.As(err, &wrong):
		return "ERR " + firstLine(err)
	case !errors.Is(err, consensus.ErrNotApplied):
		return "UNKNOWN whether this was executed: " + firstLine(err)
	case n.group.Err() != nil:
		return "ERR this node has stopped: " + firstLine(n.group.Err())
	}
	switch st := n.group.Status(); {
	case st.Kind == consensus.NotMember:
		return "READONLY this node is not a member of the cluster"
	case st.MembersIndex == 0:
		return "TRYAGAIN not executed: the cluster is not founded yet, for which all of its founders must be up"
	}
	return "TRYAGAIN not executed: " + firstLine(err)
}

// firstLine leaves out the stack of a panic.
func firstLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
