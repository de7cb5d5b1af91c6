package consensus_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
)

// A ledger is a journal on a disk of its own, which is a shelf. Its next life begins with what that has.
type ledger struct {
	*journal
	shelf *shelf
	index consensus.Index // of the last command
}

type shelf struct {
	mu    sync.Mutex
	kept  pages
	fails error // of Sync
}

// pages are what a ledger has at one time.
type pages struct {
	Index    consensus.Index
	Commands []string
}

func (s *shelf) open(j *journal) *ledger {
	p := s.contents()
	j.commands = p.Commands
	return &ledger{journal: j, shelf: s, index: p.Index}
}

// contents are what is on the shelf now.
func (s *shelf) contents() pages {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pages{s.kept.Index, slices.Clone(s.kept.Commands)}
}

// breaks has every Sync from now on fail.
func (s *shelf) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

func (l *ledger) Apply(c consensus.Command) consensus.Result {
	r := l.journal.Apply(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index = c.Index
	return r
}

func (l *ledger) pages() pages {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pages{l.index, slices.Clone(l.commands)}
}

func (l *ledger) Snapshot() io.WriterTo {
	l.views.Add(1)
	return l.pages()
}

func (p pages) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(p); err != nil {
		return 0, err
	}
	return b.WriteTo(w)
}

func (l *ledger) Restore(r io.Reader) error {
	var p pages
	if err := gob.NewDecoder(r).Decode(&p); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index, l.commands = p.Index, p.Commands
	return nil
}

func (l *ledger) Durable() consensus.Index {
	return l.shelf.contents().Index
}

func (l *ledger) Sync() error {
	p := l.pages()
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	if l.shelf.fails != nil {
		return l.shelf.fails
	}
	l.shelf.kept = p
	return nil
}

// inLibrary runs a test of a cluster of ledgers, with each engine.
func inLibrary(t *testing.T, test func(c *cluster)) {
	t.Helper()
	for _, protocol := range []consensus.NewEngine{raft.New, paxos.New} {
		c := &cluster{config: consensus.GroupConfig{Protocol: protocol, SnapshotSize: 2000}, durable: true}
		c.run(t, test)
	}
}

// write has the leader take n commands, and returns all that were ever written.
func (c *cluster) write(written []string, n int) []string {
	c.t.Helper()
	for range n {
		command := fmt.Sprintf("%0100d", len(written))
		c.propose(c.leader(), command)
		written = append(written, command)
	}
	return written
}

// snapshotLength is how many bytes of a snapshot n has in storage.
func (c *cluster) snapshotLength(n *node) int {
	c.t.Helper()
	_, r, err := n.disk.Open(theGroup)
	require.NoError(c.t, err)
	b, err := io.ReadAll(r)
	require.NoError(c.t, err)
	return len(b)
}

func TestTheLogOfADurableStateMachineIsTrimmedWithoutACopyOfIt(t *testing.T) {
	inLibrary(t, func(c *cluster) {
		written := c.write(nil, 200)
		time.Sleep(time.Second)
		n := c.leader()
		require.Greater(t, n.group.Status().Snapshot, consensus.Index(150))
		require.Less(t, c.snapshotLength(n), 200, "of a state of 20 kB")
		require.Positive(t, n.shelf.contents().Index)
		for _, n := range c.nodes {
			c.applied(n, written...)
		}
	})
}

func TestADurableStateMachineGoesOnWithWhatItHas(t *testing.T) {
	inLibrary(t, func(c *cluster) {
		written := c.write(nil, 100)
		for range 3 {
			time.Sleep(time.Second)
			require.NotEmpty(t, c.leader().shelf.contents().Commands)
			for _, n := range c.nodes {
				c.stop(n)
			}
			for _, n := range c.nodes {
				c.reopen(n)
			}
			for _, n := range c.nodes {
				c.applied(n, written...)
			}
			written = c.write(written, 30)
		}
	})
}

func TestALaggardIsSentWhatADurableStateMachineIsNow(t *testing.T) {
	inLibrary(t, func(c *cluster) {
		n := c.follower()
		c.isolate(n)
		written := c.write(nil, 200)
		time.Sleep(time.Second) // the log is shortened
		c.rejoin(n)
		c.applied(n, written...)
		require.EqualValues(t, 1, n.host.Metrics().SnapshotsRestored)
		require.Greater(t, c.snapshotLength(n), 19_000, "it is whole")
		require.Empty(t, n.shelf.contents().Commands)
		c.stop(n)
		c.reopen(n) // before anything of it was synced
		c.applied(n, written...)
		written = c.write(written, 100)
		c.applied(n, written...)
		time.Sleep(time.Second)
		require.Less(t, c.snapshotLength(n), 200)
		require.NotEmpty(t, n.shelf.contents().Commands)
	})
}

func TestADurableStateMachineThatLostItsDataIsNotOpened(t *testing.T) {
	inLibrary(t, func(c *cluster) {
		written := c.write(nil, 100)
		time.Sleep(time.Second)
		n := c.leader()
		c.stop(n)
		n.shelf = shelf{}
		c.start(n)
		_, err := n.host.Open(c.groupConfig(n))
		require.ErrorAs(t, err, new(*consensus.ConfigError))
		require.ErrorContains(t, err, "StateMachine")
		c.stop(n)
		c.applied(c.leader(), written...)
	})
}

func TestADurableStateMachineIsRecoveredFromACopyOfASurvivors(t *testing.T) {
	inLibrary(t, func(c *cluster) {
		written := c.write(nil, 100)
		n := c.leader()
		time.Sleep(time.Second) // the log is shortened
		c.stopAll()
		from := func(s *shelf) (*journal, *consensus.Recovery, error) {
			j := &journal{}
			r, err := consensus.Recover(consensus.RecoverConfig{Group: theGroup, Protocol: c.config.Protocol, StateMachine: s.open(j), Survivors: survivors(nil, n)})
			return j, r, err
		}
		_, _, err := from(new(shelf))
		require.ErrorAs(t, err, new(*consensus.ConfigError))
		require.ErrorContains(t, err, fmt.Sprintf("node %d", n.id))
		require.ErrorContains(t, err, "StateMachine")

		before := n.shelf.contents()
		require.Less(t, len(before.Commands), len(written))
		j, r, err := from(&n.shelf)
		require.NoError(t, err)
		require.Equal(t, written, j.all())
		require.Equal(t, before, n.shelf.contents())
		var b bytes.Buffer
		_, err = r.Backup(&b)
		require.NoError(t, err)
		o := c.another()
		o.durable = true
		defer o.stopAll()
		o.restore(b.Bytes())
		written = o.write(written, 100)
		o.applied(o.nodes[0], written...)
	})
}

func TestASyncThatFailsStopsTheGroup(t *testing.T) {
	inLibrary(t, func(c *cluster) {
		n := c.leader()
		n.shelf.breaks(errDisk)
		for n.group.Err() == nil {
			n.group.Propose(background, make([]byte, 100))
		}
		require.ErrorIs(t, n.group.Err(), consensus.ErrStopped)
		require.ErrorIs(t, n.group.Err(), errDisk)
	})
}

func TestCloseDoesNotWaitForAStreamOfADurableStateMachine(t *testing.T) {
	c := &cluster{config: consensus.GroupConfig{SnapshotSize: 2000}, durable: true}
	c.run(t, func(c *cluster) {
		streams := make(chan struct{}, 100)
		leader := c.streams(func(t consensus.Transport) consensus.Transport { return stuckPeers{t, streams} },
			func(l *ledger) consensus.StateMachine { return l })
		<-streams
		start := time.Now()
		require.NoError(t, leader.host.Close())
		require.Zero(t, time.Since(start))
	})
}

// streams has a leader, with this around its transport and its state machine, bring up a laggard that needs
// a snapshot.
func (c *cluster) streams(link func(consensus.Transport) consensus.Transport, machine func(*ledger) consensus.StateMachine) *node {
	c.t.Helper()
	leader, n := c.leader(), c.follower()
	c.stop(leader)
	leader.wrap = link
	c.start(leader)
	cfg := c.groupConfig(leader)
	cfg.StateMachine = machine(cfg.StateMachine.(*ledger))
	var err error
	leader.group, err = leader.host.Open(cfg)
	require.NoError(c.t, err)
	c.write(nil, 1)
	c.lead(leader)
	c.isolate(n)
	c.write(nil, 100)
	time.Sleep(time.Second) // the log is shortened
	c.rejoin(n)
	return leader
}

// A pensive ledger takes a view when it may.
type pensive struct {
	*ledger
	asked, may chan struct{}
}

func (p pensive) Snapshot() io.WriterTo {
	p.asked <- struct{}{}
	<-p.may
	return p.ledger.Snapshot()
}

func TestCloseReturnsWhenAViewIsTakenForNobody(t *testing.T) {
	c := &cluster{config: consensus.GroupConfig{SnapshotSize: 2000}, durable: true}
	c.run(t, func(c *cluster) {
		asked, may := make(chan struct{}), make(chan struct{})
		leader := c.streams(nil, func(l *ledger) consensus.StateMachine { return pensive{l, asked, may} })
		<-asked
		closed := make(chan error)
		go func() { closed <- leader.group.Close() }()
		<-leader.group.Done() // and so the stream is broken off
		time.Sleep(time.Second)
		close(may)
		require.NoError(t, <-closed)
	})
}

// A tightLipped ledger says of an error that is not its own only that there was one.
type tightLipped struct{ *ledger }

func (l tightLipped) Snapshot() io.WriterTo { return tightLippedView{l.pages()} }

type tightLippedView struct{ pages }

func (v tightLippedView) WriteTo(w io.Writer) (int64, error) {
	if _, err := v.pages.WriteTo(w); err != nil {
		return 0, errors.New("something went wrong")
	}
	return 0, nil
}

// fickle peers end every stream in the middle.
type fickle struct {
	consensus.Transport
	streams chan struct{}
}

func (f fickle) SendSnapshot(_ context.Context, _ consensus.Message, _ consensus.SnapshotMeta, r io.Reader) error {
	io.ReadFull(r, make([]byte, 1000)) // some of it the state machine's
	f.streams <- struct{}{}
	return errDisk
}

func TestAPeerThatEndsAStreamStopsNoGroupWhateverTheStateMachineMakesOfIt(t *testing.T) {
	c := &cluster{config: consensus.GroupConfig{SnapshotSize: 2000}, durable: true}
	c.run(t, func(c *cluster) {
		streams := make(chan struct{}, 100)
		leader := c.streams(func(t consensus.Transport) consensus.Transport { return fickle{t, streams} },
			func(l *ledger) consensus.StateMachine { return tightLipped{l} })
		time.Sleep(10 * time.Second)
		require.NoError(t, leader.group.Err())
		require.Greater(t, len(streams), 1, "it goes on trying")
	})
}
