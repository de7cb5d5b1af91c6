package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A counter is a state machine that costs nothing.
type counter uint64

func (c *counter) Apply(consensus.Command) consensus.Result {
	*c++
	return consensus.Result{Value: uint64(*c)}
}

func (c *counter) Snapshot() io.WriterTo { return nothing{} }

func (c *counter) Restore(io.Reader) error { return nil }

// nothing is a snapshot of a state that nobody needs.
type nothing struct{}

func (nothing) WriteTo(io.Writer) (int64, error) { return 0, nil }

// A cluster is the replicas. What they are made of is closed in the order opposite to that in which it
// was opened.
type cluster struct {
	settings settings
	members  consensus.Members
	hosts    []*consensus.Host
	groups   [][]*consensus.Group // by group, and then by replica
	undo     []func() error
}

func (c *cluster) close() {
	for i := len(c.undo) - 1; i >= 0; i-- {
		c.undo[i]()
	}
}

func start(s settings) (_ *cluster, err error) {
	c := &cluster{settings: s, groups: make([][]*consensus.Group, s.groups)}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if s.dir == "" && s.storage == "disk" {
		if s.dir, err = os.MkdirTemp("", "bench-"); err != nil {
			return nil, err
		}
		c.undo = append(c.undo, func() error { return os.RemoveAll(s.dir) })
	}
	nets, err := c.network(s)
	if err != nil {
		return nil, err
	}
	for id := range nets {
		c.members.Voters = append(c.members.Voters, consensus.NodeID(id+1))
	}
	if s.op == "lease-read" {
		c.members.Lease = electionTimeout / 2
	}
	for i, id := range c.members.Voters {
		disk, err := c.store(s, id)
		if err != nil {
			return nil, err
		}
		host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: disk, Transport: nets[i], Logger: quiet})
		if err != nil {
			return nil, err
		}
		c.undo = append(c.undo, host.Close)
		c.hosts = append(c.hosts, host)
		for n := range c.groups {
			g, err := host.Create(c.config(consensus.GroupID(n + 1)))
			if err != nil {
				return nil, err
			}
			c.groups[n] = append(c.groups[n], g)
		}
	}
	return c, nil
}

// config is what a member of a group is told.
func (c *cluster) config(id consensus.GroupID) consensus.GroupConfig {
	return consensus.GroupConfig{
		ID: id, Protocol: protocols[c.settings.protocol], Members: c.members, StateMachine: new(counter),
		ElectionTimeout: electionTimeout,
	}
}

const electionTimeout = 500 * time.Millisecond

var quiet = slog.New(slog.DiscardHandler)

// network makes the transports of all replicas.
func (c *cluster) network(s settings) (nets []consensus.Transport, err error) {
	if s.transport == "memory" {
		network := transport.NewNetwork()
		for id := range s.replicas {
			nets = append(nets, network.Node(consensus.NodeID(id+1)))
		}
		return nets, nil
	}
	var tcps []*transport.TCP
	for id := range s.replicas {
		tcp, err := transport.Listen("127.0.0.1:0", transport.TCPOptions{ID: consensus.NodeID(id + 1), Cluster: 1, Plaintext: true})
		if err != nil {
			return nil, err
		}
		c.undo = append(c.undo, tcp.Close)
		tcps, nets = append(tcps, tcp), append(nets, tcp)
	}
	for _, from := range tcps {
		for id, to := range tcps {
			if from != to {
				from.SetAddress(consensus.NodeID(id+1), to.Addr().String())
			}
		}
	}
	return nets, nil
}

// store makes the disk of one replica.
func (c *cluster) store(s settings, id consensus.NodeID) (consensus.Storage, error) {
	if s.storage == "memory" {
		return storage.NewMemory(), nil
	}
	disk, err := storage.Open(filepath.Join(s.dir, strconv.Itoa(int(id))), storage.Options{Node: id, Cluster: 1, Logger: quiet, Retention: s.retention})
	if err == nil {
		c.undo = append(c.undo, disk.Close)
	}
	return disk, err
}

// leaders returns the member of each group that leads it, once it has shown that it does.
func (c *cluster) leaders() (leaders []*consensus.Group, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, members := range c.groups {
		if _, err := members[0].Propose(ctx, nil); err != nil {
			return nil, err
		}
		for {
			now, changed := members[0].Leadership()
			if now.Leader != 0 {
				leaders = append(leaders, members[now.Leader-1])
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, errors.New("nobody leads")
			}
		}
	}
	return leaders, nil
}
