package sim_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// The same clients and the same faults, under either protocol and with inputs taken one by one or many at a time, must come
// to the same state. Clients keep to keys of their own, and each has one command under way, which it tries again until it is
// applied, in a session: so what becomes of them is determined, whatever becomes of messages and replicas.

// A scenario is what clients and an operator do, and what happens to them, at times of the simulation.
type scenario struct {
	clients, commands int
	events            []event
}

// An event is one fault, and its end; or something that an operator asks for.
type event struct {
	at, until time.Duration
	kind      eventKind
	node, to  consensus.NodeID
}

type eventKind int

const (
	crash eventKind = iota
	isolate
	cutLink
	holdLink // what is sent meanwhile arrives at the end
	stallDisk
	transfer
	snapshot
	removeMember
	addMember
	eventKinds
)

func (k eventKind) String() string {
	return [...]string{"crash", "isolate", "cut", "hold", "stall", "transfer", "snapshot", "remove", "add"}[k]
}

func (e event) String() string {
	return fmt.Sprintf("%v to %v: %v %d (%d)", e.at, e.until, e.kind, e.node, e.to)
}

const (
	members  = 5 // found the group
	troubled = 4 * time.Second
	patience = 120 * time.Second // until everything is applied everywhere
	step     = 50 * time.Millisecond
)

// scenarios draws what may happen. No two nodes are down or cut off at once, but by overlapping events, which end.
func scenarios(t *rapid.T) scenario {
	id := func(name string) consensus.NodeID {
		return consensus.NodeID(rapid.IntRange(1, members).Draw(t, name))
	}
	s := scenario{clients: rapid.IntRange(1, 8).Draw(t, "clients"), commands: rapid.IntRange(20, 50).Draw(t, "commands")}
	for range rapid.IntRange(0, 30).Draw(t, "events") {
		at := step * time.Duration(rapid.IntRange(0, int(troubled/step)).Draw(t, "at"))
		e := event{at: at, kind: eventKind(rapid.IntRange(0, int(eventKinds)-1).Draw(t, "kind")), node: id("node"), to: id("to")}
		e.until = e.at + step*time.Duration(rapid.IntRange(1, int(2*time.Second/step)).Draw(t, "for"))
		s.events = append(s.events, e)
	}
	return s
}

// A tally is a state machine: of each client, the commands that were applied, in order.
type tally map[string][]string

func (s tally) Apply(c consensus.Command) consensus.Result {
	client, number, _ := strings.Cut(string(c.Data), ":")
	s[client] = append(s[client], number)
	return consensus.Result{Value: uint64(len(s[client]))}
}

func (tally) Snapshot() io.WriterTo   { panic("a snapshot of a node is the list of all that it applied") }
func (tally) Restore(io.Reader) error { panic("likewise") }

// A run is one scenario under one protocol.
type run struct {
	*enginetest.Cluster
	scenario
	batch   int // inputs between two pumps
	now     time.Duration
	clients []client
}

// A client has one request under way: its session, or a command.
type client struct {
	number  int
	session uint64
	applied int  // commands
	request bool // one is under way
	since   time.Duration
	tries   uint64
	seen    map[consensus.NodeID]int // how much of the log of each node it has read
}

// play runs a scenario, and returns what every member has come to: the same, or the test fails.
func play(t require.TestingT, protocol consensus.NewEngine, batch int, s scenario) tally {
	r := &run{scenario: s, batch: batch}
	p := &enginetest.Protocol{
		New: protocol, Durable: func(consensus.State) string { return "" },
		Config: func(e consensus.Engine, i consensus.Index) []byte { return r.configAt(e.Status().ID, i) },
	}
	r.Cluster = enginetest.New(p)
	r.Quiet = true
	cfg := consensus.EngineConfig{Members: enginetest.Voters(members)}
	if batch == 1 {
		cfg.MaxMessageSize = 1
	}
	for _, id := range cfg.Members.Voters {
		r.Add(id, cfg)
	}
	for _, n := range r.Nodes {
		n.Batching = batch > 1
		n.Start()
	}
	for i := range s.clients {
		r.clients = append(r.clients, client{number: i, seen: map[consensus.NodeID]int{}})
	}
	for ; !r.finished(); r.now += step {
		require.Less(t, r.now, patience, "not everything is applied everywhere")
		r.meddle()
		for i := range r.clients {
			r.ask(&r.clients[i])
		}
		for _, n := range r.Nodes {
			n.Tick(enginetest.Instant(step))
		}
		r.pump()
		for k := 0; r.Deliver(enginetest.Filter{N: batch}) > 0; k++ {
			require.Less(t, k, 100_000, "messages breed messages")
			r.pump()
		}
		for i := range r.clients {
			r.listen(&r.clients[i])
		}
	}
	require.Empty(t, r.Violations)
	return r.outcome(t)
}

// pump has every node do what has become due.
func (r *run) pump() {
	if r.batch == 1 {
		return
	}
	for _, n := range r.Nodes {
		n.Batching = false
		n.Input(func() {})
		n.Batching = true
	}
}

// configAt is the data of the last configuration entry at or below i.
func (r *run) configAt(id consensus.NodeID, i consensus.Index) (data []byte) {
	for _, e := range r.Node(id).Machine[:i] {
		if e.Kind == consensus.EntryMembers {
			data = e.Data
		}
	}
	return data
}

// leader is who leads in the latest term.
func (r *run) leader() (leader *enginetest.Node) {
	term := consensus.Term(0)
	for _, n := range r.Nodes {
		if n.Engine == nil {
			continue
		}
		if st := n.Engine.Status(); st.Role == consensus.Leader && st.Term > term {
			leader, term = n, st.Term
		}
	}
	return leader
}

// ask has a client begin its next request, or try its last one again after a while.
func (r *run) ask(c *client) {
	l := r.leader()
	if l == nil || c.applied == r.commands || c.request && r.now-c.since < 4*step {
		return
	}
	c.since, c.request = r.now, true
	c.tries++
	p := consensus.Proposal{From: 1, ID: c.id(), Kind: consensus.EntrySessionOpen}
	if c.session != 0 {
		next := uint64(c.applied + 1)
		x := consensus.SessionCommand{Session: c.session, Sequence: next, Oldest: next, Data: command(c.number, c.applied+1)}
		p.Kind, p.Data = consensus.EntrySessionCommand, x.AppendTo(nil)
	}
	l.Input(func() { _, _ = l.Engine.Propose(p) })
}

// id names the last request of a client.
func (c *client) id() uint64 { return uint64(c.number+1)<<32 | c.tries }

// command is the k-th of a client.
func command(client, k int) []byte { return fmt.Appendf(nil, "%d:%d", client, k) }

// listen looks for the answer to a client's last request in what any node has applied.
func (r *run) listen(c *client) {
	for _, n := range r.Nodes {
		if !c.request || n.Engine == nil {
			continue
		}
		for _, e := range n.Machine[min(c.seen[n.ID()], len(n.Machine)):] {
			if e.ID == c.id() {
				if c.session == 0 {
					c.session = uint64(e.Index)
				} else {
					c.applied++
				}
				c.request = false
			}
		}
		c.seen[n.ID()] = len(n.Machine)
	}
}

// meddle begins and ends events.
func (r *run) meddle() {
	for i := range r.events {
		if e := &r.events[i]; e.at == r.now {
			r.begin(e)
		}
	}
	clear(r.Cut)
	clear(r.Held)
	for i := range r.events {
		e := &r.events[i]
		if r.now < e.at || r.now >= e.until {
			if r.now == e.until {
				r.end(e)
			}
			continue
		}
		switch e.kind {
		case isolate:
			r.Isolate(e.node)
		case cutLink:
			r.Cut[enginetest.Link{From: e.node, To: e.to}] = true
		case holdLink:
			r.Held[enginetest.Link{From: e.node, To: e.to}] = true
		}
	}
}

// end undoes what begin did.
func (r *run) end(e *event) {
	switch n := r.Node(e.node); {
	case e.kind == crash && n.Engine == nil:
		n.Start()
	case e.kind == stallDisk:
		n.Manual = false
		n.Input(n.FinishAll)
	}
}

// begin does what happens once. Requests of the operator may fail: they are made again by no one.
func (r *run) begin(e *event) {
	switch n := r.Node(e.node); {
	case e.kind == crash:
		n.Crash(0)
	case e.kind == stallDisk:
		n.Manual = true
	case e.kind == snapshot && n.Engine != nil:
		n.Compact()
	}
	l := r.leader()
	if l == nil {
		return
	}
	st := l.Engine.Status()
	m := st.Members.Clone()
	m.Bound = nil
	switch e.kind {
	case transfer:
		l.Input(func() { _ = l.Engine.Transfer(e.to) })
		return
	case removeMember:
		if m.Kind(e.node) != consensus.Voter || len(m.Voters) <= 3 {
			return
		}
		m.Voters = slices.DeleteFunc(m.Voters, func(id consensus.NodeID) bool { return id == e.node })
		m.Learners = append(m.Learners, e.node)
	case addMember:
		if m.Kind(e.node) != consensus.Learner {
			return
		}
		m.Learners = slices.DeleteFunc(m.Learners, func(id consensus.NodeID) bool { return id == e.node })
		m.Joining = append(m.Joining, e.node)
	default:
		return
	}
	l.Input(func() { _, _ = l.Engine.Change(consensus.Proposal{From: 1, ID: 1}, m, st.MembersIndex) })
}

// finished reports whether all is over: every event, every request, and whatever the members have still to learn.
func (r *run) finished() bool {
	for i := range r.clients {
		if r.clients[i].applied < r.commands {
			return false
		}
	}
	for _, e := range r.events {
		if r.now <= e.until {
			return false
		}
	}
	for _, n := range r.Nodes {
		if n.Engine == nil || n.Applied != r.Nodes[0].Applied {
			return false
		}
	}
	return true
}

// outcome has each node's entries applied by a consensus.Machine, which knows what a session is for.
func (r *run) outcome(t require.TestingT) (agreed tally) {
	for _, n := range r.Nodes {
		s := tally{}
		_, err := consensus.NewMachine(s, consensus.SessionLimits{}).Apply(n.Machine, nil)
		require.NoError(t, err)
		if agreed == nil {
			agreed = s
		}
		require.Equal(t, agreed, s, "node %d", n.ID())
	}
	return agreed
}

func TestBothProtocolsAndAllBatchesApplyTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := scenarios(t)
		want := tally{}
		for i := range s.clients {
			for k := range s.commands {
				want.Apply(consensus.Command{Data: command(i, k+1)})
			}
		}
		for name, protocol := range map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New} {
			for _, batch := range []int{1, 64} {
				require.Equal(t, want, play(t, protocol, batch, s), "%s, %d at a time: %v", name, batch, s)
			}
		}
	})
}
