package consensus_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/transport"
)

// A crowd is many groups on each of three hosts with a small budget. SnapshotSize is far above it.
type crowd struct {
	t       *testing.T
	hosts   map[consensus.NodeID]*consensus.Host
	disks   map[consensus.NodeID]*disk
	members map[consensus.GroupID]map[consensus.NodeID]*consensus.Group
	states  map[consensus.GroupID]map[consensus.NodeID]*journal
	leader  consensus.NodeID // of all groups
}

const (
	crowdBudget  = 1 << 20
	crowdGroups  = 10
	crowdCommand = 1000
)

// inCrowd runs a test in virtual time.
func inCrowd(t *testing.T, test func(c *crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{
			t: t, hosts: make(map[consensus.NodeID]*consensus.Host), disks: make(map[consensus.NodeID]*disk), leader: 1,
			members: make(map[consensus.GroupID]map[consensus.NodeID]*consensus.Group), states: make(map[consensus.GroupID]map[consensus.NodeID]*journal),
		}
		network := transport.NewNetwork()
		for _, id := range three.Voters {
			c.disks[id] = newDisk(id)
			host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: c.disks[id], Transport: network.Node(id), MemoryBudget: crowdBudget, Logger: silent})
			require.NoError(t, err)
			c.hosts[id] = host
			defer host.Close()
		}
		for id := consensus.GroupID(1); id <= crowdGroups; id++ {
			c.members[id], c.states[id] = make(map[consensus.NodeID]*consensus.Group), make(map[consensus.NodeID]*journal)
			for node, host := range c.hosts {
				c.states[id][node] = &journal{}
				g, err := host.Create(consensus.GroupConfig{ID: id, Protocol: raft.New, Members: three, StateMachine: c.states[id][node], SnapshotSize: 1 << 30})
				require.NoError(t, err)
				c.members[id][node] = g
			}
		}
		for id, members := range c.members {
			c.propose(id, 1)
			for now, _ := members[c.leader].Leadership(); now.Role != consensus.Leader; now, _ = members[c.leader].Leadership() {
				members[now.Leader].Transfer(background, c.leader)
				time.Sleep(time.Second)
			}
		}
		synctest.Wait()
		test(c)
	})
}

// propose has the leader's member take n commands, however often it is busy.
func (c *crowd) propose(id consensus.GroupID, n int) {
	c.t.Helper()
	for ; n > 0; n-- {
		for {
			_, err := c.members[id][c.leader].Propose(background, make([]byte, crowdCommand))
			if err == nil {
				break
			}
			require.ErrorIs(c.t, err, consensus.ErrBusy)
			time.Sleep(10 * time.Millisecond)
		}
		c.bounded()
	}
}

// flood proposes n commands at once, and returns how many were refused when the others are in. They
// are answered by when wait returns.
func (c *crowd) flood(id consensus.GroupID, n int) (busy int, wait func()) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for range n {
		all.Go(func() {
			_, err := c.members[id][c.leader].Propose(background, make([]byte, crowdCommand))
			if errors.Is(err, consensus.ErrBusy) {
				mu.Lock()
				defer mu.Unlock()
				busy++
			} else if err != nil {
				c.t.Error(err)
			}
		})
	}
	time.Sleep(time.Second)
	mu.Lock()
	defer mu.Unlock()
	return busy, all.Wait
}

// bounded checks that no host holds more than its groups may.
func (c *crowd) bounded() {
	c.t.Helper()
	for id, h := range c.hosts {
		require.LessOrEqual(c.t, h.Metrics().HeldBytes, uint64(crowdBudget*3/4), "host %d", id)
	}
}

func TestAGroupWhoseStateMachineIsStuckIsBoundedAndHoldsUpNoOther(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		stuck := make(chan struct{})
		release := sync.OnceFunc(func() { close(stuck) })
		defer release()
		for _, j := range c.states[1] {
			j.before = func(string) { <-stuck }
		}
		const n = 2 * crowdBudget / crowdCommand
		busy, wait := c.flood(1, n)
		require.Greater(t, busy, n/2)
		require.Greater(t, c.hosts[1].Metrics().HeldBytes, uint64(crowdBudget/2))
		c.bounded()
		for id := consensus.GroupID(2); id <= crowdGroups; id++ {
			c.propose(id, 100) // four times its share: it has to shorten its log
			require.Positive(t, c.members[id][1].Status().Snapshot)
		}
		release()
		wait()
		c.propose(1, n)
		for node, j := range c.states[1] {
			require.NoError(t, c.members[1][node].Read(background))
			require.Len(t, j.all(), 1+n-busy+n)
		}
	})
}

func TestAFollowerWithoutMemoryTakesInNoMoreAndCatchesUp(t *testing.T) {
	for name, hamper := range map[string]func(c *crowd) (undo func()){
		"its state machine is stuck": func(c *crowd) func() {
			stuck := make(chan struct{})
			c.states[1][3].before = func(string) { <-stuck }
			return sync.OnceFunc(func() { close(stuck) })
		},
		"its disk is stuck": func(c *crowd) func() {
			c.disks[3].delay.Store(int64(time.Minute))
			return func() { c.disks[3].delay.Store(0) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCrowd(t, func(c *crowd) {
				undo := hamper(c)
				defer undo()
				const n = 2 * crowdBudget / crowdCommand
				c.propose(1, n)
				time.Sleep(time.Second)
				c.bounded()
				undo()
				require.NoError(t, c.members[1][3].Read(background))
				require.Len(t, c.states[1][3].all(), 1+n)
			})
		})
	}
}

func TestAGroupThatCannotShortenItsLogTriesAgain(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for _, d := range c.disks {
			d.full.Store(true)
		}
		const n = 2 * crowdBudget / crowdCommand
		taken := 0
		for ; taken < n; taken++ {
			if _, err := c.members[1][1].Propose(background, make([]byte, crowdCommand)); err != nil {
				require.ErrorIs(t, err, consensus.ErrBusy)
				break
			}
		}
		time.Sleep(10 * time.Second)
		require.ErrorIs(t, c.members[1][1].Status().SnapshotError, errDisk)
		require.InDelta(t, 10, int(c.hosts[1].Metrics().SnapshotsFailed), 2, "once in an election timeout")
		_, err := c.members[1][1].Propose(background, make([]byte, crowdCommand))
		require.ErrorIs(t, err, consensus.ErrBusy)
		for _, d := range c.disks {
			d.full.Store(false)
		}
		c.propose(1, n)
		require.NoError(t, c.members[1][1].Status().SnapshotError)
	})
}
