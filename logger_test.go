package consensus_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
)

// logs are a slog.Handler that keeps what it is given, each record as one line.
type logs struct {
	before func() // if not nil: called by Handle

	mu    sync.Mutex
	lines []string
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	if l.before != nil {
		l.before()
	}
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// with are the lines that begin so, once all that has been logged is there, or stuck.
func (l *logs) with(beginning string) (found []string) {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.HasPrefix(line, beginning) {
			found = append(found, line)
		}
	}
	return found
}

func TestWhatHappensToAGroupIsLogged(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		require.Len(t, n.logs.with("DEBUG group opened"), 1)
		require.NotEmpty(t, leader.logs.with("INFO leadership changed role=leader"))
		require.NotEmpty(t, n.logs.with("INFO leadership changed role=follower leader="))

		c.isolate(n)
		for range 100 {
			c.propose(leader, "a")
		}
		time.Sleep(time.Second) // the log is shortened
		c.rejoin(n)
		require.NoError(t, n.group.Read(background))
		require.NotEmpty(t, leader.logs.with("INFO snapshot taken index="))
		require.NotEmpty(t, leader.logs.with("INFO snapshot sent to="))
		require.NotEmpty(t, n.logs.with("INFO snapshot received from="))
		require.NotEmpty(t, n.logs.with("INFO snapshot restored index="))

		leader.disk.full.Store(true)
		for range 100 {
			c.propose(leader, "a")
		}
		require.NotEmpty(t, leader.logs.with("WARN storage cannot take a snapshot"))

		settled := leader.group.Status().MembersIndex
		learning := three.Clone()
		learning.Learners = []consensus.NodeID{4}
		_, err := leader.group.Change(background, learning, settled)
		require.NoError(t, err)
		time.Sleep(time.Second)
		changes := n.logs.with("INFO membership changed")
		require.Len(t, changes, 2, "the founders' stores were bound first")
		require.Contains(t, changes[1], "learners [4]")

		require.NoError(t, n.group.Close())
		require.Len(t, n.logs.with("DEBUG group closed group=7"), 1)
		leader.journal.before = func(string) { panic("no") }
		leader.group.Propose(background, nil)
		require.Len(t, leader.logs.with("ERROR group stopped"), 1)
		require.Contains(t, leader.logs.with("ERROR group stopped")[0], "panicked: no")
	})
}

func TestADiskThatIsStuckIsLoggedWhileItIs(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		leader := c.leader()
		leader.disk.delay.Store(int64(900 * time.Millisecond))
		c.propose(leader, "a", "b", "c")
		require.Empty(t, leader.logs.with("WARN storage"))
		leader.disk.delay.Store(int64(time.Hour))
		go leader.group.Propose(background, nil)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"WARN storage is slow append=1s"}, leader.logs.with("WARN storage"))
	})
}

func TestAFailedDiskIsLoggedOnceAndItsGroupsEach(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		n.disk.failing.Store(true)
		n.group.Propose(background, nil)
		require.ErrorIs(t, n.host.Close(), errDisk)
		require.Equal(t, []string{"ERROR host stopped failed=storage err=input/output error"}, n.logs.with("ERROR host"))
		require.Len(t, n.logs.with("ERROR group stopped"), 1)
	})
}

func TestAWipedStoreIsLoggedAsRefused(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.follower()
		c.propose(c.leader(), "a")
		c.stop(n)
		n.disk = &disk{Memory: storage.NewMemory()}
		c.start(n)
		c.create(n)
		c.propose(c.leader(), "b")
		time.Sleep(10 * time.Second)
		require.Len(t, n.logs.with("ERROR this store is refused"), 1)
		require.EqualValues(t, 1, n.host.Metrics().Refused)
	})
}

func TestDamageIsLoggedUntilItIsRepaired(t *testing.T) {
	for _, protocol := range []consensus.NewEngine{raft.New, paxos.New} {
		inBubble(t, consensus.GroupConfig{Protocol: protocol}, func(c *cluster) {
			n := c.follower()
			c.propose(c.leader(), "a", "b", "c")
			time.Sleep(time.Second)
			c.stop(n)
			n.disk.damaged = 2
			c.isolate(n)
			c.reopen(n)
			time.Sleep(time.Second)
			require.Len(t, n.logs.with("WARN damaged log"), 1)
			require.Empty(t, n.logs.with("INFO the damaged log is repaired"))
			require.EqualValues(t, 1, n.host.Metrics().Damaged)
			c.rejoin(n)
			c.applied(n, "a", "b", "c")
			time.Sleep(time.Second)
			require.Len(t, n.logs.with("INFO the damaged log is repaired"), 1)
			require.Zero(t, n.host.Metrics().Damaged)
		})
	}
}

func TestALoggerThatIsStuckHoldsUpNothing(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 500}, func(c *cluster) {
		n, stuck := c.leader(), make(chan struct{})
		c.stop(n)
		n.logs.before = func() { <-stuck }
		c.reopen(n)
		for n.host.Metrics().LogRecordsLost == 0 { // each snapshot is logged
			c.propose(n, "on and on")
		}
		require.NoError(t, n.group.Close())
		closed := make(chan error, 1)
		go func() { closed <- n.host.Close() }()
		time.Sleep(time.Minute)
		require.Empty(t, closed, "it waits for the call that is under way, as for any code of the user's")
		before := len(n.logs.with(""))
		close(stuck)
		require.NoError(t, <-closed)
		require.Len(t, n.logs.with(""), before+1+256, "and for those that have their place")
	})
}

func TestALoggerThatPanicsLosesItsRecordAndNoMore(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.leader()
		c.stop(n)
		n.logs.before = func() { panic("no") }
		c.reopen(n)
		c.propose(n, "a")
		require.Positive(t, n.host.Metrics().LogRecordsLost)
		require.NoError(t, n.host.Close())
	})
}
