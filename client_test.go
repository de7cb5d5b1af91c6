package consensus_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/transport"
)

func TestASessionAppliesOnceHoweverManyLeadersStop(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		client := c.follower()
		session, err := client.group.OpenSession(background)
		require.NoError(t, err)
		finished := make(chan struct{})
		var want []string
		go func() {
			defer close(finished)
			for i := range 300 {
				command := fmt.Sprint(i)
				result, err := session.Propose(background, []byte(command))
				require.NoError(t, err)
				require.Equal(t, uint64(i+1), result.Value)
				want = append(want, command)
				time.Sleep(10 * time.Millisecond)
			}
		}()
		changes := 0
		for running := true; running; {
			if leader := c.leader(); leader != client {
				c.stop(leader)
				c.leader()
				c.reopen(leader)
				changes++
			}
			select {
			case <-finished:
				running = false
			case <-time.After(500 * time.Millisecond):
			}
		}
		require.Positive(t, changes)
		c.applied(client, want...)
		require.NoError(t, session.Close(background))
		require.NoError(t, session.Close(background), "again")
		_, err = session.Propose(background, nil)
		require.ErrorIs(t, err, consensus.ErrNoSession)
	})
}

func TestAClientGoesOnWithItsSessionAtAnyMember(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n, o := c.leader(), c.follower()
		session, err := n.group.OpenSession(background)
		require.NoError(t, err)
		command := func(sequence uint64) consensus.SessionCommand {
			return consensus.SessionCommand{Session: session.ID(), Sequence: sequence, Oldest: sequence, Data: fmt.Append(nil, sequence)}
		}
		propose := func(n *node, sequence uint64) {
			result, err := n.group.ProposeOnce(background, command(sequence))
			require.NoError(t, err)
			require.Equal(t, sequence, result.Value)
		}
		propose(n, 1)

		c.isolate(n)
		soon, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err = n.group.ProposeOnce(soon, command(2))
		require.ErrorIs(t, err, consensus.ErrUnknown)
		propose(o, 2)
		propose(o, 2)
		c.rejoin(n)
		propose(n, 2)
		_, err = n.group.ProposeOnce(background, command(1))
		require.ErrorIs(t, err, consensus.ErrStaleSequence)

		c.stop(n)
		_, err = session.Propose(background, nil)
		require.ErrorIs(t, err, consensus.ErrClosed)
		c.reopen(n)
		propose(n, 3)
		c.applied(n, "1", "2", "3")
	})
}

func TestASessionGivesUpWithItsCaller(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		leader := c.leader()
		session, err := leader.group.OpenSession(background)
		require.NoError(t, err)
		c.isolate(leader)
		soon, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		_, err = session.Propose(soon, []byte("perhaps"))
		require.ErrorIs(t, err, consensus.ErrUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, consensus.ErrNotApplied)
		c.rejoin(leader)
		result, err := session.Propose(background, []byte("surely"))
		require.NoError(t, err)
		require.Equal(t, "surely", string(result.Data))
	})
}

func TestASessionBoundsItsOpenCommands(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		session, err := n.group.OpenSession(background)
		require.NoError(t, err)
		var clients sync.WaitGroup
		for i := range 3 * consensus.MaxAnswers {
			clients.Go(func() {
				_, err := session.Propose(background, fmt.Append(nil, i))
				require.NoError(t, err)
			})
		}
		clients.Wait()
		require.NoError(t, n.group.Read(background))
		require.Len(t, n.journal.all(), 3*consensus.MaxAnswers)
	})
}

func TestASessionThatIsGoneIsClosed(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		n := c.leader()
		session, err := n.group.OpenSession(background)
		require.NoError(t, err)
		for _, o := range c.nodes {
			if o != n {
				o.disk.delay.Store(int64(100 * time.Millisecond))
			}
		}
		closed := make(chan error, 1)
		go func() { closed <- session.Close(background) }()
		time.Sleep(50 * time.Millisecond)
		c.isolate(n) // the others have the entry, and their answers are lost
		for _, o := range c.nodes {
			o.disk.delay.Store(0)
		}
		for i := range 200 {
			c.others(n)[0].group.Propose(background, fmt.Append(nil, i))
		}
		c.rejoin(n) // by a snapshot, so that the first attempt is unknown
		require.NoError(t, <-closed)
	})
}

// others are all nodes but n.
func (c *cluster) others(n *node) []*node {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(o *node) bool { return o == n })
}

func TestAProposalThroughAWitnessHasTheStateMachinesAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, network: transport.NewNetwork()}
		defer c.stopAll()
		for id := consensus.NodeID(1); id <= 3; id++ {
			n := c.newNode(id)
			cfg := c.groupConfig(n)
			cfg.Members = consensus.Members{Voters: []consensus.NodeID{1, 2}, Witnesses: []consensus.NodeID{3}}
			if id == 3 {
				cfg.StateMachine = nil
			}
			var err error
			n.group, err = n.host.Create(cfg)
			require.NoError(t, err)
		}
		c.leader().journal.before = func(string) { time.Sleep(time.Millisecond) } // the witness is done first
		for i := range 100 {
			result, err := c.nodes[2].group.Propose(background, fmt.Append(nil, i))
			require.NoError(t, err)
			require.Equal(t, uint64(i+1), result.Value)
		}
	})
}
