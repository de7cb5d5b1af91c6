package consensus_test

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

// memberships draws valid memberships of up to nine nodes.
var memberships = rapid.Custom(func(t *rapid.T) (m consensus.Members) {
	lists := []*[]consensus.NodeID{&m.Voters, &m.Voters, &m.Voters, &m.Witnesses, &m.Learners, &m.Joining}
	for i, id := range rapid.SliceOfNDistinct(rapid.Uint32Range(1, math.MaxUint32), 1, 9, rapid.ID).Draw(t, "ids") {
		list := &m.Voters
		if i > 0 {
			list = rapid.SampledFrom(lists).Draw(t, "list")
		}
		*list = append(*list, consensus.NodeID(id))
		if rapid.Bool().Draw(t, "bound") {
			m.Bound = append(m.Bound, consensus.Binding{Node: consensus.NodeID(id), Incarnation: rapid.Uint64Min(1).Draw(t, "incarnation")})
		}
	}
	m.Lease = time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "lease"))
	for len(m.Witnesses) > m.Electors()/2 { // they may not be a quorum by themselves
		last := len(m.Witnesses) - 1
		m.Learners = append(m.Learners, m.Witnesses[last])
		m.Witnesses = m.Witnesses[:last:last]
	}
	if len(m.Witnesses) == 0 {
		m.Witnesses = nil
	}
	return m
})

// electors are the members with a vote.
func electors(m *consensus.Members) []consensus.NodeID {
	return append(slices.Clone(m.Voters), m.Witnesses...)
}

// among makes the subset of ids that bits names.
func among(ids []consensus.NodeID, bits int) func(consensus.NodeID) bool {
	return func(id consensus.NodeID) bool {
		i := slices.Index(ids, id)
		return i >= 0 && bits>>i&1 != 0
	}
}

// quorums are all subsets of the electors that are quorums.
func quorums(m *consensus.Members) (all []int) {
	ids := electors(m)
	for bits := range 1 << len(ids) {
		if m.IsCommitQuorum(among(ids, bits)) {
			all = append(all, bits)
		}
	}
	return all
}

func TestAnyTwoQuorumsIntersect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		all := quorums(&m)
		require.NotEmpty(t, all, "all electors together must be a quorum")
		for _, a := range all {
			for _, b := range all {
				require.NotZero(t, a&b, "quorums %b and %b of %v", a, b, m)
			}
		}
	})
}

func TestWhatContainsAQuorumIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		ids, all := electors(&m), quorums(&m)
		for bits := range 1 << len(ids) {
			contains := slices.ContainsFunc(all, func(q int) bool { return q&bits == q })
			require.Equal(t, contains, slices.Contains(all, bits))
		}
	})
}

func TestTheSmallestQuorumIsAMajority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		ids := electors(&m)
		require.Equal(t, len(ids), m.Electors())
		n := rapid.IntRange(0, len(ids)).Draw(t, "n")
		require.Equal(t, 2*n > len(ids), m.IsCommitQuorum(among(ids, 1<<n-1)))
	})
}

func TestLearnersAreInNoQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		bits := rapid.IntRange(0, 1<<9-1).Draw(t, "has")
		has := among(electors(&m), bits)
		with := func(id consensus.NodeID) bool { return has(id) || !m.Votes(id) }
		require.Equal(t, m.IsCommitQuorum(has), m.IsCommitQuorum(with))
	})
}

func TestNoElectorsAgreeWithAnything(t *testing.T) {
	none := consensus.Members{Learners: []consensus.NodeID{4}}
	require.True(t, none.IsCommitQuorum(func(consensus.NodeID) bool { return false }))
	require.Equal(t, consensus.Instant(math.MaxInt64), consensus.Agreed(&none, func(consensus.NodeID) consensus.Instant { return 1 }))
	require.Equal(t, consensus.Index(math.MaxInt64), consensus.Agreed(&none, func(consensus.NodeID) consensus.Index { return 1 }))
}

// agreed is the definition: the highest value that the members at or above it are a quorum for.
func agreed(m *consensus.Members, at func(consensus.NodeID) consensus.Index) (best consensus.Index) {
	for _, id := range electors(m) {
		reached := at(id)
		if reached > best && m.IsCommitQuorum(func(o consensus.NodeID) bool { return at(o) >= reached }) {
			best = reached
		}
	}
	return best
}

func TestAgreedIsTheHighestValueThatAQuorumHasReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		values := make(map[consensus.NodeID]consensus.Index)
		m.All(func(id consensus.NodeID) {
			values[id] = consensus.Index(rapid.Uint64Range(0, 5).Draw(t, "at"))
		})
		at := func(id consensus.NodeID) consensus.Index { return values[id] }
		require.Equal(t, agreed(&m, at), consensus.Agreed(&m, at))
	})
}

func TestAgreedServesMoreElectorsThanAnyGroupShouldHave(t *testing.T) {
	var m consensus.Members
	for id := consensus.NodeID(1); id <= 40; id++ {
		m.Voters = append(m.Voters, id)
	}
	at := func(id consensus.NodeID) consensus.Index { return consensus.Index(id) }
	require.Equal(t, consensus.Index(20), consensus.Agreed(&m, at))
	require.Equal(t, agreed(&m, at), consensus.Agreed(&m, at))
}

func TestQuorumAndAgreedDoNotAllocate(t *testing.T) {
	m := consensus.Members{Voters: []consensus.NodeID{1, 2, 3, 4}, Witnesses: []consensus.NodeID{5}}
	at := func(id consensus.NodeID) consensus.Index { return consensus.Index(id) }
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.IsCommitQuorum(func(id consensus.NodeID) bool { return id > 2 })
		consensus.Agreed(&m, at)
	}))
}

func TestEveryMemberHasOneKind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		for kind, ids := range map[consensus.MemberKind][]consensus.NodeID{
			consensus.Voter: m.Voters, consensus.Witness: m.Witnesses, consensus.Learner: m.Learners, consensus.Joining: m.Joining,
		} {
			for _, id := range ids {
				require.Equal(t, kind, m.Kind(id))
				require.Equal(t, kind == consensus.Voter || kind == consensus.Witness, m.Votes(id))
			}
		}
		require.Equal(t, consensus.NotMember, m.Kind(0))
		count := 0
		m.All(func(consensus.NodeID) { count++ })
		require.Equal(t, len(m.Voters)+len(m.Witnesses)+len(m.Learners)+len(m.Joining), count)
	})
}

func TestAMembershipIsUnboundUntilEveryElectorHasAStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		want := slices.ContainsFunc(electors(&m), func(id consensus.NodeID) bool {
			return !slices.ContainsFunc(m.Bound, func(b consensus.Binding) bool { return b.Node == id })
		})
		require.Equal(t, want, m.Unbound())
		for _, b := range m.Bound {
			require.Equal(t, b.Incarnation, m.Incarnation(b.Node))
		}
	})
}

func TestAMembershipSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, rest := memberships.Draw(t, "members"), someBytes.Draw(t, "rest")
		b := append(m.AppendTo(nil), rest...)
		got, left, err := consensus.DecodeMembers(b)
		require.NoError(t, err)
		require.True(t, m.Equal(&got), "%v is not %v", got, m)
		require.True(t, bytes.Equal(rest, left))
		clear(b)
		require.True(t, m.Equal(&got), "it shares memory with what it was decoded from")
	})
}

func TestTheEncodingOfAMembershipIsPinned(t *testing.T) {
	m := consensus.Members{Voters: []consensus.NodeID{1, 2, 300}, Witnesses: []consensus.NodeID{4}, Learners: []consensus.NodeID{5, 6},
		Joining: []consensus.NodeID{7}, Bound: []consensus.Binding{{Node: 1, Incarnation: 300}}, Lease: 200,
		ElectionQuorum: 4, CommitQuorum: 3, Weights: []consensus.Weight{{Node: 300, Weight: 2}}}
	require.Equal(t, []byte{3, 1, 2, 0xac, 2, 1, 4, 2, 5, 6, 1, 7, 1, 1, 0xac, 2, 0xc8, 1, 4, 3, 1, 0xac, 2, 2}, m.AppendTo(nil))
}

func TestAMembershipHasOneEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		b := m.AppendTo(nil)
		for n := range b {
			_, _, err := consensus.DecodeMembers(b[:n:n])
			require.ErrorIs(t, err, consensus.ErrMalformed)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		got, rest, err := consensus.DecodeMembers(b)
		if err != nil {
			require.ErrorIs(t, err, consensus.ErrMalformed)
			return
		}
		require.Equal(t, b, append(got.AppendTo(nil), rest...))
	})
}

func TestAMembershipBelievesNoCount(t *testing.T) {
	for _, b := range [][]byte{wire(uint64(math.MaxUint64)), wire(1<<40, make([]byte, 64)), wire(0, 0, 0, 0, 1<<40, make([]byte, 64))} {
		allocated := bytesAllocated(func() {
			_, _, err := consensus.DecodeMembers(b)
			require.Error(t, err)
		})
		require.Less(t, allocated, uint64(16<<10))
	}
}

func TestACloneSharesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		c, before := m.Clone(), m.AppendTo(nil)
		require.True(t, c.Equal(&m))
		for _, ids := range [][]consensus.NodeID{c.Voters, c.Witnesses, c.Learners, c.Joining} {
			clear(ids)
		}
		clear(c.Bound)
		require.Equal(t, before, m.AppendTo(nil))
		require.False(t, c.Equal(&m))
	})
}

func TestValidateNamesTheFieldAndTheValue(t *testing.T) {
	ids := func(ids ...consensus.NodeID) []consensus.NodeID { return ids }
	for _, c := range []struct {
		members      consensus.Members
		field, value string
	}{
		{consensus.Members{}, "Members.Voters", "[]"},
		{consensus.Members{Witnesses: ids(1, 2), Learners: ids(3)}, "Members.Voters", "[]"},
		{consensus.Members{Voters: ids(1, 0)}, "Members", "0"},
		{consensus.Members{Voters: ids(1, 2, 1)}, "Members", "1"},
		{consensus.Members{Voters: ids(1), Joining: ids(7, 1)}, "Members", "1"},
		{consensus.Members{Voters: ids(1), Witnesses: ids(2), Learners: ids(2)}, "Members", "2"},
		{consensus.Members{Voters: ids(1), Witnesses: ids(2, 3)}, "Members.Witnesses", "[2 3]"},
		{consensus.Members{Voters: ids(1), Lease: -time.Second}, "Members.Lease", "-1s"},
	} {
		var wrong *consensus.ConfigError
		require.ErrorAs(t, c.members.Validate(), &wrong, "%v", c.members)
		require.Equal(t, c.field, wrong.Field)
		require.Equal(t, c.value, wrong.Value)
		require.NotEmpty(t, wrong.Reason)
		require.ErrorContains(t, wrong, c.field)
		require.ErrorContains(t, wrong, c.value)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := memberships.Draw(t, "members")
		require.NoError(t, m.Validate())
	})
}
