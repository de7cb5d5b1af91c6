package consensus_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

// flexible draws valid memberships of up to seven nodes, with quorums and weights.
var flexible = rapid.Custom(func(t *rapid.T) consensus.Members {
	return rapid.Custom(func(t *rapid.T) (m consensus.Members) {
		for id := range rapid.IntRange(1, 7).Draw(t, "electors") {
			m.Voters = append(m.Voters, consensus.NodeID(id+1))
			if rapid.Bool().Draw(t, "weighted") {
				m.Weights = append(m.Weights, consensus.Weight{Node: consensus.NodeID(id + 1), Weight: rapid.IntRange(0, 3).Draw(t, "weight")})
			}
			m.Bound = append(m.Bound, consensus.Binding{Node: consensus.NodeID(id + 1), Incarnation: 1})
		}
		m.ElectionQuorum, m.CommitQuorum = rapid.IntRange(0, 12).Draw(t, "election"), rapid.IntRange(0, 12).Draw(t, "commit")
		return m
	}).Filter(func(m consensus.Members) bool { return m.Validate() == nil }).Draw(t, "members")
})

func TestEveryElectionQuorumMeetsEveryCommitQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := flexible.Draw(t, "members")
		ids := electors(&m)
		for a := range 1 << len(ids) {
			for b := range 1 << len(ids) {
				if m.IsElectionQuorum(among(ids, a)) && m.IsCommitQuorum(among(ids, b)) {
					require.NotZero(t, a&b, "%v: %b and %b", m, a, b)
				}
			}
		}
	})
}

// MeetsElections is no more than its name says: exactly the sets that have a member in each election quorum.
func TestWhatMeetsElectionsMeetsEveryElectionQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := flexible.Draw(t, "members")
		ids := electors(&m)
		for b := range 1 << len(ids) {
			meets := m.MeetsElections(among(ids, b))
			for a := range 1 << len(ids) {
				if meets && m.IsElectionQuorum(among(ids, a)) {
					require.NotZero(t, a&b, "%v: %b and %b", m, a, b)
				}
			}
			if m.IsCommitQuorum(among(ids, b)) {
				require.True(t, meets)
			}
		}
	})
}

func TestASupersetOfAQuorumIsAQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := flexible.Draw(t, "members")
		ids := electors(&m)
		a := rapid.IntRange(0, 1<<len(ids)-1).Draw(t, "a")
		b := a | rapid.IntRange(0, 1<<len(ids)-1).Draw(t, "b")
		for _, is := range []func(func(consensus.NodeID) bool) bool{m.IsElectionQuorum, m.IsCommitQuorum, m.MeetsElections} {
			require.True(t, !is(among(ids, a)) || is(among(ids, b)))
		}
	})
}

func TestUnavoidableIsTheHighestValueThatMeetsElections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := flexible.Draw(t, "members")
		values := make(map[consensus.NodeID]consensus.Index)
		for _, id := range m.Voters {
			values[id] = consensus.Index(rapid.Uint64Range(0, 5).Draw(t, "at"))
		}
		at := func(id consensus.NodeID) consensus.Index { return values[id] }
		reached := func(v consensus.Index) bool {
			return m.MeetsElections(func(id consensus.NodeID) bool { return at(id) >= v })
		}
		met := consensus.Unavoidable(&m, at)
		require.True(t, reached(met))
		require.False(t, reached(met+1))
	})
}

// Until the founders are bound to their stores, an election needs every one of them.
func TestAFoundingElectionNeedsAll(t *testing.T) {
	m := consensus.Members{Voters: []consensus.NodeID{1, 2}, Witnesses: []consensus.NodeID{3}}
	require.False(t, m.IsElectionQuorum(among(electors(&m), 0b011)))
	require.True(t, m.IsElectionQuorum(among(electors(&m), 0b111)))
	require.True(t, m.IsCommitQuorum(among(electors(&m), 0b011)))
}

func TestQuorumsThatNeedNotMeetAreRefused(t *testing.T) {
	three := []consensus.NodeID{1, 2, 3}
	for _, c := range []struct {
		members      consensus.Members
		field, value string
	}{
		{consensus.Members{Voters: three, ElectionQuorum: 1, CommitQuorum: 2}, "Members.CommitQuorum", "2"},
		{consensus.Members{Voters: three, CommitQuorum: 1}, "Members.CommitQuorum", "1"},
		{consensus.Members{Voters: three, ElectionQuorum: 4}, "Members.ElectionQuorum", "4"},
		{consensus.Members{Voters: three, CommitQuorum: -1}, "Members.CommitQuorum", "-1"},
		{consensus.Members{Voters: three, Weights: []consensus.Weight{{Node: 1, Weight: -1}}}, "Members.Weights", "-1"},
		{consensus.Members{Voters: three, Weights: []consensus.Weight{{Node: 4, Weight: 1}}}, "Members.Weights", "4"},
		{consensus.Members{Voters: three, Weights: []consensus.Weight{{Node: 1, Weight: 1}, {Node: 1, Weight: 1}}}, "Members.Weights", "1"},
		{consensus.Members{Voters: three[:1], Weights: []consensus.Weight{{Node: 1}}}, "Members.Weights", "0"},
	} {
		var wrong *consensus.ConfigError
		require.ErrorAs(t, c.members.Validate(), &wrong, "%v", c.members)
		require.Equal(t, c.field, wrong.Field)
		require.Equal(t, c.value, wrong.Value)
	}
}

// A witness keeps no state, so that witnesses must not be able to elect by themselves.
func TestWitnessesThatCanElectAreRefused(t *testing.T) {
	m := consensus.Members{Voters: []consensus.NodeID{1, 2, 3}, Witnesses: []consensus.NodeID{4, 5}}
	require.NoError(t, m.Validate())
	m.ElectionQuorum, m.CommitQuorum = 2, 4
	var wrong *consensus.ConfigError
	require.ErrorAs(t, m.Validate(), &wrong)
	require.Equal(t, "Members.Witnesses", wrong.Field)
	m = consensus.Members{Voters: []consensus.NodeID{1, 2}, Witnesses: []consensus.NodeID{3}, Weights: []consensus.Weight{{Node: 3, Weight: 3}}}
	require.ErrorAs(t, m.Validate(), &wrong)
	require.Equal(t, "Members.Witnesses", wrong.Field)
}
