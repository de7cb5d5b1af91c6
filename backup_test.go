package consensus_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// withBoth runs a test of a cluster with either engine, once its members are bound to their stores.
func withBoth(t *testing.T, config consensus.GroupConfig, test func(c *cluster)) {
	for name, protocol := range map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New} {
		t.Run(name, func(t *testing.T) {
			config.Protocol = protocol
			inBubble(t, config, func(c *cluster) { c.settle(); test(c) })
		})
	}
}

// settle waits until the members are bound.
func (c *cluster) settle() {
	c.t.Helper()
	for _, n := range c.nodes {
		_, err := n.group.Settled(background, 1)
		require.NoError(c.t, err)
	}
}

// backup backs up the group of n.
func (c *cluster) backup(n *node) []byte {
	c.t.Helper()
	var b bytes.Buffer
	_, err := n.group.Backup(background, &b)
	require.NoError(c.t, err)
	return b.Bytes()
}

// another is a cluster of its own, on which to restore what c had. Its hosts run, and have no group.
func (c *cluster) another() *cluster {
	o := &cluster{t: c.t, network: transport.NewNetwork(), config: c.config}
	for _, id := range three.Voters {
		o.newNode(id)
	}
	return o
}

// restore founds the group on a backup, and waits until its members are bound.
func (c *cluster) restore(backup []byte) {
	c.t.Helper()
	for _, n := range c.nodes {
		_, err := consensus.Restore(n.disk, theGroup, bytes.NewReader(backup))
		require.NoError(c.t, err)
		c.create(n)
	}
	c.settle()
}

func TestARestoredGroupHasWhatTheBackupHadAndGoesOn(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b")
		b := c.backup(c.follower())
		c.propose(c.nodes[0], "later")

		o := c.another()
		defer o.stopAll()
		o.restore(b)
		o.applied(o.nodes[0], "a", "b")
		o.propose(o.nodes[1], "c")
		for _, n := range o.nodes {
			o.applied(n, "a", "b", "c")
		}
		o.stopAll()
		for _, n := range o.nodes { // everything is on disk, and a founder is bound to its store
			o.reopen(n)
		}
		o.applied(o.nodes[2], "a", "b", "c")
		require.NotEmpty(o.t, o.nodes[0].group.Status().Members.Bound)
		c.applied(c.nodes[1], "a", "b", "later")
	})
}

func TestABackupEndsWithWhatWasAcknowledged(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		follower := c.follower()
		for k := range 20 {
			c.propose(c.leader(), fmt.Sprint(k))
			meta, err := consensus.CheckBackup(bytes.NewReader(c.backup(follower)))
			require.NoError(c.t, err)
			require.Equal(c.t, theGroup, meta.Group)
			require.Equal(c.t, three.Voters, meta.Members.Voters)
			require.Len(c.t, follower.journal.all(), k+1)
		}
	})
}

// A founder that has restored nothing cannot be elected, and is sent the state.
func TestAFounderWithoutTheBackupIsSentTheState(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b")
		b := c.backup(c.nodes[0])
		o := c.another()
		defer o.stopAll()
		_, err := consensus.Restore(o.nodes[1].disk, theGroup, bytes.NewReader(b))
		require.NoError(c.t, err)
		for _, n := range o.nodes {
			o.create(n)
		}
		o.settle()
		o.propose(o.nodes[0], "c")
		for _, n := range o.nodes {
			o.applied(n, "a", "b", "c")
		}
	})
}

func TestABackupMayBeRestoredUnderTheOtherEngine(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b")
		b := c.backup(c.nodes[0])
		o := c.another()
		defer o.stopAll()
		st := c.nodes[0].group.Status()
		o.config.Protocol = paxos.New
		if st.Term > 1<<48 { // a ballot: it was Paxos
			o.config.Protocol = raft.New
		}
		o.restore(b)
		o.propose(o.nodes[2], "c")
		o.applied(o.nodes[1], "a", "b", "c")
	})
}

// One member is founded on the backup, and the others come by a change.
func TestARestoredGroupOfOneGrows(t *testing.T) {
	withBoth(t, consensus.GroupConfig{SnapshotSize: 1000}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b")
		b := c.backup(c.nodes[0])
		o := c.another()
		defer o.stopAll()
		_, err := consensus.Restore(o.nodes[0].disk, theGroup, bytes.NewReader(b))
		require.NoError(c.t, err)
		for k, n := range o.nodes {
			cfg := o.groupConfig(n)
			if cfg.Members = (consensus.Members{}); k == 0 {
				cfg.Members.Voters = []consensus.NodeID{1}
				n.group, err = n.host.Create(cfg)
			} else {
				n.group, err = n.host.Join(cfg)
			}
			require.NoError(c.t, err)
		}
		st, err := o.nodes[0].group.Settled(background, 1)
		require.NoError(c.t, err)
		at, err := o.nodes[0].group.Change(background, consensus.Members{Voters: []consensus.NodeID{1}, Joining: []consensus.NodeID{2, 3}}, st.MembersIndex)
		require.NoError(c.t, err)
		_, err = o.nodes[2].group.Settled(background, at)
		require.NoError(c.t, err)
		for _, n := range o.nodes {
			o.applied(n, "a", "b")
		}
	})
}

func TestNothingIsRestoredOverAGroup(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		b := c.backup(c.nodes[0])
		_, err := consensus.Restore(c.nodes[1].disk, theGroup, bytes.NewReader(b))
		require.ErrorIs(c.t, err, consensus.ErrGroupExists)

		m := storage.NewMemory()
		_, err = consensus.Restore(m, theGroup+1, bytes.NewReader(b))
		require.ErrorAs(c.t, err, new(*consensus.ConfigError))
		require.ErrorContains(c.t, err, "group 7")
		_, err = consensus.Restore(m, theGroup, bytes.NewReader(b))
		require.NoError(c.t, err)
		_, err = consensus.Restore(m, theGroup, bytes.NewReader(b))
		require.ErrorIs(c.t, err, consensus.ErrGroupExists)
	})
}

func TestADamagedBackupIsRefusedAndLeavesNothing(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b")
		b := c.backup(c.nodes[0])
		refused := func(b []byte, what string, args ...any) {
			t.Helper()
			_, err := consensus.CheckBackup(bytes.NewReader(b))
			require.ErrorIs(t, err, consensus.ErrMalformed, what, args)
			m := storage.NewMemory()
			_, err = consensus.Restore(m, theGroup, bytes.NewReader(b))
			require.ErrorIs(t, err, consensus.ErrMalformed, what, args)
			rec, err := m.Recover(theGroup)
			require.NoError(t, err)
			require.True(t, rec.Empty(), what, args)
		}
		for k := range b {
			for _, flip := range [...]byte{1, 0x80, 0xff} {
				spoilt := bytes.Clone(b)
				spoilt[k] ^= flip
				refused(spoilt, "byte %d ^ %x", k, flip)
			}
			refused(b[:k], "cut short at %d", k)
		}
		newer := bytes.Clone(b)
		newer[len("cnsnsbak")]++
		_, err := consensus.CheckBackup(bytes.NewReader(newer))
		require.ErrorContains(t, err, "version 2")
	})
}

// Frames that are whole, and not where they belong.
func TestABackupWhoseFramesWereMovedIsRefused(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		for range 3 {
			c.propose(c.nodes[0], strings.Repeat("x", 100))
		}
		c.nodes[0].journal.viewed = func(w io.Writer) error {
			_, err := w.Write(make([]byte, 300<<10))
			return err
		}
		b := c.backup(c.nodes[0])
		const frame = 8 + 64<<10
		first := 9 + 8 + int(binary.LittleEndian.Uint32(b[9:]))
		twice := slices.Concat(b[:first+frame], b[first:])
		without := slices.Concat(b[:first+frame], b[first+2*frame:])
		for _, spoilt := range [...][]byte{twice, without} {
			_, err := consensus.CheckBackup(bytes.NewReader(spoilt))
			require.ErrorIs(t, err, consensus.ErrMalformed)
		}
	})
}

func TestBackupsMayFollowOneAnother(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		r := bytes.NewReader(slices.Concat(c.backup(c.nodes[0]), c.backup(c.nodes[1])))
		for range 2 {
			_, err := consensus.CheckBackup(r)
			require.NoError(t, err)
		}
		require.Zero(t, r.Len())
	})
}

func TestABackupEndsWithTheContextTheWriterOrTheGroup(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.nodes[0]
		c.propose(n, "a")
		_, err := n.group.Backup(background, brokenWriter{errDisk})
		require.ErrorIs(t, err, errDisk)
		c.propose(n, "b") // and the group goes on

		release := make(chan struct{})
		n.journal.viewed = func(w io.Writer) error {
			for {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					<-release
					return err
				}
			}
		}
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err = n.group.Backup(ctx, slowly{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(release)

		closed := make(chan error, 1)
		go func() {
			_, err := n.group.Backup(background, slowly{})
			closed <- err
		}()
		time.Sleep(time.Minute)
		require.NoError(t, n.group.Close())
		require.ErrorIs(t, <-closed, consensus.ErrClosed)
	})
}

func TestAStateMachineThatCannotWriteItsBackupStopsItsGroup(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.nodes[0]
		n.journal.viewed = func(io.Writer) error { panic("no view") }
		_, err := n.group.Backup(background, io.Discard)
		require.ErrorContains(t, err, "no view")
		<-n.group.Done()
		require.ErrorIs(t, n.group.Err(), consensus.ErrStopped)
	})
}

func TestAWitnessHasNothingToBackUp(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.newNode(4)
		g, err := n.host.Join(consensus.GroupConfig{ID: theGroup, Protocol: raft.New})
		require.NoError(t, err)
		n.group = g
		_, err = g.Backup(background, io.Discard)
		require.ErrorAs(t, err, new(*consensus.ConfigError))
	})
}

// A brokenWriter fails.
type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }

// slowly takes what it is given, a second each time.
type slowly struct{}

func (slowly) Write(p []byte) (int, error) {
	time.Sleep(time.Second)
	return len(p), nil
}
