package paxos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// A configuration that is wrong is refused with the name of the field.
func TestNewRefusesAWrongConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		field string
		spoil func(*consensus.EngineConfig)
	}{
		"no id":                   {"ID", func(c *consensus.EngineConfig) { c.ID = 0 }},
		"an id above a ballot's":  {"ID", func(c *consensus.EngineConfig) { c.ID = maxNode + 1 }},
		"a member above it":       {"Members", func(c *consensus.EngineConfig) { c.Members.Learners = []NodeID{maxNode + 1} }},
		"a member named twice":    {"Members", func(c *consensus.EngineConfig) { c.Members.Learners = ids(2) }},
		"too many members":        {"Members", func(c *consensus.EngineConfig) { c.Members.Learners = ids(maxMembers + 1)[3:] }},
		"nobody to lead":          {"Members.Voters", func(c *consensus.EngineConfig) { c.Members = Members{Witnesses: ids(1)} }},
		"quorums that may miss":   {"Members.CommitQuorum", func(c *consensus.EngineConfig) { c.Members.ElectionQuorum, c.Members.CommitQuorum = 2, 1 }},
		"a quorum of everybody+1": {"Members.ElectionQuorum", func(c *consensus.EngineConfig) { c.Members.ElectionQuorum = 4 }},
		"weights of nothing": {"Members.Weights", func(c *consensus.EngineConfig) {
			c.Members.Weights = []consensus.Weight{{Node: 1}, {Node: 2}, {Node: 3}}
		}},
		"a weight below nothing": {"Members.Weights", func(c *consensus.EngineConfig) { c.Members.Weights = []consensus.Weight{{Node: 1, Weight: -1}} }},
		"too long a lease":       {"Members.Lease", func(c *consensus.EngineConfig) { c.Members.Lease = time.Hour }},
	} {
		cfg := consensus.EngineConfig{ID: 1, Members: Members{Voters: ids(3)}}
		c.spoil(&cfg)
		_, err := New(cfg, consensus.Recovered{Incarnation: 1})
		var wrong *consensus.ConfigError
		require.ErrorAs(t, err, &wrong, name)
		require.Equal(t, c.field, wrong.Field, name)
	}
}

// What is on disk below a snapshot is of no use: it may never have been chosen.
func TestARecoveredSlotUnderTheSnapshotIsDropped(t *testing.T) {
	r := newRig(t, bound(3))
	r.value[1], r.value[2] = "a", "b"
	n := r.start(1, consensus.Recovered{
		Incarnation: store(1), State: consensus.State{Term: b(2, 2), Commit: 2}, Snapshot: consensus.SnapshotMeta{Index: 2},
		Entries: []Entry{command(2, b(2, 2), "x"), command(3, b(2, 2), "c")},
	})
	require.Equal(t, Slot(2), n.p.Status().Commit)
	require.Equal(t, Slot(3), n.p.Status().Last)
	out := r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(3, 2), Index: 1})
	require.Len(t, out[0].Entries, 1)
	require.Equal(t, Slot(2), out[0].Floor)
}

// Time comes first: what arrives before the first Tick is ignored.
func TestNothingHappensBeforeTheFirstTick(t *testing.T) {
	e, err := New(consensus.EngineConfig{ID: 1, Group: 1, Members: bound(3)}, consensus.Recovered{Incarnation: store(1)})
	require.NoError(t, err)
	e.Step(&Message{Kind: Lead, From: 2, To: 1, Group: 1, Incarnation: store(2), Term: b(4, 2), Promised: b(4, 2)})
	require.Zero(t, e.Status().Term)
	require.EqualValues(t, 1, e.Status().Ignored)
	require.False(t, e.Ready(&consensus.Effects{}))
}

// A founder of one elects itself, and its disk alone chooses.
func TestAGroupOfOne(t *testing.T) {
	r := newRig(t, Members{Voters: ids(1)})
	r.pass(3 * second)
	require.Equal(t, []NodeID{1}, r.leaders())
	r.propose(1, "a")
	r.read(1, 7)
	require.Contains(t, r.find(1).applied, "a")
	require.Len(t, r.find(1).reads, 1)
	require.NoError(t, r.p(1).Transfer(1), "nothing is to be done")
}

func TestATransferThatCannotBeIsRefused(t *testing.T) {
	m := bound(3)
	m.Learners = []NodeID{4}
	r := newRig(t, m)
	require.ErrorIs(t, r.p(1).Transfer(2), consensus.ErrNotLeader)
	r.elect(1)
	r.settle()
	var config *consensus.ConfigError
	require.ErrorAs(t, r.p(1).Transfer(4), &config)
	require.NoError(t, r.p(1).Transfer(2))
	require.ErrorIs(t, r.p(1).Transfer(3), consensus.ErrTransferring)
	_, err := r.p(1).Change(consensus.Proposal{}, bound(3), 0)
	require.ErrorIs(t, err, consensus.ErrTransferring)
}

// A transfer whose target does not answer ends, and the leader leads on.
func TestATransferEndsAfterAnElectionTimeout(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	require.NoError(t, r.p(1).Transfer(3))
	r.pass(second + second/5)
	require.Zero(t, r.p(1).Status().Transferring)
	r.propose(1, "a")
	r.settle()
	require.Equal(t, Slot(1), r.p(1).Status().Commit)
}

// A leader that leads no longer and knows nobody else names nobody.
func TestNobodyIsSentToOneWhoLeadsNoLonger(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.cut = func(NodeID, NodeID) bool { return true }
	r.pass(2 * second)
	_, err := r.p(1).Propose(consensus.Proposal{From: 1, ID: 1})
	var elsewhere *consensus.NotLeaderError
	require.ErrorAs(t, err, &elsewhere)
	require.Zero(t, elsewhere.Leader)
}

// A witness that takes a place in another part would need a state machine that it does not have.
func TestAWitnessMustLeaveBeforeItIsAnythingElse(t *testing.T) {
	m := bound(3)
	m.Voters, m.Witnesses = ids(2), []NodeID{3}
	r := newRig(t, m)
	r.elect(1)
	r.settle()
	for _, next := range []Members{{Voters: ids(3)}, {Voters: ids(2), Learners: []NodeID{3}}} {
		_, err := r.p(1).Change(consensus.Proposal{From: 1, ID: 9}, next, 0)
		var config *consensus.ConfigError
		require.ErrorAs(t, err, &config)
	}
	r.change(1, Members{Voters: ids(2)})
	r.pass(second / 2)
	require.Equal(t, consensus.NotMember, r.p(3).Status().Kind)
}

// A replica says of itself how far its disk is.
func TestDurableIsWhatTheDiskHas(t *testing.T) {
	r := one(t)
	n := r.find(1)
	n.hold = true
	r.ask(accept(2, b(2, 2), 2, command(1, b(2, 2), "a"), command(2, b(2, 2), "b")))
	st := n.p.Status()
	require.Equal(t, [2]Slot{2, 0}, [2]Slot{st.Commit, st.Durable})
	r.persist(n)
	require.Equal(t, Slot(2), n.p.Status().Durable)
}
