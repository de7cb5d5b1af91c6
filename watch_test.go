package consensus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

func TestAWatcherSeesEveryChangeOfLeadershipInOrder(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.follower()
		events := n.host.Watch(background, 100)
		last, _ := n.group.Leadership()
		c.stop(c.leader())
		c.leader()
		time.Sleep(time.Second)
		now, _ := n.group.Leadership()
		require.NotEqual(t, last, now)
		require.NotEmpty(t, events)
		for len(events) > 0 {
			e := <-events
			require.Equal(t, theGroup, e.Group)
			require.Zero(t, e.Lost)
			require.NotEqual(t, last, e.Leadership)
			last = e.Leadership
		}
		require.Equal(t, now, last)
		require.NoError(t, n.host.Close())
		require.Equal(t, consensus.LeadershipEvent{Group: theGroup, Leadership: consensus.Leadership{Term: now.Term}}, <-events)
		_, open := <-events
		require.False(t, open)
		_, open = <-n.host.Watch(background, 1)
		require.False(t, open)
	})
}

func TestAWatcherThatDoesNotReceiveHoldsUpNothingAndLearnsWhatItMissed(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		a, b := c.leader(), c.follower()
		idle, busy := a.host.Watch(background, 0), a.host.Watch(background, 1000)
		for range 3 {
			require.NoError(t, a.group.Transfer(background, b.id))
			time.Sleep(time.Second)
			require.NoError(t, b.group.Transfer(background, a.id))
			time.Sleep(time.Second)
		}
		missed := len(busy) - 1
		require.Positive(t, missed)
		require.Zero(t, (<-idle).Lost)
		require.NoError(t, a.group.Close())
		require.Equal(t, missed, (<-idle).Lost)
	})
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		ctx, cancel := context.WithCancel(background)
		events := c.leader().host.Watch(ctx, 1)
		cancel()
		_, open := <-events
		require.False(t, open)
	})
}
