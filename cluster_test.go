package consensus_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

const theGroup consensus.GroupID = 7

var (
	three      = consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}
	background = context.Background()
	silent     = slog.New(slog.DiscardHandler)
)

// A journal is a state machine that keeps its commands, or the first 100 bytes of long ones.
type journal struct {
	mu       sync.Mutex
	commands []string
	before   func(command string)    // if not nil: called by Apply
	views    atomic.Int64            // how often Snapshot was called
	viewed   func(w io.Writer) error // if not nil: called in place of writing a snapshot
}

func (j *journal) Apply(c consensus.Command) consensus.Result {
	command := string(c.Data[:min(len(c.Data), 100)])
	if j.before != nil {
		j.before(command)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commands = append(j.commands, command)
	return consensus.Result{Value: uint64(len(j.commands)), Data: c.Data}
}

func (j *journal) Snapshot() io.WriterTo {
	j.views.Add(1)
	return &journalView{j, slices.Clone(j.all())}
}

func (j *journal) Restore(r io.Reader) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commands = nil
	return gob.NewDecoder(r).Decode(&j.commands)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.commands)
}

type journalView struct {
	j        *journal
	commands []string
}

func (v *journalView) WriteTo(w io.Writer) (int64, error) {
	if v.j.viewed != nil {
		return 0, v.j.viewed(w)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v.commands); err != nil {
		return 0, err
	}
	return b.WriteTo(w)
}

var errDisk = errors.New("input/output error")

// A disk is a storage.Memory that can be slow, or fail.
type disk struct {
	*storage.Memory
	delay   atomic.Int64 // nanoseconds that an Append takes
	failing atomic.Bool  // to append
	failure error        // if not nil: what it then says, in place of errDisk
	full    atomic.Bool  // for snapshots
	torn    atomic.Bool  // the next Write of a snapshot fails
	stalled atomic.Bool  // when it reads a snapshot
	stored  atomic.Int64 // calls that write a snapshot, or end it
	damaged int          // so many of the last entries cannot be read
}

func newDisk(id consensus.NodeID) *disk {
	return &disk{Memory: storage.NewMemory(storage.WithIncarnation(uint64(id)), storage.WithRetention(0))}
}

func (d *disk) Recover(id consensus.GroupID) (consensus.Recovered, error) {
	rec, err := d.Memory.Recover(id)
	if n := len(rec.Entries); n > 0 && d.damaged > 0 {
		whole := n - d.damaged
		rec.Damaged = []consensus.Range{{First: rec.Entries[whole].Index, Last: rec.Entries[n-1].Index}}
		rec.Entries = rec.Entries[:whole]
	}
	return rec, err
}

func (d *disk) Open(id consensus.GroupID) (consensus.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := d.Memory.Open(id)
	if err == nil && d.stalled.Load() {
		r = io.NopCloser(io.MultiReader(io.LimitReader(r, 10), staller{}))
	}
	return meta, r, err
}

// A staller gives nothing for a minute.
type staller struct{}

func (staller) Read([]byte) (int, error) {
	time.Sleep(time.Minute)
	return 0, errDisk
}

func (d *disk) Create(id consensus.GroupID, meta consensus.SnapshotMeta) (consensus.SnapshotWriter, error) {
	if d.full.Load() {
		return nil, errDisk
	}
	w, err := d.Memory.Create(id, meta)
	return diskWriter{w, d}, err
}

// A diskWriter counts its calls.
type diskWriter struct {
	consensus.SnapshotWriter
	d *disk
}

func (w diskWriter) Write(b []byte) (int, error) {
	w.d.stored.Add(1)
	if w.d.torn.CompareAndSwap(true, false) {
		return 0, errDisk
	}
	return w.SnapshotWriter.Write(b)
}

func (w diskWriter) Commit() error {
	w.d.stored.Add(1)
	return w.SnapshotWriter.Commit()
}

func (w diskWriter) Abort() {
	w.d.stored.Add(1)
	w.SnapshotWriter.Abort()
}

func (d *disk) Append(writes []consensus.Write) error {
	time.Sleep(time.Duration(d.delay.Load()))
	if d.failing.Load() {
		return cmp.Or(d.failure, errDisk)
	}
	return d.Memory.Append(writes)
}

// A node is a host with one group open.
type node struct {
	id      consensus.NodeID
	disk    *disk
	host    *consensus.Host
	group   *consensus.Group
	journal *journal
	logs    *logs
	shelf   shelf
	wrap    func(consensus.Transport) consensus.Transport // if not nil: around the node's
}

// A cluster is hosts on one network. Every node that runs is closed at the end of the test.
type cluster struct {
	t       *testing.T
	network *transport.Network
	nodes   []*node
	config  consensus.GroupConfig
	durable bool // the state machines are ledgers
}

// inBubble runs a test of a cluster in virtual time. The test fails if a goroutine is left over.
func inBubble(t *testing.T, config consensus.GroupConfig, test func(c *cluster)) {
	t.Helper()
	(&cluster{config: config}).run(t, test)
}

// run runs a test of c, which says what is special about it.
func (c *cluster) run(t *testing.T, test func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.t, c.network = t, transport.NewNetwork()
		defer c.stopAll()
		for _, id := range three.Voters {
			c.create(c.newNode(id))
		}
		synctest.Wait()
		test(c)
	})
}

func (c *cluster) stopAll() {
	for _, n := range c.nodes {
		c.stop(n)
	}
}

// newNode adds a host without a group.
func (c *cluster) newNode(id consensus.NodeID) *node {
	n := &node{id: id, disk: newDisk(id), logs: &logs{}}
	c.nodes = append(c.nodes, n)
	c.start(n)
	return n
}

func (c *cluster) start(n *node) {
	c.t.Helper()
	var err error
	var link consensus.Transport = c.network.Node(n.id)
	if n.wrap != nil {
		link = n.wrap(link)
	}
	n.host, err = consensus.Start(consensus.HostConfig{ID: n.id, Storage: n.disk, Transport: link, Seed: 1, Logger: slog.New(n.logs)})
	require.NoError(c.t, err)
}

func (c *cluster) create(n *node) {
	c.t.Helper()
	cfg := c.groupConfig(n)
	var err error
	n.group, err = n.host.Create(cfg)
	require.NoError(c.t, err)
}

// groupConfig gives n a fresh state machine.
func (c *cluster) groupConfig(n *node) consensus.GroupConfig {
	n.journal = &journal{}
	cfg := c.config
	if cfg.Protocol == nil {
		cfg.Protocol = raft.New
	}
	cfg.ID, cfg.Members, cfg.StateMachine = theGroup, three, n.journal
	if c.durable {
		cfg.StateMachine = n.shelf.open(n.journal)
	}
	return cfg
}

// stop closes the host of n, and reopen starts it again on what its disk has.
func (c *cluster) stop(n *node) {
	if n.host != nil {
		n.host.Close()
		n.host = nil
	}
}

func (c *cluster) reopen(n *node) {
	c.t.Helper()
	c.start(n)
	var err error
	n.group, err = n.host.Open(c.groupConfig(n))
	require.NoError(c.t, err)
}

// leader waits until a node leads in the eyes of a majority, and returns it.
func (c *cluster) leader() *node {
	c.t.Helper()
	for range 1000 {
		votes := make(map[consensus.NodeID]int)
		for _, n := range c.nodes {
			if n.host != nil {
				now, _ := n.group.Leadership()
				votes[now.Leader]++
			}
		}
		for _, n := range c.nodes {
			if n.host != nil && votes[n.id] > len(c.nodes)/2 {
				if now, _ := n.group.Leadership(); now.Role == consensus.Leader {
					return n
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.t.Fatal("nobody leads")
	return nil
}

// lead makes n the leader.
func (c *cluster) lead(n *node) {
	c.t.Helper()
	for c.leader() != n {
		c.leader().group.Transfer(background, n.id)
		time.Sleep(time.Second)
	}
}

// follower is a node that runs and does not lead.
func (c *cluster) follower() *node {
	leader := c.leader()
	for _, n := range c.nodes {
		if n.host != nil && n != leader {
			return n
		}
	}
	c.t.Fatal("there is no follower")
	return nil
}

// propose has n take the commands, one after the other, and waits until all that follows from them is done.
func (c *cluster) propose(n *node, commands ...string) {
	c.t.Helper()
	for _, command := range commands {
		_, err := n.group.Propose(background, []byte(command))
		require.NoError(c.t, err)
	}
	synctest.Wait()
}

// applied reads n linearizably and compares its journal.
func (c *cluster) applied(n *node, want ...string) {
	c.t.Helper()
	require.NoError(c.t, n.group.Read(background))
	require.Equal(c.t, want, n.journal.all())
}

// isolate cuts n off from everybody, and rejoin undoes it.
func (c *cluster) isolate(n *node) {
	for _, o := range c.nodes {
		if o != n {
			c.network.Cut(n.id, o.id)
		}
	}
}

func (c *cluster) rejoin(n *node) {
	for _, o := range c.nodes {
		if o != n {
			c.network.Heal(n.id, o.id)
		}
	}
}
