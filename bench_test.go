package consensus_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A counter is a state machine that costs nothing.
type counter struct {
	journal
	n uint64
}

func (c *counter) Apply(consensus.Command) consensus.Result {
	c.n++
	return consensus.Result{Value: c.n}
}

// inMemory starts three hosts with one group, and returns the member that leads.
func inMemory(t testing.TB) *consensus.Group {
	network := transport.NewNetwork()
	var groups []*consensus.Group
	for _, id := range three.Voters {
		host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: storage.NewMemory(), Transport: network.Node(id), Logger: silent})
		require.NoError(t, err)
		t.Cleanup(func() { host.Close() })
		g, err := host.Create(consensus.GroupConfig{ID: theGroup, Protocol: raft.New, Members: three, StateMachine: &counter{}})
		require.NoError(t, err)
		groups = append(groups, g)
	}
	_, err := groups[0].Propose(background, nil)
	require.NoError(t, err)
	for {
		now, changed := groups[0].Leadership()
		if now.Leader != 0 {
			return groups[now.Leader-1]
		}
		<-changed
	}
}

// TestAProposalAllocatesNothing counts what all three hosts allocate for one: less than one time,
// because a page of the log lasts for many.
func TestAProposalAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leader, command := inMemory(t), make([]byte, 100)
		propose := func() {
			_, err := leader.Propose(background, command)
			if err != nil {
				t.Error(err)
			}
		}
		for range 1000 {
			propose()
		}
		require.Zero(t, testing.AllocsPerRun(2000, propose))
	})
}

// BenchmarkPropose has so many clients propose, each waiting for its answer, through three hosts
// in memory: what it measures is the host, its goroutines and queues.
func BenchmarkPropose(b *testing.B) {
	for _, clients := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			leader, command := inMemory(b), make([]byte, 100)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			var wait sync.WaitGroup
			for range clients {
				wait.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := leader.Propose(background, command); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wait.Wait()
		})
	}
}
