package raft

import (
	"testing"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
	"github.com/stretchr/testify/require"
)

// A message that is malformed, or of no member of this group, has no effect, and is counted.
func TestAMalformedMessageIsIgnoredAndCounted(t *testing.T) {
	good := Message{Kind: AppendEntries, From: 2, To: 1, Incarnation: 2, Term: 2, Index: 1, LogTerm: 1, Entries: entries(1, 2)}
	conf := func(index Index, m Members) []byte { return (&configuration{index: index, now: m}).encode() }
	for name, spoil := range map[string]func(m *Message){
		"for another":              func(m *Message) { m.To = 3 },
		"from nobody":              func(m *Message) { m.From = 0 },
		"from itself":              func(m *Message) { m.From = 1 },
		"of another group":         func(m *Message) { m.Group = 5 },
		"of no term":               func(m *Message) { m.Term = 0 },
		"of a term near the end":   func(m *Message) { m.Term = 1 << 62 },
		"of an index near the end": func(m *Message) { m.Index = 1 << 62; m.Entries = nil },
		"of a last near the end":   func(m *Message) { m.Last = 1 << 62 },
		"log of a later term":      func(m *Message) { m.LogTerm = 3 },
		"entries with a gap":       func(m *Message) { m.Entries[0].Index = 3 },
		"entries that go back":     func(m *Message) { m.Index = 2 },
		"entries of a later term":  func(m *Message) { m.Entries[0].Term = 3 },
		"entries of falling terms": func(m *Message) { m.LogTerm, m.Entries[0].Term = 2, 1 },
		"entries of no term":       func(m *Message) { m.LogTerm, m.Entries[0].Term = 0, 0 },
		"a bad configuration":      func(m *Message) { m.Entries[0].Kind = consensus.EntryMembers },
		"a configuration of another index": func(m *Message) {
			m.Entries[0].Kind, m.Entries[0].Data = consensus.EntryMembers, conf(7, voters(3))
		},
		"a configuration without a voter": func(m *Message) {
			m.Entries[0].Kind, m.Entries[0].Data = consensus.EntryMembers, conf(2, Members{Learners: []NodeID{1}})
		},
		"a vote with entries":                func(m *Message) { m.Kind = RequestVote },
		"a heartbeat with entries":           func(m *Message) { m.Kind = Heartbeat },
		"a snapshot without a configuration": func(m *Message) { m.Kind, m.Entries = InstallSnapshot, nil },
		"a snapshot of nothing": func(m *Message) {
			*m = Message{Kind: InstallSnapshot, From: 2, To: 1, Term: 2, Data: conf(0, voters(3))}
		},
		"a snapshot whose configuration is after": func(m *Message) { m.Kind, m.Entries, m.Data = InstallSnapshot, nil, conf(2, voters(3)) },
		"of another engine":                       func(m *Message) { m.Kind = consensus.KindForward },
		"of no engine":                            func(m *Message) { m.Kind = 200 },
	} {
		c := subject(t, 3, 1, 1)
		r := c.raft(1)
		before := r.AppendState(nil)
		m := good
		m.Entries = entries(1, 2)
		spoil(&m)
		r.Step(&m)
		require.EqualValues(t, 1, r.Status().Ignored, name)
		require.Equal(t, before, r.AppendState(nil), name)
		r.Step(&good)
		require.Equal(t, Index(2), r.log.last, "the good one is not")
	}
}

// Time comes first: what arrives before the first Tick is ignored.
func TestNothingHappensBeforeTheFirstTick(t *testing.T) {
	e, err := New(consensus.EngineConfig{ID: 1, Members: bound(voters(3))}, consensus.Recovered{Incarnation: 1})
	require.NoError(t, err)
	e.Step(&Message{Kind: Heartbeat, From: 2, To: 1, Incarnation: 2, Term: 4})
	require.Zero(t, e.Status().Term)
	require.EqualValues(t, 1, e.Status().Ignored)
	require.False(t, e.Ready(&consensus.Effects{}))
}

// A message that contradicts what is known to be chosen, or that there is one leader in a term, has no effect but on the
// term, and is counted.
func TestAContradictionIsCountedAndDropped(t *testing.T) {
	conf := (&configuration{now: bound(voters(3))}).encode()
	follower := func(c *cluster) { // of 2 in term 3: 1/1 2/2 3/3, two of them committed
		c.step(Message{Kind: AppendEntries, From: 2, Term: 3, Index: 2, LogTerm: 2, Entries: entries(2, 3), Commit: 2})
	}
	compacted := func(c *cluster) {
		follower(c)
		c.Node(1).Compact()
	}
	for name, x := range map[string]struct {
		before func(*cluster)
		m      Message
	}{
		"a second leader of the term":         {follower, Message{Kind: Heartbeat, From: 3, Term: 3}},
		"a leader of our own term":            {func(c *cluster) { c.win() }, Message{Kind: AppendEntries, From: 3, Term: 3}},
		"an append over what is committed":    {follower, Message{Kind: AppendEntries, From: 3, Term: 4, Entries: entries(0, 4)}},
		"an append over what is compacted":    {compacted, Message{Kind: AppendEntries, From: 3, Term: 4, Entries: entries(0, 1, 4, 4)}},
		"an acknowledgement of what is not":   {func(c *cluster) { c.win() }, Message{Kind: AppendEntriesReply, From: 2, Term: 3, Index: 9, Session: 1}},
		"a heartbeat answer of what is not":   {func(c *cluster) { c.win() }, Message{Kind: HeartbeatReply, From: 2, Term: 3, Index: 9, Context: 1}},
		"a snapshot against the leader's log": {follower, Message{Kind: InstallSnapshot, From: 3, Term: 2, Index: 3, LogTerm: 2, Data: conf}},
		"a snapshot against our own log":      {func(c *cluster) { c.win() }, Message{Kind: InstallSnapshot, From: 3, Term: 2, Index: 2, LogTerm: 1, Data: conf}},
	} {
		c := subject(t, 3, 2, 1, 2)
		x.before(c)
		r := c.raft(1)
		last, commit, applied := r.log.last, r.commit, c.Node(1).Applied
		x.m.To, x.m.Incarnation = 1, uint64(x.m.From)
		r.Step(&x.m)
		require.EqualValues(t, 1, r.Status().Contradictions, name)
		r.contradictions = 0
		c.Node(1).Input(func() {})
		require.Equal(t, [3]Index{last, commit, applied}, [3]Index{r.log.last, r.commit, c.Node(1).Applied}, name)
	}
}

// A configuration that is wrong is refused with the name of the field.
func TestNewRefusesAWrongConfiguration(t *testing.T) {
	good := consensus.EngineConfig{ID: 1, Members: voters(3)}
	for field, spoil := range map[string]func(*consensus.EngineConfig){
		"ID":                func(c *consensus.EngineConfig) { c.ID = 0 },
		"Members":           func(c *consensus.EngineConfig) { c.Members.Learners = []NodeID{2} },
		"Members.Voters":    func(c *consensus.EngineConfig) { c.Members = Members{Witnesses: []NodeID{1}} },
		"Members.Lease":     func(c *consensus.EngineConfig) { c.Members.Lease = time.Minute },
		"HeartbeatInterval": func(c *consensus.EngineConfig) { c.HeartbeatInterval = time.Second },
		"ElectionTimeout":   func(c *consensus.EngineConfig) { c.ElectionTimeout = -1; c.HeartbeatInterval = 1 },
		"MaxInflight":       func(c *consensus.EngineConfig) { c.MaxInflight = -1 },
		"MaxMessageSize":    func(c *consensus.EngineConfig) { c.MaxMessageSize = -1 },
		"MaxUncommitted":    func(c *consensus.EngineConfig) { c.MaxUncommitted = -1 },
	} {
		cfg := good
		spoil(&cfg)
		_, err := New(cfg, consensus.Recovered{Incarnation: 1})
		var wrong *consensus.ConfigError
		require.ErrorAs(t, err, &wrong, field)
		require.Equal(t, field, wrong.Field)
	}
}

// A store whose configuration cannot be decoded is an error, and no panic.
func TestNewRefusesAStoreItCannotRead(t *testing.T) {
	cfg := consensus.EngineConfig{ID: 1, Members: voters(3)}
	for _, rec := range []consensus.Recovered{
		{Incarnation: 1, Snapshot: consensus.SnapshotMeta{Index: 3, Term: 1, Config: []byte{1}}},
		{Incarnation: 1, Entries: []Entry{{Index: 1, Term: 1, Kind: consensus.EntryMembers}}},
	} {
		_, err := New(cfg, rec)
		require.ErrorIs(t, err, consensus.ErrMalformed)
	}
}

// The commit index on disk is a hint: it never points beyond the log that survived.
func TestARecoveredCommitIndexIsBoundedByTheLog(t *testing.T) {
	cfg := consensus.EngineConfig{ID: 1, Members: voters(3)}
	e, err := New(cfg, consensus.Recovered{Incarnation: 1, State: consensus.State{Term: 2, Commit: 9}, Entries: entries(0, 1, 2)})
	require.NoError(t, err)
	require.Equal(t, Index(2), e.Status().Commit)
}

// A proposal that cannot be taken is refused, and nothing is appended.
func TestAProposalThatIsRefusedLeavesNothing(t *testing.T) {
	c := led(t, voters(3))
	last := c.raft(1).log.last
	for _, x := range []struct {
		p   consensus.Proposal
		err error
	}{
		{consensus.Proposal{Data: make([]byte, 5<<20)}, consensus.ErrTooLarge},
		{consensus.Proposal{Kind: consensus.EntryMembers}, consensus.ErrNotApplied},
		{consensus.Proposal{Kind: consensus.EntryNoop}, consensus.ErrNotApplied},
	} {
		_, err := c.raft(1).Propose(x.p)
		require.ErrorIs(t, err, x.err)
		require.ErrorIs(t, err, consensus.ErrNotApplied)
		require.Equal(t, last, c.raft(1).log.last)
	}
}

// A witness waits twice as long before it campaigns, so that it leads only if no voter can.
func TestAWitnessCampaignsLast(t *testing.T) {
	c := &cluster{enginetest.Found(&protocol, bound(Members{Voters: []NodeID{1, 2}, Witnesses: []NodeID{3}}))}
	for range 50 {
		c.Campaign(3)
		wait := c.raft(3).deadline - c.Node(3).Now
		require.GreaterOrEqual(t, wait, 2*electionTimeout)
		require.Less(t, wait, 4*electionTimeout)
	}
}

// Many inputs between two calls of Ready make one write and one message for each follower.
func TestInputsAreBatched(t *testing.T) {
	c := led(t, voters(3))
	n := c.Node(1)
	n.Batching = true
	for range 50 {
		c.Propose(1, "x")
	}
	c.Flush()
	sent, messages, writes := map[NodeID]int{}, 0, 0
	var eff consensus.Effects
	for n.Engine.Ready(&eff) {
		for _, m := range eff.Early {
			sent[m.To] += len(m.Entries)
			messages++
		}
		writes++
		n.Act(&eff)
		eff.Reset()
	}
	require.Equal(t, map[NodeID]int{2: 50, 3: 50}, sent)
	require.LessOrEqual(t, writes, 4, "a page of the log at a time")
	require.LessOrEqual(t, messages, 2*writes)
}
