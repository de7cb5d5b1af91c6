package storagetest

import (
	"io"
	"io/fs"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

// A model is one group of a store in the plainest words.
type model struct {
	state    consensus.State
	snapshot consensus.SnapshotMeta
	data     string
	entries  map[consensus.Index]consensus.Entry // the log above the snapshot
	retained map[consensus.Index]consensus.Entry // at or below it: these may be fetched, and no others
	waiting  *consensus.SnapshotMeta             // committed and not adopted
	coming   string                              // what is in it
	created  map[consensus.Index]bool            // somebody began a snapshot there, now or in an earlier life
}

func newModel() *model {
	return &model{
		entries:  make(map[consensus.Index]consensus.Entry),
		retained: make(map[consensus.Index]consensus.Entry),
		created:  make(map[consensus.Index]bool),
	}
}

func (m *model) write(w consensus.Write) {
	if w.Snapshot != nil {
		m.adopt(*w.Snapshot)
	}
	if w.Truncate != 0 {
		for i := range m.entries {
			if i >= w.Truncate {
				delete(m.entries, i)
			}
		}
	}
	for _, e := range w.Entries {
		m.entries[e.Index] = e
	}
	m.state = w.State
}

func (m *model) adopt(s consensus.SnapshotMeta) {
	last, held := m.entries[s.Index]
	if !(held && last.Term == s.Term) && m.state.Commit < s.Index {
		clear(m.retained)
		for i := range m.entries {
			if i <= s.Index {
				delete(m.entries, i)
			}
		}
	}
	for i, e := range m.entries {
		if i <= s.Index {
			m.retained[i] = e
			delete(m.entries, i)
		}
	}
	m.snapshot, m.data = s, ""
	if m.waiting != nil && m.waiting.Index == s.Index && m.waiting.Term == s.Term {
		m.data = m.coming
	}
	m.waiting, m.coming = nil, ""
}

// log is the entries above the snapshot, by increasing index.
func (m *model) log() []consensus.Entry {
	es := []consensus.Entry{}
	for _, e := range m.entries {
		es = append(es, e)
	}
	slices.SortFunc(es, func(a, b consensus.Entry) int { return int(a.Index) - int(b.Index) })
	return es
}

// last is the last position with an entry, or that of the snapshot.
func (m *model) last() consensus.Index {
	last := m.snapshot.Index
	for i := range m.entries {
		last = max(last, i)
	}
	return last
}

// run is what may at most be fetched from lo to hi.
func (m *model) run(lo, hi consensus.Index) (es []consensus.Entry) {
	for i := lo; i <= hi; i++ {
		e, ok := m.entries[i]
		if !ok {
			if e, ok = m.retained[i]; !ok {
				break
			}
		}
		es = append(es, e)
	}
	return es
}

// testModel compares a store of two groups with two models over random histories.
func testModel(t *testing.T, fresh func(*testing.T) func() consensus.Storage) {
	rapid.Check(t, func(r *rapid.T) {
		s := openStore(r, fresh(t))
		defer s.close()
		models := map[consensus.GroupID]*model{1: newModel(), 2: newModel()}
		group := rapid.Custom(func(r *rapid.T) consensus.GroupID { return consensus.GroupID(rapid.IntRange(1, 2).Draw(r, "id")) })
		seq := uint64(0)
		r.Repeat(map[string]func(*rapid.T){
			"append": func(r *rapid.T) {
				var writes []consensus.Write
				for range rapid.IntRange(1, 3).Draw(r, "writes") {
					g := group.Draw(r, "group")
					seq++
					w := drawWrite(r, models[g], g, seq)
					models[g].write(w)
					writes = append(writes, w)
				}
				s.append(writes...)
			},
			"create": func(r *rapid.T) {
				g := group.Draw(r, "group")
				createRandom(r, s, g, models[g])
			},
			"reopen": func(*rapid.T) {
				s.reopen()
				seq = 0
				for _, m := range models {
					m.waiting = nil // nobody knows of it any more
				}
			},
			"fetch": func(r *rapid.T) {
				g := group.Draw(r, "group")
				requireFetch(r, s, g, models[g])
			},
			"": func(r *rapid.T) {
				for g, m := range models {
					requireModel(r, s, g, m)
				}
			},
		})
	})
}

// drawWrite draws what a Raft or a Paxos replica in the state of m might write.
func drawWrite(r *rapid.T, m *model, g consensus.GroupID, seq uint64) consensus.Write {
	w := consensus.Write{Group: g, Seq: seq, State: consensus.State{
		Term:   m.state.Term + consensus.Term(rapid.IntRange(0, 2).Draw(r, "term")),
		Vote:   consensus.NodeID(rapid.IntRange(0, 3).Draw(r, "vote")),
		Commit: consensus.Index(rapid.Uint64Range(uint64(m.state.Commit), uint64(max(m.state.Commit, m.last()))).Draw(r, "commit")),
	}}
	floor := m.snapshot.Index
	switch rapid.IntRange(0, 7).Draw(r, "adopt") {
	case 0: // what was created
		w.Snapshot = m.waiting
	case 1: // what nobody created
		if s := drawMeta(r, m); !m.created[s.Index] {
			w.Snapshot = &s
		}
	}
	if w.Snapshot != nil {
		floor = w.Snapshot.Index
	}
	above := rapid.Custom(func(r *rapid.T) consensus.Index {
		return floor + consensus.Index(rapid.IntRange(1, 8).Draw(r, "above"))
	})
	if rapid.IntRange(0, 3).Draw(r, "truncate") == 0 {
		w.Truncate = above.Draw(r, "from")
	}
	for _, i := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(above, 0, 5, rapid.ID).Draw(r, "entries"))) {
		w.Entries = append(w.Entries, entry(i, drawTerm(r)))
	}
	return w
}

// drawTerm draws from so few terms that they often meet.
func drawTerm(r *rapid.T) consensus.Term { return consensus.Term(rapid.IntRange(1, 3).Draw(r, "term")) }

// drawMeta draws a snapshot newer than that of m: of an entry in its log, or of none.
func drawMeta(r *rapid.T, m *model) consensus.SnapshotMeta {
	s := meta(m.snapshot.Index+consensus.Index(rapid.IntRange(1, 9).Draw(r, "beyond")), drawTerm(r)-1)
	if es := m.log(); len(es) > 0 && rapid.Bool().Draw(r, "own") {
		e := rapid.SampledFrom(es).Draw(r, "last")
		s = meta(e.Index, e.Term)
	}
	return s
}

// createRandom writes a snapshot, and commits it or not.
func createRandom(r *rapid.T, s *store, g consensus.GroupID, m *model) {
	next := drawMeta(r, m)
	m.created[next.Index] = true
	data := rapid.StringMatching(`[a-z]{0,9}`).Draw(r, "data")
	w, err := s.Create(g, next)
	require.NoError(r, err)
	_, err = io.WriteString(w, data)
	require.NoError(r, err)
	m.waiting, m.coming = nil, "" // a later Create may replace an earlier one
	if rapid.Bool().Draw(r, "abort") {
		w.Abort()
		return
	}
	require.NoError(r, w.Commit())
	m.waiting, m.coming = &next, data
}

func requireModel(r *rapid.T, s *store, g consensus.GroupID, m *model) {
	got := s.recover(g)
	require.NotZero(r, got.Incarnation)
	require.Equal(r, m.state, got.State)
	require.Equal(r, m.snapshot, got.Snapshot)
	require.Empty(r, got.Damaged)
	requireEntries(r, m.log(), got.Entries)

	opened, reader, err := s.Open(g)
	if m.snapshot.Index == 0 {
		require.ErrorIs(r, err, fs.ErrNotExist)
		return
	}
	require.NoError(r, err)
	require.Equal(r, m.snapshot, opened)
	data, err := io.ReadAll(reader)
	require.NoError(r, err)
	require.NoError(r, reader.Close())
	require.Equal(r, m.data, string(data))
}

// requireFetch fetches anything: above the snapshot it must be there if the model has it.
func requireFetch(r *rapid.T, s *store, g consensus.GroupID, m *model) {
	lo := consensus.Index(rapid.Uint64Range(1, uint64(m.last())+2).Draw(r, "lo"))
	hi := lo + consensus.Index(rapid.IntRange(0, 9).Draw(r, "hi"))
	limit := rapid.SampledFrom([]int{0, 100, 200, math.MaxInt}).Draw(r, "limit")
	want := m.run(lo, hi)
	es, err := s.Fetch(g, lo, hi, limit)
	if err != nil {
		require.ErrorIs(r, err, consensus.ErrCompacted)
		require.True(r, lo <= m.snapshot.Index || len(want) == 0, "entry %d is above the snapshot", lo)
		return
	}
	require.NotEmpty(r, es)
	require.LessOrEqual(r, len(es), len(want))
	requireEntries(r, want[:len(es)], es)
	size := 0
	for i := range es {
		size += es[i].Size()
	}
	require.True(r, len(es) == 1 || size <= limit, "%d bytes, asked for %d", size, limit)
}
