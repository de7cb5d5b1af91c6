package storagetest

import (
	"bytes"
	"io"
	"io/fs"
	"math"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// meta describes a snapshot that ends with the entry of term term at index.
func meta(index consensus.Index, term consensus.Term) consensus.SnapshotMeta {
	return consensus.SnapshotMeta{Index: index, Term: term, Config: []byte{byte(index), byte(term), 9}}
}

// create commits a snapshot of group 1, and does not adopt it.
func (s *store) create(m consensus.SnapshotMeta, data string) {
	w, err := s.Create(1, m)
	require.NoError(s, err)
	_, err = io.WriteString(w, data)
	require.NoError(s, err)
	require.NoError(s, w.Commit())
}

// adopt is a Write of group 1 that adopts the snapshot of m.
func adopt(seq uint64, m consensus.SnapshotMeta, es ...consensus.Entry) consensus.Write {
	w := write(seq, es...)
	w.Snapshot = &m
	return w
}

// shows requires that group 1 has this snapshot, now and after a restart.
func (s *store) shows(want consensus.SnapshotMeta, data string) {
	for range 2 {
		require.Equal(s, want, s.recover(1).Snapshot)
		m, r, err := s.Open(1)
		require.NoError(s, err)
		require.Equal(s, want, m)
		got, err := io.ReadAll(r)
		require.NoError(s, err)
		require.Equal(s, data, string(got))
		require.NoError(s, r.Close())
		s.reopen()
	}
}

// showsNone requires that group 1 has no snapshot.
func (s *store) showsNone() {
	require.Zero(s, s.recover(1).Snapshot)
	_, _, err := s.Open(1)
	require.ErrorIs(s, err, fs.ErrNotExist)
}

// snapshotClaims are about Create and Open.
var snapshotClaims = []claim{
	{"without a snapshot Open is fs.ErrNotExist", func(s *store) {
		s.showsNone()
		s.append(write(1, entry(1, 1)))
		s.showsNone()
		s.reopen()
		s.showsNone()
	}},
	{"a snapshot is seen only once a write adopts it", func(s *store) {
		s.append(write(1, entries(1, 3, 1)...))
		w, err := s.Create(1, meta(2, 1))
		require.NoError(s, err)
		s.showsNone()
		_, err = io.WriteString(w, "two")
		require.NoError(s, err)
		s.showsNone()
		require.NoError(s, w.Commit())
		s.showsNone()
		s.append(write(2, entry(4, 1)))
		s.showsNone()
		requireEntries(s, entries(1, 4, 1), s.recover(1).Entries)
		s.append(adopt(3, meta(2, 1)))
		s.shows(meta(2, 1), "two")
	}},
	{"an aborted snapshot leaves the adopted one", func(s *store) {
		s.create(meta(2, 1), "two")
		s.append(adopt(1, meta(2, 1)))
		w, err := s.Create(1, meta(5, 1))
		require.NoError(s, err)
		_, err = io.WriteString(w, "five")
		require.NoError(s, err)
		w.Abort()
		s.shows(meta(2, 1), "two")
	}},
	{"of two snapshots of one index the one committed last is adopted", func(s *store) {
		s.create(meta(2, 1), "first")
		s.create(meta(2, 1), "second")
		s.append(adopt(1, meta(2, 1)))
		s.shows(meta(2, 1), "second")
	}},
	{"an adopted snapshot is replaced by a newer one", func(s *store) {
		s.create(meta(2, 1), "two")
		s.append(adopt(1, meta(2, 1)))
		s.create(meta(4, 2), "four")
		s.shows(meta(2, 1), "two")
		s.create(meta(4, 2), "four")
		s.append(adopt(1, meta(4, 2)))
		s.shows(meta(4, 2), "four")
	}},
	{"an open snapshot stays readable though replaced", func(s *store) {
		old := string(bytes.Repeat([]byte("old "), 1<<18))
		s.create(meta(2, 1), old)
		s.append(adopt(1, meta(2, 1)))
		_, r, err := s.Open(1)
		require.NoError(s, err)
		s.create(meta(4, 1), "new")
		s.append(adopt(2, meta(4, 1)))
		got, err := io.ReadAll(r)
		require.NoError(s, err)
		require.True(s, old == string(got), "%d bytes of %d, or others", len(got), len(old))
		require.NoError(s, r.Close())
		s.shows(meta(4, 1), "new")
	}},
	{"a snapshot is as it was written, in pieces of any size", func(s *store) {
		w, err := s.Create(1, meta(1, 1))
		require.NoError(s, err)
		var want bytes.Buffer
		for n := range 1500 {
			piece := bytes.Repeat([]byte{byte(n)}, n)
			want.Write(piece)
			written, err := w.Write(piece)
			require.NoError(s, err)
			require.Equal(s, n, written)
			clear(piece) // a writer keeps nothing of its argument
		}
		require.NoError(s, w.Commit())
		s.append(adopt(1, meta(1, 1)))
		_, r, err := s.Open(1)
		require.NoError(s, err)
		got, err := io.ReadAll(r)
		require.NoError(s, err)
		require.NoError(s, r.Close())
		require.True(s, bytes.Equal(want.Bytes(), got))
	}},
	{"snapshots of different groups are independent", func(s *store) {
		s.create(meta(2, 1), "two")
		other := adopt(1, meta(2, 1))
		other.Group = 2
		s.append(other, adopt(1, meta(2, 1)))
		s.shows(meta(2, 1), "two")
		_, r, err := s.Open(2)
		require.NoError(s, err)
		got, err := io.ReadAll(r)
		require.NoError(s, err)
		require.NoError(s, r.Close())
		require.Empty(s, got)
	}},
}

// adoptionClaims are about what adopting a snapshot does to the log.
var adoptionClaims = []claim{
	{"entries at or below the adopted snapshot are left out, later ones never", func(s *store) {
		s.append(write(1, entries(1, 5, 1)...))
		s.create(meta(3, 1), "three")
		s.append(adopt(2, meta(3, 1)))
		s.holds(entry(4, 1), entry(5, 1))
		s.fetches(entries(4, 5, 1), 4, 9)
	}},
	{"a snapshot beyond the log leaves nothing of it", func(s *store) {
		s.append(write(1, entries(1, 3, 1)...))
		s.create(meta(9, 2), "nine")
		s.append(adopt(2, meta(9, 2)))
		s.holds()
		s.shows(meta(9, 2), "nine")
		s.append(write(3, entry(10, 2)))
		s.holds(entry(10, 2))
	}},
	{"a write adopts, then truncates, then stores", func(s *store) {
		s.append(write(1, entries(1, 6, 1)...))
		s.create(meta(3, 2), "three")
		w := adopt(2, meta(3, 2), entry(4, 2))
		w.Truncate, w.State = 4, consensus.State{Term: 2, Vote: 3, Commit: 3}
		s.append(w)
		s.shows(meta(3, 2), "three")
		s.holds(entry(4, 2))
		require.Equal(s, w.State, s.recover(1).State)
	}},
	{"a snapshot that nobody created is adopted empty", func(s *store) {
		s.append(write(1, entries(1, 3, 1)...))
		s.append(adopt(2, meta(2, 1)))
		s.shows(meta(2, 1), "")
		s.holds(entry(3, 1))
	}},
	{"a received snapshot forgets the entries that it replaces", func(s *store) {
		s.append(write(1, entries(1, 5, 1)...)) // 2 to 4 were never chosen
		s.create(meta(4, 2), "four")
		s.append(adopt(2, meta(4, 2)))
		for i := consensus.Index(1); i <= 4; i++ {
			s.compacted(1, i)
		}
		s.fetches(entries(5, 5, 1), 5, 5)
		s.reopen()
		s.compacted(1, 1)
	}},
	{"a received snapshot without a term forgets the entries that it replaces", func(s *store) {
		w := write(1, entries(1, 5, 1)...) // Paxos: accepted, and known to be chosen up to 3
		w.State.Commit = 3
		s.append(w)
		s.create(meta(4, 0), "four")
		w = adopt(2, meta(4, 0))
		w.State.Commit = 4
		s.append(w)
		for i := consensus.Index(1); i <= 4; i++ {
			s.compacted(1, i)
		}
	}},
	{"a received snapshot forgets what an earlier one retained", func(s *store) {
		s.append(write(1, entries(1, 5, 1)...))
		s.create(meta(2, 1), "two")
		s.append(adopt(2, meta(2, 1)))
		s.create(meta(9, 3), "nine")
		s.append(adopt(3, meta(9, 3)), write(4, entry(10, 3)))
		for i := consensus.Index(1); i <= 9; i++ {
			s.compacted(1, i)
		}
	}},
	{"entries retained below a snapshot are the chosen ones, or ErrCompacted", func(s *store) {
		s.append(write(1, entries(1, 5, 1)...))
		s.create(meta(4, 1), "four")
		s.append(adopt(2, meta(4, 1)))
		for i := consensus.Index(1); i <= 5; i++ {
			es, err := s.Fetch(1, i, 5, math.MaxInt)
			if err != nil {
				require.Less(s, i, consensus.Index(5))
				require.ErrorIs(s, err, consensus.ErrCompacted)
				continue
			}
			require.NotEmpty(s, es)
			requireEntries(s, entries(i, 5, 1)[:len(es)], es)
		}
	}},
}
