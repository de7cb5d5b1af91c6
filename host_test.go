package consensus_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
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

func TestAnyReplicaTakesProposalsAndCanBeRead(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		for i, n := range c.nodes {
			result, err := n.group.Propose(background, fmt.Appendf(nil, "from %d", n.id))
			require.NoError(t, err)
			require.Equal(t, consensus.Result{Value: uint64(i + 1), Data: fmt.Appendf(nil, "from %d", n.id)}, result)
		}
		for _, n := range c.nodes {
			c.applied(n, "from 1", "from 2", "from 3")
		}
	})
}

func TestAStoppedLeaderIsReplacedAndCatchesUpWhenItIsBack(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		first := c.leader()
		c.propose(first, "a")
		c.stop(first)
		c.propose(c.leader(), "b")
		require.NotSame(t, first, c.leader())
		c.reopen(first)
		c.applied(first, "a", "b")
	})
}

func TestAllReplicasComeBackFromTheirDisks(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b")
		for _, n := range c.nodes {
			c.stop(n)
		}
		for _, n := range c.nodes {
			c.reopen(n)
		}
		for _, n := range c.nodes {
			c.applied(n, "a", "b")
		}
	})
}

func TestASlowDiskDelaysAcknowledgementsAndNoHeartbeat(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		leader := c.leader()
		c.propose(leader, "a")
		before, _ := leader.group.Leadership()
		const delay = 800 * time.Millisecond // of an election timeout of 1 s
		for _, n := range c.nodes {
			n.disk.delay.Store(int64(delay))
		}
		start := time.Now()
		c.propose(leader, "b")
		require.GreaterOrEqual(t, time.Since(start), delay)
		time.Sleep(10 * time.Second)
		after, _ := leader.group.Leadership()
		require.Equal(t, before, after)
	})
}

// Neither a disk nor a state machine that is stuck holds up the clock by which a leader counts who follows it
// (etcd-io/etcd#13527: such a leader was seen leading beside the next one).
func TestALeaderWithoutAQuorumStepsDownWhateverIsStuck(t *testing.T) {
	for _, protocol := range []consensus.NewEngine{raft.New, paxos.New} {
		inBubble(t, consensus.GroupConfig{Protocol: protocol}, func(c *cluster) {
			leader := c.leader()
			release := make(chan struct{})
			defer close(release)
			leader.journal.before = func(string) { <-release }
			go leader.group.Propose(background, []byte("applied to no end"))
			time.Sleep(time.Second)
			leader.disk.delay.Store(int64(time.Minute))
			go leader.group.Propose(background, []byte("written to no end"))
			c.isolate(leader)
			time.Sleep(1200 * time.Millisecond) // an election timeout is 1 s
			now, _ := leader.group.Leadership()
			require.NotEqual(t, consensus.Leader, now.Role)
		})
	}
}

func TestAFailedDiskStopsTheGroupsOfItsHostAndNoOthers(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		broken := c.leader()
		cfg := c.config
		cfg.ID, cfg.Protocol, cfg.Members, cfg.StateMachine = 8, raft.New, consensus.Members{Voters: []consensus.NodeID{broken.id}}, &journal{}
		other, err := broken.host.Create(cfg)
		require.NoError(t, err)
		_, err = other.Propose(background, []byte("fine"))
		require.NoError(t, err)

		broken.disk.failing.Store(true)
		_, err = broken.group.Propose(background, []byte("lost"))
		require.ErrorIs(t, err, consensus.ErrUnknown)
		require.ErrorIs(t, err, consensus.ErrStopped)
		require.ErrorIs(t, err, errDisk)
		for _, g := range []*consensus.Group{broken.group, other} {
			<-g.Done()
			require.ErrorIs(t, g.Err(), consensus.ErrStopped)
			require.ErrorIs(t, g.Err(), errDisk)
			_, err = g.Propose(background, nil)
			require.ErrorIs(t, err, consensus.ErrNotApplied)
			require.ErrorIs(t, err, errDisk)
		}
		_, err = broken.host.Create(cfg)
		require.ErrorIs(t, err, errDisk)
		require.ErrorIs(t, broken.host.Close(), errDisk)
		broken.host = nil
		c.propose(c.leader(), "the others go on")

		broken.disk.failing.Store(false)
		c.reopen(broken)
		require.NoError(t, broken.group.Read(background))
		require.Contains(t, broken.journal.all(), "the others go on")
	})
}

func TestASlowStateMachineHoldsUpNoOtherGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, err := consensus.Start(consensus.HostConfig{ID: 1, Storage: storage.NewMemory(), Transport: transport.NewNetwork().Node(1), Logger: silent})
		require.NoError(t, err)
		release := make(chan struct{})
		cfg := consensus.GroupConfig{ID: 1, Protocol: raft.New, Members: consensus.Members{Voters: []consensus.NodeID{1}}}
		cfg.StateMachine = &journal{before: func(string) { <-release }}
		slow, err := host.Create(cfg)
		require.NoError(t, err)
		// As many groups as there are loops, and one more: one shares the loop of the slow one.
		var others []*consensus.Group
		for cfg.ID = 2; cfg.ID < 66; cfg.ID++ {
			cfg.StateMachine = &journal{}
			g, err := host.Create(cfg)
			require.NoError(t, err)
			others = append(others, g)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := slow.Propose(background, []byte("slow"))
			answered <- err
		}()
		for _, g := range others {
			_, err := g.Propose(background, []byte("quick"))
			require.NoError(t, err)
		}
		require.Empty(t, answered)
		close(release)
		require.NoError(t, <-answered)
		require.NoError(t, host.Close())
	})
}

func TestAPanicOfTheStateMachineStopsItsGroupAndNoOther(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		n.journal.before = func(command string) {
			if command == "poison" {
				panic("cannot do that")
			}
		}
		cfg := c.config
		cfg.ID, cfg.Protocol, cfg.Members, cfg.StateMachine = 8, raft.New, consensus.Members{Voters: []consensus.NodeID{n.id}}, &journal{}
		other, err := n.host.Create(cfg)
		require.NoError(t, err)
		_, err = n.group.Propose(background, []byte("poison"))
		require.ErrorIs(t, err, consensus.ErrUnknown)
		require.ErrorIs(t, err, consensus.ErrStopped)
		require.ErrorContains(t, err, "cannot do that")
		require.ErrorContains(t, err, "host_test.go", "the stack says where")
		_, err = other.Propose(background, []byte("fine"))
		require.NoError(t, err)

		require.ErrorContains(t, n.group.Close(), "cannot do that")
		n.group, err = n.host.Open(c.groupConfig(n)) // with a state machine that can
		require.NoError(t, err)
		c.applied(n, "poison")
	})
}

func TestAStateMachineThatEndsItsGoroutineStopsItsGroup(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		n.journal.before = func(string) { runtime.Goexit() }
		_, err := n.group.Propose(background, []byte("a"))
		require.ErrorIs(t, err, consensus.ErrUnknown)
		require.ErrorIs(t, err, consensus.ErrStopped)
		require.ErrorContains(t, n.group.Close(), "ended the goroutine")
	})
}

func TestACallerWhoGivesUpLearnsWhatIsKnown(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		leader := c.leader()
		c.propose(leader, "a")
		done, cancel := context.WithCancel(background)
		cancel()
		_, err := leader.group.Propose(done, []byte("never"))
		require.ErrorIs(t, err, consensus.ErrNotApplied)
		require.ErrorIs(t, err, context.Canceled)

		c.isolate(leader)
		soon, cancel := context.WithTimeout(background, 100*time.Millisecond)
		defer cancel()
		_, err = leader.group.Propose(soon, []byte("perhaps"))
		require.ErrorIs(t, err, consensus.ErrUnknown, "it is in the leader's log")
		require.NotErrorIs(t, err, consensus.ErrNotApplied)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		time.Sleep(10 * time.Second) // it steps down
		soon, cancel = context.WithTimeout(background, 100*time.Millisecond)
		defer cancel()
		_, err = leader.group.Propose(soon, []byte("never"))
		require.ErrorIs(t, err, consensus.ErrNotApplied, "there was nobody to send it to")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, leader.group.Read(soon), consensus.ErrNotApplied)

		c.rejoin(leader)
		c.propose(leader, "b")
		require.NotContains(t, leader.journal.all(), "never")
	})
}

// TestCloseReturnsAtAnyMoment closes hosts, all at once, after each of many lengths of time. That
// no goroutine is left over is for the bubble to notice.
func TestCloseReturnsAtAnyMoment(t *testing.T) {
	for after := time.Duration(0); after < 3*time.Second; after += 70*time.Millisecond + after/5 {
		inBubble(t, consensus.GroupConfig{SnapshotSize: 1000}, func(c *cluster) {
			var clients sync.WaitGroup
			for _, n := range c.nodes {
				n.disk.delay.Store(int64(3 * time.Millisecond))
				clients.Go(func() {
					for i := 0; ; i++ {
						_, err := n.group.Propose(background, fmt.Appendf(nil, "%d/%d", n.id, i))
						if err == nil {
							err = n.group.Read(background)
						}
						if n.group.Err() != nil {
							require.True(t, decided(err), "%v", err)
							return
						}
					}
				})
			}
			time.Sleep(after)
			for _, n := range c.nodes {
				clients.Go(func() { require.NoError(t, n.host.Close()) })
				clients.Go(func() { require.NoError(t, n.group.Close()) })
			}
			clients.Wait()
			for _, n := range c.nodes {
				require.Equal(t, consensus.ErrClosed, n.group.Err())
				_, err := n.host.Open(c.groupConfig(n))
				require.ErrorIs(t, err, consensus.ErrClosed)
			}
		})
	}
}

// decided reports whether err says which of the three outcomes it was.
func decided(err error) bool {
	return err == nil || consensus.OutcomeOf(err) != consensus.OutcomeOK
}

func TestManyGroupsShareAHost(t *testing.T) {
	const groups = 50
	synctest.Test(t, func(t *testing.T) {
		network := transport.NewNetwork()
		var hosts []*consensus.Host
		members := make(map[consensus.GroupID][]*consensus.Group)
		for _, id := range three.Voters {
			host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: storage.NewMemory(), Transport: network.Node(id), Logger: silent})
			require.NoError(t, err)
			hosts = append(hosts, host)
			for id := consensus.GroupID(1); id <= groups; id++ {
				g, err := host.Create(consensus.GroupConfig{ID: id, Protocol: raft.New, Members: three, StateMachine: &journal{}})
				require.NoError(t, err)
				members[id] = append(members[id], g)
			}
		}
		require.Equal(t, groups, hosts[0].Status().Groups)
		var clients sync.WaitGroup
		for id, gs := range members {
			clients.Go(func() {
				for i, g := range gs {
					result, err := g.Propose(background, fmt.Appendf(nil, "%d", id))
					require.NoError(t, err)
					require.Equal(t, uint64(i+1), result.Value)
				}
			})
		}
		clients.Wait()
		for _, h := range hosts {
			require.NoError(t, h.Close())
			require.Zero(t, h.Status().Groups)
		}
	})
}

// A deafTransport cannot receive.
type deafTransport struct{ consensus.Transport }

var errDeaf = errors.New("address in use")

func (deafTransport) Serve(context.Context, consensus.Handler) error { return errDeaf }

func TestATransportThatCannotServeStopsTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, err := consensus.Start(consensus.HostConfig{ID: 1, Storage: storage.NewMemory(), Transport: deafTransport{transport.NewNetwork().Node(1)}, Logger: silent})
		require.NoError(t, err)
		synctest.Wait()
		_, err = host.Create(consensus.GroupConfig{ID: 1, Protocol: raft.New, Members: three, StateMachine: &journal{}})
		require.ErrorIs(t, err, consensus.ErrStopped)
		require.ErrorIs(t, host.Close(), errDeaf)
	})
}

// A hastyTransport serves until it feels like it.
type hastyTransport struct{ consensus.Transport }

func (hastyTransport) Serve(context.Context, consensus.Handler) error {
	time.Sleep(time.Minute)
	return nil
}

func TestATransportThatServesNoMoreStopsTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, err := consensus.Start(consensus.HostConfig{ID: 1, Storage: storage.NewMemory(), Transport: hastyTransport{transport.NewNetwork().Node(1)}, Logger: silent})
		require.NoError(t, err)
		g, err := host.Create(consensus.GroupConfig{ID: 1, Protocol: raft.New, Members: three, StateMachine: &journal{}})
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		require.ErrorIs(t, host.Close(), consensus.ErrStopped)
		require.ErrorIs(t, g.Err(), consensus.ErrStopped)
	})
}

func TestMessagesForUnknownGroupsAreDroppedAndCounted(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.leader(), "a")
		before := c.nodes[0].host.Status().Dropped
		require.NoError(t, c.nodes[0].group.Close())
		time.Sleep(time.Second)
		require.Greater(t, c.nodes[0].host.Status().Dropped, before)
		c.propose(c.nodes[1], "the others go on")
	})
}
