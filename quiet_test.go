package consensus_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
)

// atRest runs a test of a cluster of each engine that has come to rest, once it has a command in its log.
func atRest(t *testing.T, test func(c *cluster)) {
	for name, protocol := range map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, consensus.GroupConfig{Protocol: protocol}, func(c *cluster) {
				c.propose(c.leader(), "a")
				time.Sleep(10 * time.Second)
				for _, n := range c.nodes {
					require.True(t, n.group.Status().Quiet)
				}
				test(c)
			})
		})
	}
}

// sent is how many messages the nodes send in a time.
func (c *cluster) sent(in time.Duration) int {
	count := func() (n int) {
		for _, x := range c.nodes {
			n += int(x.host.Metrics().MessagesSent)
		}
		return n
	}
	before := count()
	time.Sleep(in)
	return count() - before
}

func TestHostsOfQuietGroupsSendOneHeartbeatEach(t *testing.T) {
	atRest(t, func(c *cluster) {
		// Two followers ask ten times in a second, and are answered.
		require.InDelta(t, 60*2*10*2, c.sent(time.Minute), 40)
	})
}

func TestAQuietGroupTakesCommandsAtEveryMember(t *testing.T) {
	atRest(t, func(c *cluster) {
		for _, n := range c.nodes {
			began := time.Now()
			c.propose(n, "b")
			require.Less(t, time.Since(began), 100*time.Millisecond)
			time.Sleep(10 * time.Second)
			require.True(t, n.group.Status().Quiet)
		}
		c.applied(c.nodes[0], "a", "b", "b", "b")
	})
}

func TestToAskForItsStatusWakesNobody(t *testing.T) {
	atRest(t, func(c *cluster) {
		for range 10 {
			for _, n := range c.nodes {
				require.True(t, n.group.Status().Quiet)
			}
		}
	})
}

func TestAQuietGroupReplacesALeaderWhoseHostIsLost(t *testing.T) {
	atRest(t, func(c *cluster) {
		first := c.leader()
		c.stop(first)
		time.Sleep(5 * time.Second)
		require.NotSame(t, first, c.leader())
	})
}

func TestAQuietGroupReplacesALeaderThatCannotBeReached(t *testing.T) {
	atRest(t, func(c *cluster) {
		first := c.leader()
		c.isolate(first)
		time.Sleep(5 * time.Second)
		require.NotSame(t, first, c.leader())
		c.rejoin(first)
		time.Sleep(20 * time.Second)
		require.True(t, first.group.Status().Quiet)
	})
}

func TestAQuietGroupReplacesALeaderThatIsClosed(t *testing.T) {
	atRest(t, func(c *cluster) {
		first := c.leader()
		require.NoError(t, first.group.Close())
		time.Sleep(5 * time.Second)
		require.NotSame(t, first, c.leader())
	})
}

// A discreet transport loses what agrees to quiet, once the leader is known.
type discreet struct {
	consensus.Transport
	leader *atomic.Uint32
}

func (d discreet) Send(msgs []consensus.Message) {
	d.Transport.Send(slices.DeleteFunc(slices.Clone(msgs), func(m consensus.Message) bool {
		return m.Flags&consensus.FlagQuiet != 0 && uint32(m.To) == d.leader.Load()
	}))
}

func TestAGroupWhoseLeaderIsClosedBeforeItIsQuietItselfReplacesIt(t *testing.T) {
	atRest(t, func(c *cluster) {
		var leader atomic.Uint32
		for _, n := range c.nodes {
			c.stop(n)
			n.wrap = func(t consensus.Transport) consensus.Transport { return discreet{t, &leader} }
			c.reopen(n)
		}
		first := c.leader()
		c.propose(first, "b")
		time.Sleep(10 * time.Second)
		leader.Store(uint32(first.id))
		c.propose(first, "c")
		for _, n := range c.others(first) {
			for !n.group.Status().Quiet {
				time.Sleep(time.Millisecond)
			}
		}
		require.False(t, first.group.Status().Quiet)
		require.NoError(t, first.group.Close())
		time.Sleep(5 * time.Second)
		require.NotSame(t, first, c.leader())
	})
}

func TestAFollowerThatComesBackWakesItsGroupAndLetsItRestAgain(t *testing.T) {
	atRest(t, func(c *cluster) {
		leader, f := c.leader(), c.follower()
		c.stop(f)
		time.Sleep(5 * time.Second)
		require.True(t, leader.group.Status().Quiet)
		c.reopen(f)
		time.Sleep(20 * time.Second)
		require.Same(t, leader, c.leader())
		require.Equal(t, []string{"a"}, f.journal.all())
		for _, n := range c.nodes {
			require.True(t, n.group.Status().Quiet)
		}
	})
}
