package consensus_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

func TestALaggardIsBroughtUpByASnapshot(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		n := c.follower()
		c.isolate(n)
		leader := c.leader()
		var want []string
		for i := range 200 {
			want = append(want, fmt.Sprint(i))
		}
		c.propose(leader, want...)
		require.Positive(t, leader.journal.views.Load())
		require.Positive(t, leader.group.Status().Snapshot)
		c.rejoin(n)
		c.applied(n, want...)
		require.Positive(t, n.group.Status().Snapshot)
		c.stop(n)
		c.reopen(n)
		require.NotEmpty(t, n.journal.all(), "it begins with the snapshot")
		c.applied(n, want...)
	})
}

func TestASnapshotIsWrittenWhileCommandsAreApplied(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		leader := c.leader()
		leader.journal.viewed = func(w io.Writer) error {
			time.Sleep(time.Hour)
			_, err := w.Write([]byte("unreached by the end of the test"))
			return err
		}
		for i := range 100 {
			c.propose(leader, fmt.Sprint(i))
		}
		require.Equal(t, int64(1), leader.journal.views.Load(), "one at a time")
		require.Zero(t, leader.group.Status().Snapshot)
	})
}

func TestASnapshotThatCannotBeWrittenStopsTheGroup(t *testing.T) {
	for name, viewed := range map[string]func(io.Writer) error{
		"fails":  func(io.Writer) error { return errors.New("will not be written") },
		"panics": func(io.Writer) error { panic("will not be written") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
				n := c.follower()
				n.journal.viewed = viewed
				leader := c.leader()
				for i := range 100 {
					c.propose(leader, fmt.Sprint(i))
				}
				<-n.group.Done()
				require.ErrorIs(t, n.group.Err(), consensus.ErrStopped)
				require.ErrorContains(t, n.group.Err(), "will not be written")
			})
		})
	}
}

func TestASnapshotThatFindsNoRoomIsTakenAgainLater(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		n := c.leader()
		n.disk.full.Store(true)
		for i := range 100 {
			c.propose(n, fmt.Sprint(i))
		}
		require.ErrorIs(t, n.group.Status().SnapshotError, errDisk)
		require.Zero(t, n.group.Status().Snapshot)
		n.disk.full.Store(false)
		for i := range 100 {
			c.propose(n, fmt.Sprint(i))
		}
		require.NoError(t, n.group.Status().SnapshotError)
		require.Positive(t, n.group.Status().Snapshot)
	})
}

func TestASnapshotThatCannotBeRestoredStopsTheGroup(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		c.isolate(n)
		leader.journal.viewed = func(w io.Writer) error {
			_, err := w.Write([]byte("no journal"))
			return err
		}
		for i := range 100 {
			c.propose(leader, fmt.Sprint(i))
		}
		c.rejoin(n)
		<-n.group.Done()
		require.ErrorIs(t, n.group.Err(), consensus.ErrStopped)
		require.ErrorContains(t, n.group.Err(), "restoring the snapshot at")
		c.stop(n)
		c.start(n)
		_, err := n.host.Open(c.groupConfig(n))
		require.ErrorContains(t, err, "restoring the snapshot at")
		require.Zero(t, n.host.Status().Groups)
	})
}

func TestCloseDoesNotWaitForASnapshotThatStalls(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		c.isolate(n)
		for i := range 100 {
			c.propose(leader, fmt.Sprint(i))
		}
		leader.disk.stalled.Store(true)
		c.rejoin(n)
		time.Sleep(10 * time.Second)
		require.Zero(t, n.group.Status().Snapshot)
		start := time.Now()
		require.NoError(t, n.group.Close())
		require.Less(t, time.Since(start), time.Second)
		leader.disk.stalled.Store(false)
		var err error
		n.group, err = n.host.Open(c.groupConfig(n))
		require.NoError(t, err)
		require.NoError(t, n.group.Read(background))
		require.Len(t, n.journal.all(), 100)
	})
}
