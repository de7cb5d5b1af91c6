package storagetest

import (
	"math"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// logClaims are about Append and Recover.
var logClaims = []claim{
	{"a group never written is empty but for the incarnation", func(s *store) {
		r := s.recover(7)
		require.True(s, r.Empty())
		require.NotZero(s, r.Incarnation)
	}},
	{"the incarnation is the store's, for all groups and its whole life", func(s *store) {
		want := s.recover(1).Incarnation
		s.append(write(1, entry(1, 1)))
		require.Equal(s, want, s.recover(1).Incarnation)
		require.Equal(s, want, s.recover(2).Incarnation)
		s.reopen()
		require.Equal(s, want, s.recover(1).Incarnation)
	}},
	{"every field of a write survives", func(s *store) {
		state := consensus.State{Term: math.MaxUint64 - 1, Vote: math.MaxUint32, Commit: math.MaxUint64}
		e := consensus.Entry{Index: math.MaxUint64, Term: consensus.Chosen, From: math.MaxUint32, ID: math.MaxUint64,
			Kind: consensus.EntrySessionClose, Data: make([]byte, 1<<20)}
		empty := consensus.Entry{Index: 1, Term: 1, Kind: consensus.EntryNoop}
		s.append(consensus.Write{Group: math.MaxUint64, Seq: 1, Entries: []consensus.Entry{empty, e}, State: state})
		s.reopen()
		r := s.recover(math.MaxUint64)
		require.Equal(s, state, r.State)
		requireEntries(s, []consensus.Entry{empty, e}, r.Entries)
		require.Empty(s, r.Damaged)
	}},
	{"a write without entries stores the state", func(s *store) {
		s.append(write(1, entry(1, 1)))
		voted := consensus.State{Term: 5, Vote: 2, Commit: 1}
		s.append(consensus.Write{Group: 1, Seq: 2, State: voted})
		s.reopen()
		require.Equal(s, voted, s.recover(1).State)
		s.holds(entry(1, 1))
	}},
	{"the state of the last write holds, even if it is lower", func(s *store) {
		s.append(consensus.Write{Group: 1, Seq: 1, State: consensus.State{Term: 9, Vote: 3, Commit: 7}})
		s.append(consensus.Write{Group: 1, Seq: 2, State: consensus.State{Term: 9, Commit: 6}})
		s.reopen()
		require.Equal(s, consensus.State{Term: 9, Commit: 6}, s.recover(1).State)
	}},
	{"the writes of one Append take effect in order", func(s *store) {
		cut := write(2, entry(2, 2))
		cut.Truncate = 2
		s.append(write(1, entries(1, 4, 1)...), cut, write(3, entry(3, 3)))
		s.holds(entry(1, 1), entry(2, 2), entry(3, 3))
	}},
	{"groups are independent", func(s *store) {
		other := write(1, entry(1, 8))
		other.Group, other.State = 2, consensus.State{Term: 8}
		cut := write(2)
		cut.Truncate = 1
		s.append(write(1, entries(1, 3, 1)...), other, cut)
		s.holds()
		require.Equal(s, consensus.Term(8), s.recover(2).State.Term)
		requireEntries(s, []consensus.Entry{entry(1, 8)}, s.recover(2).Entries)
	}},
	{"an entry replaces the one at its index and no other", func(s *store) {
		s.append(write(1, entries(1, 4, 1)...), write(2, entry(2, 2)))
		s.holds(entry(1, 1), entry(2, 2), entry(3, 1), entry(4, 1))
	}},
	{"entries may leave holes, and come later than those above them", func(s *store) {
		s.append(write(1, entry(7, 1)), write(2, entry(3, 1), entry(9, 1)), write(3, entry(1, 1), entry(8, 1)))
		s.holds(entry(1, 1), entry(3, 1), entry(7, 1), entry(8, 1), entry(9, 1))
	}},
	{"an entry of term 0 is one like any other", func(s *store) {
		cut := write(2, entry(2, 1), entry(6, 0))
		cut.Truncate = 2
		s.append(write(1, entries(1, 4, 1)...), cut, write(3, entry(3, 1)))
		s.reopen()
		s.holds(entry(1, 1), entry(2, 1), entry(3, 1), entry(6, 0))
		s.append(write(1, entries(4, 6, 2)...))
		s.holds(append(entries(1, 3, 1), entries(4, 6, 2)...)...)
	}},
	{"Truncate forgets what is at and after it, before Entries are stored", func(s *store) {
		cut := write(2, entry(6, 2))
		cut.Truncate = 3
		s.append(write(1, entries(1, 8, 1)...), cut)
		s.holds(entry(1, 1), entry(2, 1), entry(6, 2))
	}},
	{"Truncate above the last entry forgets nothing", func(s *store) {
		cut := write(2, entry(3, 2))
		cut.Truncate = 3
		s.append(write(1, entries(1, 2, 1)...), cut)
		s.holds(entry(1, 1), entry(2, 1), entry(3, 2))
	}},
	{"what was truncated never comes back", func(s *store) {
		cut := write(2)
		cut.Truncate = 2
		s.append(write(1, entries(1, 5, 1)...), cut)
		s.reopen()
		s.append(write(1, entry(4, 2)))
		s.holds(entry(1, 1), entry(4, 2))
	}},
	{"writes are numbered from 1 again after a restart", func(s *store) {
		s.append(write(1, entry(1, 1)), write(2, entry(2, 1)))
		s.reopen()
		s.append(write(1, entry(3, 1)))
		s.holds(entries(1, 3, 1)...)
	}},
	{"an Append of nothing changes nothing", func(s *store) {
		s.append()
		s.holds()
	}},
}

// fetchClaims are about Fetch.
var fetchClaims = []claim{
	{"Fetch returns consecutive entries from lo on, up to hi at most", func(s *store) {
		s.append(write(1, entries(1, 9, 1)...))
		s.fetches(entries(1, 9, 1), 1, 9)
		s.fetches(entries(4, 6, 1), 4, 6)
		s.fetches(entries(8, 9, 1), 8, 99)
		s.fetches(entries(5, 5, 1), 5, 5)
	}},
	{"Fetch returns one entry however large, and then at most maxBytes", func(s *store) {
		s.append(write(1, entries(1, 9, 1)...))
		e := entry(1, 1)
		for _, limit := range []int{-1, 0, 1, e.Size() - 1, e.Size(), 2*e.Size() - 1, 2 * e.Size(), 5 * e.Size()} {
			es, err := s.Fetch(1, 1, 9, limit)
			require.NoError(s, err)
			require.NotEmpty(s, es)
			require.LessOrEqual(s, len(es), max(limit/e.Size(), 1))
			requireEntries(s, entries(1, 9, 1)[:len(es)], es)
		}
	}},
	{"Fetch ends before a hole", func(s *store) {
		s.append(write(1, entry(1, 1), entry(2, 1), entry(4, 1)))
		s.fetches(entries(1, 2, 1), 1, 4)
		s.fetches(entries(4, 4, 1), 4, 4)
	}},
	{"Fetch of what is not there is ErrCompacted", func(s *store) {
		s.append(write(1, entry(1, 1), entry(2, 1), entry(4, 1)))
		s.compacted(1, 3)
		s.compacted(1, 5)
		s.compacted(2, 1)
	}},
	{"Fetch of nothing is ErrCompacted", func(s *store) {
		s.append(write(1, entries(1, 9, 1)...))
		for _, lo := range []consensus.Index{4, 9, 10, math.MaxUint64} {
			_, err := s.Fetch(1, lo, lo/2, math.MaxInt)
			require.ErrorIs(s, err, consensus.ErrCompacted)
		}
	}},
	{"Fetch sees the entry that replaced another", func(s *store) {
		cut := write(2, entry(2, 2))
		cut.Truncate = 2
		s.append(write(1, entries(1, 3, 1)...), cut)
		s.fetches([]consensus.Entry{entry(1, 1), entry(2, 2)}, 1, 3)
		s.compacted(1, 3)
	}},
}

// fetches requires that lo to hi can be fetched from group 1, in as many calls as it may take,
// and is all of want; now and after a restart.
func (s *store) fetches(want []consensus.Entry, lo, hi consensus.Index) {
	for range 2 {
		var got []consensus.Entry
		for len(got) < len(want) {
			es, err := s.Fetch(1, lo+consensus.Index(len(got)), hi, math.MaxInt)
			require.NoError(s, err)
			require.NotEmpty(s, es)
			got = append(got, es...)
		}
		requireEntries(s, want, got)
		s.reopen()
	}
}

// compacted requires that nothing can be fetched from index on.
func (s *store) compacted(g consensus.GroupID, index consensus.Index) {
	es, err := s.Fetch(g, index, index+9, math.MaxInt)
	require.ErrorIs(s, err, consensus.ErrCompacted)
	require.Empty(s, es)
}
