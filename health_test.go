package consensus_test

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
)

func TestALeaderWhoseDiskIsStuckIsReplaced(t *testing.T) {
	for _, protocol := range []consensus.NewEngine{raft.New, paxos.New} {
		inBubble(t, consensus.GroupConfig{Protocol: protocol}, func(c *cluster) {
			stuck := c.leader()
			c.propose(stuck, "a")
			stuck.disk.delay.Store(int64(time.Hour))
			start := time.Now()
			go stuck.group.Propose(background, []byte("written to no end"))
			for now, changed := stuck.group.Leadership(); now.Role == consensus.Leader; now, changed = stuck.group.Leadership() {
				<-changed
			}
			next := c.leader()
			require.NotSame(t, stuck, next)
			c.propose(next, "b")
			require.Less(t, time.Since(start), 10*time.Second, "of an election timeout of 1 s")
			time.Sleep(time.Minute)
			require.Same(t, next, c.leader())
		})
	}
}

// stuckPeers is a transport whose streams reach nobody, and end with their context.
type stuckPeers struct {
	consensus.Transport
	streams chan struct{}
}

func (s stuckPeers) SendSnapshot(ctx context.Context, m consensus.Message, meta consensus.SnapshotMeta, r io.Reader) error {
	s.streams <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

func TestCloseDoesNotWaitForAPeerThatIsStuck(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		c.stop(leader)
		streams := make(chan struct{}, 100)
		leader.wrap = func(t consensus.Transport) consensus.Transport { return stuckPeers{t, streams} }
		c.reopen(leader)
		c.propose(leader, "a")
		c.lead(leader)
		c.isolate(n)
		for range 100 {
			c.propose(leader, "b")
		}
		time.Sleep(time.Second) // the log is shortened
		c.rejoin(n)
		<-streams
		start := time.Now()
		require.NoError(t, leader.host.Close())
		require.Zero(t, time.Since(start))
	})
}

func TestCloseAnswersWhatWaitsForOthers(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		c.propose(n, "a")
		c.isolate(leader)
		c.isolate(n)
		var callers sync.WaitGroup
		var answers atomic.Int64
		for _, g := range []*consensus.Group{leader.group, n.group} {
			for _, ask := range []func() error{
				func() error { _, err := g.Propose(background, []byte("b")); return err },
				func() error { return g.Read(background) },
				func() error { _, err := g.Change(background, three, 0); return err },
				func() error { _, err := g.OpenSession(background); return err },
			} {
				callers.Go(func() {
					err := ask()
					require.Error(t, err)
					require.True(t, decided(err), "%v", err)
					answers.Add(1)
				})
			}
		}
		time.Sleep(10 * time.Second)
		require.Less(t, answers.Load(), int64(8))
		start := time.Now()
		require.NoError(t, leader.host.Close())
		require.NoError(t, n.host.Close())
		callers.Wait()
		require.Zero(t, time.Since(start))
	})
}

func TestCloseWaitsForTheCallOfTheStateMachineAlone(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n, stuck := c.leader(), make(chan struct{})
		n.journal.before = func(command string) {
			if command == "0" {
				<-stuck
			}
		}
		answers := make(chan error, 100)
		for i := range cap(answers) {
			go func() {
				_, err := n.group.Propose(background, []byte{'0' + byte(i)})
				answers <- err
			}()
		}
		time.Sleep(time.Second)
		closed := make(chan error, 1)
		go func() { closed <- n.host.Close() }()
		synctest.Wait()
		require.Len(t, answers, cap(answers), "nobody waits for the state machine")
		require.Empty(t, closed)
		close(stuck)
		require.NoError(t, <-closed)
		require.Less(t, len(n.journal.all()), 100, "what has not begun does not begin")
	})
}
