package raft

import (
	"slices"
	"testing"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// memberships draws a valid one: every node has at most one part, and one is a voter.
func memberships() *rapid.Generator[Members] {
	return rapid.Custom(func(t *rapid.T) (m Members) {
		m.Voters = []NodeID{NodeID(rapid.Uint32Range(100, 1<<32-1).Draw(t, "voter"))}
		lists := [...]*[]NodeID{&m.Voters, &m.Witnesses, &m.Learners, &m.Joining}
		for id := range NodeID(rapid.IntRange(0, 12).Draw(t, "n")) {
			l := lists[rapid.IntRange(0, 3).Draw(t, "part")]
			*l = append(*l, id+1)
			if rapid.Bool().Draw(t, "bound") {
				m.Bound = append(m.Bound, consensus.Binding{Node: id + 1, Incarnation: rapid.Uint64().Draw(t, "incarnation")})
			}
		}
		for len(m.Witnesses) > m.Electors()/2 { // they may not be a quorum
			last := len(m.Witnesses) - 1
			m.Learners = append(m.Learners, m.Witnesses[last])
			m.Witnesses = m.Witnesses[:last:last]
		}
		if len(m.Witnesses) == 0 {
			m.Witnesses = nil
		}
		m.Lease = time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "lease"))
		return m
	})
}

func configurations() *rapid.Generator[configuration] {
	return rapid.Custom(func(t *rapid.T) configuration {
		c := configuration{index: Index(rapid.Uint64().Draw(t, "index")), now: memberships().Draw(t, "now")}
		if rapid.Bool().Draw(t, "joint") {
			was := memberships().Draw(t, "was")
			c.was = &was
			c.from, c.id = NodeID(rapid.Uint32().Draw(t, "from")), rapid.Uint64().Draw(t, "id")
		}
		return c
	})
}

func TestAConfigurationIsDecodedAsItWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := configurations().Draw(t, "c")
		b := c.encode()
		got, err := decodeConfiguration(b)
		require.NoError(t, err)
		require.Equal(t, c, got)
		for n := range b {
			_, err := decodeConfiguration(b[:n])
			require.ErrorIs(t, err, consensus.ErrMalformed, "cut short to %d bytes", n)
		}
		_, err = decodeConfiguration(append(b, 0))
		require.ErrorIs(t, err, consensus.ErrMalformed, "a byte too many")
	})
}

func TestAConfigurationOfAnyBytesIsDecodedOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if c, err := decodeConfiguration(b); err == nil {
			require.NoError(t, c.now.Validate())
			again, err := decodeConfiguration(c.encode())
			require.NoError(t, err)
			require.Equal(t, c, again)
		}
	})
}

// Any two quorums of a configuration meet, and so does any quorum of the old members, or of the new ones, with any of the joint
// configuration between them: all that the safety of a change asks for (thesis §4.3).
func TestQuorumsMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, next := memberships().Draw(t, "old"), memberships().Draw(t, "next")
		joint := configuration{now: next, was: &old}
		sets := func(c *configuration, name string) map[NodeID]bool {
			has := map[NodeID]bool{}
			pick := func(id NodeID) { has[id] = rapid.Bool().Draw(t, name) }
			c.now.All(pick)
			c.old().All(pick)
			return has
		}
		quorum := func(c *configuration, s map[NodeID]bool) bool {
			return c.electing(func(id NodeID) bool { return s[id] })
		}
		meet := func(a, b map[NodeID]bool) bool {
			for id := range a {
				if a[id] && b[id] {
					return true
				}
			}
			return false
		}
		x := sets(&joint, "x")
		for _, c := range []*configuration{&joint, {now: old}, {now: next}} {
			if y := sets(c, "y"); quorum(&joint, x) && quorum(c, y) {
				require.True(t, meet(x, y))
			}
		}
	})
}

// Agreed is the highest value that a quorum has reached.
func TestAgreedIsWhatAQuorumHasReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships().Draw(t, "m")
		at := map[NodeID]Index{}
		m.All(func(id NodeID) { at[id] = Index(rapid.Uint64Range(0, 9).Draw(t, "at")) })
		i := consensus.Agreed(&m, func(id NodeID) Index { return at[id] })
		require.True(t, m.IsCommitQuorum(func(id NodeID) bool { return at[id] >= i }))
		require.False(t, m.IsCommitQuorum(func(id NodeID) bool { return at[id] > i }))
	})
}

// A configuration holds from its entry on, in a log of any history, and over a restart.
func TestConfigurationsFollowTheLog(t *testing.T) {
	a, b := voters(3), voters(4)
	entry := func(i Index, term Term, m Members) Entry {
		c := configuration{index: i, now: m}
		return Entry{Index: i, Term: term, Kind: consensus.EntryMembers, Data: c.encode()}
	}
	c := subject(t, 3, 1)
	at := func() Index { return c.raft(1).Status().MembersIndex }
	c.step(Message{Kind: AppendEntries, From: 2, Term: 1, Entries: []Entry{entry(1, 1, a), {Index: 2, Term: 1}, entry(3, 1, b)}})
	require.Equal(t, Index(3), at())
	c.step(Message{Kind: AppendEntries, From: 3, Term: 2, Index: 2, LogTerm: 1, Entries: []Entry{{Index: 3, Term: 2}}})
	require.Equal(t, Index(1), at())
	c.step(Message{Kind: AppendEntries, From: 3, Term: 2, Index: 3, LogTerm: 2, Entries: []Entry{entry(4, 2, b)}})
	require.Equal(t, Index(4), at())
	require.Len(t, c.raft(1).peers, 3)
	c.Node(1).Crash(0)
	c.Node(1).Start()
	require.Equal(t, Index(4), at())
	require.Len(t, c.raft(1).peers, 3)
	c.step(Message{Kind: Heartbeat, From: 2, Term: 3})
	c.step(Message{Kind: AppendEntries, From: 2, Term: 3, Entries: []Entry{{Index: 1, Term: 3}}})
	require.Zero(t, at(), "the founding one")
	require.Len(t, c.raft(1).peers, 2)
}

// A joint change to any membership from any other, with one voter at a time down, ends, and all who are in agree.
func TestAnyMembershipCanBeReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &cluster{enginetest.Found(&protocol, bound(Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4, 5, 6}}))}
		require.True(t, c.Elect(1, 2, 3))
		c.Settle(filter{})
		for range 3 {
			m := Members{Voters: []NodeID{1}}
			lists := [...]*[]NodeID{&m.Voters, &m.Voters, &m.Witnesses, &m.Learners, &m.Joining}
			for id := NodeID(2); id <= 6; id++ {
				l := lists[rapid.IntRange(0, len(lists)-1).Draw(t, "part")]
				if slices.Contains(c.raft(1).config().now.Witnesses, id) {
					l = &m.Witnesses // for good
				}
				*l = append(*l, id)
			}
			if m.Validate() != nil {
				continue // the witnesses would be a quorum
			}
			n := c.Node(1)
			n.Input(func() {
				_, err := n.Engine.Change(consensus.Proposal{}, m, c.raft(1).config().index)
				require.NoError(t, err)
			})
			for range 4 {
				c.Settle(filter{})
				c.Beat(1)
			}
			st := n.Engine.Status()
			require.False(t, st.Changing)
			require.Empty(t, st.Members.Joining, "they have caught up")
			require.Equal(t, m.Witnesses, st.Members.Witnesses)
			require.Len(t, st.Members.Voters, len(m.Voters)+len(m.Joining))
			for _, x := range c.Nodes {
				require.Equal(t, c.raft(1).config().index, c.raft(x.ID()).config().index)
			}
		}
		require.Empty(t, c.Violations)
	})
}

// A message of a store that was wiped since may arrive after those of its successor, and the successor may speak before it
// answers a heartbeat. A newcomer is bound to the one that does both, and so to none before.
func TestANewVoterIsBoundToTheStoreThatAnsweredLast(t *testing.T) {
	c := led(t, Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}})
	r := c.raft(1)
	c.Beat(1)
	four := Members{Voters: []NodeID{1, 2, 3, 4}}
	for _, x := range []struct {
		kind         consensus.Kind
		store, round uint64
		known        bool
	}{
		{HeartbeatReply, 4, 1, true}, {AppendEntriesReply, 999, 0, false}, {HeartbeatReply, 999, r.rounds.Last, true},
		{HeartbeatReply, 4, 1, false}, {AppendEntriesReply, 999, 0, true},
	} {
		m := Message{Kind: x.kind, From: 4, To: 1, Incarnation: x.store, Term: r.term, Context: x.round}
		c.Node(1).Input(func() { r.Step(&m) })
		require.Equal(t, x.known, r.admissible(&four) == nil, "%+v", x)
	}
	c.change(t, four)
	require.Equal(t, uint64(999), r.config().now.Incarnation(4))
}
