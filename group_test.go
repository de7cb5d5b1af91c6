package consensus_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

func TestCreateAndJoinRefuseWhatIsOnDiskAndOpenNeedsIt(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.leader(), "a")
		n := c.nodes[0]
		cfg := c.groupConfig(n)
		_, err := n.host.Open(cfg)
		var config *consensus.ConfigError
		require.ErrorAs(t, err, &config, "it is open")
		require.Equal(t, "ID", config.Field)

		require.NoError(t, n.group.Close())
		_, err = n.host.Create(cfg)
		require.ErrorIs(t, err, consensus.ErrGroupExists)
		join := cfg
		join.Members = consensus.Members{}
		_, err = n.host.Join(join)
		require.ErrorIs(t, err, consensus.ErrGroupExists)
		cfg.ID = 8
		_, err = n.host.Open(cfg)
		require.ErrorIs(t, err, consensus.ErrNoGroup)
	})
}

func TestAGroupThatIsClosedCanBeOpenedAgainOnTheSameHost(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		n.disk.delay.Store(int64(20 * time.Millisecond))
		for i := range 5 {
			c.propose(n, fmt.Sprint(i))
			require.NoError(t, n.group.Close())
			require.NoError(t, n.group.Close(), "again")
			_, err := n.group.Propose(background, nil)
			require.Equal(t, consensus.ErrClosed, err)
			n.group, err = n.host.Open(c.groupConfig(n))
			require.NoError(t, err)
		}
		c.applied(n, "0", "1", "2", "3", "4")
	})
}

func TestEveryMistakeInAConfigurationIsNamed(t *testing.T) {
	node := transport.NewNetwork().Node(1)
	host := consensus.HostConfig{ID: 1, Storage: storage.NewMemory(), Transport: node, Logger: silent}
	for _, x := range []struct {
		field, value string
		change       func(*consensus.HostConfig)
	}{
		{"ID", "0", func(c *consensus.HostConfig) { c.ID = 0 }},
		{"Storage", "nil", func(c *consensus.HostConfig) { c.Storage = nil }},
		{"Transport", "nil", func(c *consensus.HostConfig) { c.Transport = nil }},
		{"TickInterval", "-1ns", func(c *consensus.HostConfig) { c.TickInterval = -1 }},
		{"MemoryBudget", "-1", func(c *consensus.HostConfig) { c.MemoryBudget = -1 }},
	} {
		cfg := host
		x.change(&cfg)
		_, err := consensus.Start(cfg)
		requireConfigError(t, err, x.field, x.value)
	}

	h, err := consensus.Start(host)
	require.NoError(t, err)
	defer h.Close()
	group := consensus.GroupConfig{ID: 1, Protocol: raft.New, StateMachine: &journal{}, Members: three}
	for _, x := range []struct {
		field, value string
		change       func(*consensus.GroupConfig)
	}{
		{"ID", "0", func(c *consensus.GroupConfig) { c.ID = 0 }},
		{"Protocol", "nil", func(c *consensus.GroupConfig) { c.Protocol = nil }},
		{"StateMachine", "nil", func(c *consensus.GroupConfig) { c.StateMachine = nil }},
		{"SnapshotSize", "-1", func(c *consensus.GroupConfig) { c.SnapshotSize = -1 }},
		{"MaxInflight", "-1", func(c *consensus.GroupConfig) { c.MaxInflight = -1 }},
		{"ElectionTimeout", "-1s", func(c *consensus.GroupConfig) { c.ElectionTimeout = -time.Second }},
		{"HeartbeatInterval", "1s", func(c *consensus.GroupConfig) { c.HeartbeatInterval = time.Second }},
		{"HeartbeatInterval", "5ms", func(c *consensus.GroupConfig) { c.HeartbeatInterval = 5 * time.Millisecond }},
		{"Members.Voters", "[]", func(c *consensus.GroupConfig) { c.Members = consensus.Members{} }},
		{"Members", "voters [2 3]", func(c *consensus.GroupConfig) { c.Members.Voters = []consensus.NodeID{2, 3} }},
		{"Members", "1", func(c *consensus.GroupConfig) { c.Members.Voters = []consensus.NodeID{1, 1} }},
	} {
		cfg := group
		x.change(&cfg)
		_, err := h.Create(cfg)
		requireConfigError(t, err, x.field, x.value)
	}
	_, err = h.Join(group)
	requireConfigError(t, err, "Members", "voters [1 2 3]")
	require.Zero(t, h.Status().Groups)
}

func requireConfigError(t *testing.T, err error, field, value string) {
	t.Helper()
	var config *consensus.ConfigError
	require.ErrorAs(t, err, &config)
	require.Equal(t, [2]string{field, value}, [2]string{config.Field, config.Value})
}

func TestLeadershipShowsTheLatestAndNeverBlocks(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.follower()
		now, changed := n.group.Leadership()
		leader := c.leader()
		require.Equal(t, consensus.Follower, now.Role)
		require.Equal(t, leader.id, now.Leader)
		c.stop(leader)
		<-changed
		for now.Leader == leader.id || now.Leader == 0 {
			now, changed = n.group.Leadership()
			if now.Leader == leader.id || now.Leader == 0 {
				<-changed
			}
		}
		_, changed = n.group.Leadership()
		require.NoError(t, n.group.Close())
		<-changed
		now, _ = n.group.Leadership()
		require.Equal(t, consensus.Follower, now.Role)
		require.Zero(t, now.Leader)
	})
}

func TestLeadershipIsTransferred(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		from, to := c.leader(), c.follower()
		c.propose(from, "a")
		require.NoError(t, from.group.Transfer(background, to.id))
		require.Same(t, to, c.leader())
		require.ErrorIs(t, from.group.Transfer(background, from.id), consensus.ErrNotLeader)
	})
}

func TestAJoinedNodeBecomesAVoterByAChange(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.leader(), "a")
		n := c.newNode(4)
		cfg := c.groupConfig(n)
		cfg.Members = consensus.Members{}
		var err error
		n.group, err = n.host.Join(cfg)
		require.NoError(t, err)

		leader := c.leader()
		before := leader.group.Status().MembersIndex
		four := three.Clone()
		four.Joining = []consensus.NodeID{4}
		index, err := leader.group.Change(background, four, before)
		require.NoError(t, err)
		_, err = leader.group.Change(background, four, before)
		require.ErrorIs(t, err, consensus.ErrConfigIndex)
		for n.group.Status().Kind != consensus.Voter {
			time.Sleep(100 * time.Millisecond)
		}
		require.Greater(t, n.group.Status().MembersIndex, index, "it was promoted after it had joined")
		c.applied(n, "a")
		_, err = leader.group.Change(background, consensus.Members{}, index)
		requireConfigError(t, err, "Members.Voters", "[]")
	})
}

// TestAChangeWaitsForNoTimer: messages and disks take no time here, and all that arrives at once is one batch.
func TestAChangeWaitsForNoTimer(t *testing.T) {
	for _, protocol := range []consensus.NewEngine{raft.New, paxos.New} {
		inBubble(t, consensus.GroupConfig{Protocol: protocol}, func(c *cluster) {
			leader := c.leader()
			c.propose(leader, "a")
			with := three.Clone()
			with.Learners = []consensus.NodeID{4}
			for _, members := range []consensus.Members{with, three, with, three, with, three} {
				began := time.Now()
				_, err := leader.group.Change(background, members, leader.group.Status().MembersIndex)
				require.NoError(t, err)
				c.propose(leader, "b")
				require.Zero(t, time.Since(began))
			}
		})
	}
}

// TestAReplicaThatCannotKeepUpTakesInNoMore proposes twice what may wait to be applied, while the

// state machine of a follower is stuck, and then while that of the leader is.

func TestAReplicaThatCannotKeepUpTakesInNoMore(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 1 << 30}, func(c *cluster) {
		const budget, size = 64 << 20, 1 << 20
		leader, n := c.leader(), c.follower()
		command := make([]byte, size)
		stuck := make(chan struct{})
		n.journal.before = func(string) { <-stuck }
		for range 2 * budget / size {
			_, err := leader.group.Propose(background, command)
			require.NoError(t, err)
		}
		time.Sleep(time.Minute)
		status := n.group.Status()
		require.Less(t, status.LogBytes, budget+10*size)
		require.Equal(t, leader.id, status.Leader, "it still hears the heartbeats")
		close(stuck)
		require.NoError(t, n.group.Read(background))
		require.Len(t, n.journal.all(), 2*budget/size)

		stuck = make(chan struct{})
		leader.journal.before = func(string) { <-stuck }
		var clients sync.WaitGroup
		var busy atomic.Int64
		for range 2 * budget / size {
			clients.Go(func() {
				if _, err := leader.group.Propose(background, command); errors.Is(err, consensus.ErrBusy) {
					busy.Add(1)
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		close(stuck)
		clients.Wait()
		require.Positive(t, busy.Load())
		c.propose(leader, "after that it goes on")
	})
}

func TestAReplicaMayRefuseToForward(t *testing.T) {
	inBubble(t, consensus.GroupConfig{NoForward: true}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		_, err := n.group.Propose(background, []byte("a"))
		var elsewhere *consensus.NotLeaderError
		require.ErrorAs(t, err, &elsewhere)
		require.Equal(t, leader.id, elsewhere.Leader)
		c.propose(leader, "a")
	})
}

func TestStatusOfAStoppedGroupIsItsLast(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		c.propose(n, "a")
		before := n.group.Status()
		require.Equal(t, consensus.Leader, before.Role)
		require.Equal(t, before.Commit, before.Applied)
		require.NoError(t, n.group.Close())
		require.Equal(t, before.Applied, n.group.Status().Applied)
		require.Equal(t, theGroup, n.group.ID())
	})
}

func TestAWitnessNeedsNoStateMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, network: transport.NewNetwork(), config: consensus.GroupConfig{SnapshotSize: 2000}}
		defer c.stopAll()
		members := consensus.Members{Voters: []consensus.NodeID{1, 2}, Witnesses: []consensus.NodeID{3}}
		for id := consensus.NodeID(1); id <= 3; id++ {
			n := c.newNode(id)
			cfg := c.groupConfig(n)
			cfg.Members = members
			if id == 3 {
				cfg.StateMachine = nil
			}
			var err error
			n.group, err = n.host.Create(cfg)
			require.NoError(t, err)
		}
		leader := c.leader()
		for i := range 100 {
			c.propose(leader, fmt.Sprint(i))
		}
		c.stop(c.nodes[0])
		require.Same(t, c.nodes[1], c.leader(), "a witness leads only to help another")
		c.propose(c.nodes[1], "one voter and the witness are a majority")
		witness := c.nodes[2]
		c.stop(witness)
		c.start(witness)
		cfg := c.groupConfig(witness)
		cfg.Members, cfg.StateMachine = members, nil
		var err error
		witness.group, err = witness.host.Open(cfg)
		require.NoError(t, err)
		c.propose(c.nodes[1], "after a restart too")
	})
}

func TestAWitnessMayJoinAsALearner(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		leader := c.leader()
		c.propose(leader, "a")
		n := c.newNode(4)
		cfg := c.groupConfig(n)
		cfg.Members, cfg.StateMachine = consensus.Members{}, nil
		var err error
		n.group, err = n.host.Join(cfg)
		require.NoError(t, err)
		learner, witness := three.Clone(), three.Clone()
		learner.Learners, witness.Witnesses = []consensus.NodeID{4}, []consensus.NodeID{4}
		for _, next := range []struct {
			kind    consensus.MemberKind
			members consensus.Members
		}{{consensus.Learner, learner}, {consensus.Witness, witness}} {
			_, err = leader.group.Change(background, next.members, leader.group.Status().MembersIndex)
			require.NoError(t, err)
			for n.group.Status().Kind != next.kind {
				time.Sleep(100 * time.Millisecond)
			}
			require.NoError(t, n.group.Close())
			n.group, err = n.host.Open(cfg)
			require.NoError(t, err)
			require.Equal(t, next.kind, n.group.Status().Kind)
			c.propose(leader, "b")
			time.Sleep(time.Second) // in which the leader hears from it
		}
		c.isolate(c.follower())
		c.propose(leader, "two voters and the witness are a majority of four")
	})
}

// TestTheFirstProposalIsChosenWhereverItIsMade: nobody leads yet, and the founding term ends under whoever will.
func TestTheFirstProposalIsChosenWhereverItIsMade(t *testing.T) {
	for _, protocol := range []consensus.NewEngine{raft.New, paxos.New} {
		for i := range three.Voters {
			inBubble(t, consensus.GroupConfig{Protocol: protocol}, func(c *cluster) { c.propose(c.nodes[i], "first") })
		}
	}
}
