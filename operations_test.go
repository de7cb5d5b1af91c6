package consensus_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
)

// load has commands proposed through n, in a session, until stop is called, which returns them.
func (c *cluster) load(n *node, name string) (stop func() []string) {
	c.t.Helper()
	session, err := n.group.OpenSession(background)
	require.NoError(c.t, err)
	var sent []string
	ending, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		for {
			select {
			case <-ending:
				return
			case <-time.After(5 * time.Millisecond):
			}
			command := fmt.Sprint(name, len(sent))
			if _, err := session.Propose(background, []byte(command)); err != nil {
				c.t.Errorf("%s: %v", command, err)
				return
			}
			sent = append(sent, command)
		}
	}()
	return func() []string {
		close(ending)
		<-ended
		return sent
	}
}

// insist has n take a command in a session, whoever comes to lead.
func (c *cluster) insist(n *node, command string) {
	c.t.Helper()
	session, err := n.group.OpenSession(background)
	require.NoError(c.t, err)
	_, err = session.Propose(background, []byte(command))
	require.NoError(c.t, err)
}

// join starts a node without anything, which enters the group.
func (c *cluster) join(n *node) {
	c.t.Helper()
	cfg := c.groupConfig(n)
	cfg.Members = consensus.Members{}
	var err error
	n.group, err = n.host.Join(cfg)
	require.NoError(c.t, err)
}

// change makes m the membership, waits until n knows that it is settled, and returns what n says then.
func (c *cluster) change(by, n *node, m consensus.Members) consensus.GroupStatus {
	c.t.Helper()
	at, err := by.group.Change(background, m, by.group.Status().MembersIndex)
	require.NoError(c.t, err)
	st, err := n.group.Settled(background, at)
	require.NoError(c.t, err)
	return st
}

func TestARollingRestartUnderLoadLosesNothing(t *testing.T) {
	withBoth(t, consensus.GroupConfig{SnapshotSize: 5000}, func(c *cluster) {
		var want []string
		for k, n := range c.nodes {
			stop := c.load(c.nodes[(k+1)%3], fmt.Sprint("client", k, "-"))
			if now, _ := n.group.Leadership(); now.Role == consensus.Leader {
				require.NoError(c.t, n.group.Transfer(background, c.nodes[(k+2)%3].id))
			}
			c.stop(n)
			time.Sleep(time.Second)
			c.reopen(n)
			require.NoError(c.t, n.group.Read(background))
			want = append(want, stop()...)
		}
		require.Greater(c.t, len(want), 200)
		for _, n := range c.nodes {
			c.applied(n, want...)
		}
	})
}

func TestADeadNodeIsReplacedByAnother(t *testing.T) {
	withBoth(t, consensus.GroupConfig{SnapshotSize: 5000}, func(c *cluster) {
		stop := c.load(c.nodes[0], "a")
		time.Sleep(time.Second)
		c.stop(c.nodes[2])
		c.leader()
		n := c.newNode(4)
		c.join(n)
		st := c.change(c.nodes[1], n, consensus.Members{Voters: []consensus.NodeID{1, 2}, Joining: []consensus.NodeID{4}})
		require.Equal(c.t, []consensus.NodeID{1, 2, 4}, st.Members.Voters)
		c.applied(n, stop()...)
		c.stop(c.nodes[1]) // it is one of three again
		c.insist(n, "b")
	})
}

func TestAWipedNodeComesBackThroughAChange(t *testing.T) {
	withBoth(t, consensus.GroupConfig{SnapshotSize: 5000}, func(c *cluster) {
		stop := c.load(c.nodes[0], "a")
		time.Sleep(time.Second)
		n := c.nodes[2]
		c.stop(n)
		c.leader()
		n.disk.Memory = storage.NewMemory(storage.WithIncarnation(33))
		c.start(n)
		_, err := n.host.Open(c.groupConfig(n))
		require.ErrorIs(c.t, err, consensus.ErrNoGroup)
		c.join(n)
		st, err := n.group.Settled(background, 1)
		require.NoError(c.t, err)
		require.True(c.t, st.Refused)
		st = c.change(c.nodes[0], n, consensus.Members{Voters: []consensus.NodeID{1, 2}, Joining: []consensus.NodeID{3}})
		require.False(c.t, st.Refused)
		require.Equal(c.t, consensus.Voter, st.Kind)
		require.Equal(c.t, uint64(33), st.Members.Incarnation(3))
		want := stop()
		c.applied(n, want...)
		c.stop(c.nodes[1])
		c.insist(n, "b")
		c.applied(c.nodes[0], append(slices.Clone(want), "b")...)
	})
}

func TestSettledEndsWithItsContextOrItsGroup(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		c.settle()
		n := c.nodes[0]
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err := n.group.Settled(ctx, 1000)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, consensus.ErrNotApplied)
		failed := make(chan error, 1)
		go func() {
			_, err := n.group.Settled(background, 1000)
			failed <- err
		}()
		time.Sleep(time.Second)
		c.stop(n)
		require.ErrorIs(t, <-failed, consensus.ErrClosed)
	})
}
