package storagetest

import (
	"io"
	"math"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// sharingClaims are about who may change what, and who may call when.
var sharingClaims = []claim{
	{"Append keeps nothing of its argument but the entries", func(s *store) {
		m := meta(1, 1)
		writes := []consensus.Write{write(1, entries(1, 3, 1)...), adopt(2, m)}
		s.append(writes...)
		clear(writes)
		clear(m.Config)
		require.Equal(s, meta(1, 1), s.recover(1).Snapshot)
		s.holds(entries(2, 3, 1)...)
	}},
	{"Create keeps nothing of its argument", func(s *store) {
		m := meta(1, 1)
		w, err := s.Create(1, m)
		require.NoError(s, err)
		clear(m.Config)
		require.NoError(s, w.Commit())
		s.append(adopt(1, meta(1, 1)))
		s.shows(meta(1, 1), "")
	}},
	{"what Recover and Fetch returned does not change", func(s *store) {
		s.append(write(1, entries(1, 6, 1)...))
		recovered := s.recover(1).Entries
		fetched, err := s.Fetch(1, 1, 1, math.MaxInt)
		require.NoError(s, err)
		cut := write(2, entries(1, 3, 2)...)
		cut.Truncate = 1
		s.append(cut)
		s.append(write(3, entries(4, 6, 2)...))
		s.append(adopt(4, meta(5, 2)))
		requireEntries(s, entries(1, 6, 1), recovered)
		requireEntries(s, entries(1, 1, 1), fetched)
	}},
	{"all methods may be called at once", func(s *store) {
		const groups, rounds = 4, 25
		var all sync.WaitGroup
		for g := consensus.GroupID(1); g <= groups; g++ {
			all.Go(func() {
				for i := consensus.Index(1); i <= rounds; i++ {
					s.round(g, i)
				}
			})
			all.Go(func() {
				for range rounds {
					r, err := s.Recover(g)
					check(s, err == nil && consecutive(r.Entries), "recovered %v, %v", r.Entries, err)
					es, err := s.Fetch(g, 1, rounds, math.MaxInt)
					check(s, err != nil || consecutive(es), "fetched %v", es)
				}
			})
		}
		all.Wait()
		for g := consensus.GroupID(1); g <= groups; g++ {
			r := s.recover(g)
			require.Equal(s, consensus.Index(rounds), r.Snapshot.Index)
			require.Empty(s, r.Entries)
		}
	}},
}

// round appends the entry at i to group g, takes a snapshot of it and reads it back.
func (s *store) round(g consensus.GroupID, i consensus.Index) {
	w := consensus.Write{Group: g, Seq: uint64(2*i - 1), Entries: entries(i, i, 1), State: consensus.State{Term: 1, Commit: i}}
	check(s, s.Append([]consensus.Write{w}) == nil, "append")
	m := meta(i, 1)
	sw, err := s.Create(g, m)
	if check(s, err == nil, "create: %v", err); err != nil {
		return
	}
	_, err = sw.Write([]byte{byte(g), byte(i)})
	check(s, err == nil && sw.Commit() == nil, "snapshot: %v", err)
	w.Seq, w.Snapshot, w.Entries = uint64(2*i), &m, nil
	check(s, s.Append([]consensus.Write{w}) == nil, "adopt")
	_, r, err := s.Open(g)
	if check(s, err == nil, "open: %v", err); err != nil {
		return
	}
	got, err := io.ReadAll(r)
	check(s, err == nil && slices.Equal(got, []byte{byte(g), byte(i)}), "read %v, %v", got, err)
	check(s, r.Close() == nil, "close")
}

// check is a requirement that may be made on any goroutine.
func check(s *store, ok bool, format string, args ...any) {
	if !ok {
		s.Errorf(format, args...)
	}
}

func consecutive(es []consensus.Entry) bool {
	for i := 1; i < len(es); i++ {
		if es[i].Index != es[i-1].Index+1 {
			return false
		}
	}
	return true
}
