package consensus_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A store is the state machine: a map. The command "key=value" sets a key and answers how many there are.
type store struct {
	sync.Mutex
	m map[string]string
}

func (s *store) Apply(c consensus.Command) consensus.Result {
	s.Lock()
	defer s.Unlock()
	key, value, _ := bytes.Cut(c.Data, []byte("="))
	s.m[string(key)] = string(value)
	return consensus.Result{Value: uint64(len(s.m))}
}

func (s *store) Snapshot() io.WriterTo {
	var b bytes.Buffer
	gob.NewEncoder(&b).Encode(s.m)
	return &b
}

func (s *store) Restore(r io.Reader) error {
	s.Lock()
	defer s.Unlock()
	s.m = nil
	return gob.NewDecoder(r).Decode(&s.m)
}

// Example replicates the map over three hosts, here in one process. Disks and connections are real.
func Example() {
	ctx, dir, members := context.Background(), fmt.Sprint(os.TempDir(), "/map-", os.Getpid()), consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}
	defer os.RemoveAll(dir) // to keep it, and open the group from then on, call host.Open
	peers := map[consensus.NodeID]string{1: "127.0.0.1:27301", 2: "127.0.0.1:27302", 3: "127.0.0.1:27303"}
	stores, groups := make(map[consensus.NodeID]*store), make(map[consensus.NodeID]*consensus.Group)
	for id, address := range peers {
		disk, err := storage.Open(filepath.Join(dir, fmt.Sprint(id)), storage.Options{Node: id})
		check(err)
		defer disk.Close()
		net, err := transport.Listen(address, transport.TCPOptions{ID: id, Cluster: 1, Peers: peers, Plaintext: true})
		check(err)
		host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: disk, Transport: net})
		check(err)
		defer host.Close()
		stores[id] = &store{m: make(map[string]string)}
		groups[id], err = host.Create(consensus.GroupConfig{ID: 7, Protocol: raft.New, Members: members, StateMachine: stores[id]})
		check(err)
	}
	result, err := groups[1].Propose(ctx, []byte("colour=green")) // any replica takes commands
	check(err)
	check(groups[3].Read(ctx)) // any replica's state machine can be read, linearizably
	stores[3].Lock()
	fmt.Println(result.Value, "key; colour is", stores[3].m["colour"])
	stores[3].Unlock()
	// Output: 1 key; colour is green
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
