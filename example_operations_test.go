package consensus_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A site is the hosts of a replicated map. In real life each is a process on a machine of its own.
type site struct {
	network *transport.Network
	disks   map[consensus.NodeID]consensus.Storage
	hosts   map[consensus.NodeID]*consensus.Host
	groups  map[consensus.NodeID]*consensus.Group
	stores  map[consensus.NodeID]*store
}

func newSite() *site {
	return &site{
		network: transport.NewNetwork(), disks: make(map[consensus.NodeID]consensus.Storage), hosts: make(map[consensus.NodeID]*consensus.Host),
		groups: make(map[consensus.NodeID]*consensus.Group), stores: make(map[consensus.NodeID]*store),
	}
}

// begin is how a node begins to take part: with Host.Create, Host.Join or Host.Open.
type begin func(*consensus.Host, consensus.GroupConfig) (*consensus.Group, error)

// start starts a node on its disk, which is a new one unless there is one.
func (s *site) start(id consensus.NodeID, how begin, members ...consensus.NodeID) *consensus.Group {
	if s.disks[id] == nil {
		s.disks[id] = storage.NewMemory()
	}
	host, err := consensus.Start(consensus.HostConfig{
		ID: id, Storage: s.disks[id], Transport: s.network.Node(id), Logger: slog.New(slog.DiscardHandler),
	})
	check(err)
	s.hosts[id], s.stores[id] = host, &store{m: make(map[string]string)}
	s.groups[id], err = how(host, consensus.GroupConfig{
		ID: 7, Protocol: raft.New, StateMachine: s.stores[id], Members: consensus.Members{Voters: members}, ElectionTimeout: 500 * time.Millisecond,
	})
	check(err)
	return s.groups[id]
}

// stop stops nodes.
func (s *site) stop(ids ...consensus.NodeID) {
	for _, id := range ids {
		check(s.hosts[id].Close())
	}
}

// set sets keys through a member, each exactly once.
func set(g *consensus.Group, commands ...string) {
	session, err := g.OpenSession(context.Background())
	check(err)
	for _, command := range commands {
		_, err := session.Propose(context.Background(), []byte(command))
		check(err)
	}
}

// get reads a key of a node, linearizably.
func (s *site) get(id consensus.NodeID, key string) string {
	check(s.groups[id].Read(context.Background()))
	s.stores[id].Lock()
	defer s.stores[id].Unlock()
	return s.stores[id].m[key]
}

// A backup is taken of a running group, and is the beginning of another one, of other members.
func Example_backup() {
	ctx, site := context.Background(), newSite()
	for _, id := range []consensus.NodeID{1, 2, 3} {
		site.start(id, (*consensus.Host).Create, 1, 2, 3)
	}
	set(site.groups[1], "colour=green")
	var file bytes.Buffer // a file, in real life
	_, err := site.groups[2].Backup(ctx, &file)
	check(err)
	site.stop(1, 2, 3)

	elsewhere := newSite() // its transport and its stores have an id of their own: consensus.NewClusterID
	for _, id := range []consensus.NodeID{11, 12, 13} {
		elsewhere.disks[id] = storage.NewMemory()
		_, err := consensus.Restore(elsewhere.disks[id], 7, bytes.NewReader(file.Bytes()))
		check(err)
		elsewhere.start(id, (*consensus.Host).Create, 11, 12, 13)
	}
	fmt.Println("colour is", elsewhere.get(13, "colour"))
	elsewhere.stop(11, 12, 13)
	// Output: colour is green
}

// Of three nodes two are lost for good. What the third one has becomes the beginning of a new cluster.
func Example_recover() {
	dir, err := os.MkdirTemp("", "recover")
	check(err)
	defer os.RemoveAll(dir)
	folder := func(id consensus.NodeID, cluster uint64) consensus.Storage {
		disk, err := storage.Open(filepath.Join(dir, fmt.Sprintf("%d-%x", id, cluster)), storage.Options{Node: id, Cluster: cluster})
		check(err)
		return disk
	}
	site := newSite()
	for _, id := range []consensus.NodeID{1, 2, 3} {
		site.disks[id] = folder(id, 0x5eed)
		site.start(id, (*consensus.Host).Create, 1, 2, 3)
	}
	set(site.groups[1], "colour=green")
	fmt.Println("before, colour is", site.get(3, "colour"))
	site.stop(1, 2, 3)
	for _, disk := range site.disks {
		check(disk.Close())
	}

	// Nodes 1 and 2 are gone. This is a dry run, as long as nothing is restored.
	survivor := folder(3, 0x5eed)
	recovery, err := consensus.Recover(consensus.RecoverConfig{
		Group: 7, Protocol: raft.New, StateMachine: &store{m: make(map[string]string)},
		Survivors: []consensus.Survivor{{ID: 3, Storage: survivor}},
	})
	check(err)
	fmt.Println("complete:", recovery.Complete) // recovery.String() says more
	var backup bytes.Buffer
	_, err = recovery.Backup(&backup)
	check(err)
	check(survivor.Close())

	again := newSite() // its transport has the new id, too
	again.disks[3] = folder(3, recovery.ClusterID)
	defer again.disks[3].Close()
	_, err = consensus.Restore(again.disks[3], 7, &backup)
	check(err)
	again.start(3, (*consensus.Host).Create, 3)
	fmt.Println("after, colour is", again.get(3, "colour"))
	again.stop(3)
	// Output:
	// before, colour is green
	// complete: false
	// after, colour is green
}

// Node 3 is dead, and node 4 takes its place.
func Example_replaceDeadNode() {
	ctx, site := context.Background(), newSite()
	for _, id := range []consensus.NodeID{1, 2, 3} {
		site.start(id, (*consensus.Host).Create, 1, 2, 3)
	}
	set(site.groups[1], "colour=red")
	site.stop(3)
	set(site.groups[1], "colour=green") // two of three go on

	site.start(4, (*consensus.Host).Join)
	now := site.groups[1].Status()
	at, err := site.groups[1].Change(ctx, consensus.Members{Voters: []consensus.NodeID{1, 2}, Joining: []consensus.NodeID{4}}, now.MembersIndex)
	check(err)
	now, err = site.groups[1].Settled(ctx, at) // node 4 has caught up, and votes
	check(err)
	fmt.Println(now.Members)
	fmt.Println("colour is", site.get(4, "colour"))
	site.stop(1, 2, 4)
	// Output:
	// voters [1 2 4]
	// colour is green
}

// Node 3 has lost its disk. Under its id nobody counts the new one, until a change admits it.
func Example_replaceWipedNode() {
	ctx, site := context.Background(), newSite()
	for _, id := range []consensus.NodeID{1, 2, 3} {
		site.start(id, (*consensus.Host).Create, 1, 2, 3)
	}
	set(site.groups[1], "colour=red")
	site.stop(3)
	set(site.groups[1], "colour=green") // two of three go on
	delete(site.disks, 3)

	site.start(3, (*consensus.Host).Join) // not Create: the group exists
	now, err := site.groups[3].Settled(ctx, 1)
	check(err)
	fmt.Println("refused:", now.Refused)

	now = site.groups[1].Status()
	at, err := site.groups[1].Change(ctx, consensus.Members{Voters: []consensus.NodeID{1, 2}, Joining: []consensus.NodeID{3}}, now.MembersIndex)
	check(err)
	now, err = site.groups[3].Settled(ctx, at)
	check(err)
	fmt.Println("refused:", now.Refused, "and a", now.Kind)
	fmt.Println("colour is", site.get(3, "colour"))
	site.stop(1, 2, 3)
	// Output:
	// refused: true
	// refused: false and a voter
	// colour is green
}

// Every node is restarted, one after the other, while a client goes on.
func Example_rollingRestart() {
	ctx, site := context.Background(), newSite()
	nodes := []consensus.NodeID{1, 2, 3}
	for _, id := range nodes {
		site.start(id, (*consensus.Host).Create, nodes...)
	}
	set(site.groups[1], "first=1")
	for k, id := range nodes {
		next := nodes[(k+1)%len(nodes)]
		client, done := site.groups[nodes[(k+2)%len(nodes)]], make(chan bool)
		go func() {
			for i := range 100 {
				set(client, fmt.Sprintf("%d-%d=set", id, i))
			}
			close(done)
		}()
		if now, _ := site.groups[id].Leadership(); now.Role == consensus.Leader {
			check(site.groups[id].Transfer(ctx, next)) // so that nobody waits for an election
		}
		site.stop(id)
		site.start(id, (*consensus.Host).Open, nodes...)
		check(site.groups[id].Read(ctx)) // it has caught up: the next one may go
		<-done
	}
	for _, id := range nodes {
		fmt.Println("on node", id, "the last key is", site.get(id, "3-99"))
	}
	site.stop(nodes...)
	// Output:
	// on node 1 the last key is set
	// on node 2 the last key is set
	// on node 3 the last key is set
}
