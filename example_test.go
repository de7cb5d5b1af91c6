package consensus_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"sync"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A store is the state machine: a map. The command "key=value" sets a key and answers how many
// there are.
type store struct {
	mu sync.Mutex
	m  map[string]string
}

func (s *store) Apply(c consensus.Command) consensus.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, value, _ := bytes.Cut(c.Data, []byte("="))
	s.m[string(key)] = string(value)
	return consensus.Result{Value: uint64(len(s.m))}
}

func (s *store) get(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[key]
}

func (s *store) Snapshot() io.WriterTo {
	var b bytes.Buffer
	gob.NewEncoder(&b).Encode(s.m)
	return &b
}

func (s *store) Restore(r io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m = nil
	return gob.NewDecoder(r).Decode(&s.m)
}

// Example replicates the map over three hosts, here in one process.
func Example() {
	ctx, network := context.Background(), transport.NewNetwork()
	members := consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}
	stores, groups := make(map[consensus.NodeID]*store), make(map[consensus.NodeID]*consensus.Group)
	for _, id := range members.Voters {
		host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: storage.NewMemory(), Transport: network.Node(id)})
		check(err)
		defer host.Close()
		stores[id] = &store{m: make(map[string]string)}
		groups[id], err = host.Create(consensus.GroupConfig{ID: 7, Protocol: raft.New, Members: members, StateMachine: stores[id]})
		check(err)
	}
	result, err := groups[1].Propose(ctx, []byte("colour=green")) // any replica takes commands
	check(err)
	check(groups[3].Read(ctx)) // any replica's state machine can be read, linearizably
	fmt.Println(result.Value, "key; colour is", stores[3].get("colour"))
	// Output: 1 key; colour is green
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
