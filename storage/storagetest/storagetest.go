// Package storagetest is the comment of consensus.Storage as a test suite. An implementation
// that passes it, under the race detector as well, keeps every promise that can be seen without
// a power cut; what it does when a write fails or a machine dies is its own to test.
//
//	func TestStore(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) func() consensus.Storage {
//			dir := t.TempDir()
//			return func() consensus.Storage {
//				s, err := mystore.Open(dir)
//				require.NoError(t, err)
//				return s
//			}
//		})
//	}
package storagetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Run tests an implementation. Each call of fresh must stand for an empty store that shares
// nothing with others; the function that it returns opens that store, and opens it again, with
// what it held, after it was closed. Subtests are named by what they claim.
func Run(t *testing.T, fresh func(t *testing.T) (open func() consensus.Storage)) {
	for _, claims := range [][]claim{logClaims, fetchClaims, snapshotClaims, adoptionClaims, sharingClaims} {
		for _, c := range claims {
			t.Run(c.name, func(t *testing.T) {
				s := openStore(t, fresh(t))
				defer s.close()
				c.test(s)
			})
		}
	}
	t.Run("two stores have different incarnations", func(t *testing.T) {
		a, b := openStore(t, fresh(t)), openStore(t, fresh(t))
		defer a.close()
		defer b.close()
		require.NotEqual(t, a.recover(1).Incarnation, b.recover(1).Incarnation)
	})
	t.Run("random histories agree with a model", func(t *testing.T) { testModel(t, fresh) })
}

// A claim is one sentence about a store, and its test.
type claim struct {
	name string
	test func(s *store)
}

// A store is the Storage under test and how to open it again. Its methods fail the test where
// those of Storage return an error.
type store struct {
	require.TestingT
	open func() consensus.Storage
	consensus.Storage
}

func openStore(t require.TestingT, open func() consensus.Storage) *store {
	return &store{t, open, open()}
}

func (s *store) close() { require.NoError(s, s.Close()) }

// reopen is a clean restart of the host.
func (s *store) reopen() {
	s.close()
	s.Storage = s.open()
}

func (s *store) append(writes ...consensus.Write) { require.NoError(s, s.Append(writes)) }

func (s *store) recover(g consensus.GroupID) consensus.Recovered {
	r, err := s.Recover(g)
	require.NoError(s, err)
	return r
}

// holds requires that group 1 recovers these entries, now and after a restart.
func (s *store) holds(want ...consensus.Entry) {
	requireEntries(s, want, s.recover(1).Entries)
	s.reopen()
	requireEntries(s, want, s.recover(1).Entries)
}

// requireEntries compares lists of entries; nil and empty data are the same.
func requireEntries(t require.TestingT, want, got []consensus.Entry) {
	require.Equal(t, normal(want), normal(got))
}

func normal(es []consensus.Entry) []consensus.Entry {
	out := make([]consensus.Entry, len(es))
	for i, e := range es {
		if len(e.Data) == 0 {
			e.Data = nil
		}
		out[i] = e
	}
	return out
}

// entry is an entry of term term at index, with data that tells it from all others.
func entry(index consensus.Index, term consensus.Term) consensus.Entry {
	return consensus.Entry{Index: index, Term: term, From: 3, ID: 1 << 63, Data: []byte{byte(index), byte(term)}}
}

// entries are those at first to last.
func entries(first, last consensus.Index, term consensus.Term) []consensus.Entry {
	var es []consensus.Entry
	for i := first; i <= last; i++ {
		es = append(es, entry(i, term))
	}
	return es
}

// write is a Write of group 1 in which State is term 1.
func write(seq uint64, es ...consensus.Entry) consensus.Write {
	return consensus.Write{Group: 1, Seq: seq, Entries: es, State: consensus.State{Term: 1}}
}
