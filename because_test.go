package consensus_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// TestWhyAGroupStoppedSaysNothingOfItsRequests has state machines and disks fail with every error
// of this package, as that of a request to another group may be.
func TestWhyAGroupStoppedSaysNothingOfItsRequests(t *testing.T) {
	for _, e := range allErrors {
		t.Run(e.name, func(t *testing.T) {
			reason := fmt.Errorf("of another group: %w", e.err)
			stops := func(stop func(n *node)) {
				inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
					n := c.leader()
					c.propose(n, "a")
					stop(n)
					_, err := n.group.Propose(background, []byte("poison"))
					requireOutcome(t, err, consensus.ErrUnknown)
					require.ErrorContains(t, err, reason.Error())
					<-n.group.Done()
					require.ErrorIs(t, n.group.Err(), consensus.ErrStopped)
					_, err = n.group.Propose(background, nil)
					requireOutcome(t, err, consensus.ErrNotApplied)
					if e.says == noRequest {
						require.ErrorIs(t, err, e.err)
					}
				})
			}
			stops(func(n *node) { n.journal.before = func(string) { panic(reason) } })
			stops(func(n *node) {
				n.disk.failure = reason
				n.disk.failing.Store(true)
			})
		})
	}
}

// requireOutcome requires that err, of a group that has stopped, is want and no other outcome.
func requireOutcome(t *testing.T, err, want error) {
	t.Helper()
	require.ErrorIs(t, err, consensus.ErrStopped)
	for _, e := range allErrors {
		if e.says != noRequest {
			require.Equal(t, e.err == want, errors.Is(err, e.err), "%v is %s", err, e.name)
		}
	}
	var leads *consensus.NotLeaderError
	require.False(t, errors.As(err, &leads))
	var config *consensus.ConfigError
	require.False(t, errors.As(err, &config))
}

// A sector is an error with something to it.
type sector int

func (s sector) Error() string { return fmt.Sprintf("sector %d cannot be read", int(s)) }

func TestTheReasonThatAGroupStoppedIsFound(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		n.disk.failure = fmt.Errorf("disk: %w", sector(7))
		n.disk.failing.Store(true)
		_, err := n.group.Propose(background, []byte("a"))
		var found sector
		require.ErrorAs(t, err, &found)
		require.Equal(t, sector(7), found)
	})
}
