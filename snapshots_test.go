package consensus_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
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
		time.Sleep(time.Second) // they are stored
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
		"exits":  func(io.Writer) error { runtime.Goexit(); return nil },
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
				if name == "exits" {
					require.ErrorContains(t, n.group.Err(), "ended the goroutine")
				} else {
					require.ErrorContains(t, n.group.Err(), "will not be written")
				}
			})
		})
	}
}

// A hollowError cannot say what it is.
type hollowError struct{ text string }

func (e *hollowError) Error() string { return e.text }

func TestAnErrorThatCannotSayWhatItIsStopsItsGroupAndNothingElse(t *testing.T) {
	hollow := func(io.Writer) error { return (*hollowError)(nil) }
	stopped := func(n *node) {
		<-n.group.Done()
		require.ErrorIs(t, n.group.Err(), consensus.ErrStopped)
		require.ErrorContains(t, n.group.Err(), "nil")
	}
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		n.journal.viewed = hollow
		for i := range 100 {
			c.propose(leader, fmt.Sprint(i))
		}
		stopped(n)
		leader.journal.viewed = hollow
		leader.group.Backup(background, io.Discard)
		stopped(leader)
	})
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

func TestASnapshotWithAHoleIsNotStoredThoughTheStateMachineDoesNotMind(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		n := c.leader()
		n.journal.viewed = func(w io.Writer) error {
			n.disk.torn.Store(true)
			w.Write([]byte("lost"))
			w.Write([]byte("found"))
			return nil
		}
		for i := range 100 {
			c.propose(n, fmt.Sprint(i))
		}
		require.Zero(t, n.group.Status().Snapshot)
		require.ErrorIs(t, n.group.Status().SnapshotError, errDisk)
		require.NoError(t, n.group.Err())
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
		stored := n.disk.stored.Load()
		time.Sleep(2 * time.Minute)
		require.Equal(t, stored, n.disk.stored.Load(), "nothing is left to do when the stream breaks off")
		leader.disk.stalled.Store(false)
		var err error
		n.group, err = n.host.Open(c.groupConfig(n))
		require.NoError(t, err)
		require.NoError(t, n.group.Read(background))
		require.Len(t, n.journal.all(), 100)
	})
}

func TestNothingIsStoredAfterStorageFailed(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		n := c.leader()
		n.journal.viewed = func(w io.Writer) error {
			for {
				if _, err := w.Write([]byte("on and on")); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
		}
		for i := range 100 {
			c.propose(n, fmt.Sprint(i))
		}
		time.Sleep(3500 * time.Millisecond)
		require.Positive(t, n.disk.stored.Load())
		n.disk.failing.Store(true)
		_, err := n.group.Propose(background, []byte("lost"))
		require.ErrorIs(t, err, errDisk)
		stored := n.disk.stored.Load()
		time.Sleep(time.Minute)
		require.Equal(t, stored+1, n.disk.stored.Load(), "it is aborted")
	})
}

// A slowRestorer restores when it may.
type slowRestorer struct {
	*journal
	may chan struct{}
}

func (s slowRestorer) Restore(r io.Reader) error {
	<-s.may
	return s.journal.Restore(r)
}

func TestAReplicaThatRestoresTakesInNoMoreThanFits(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 1 << 20}, func(c *cluster) {
		const budget, size = 64 << 20, 1 << 20
		n := c.follower()
		require.NoError(t, n.group.Close())
		leader := c.leader()
		command := make([]byte, size)
		for range 10 {
			_, err := leader.group.Propose(background, command)
			require.NoError(t, err)
		}
		cfg := c.groupConfig(n)
		slow := slowRestorer{n.journal, make(chan struct{})}
		cfg.StateMachine = slow
		var err error
		n.group, err = n.host.Open(cfg)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		leader.disk.full.Store(true) // so that its log stays
		for range 2 * budget / size {
			_, err := leader.group.Propose(background, command)
			require.NoError(t, err)
		}
		time.Sleep(time.Minute)
		log := n.group.Status().LogBytes
		close(slow.may)
		require.Less(t, log, budget+10*size)
		require.NoError(t, n.group.Read(background))
		require.Len(t, n.journal.all(), 10+2*budget/size)
	})
}
