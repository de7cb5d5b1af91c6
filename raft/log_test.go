package raft

import (
	"maps"
	"slices"
	"testing"

	"github.com/consensus-go/consensus/sim/enginetest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A logModel is what log must be like, without pages: a slice of entries, and a disk on which each write keeps its own
// contents. Every append is an event of its own, so that an entry which comes again with the same value, after a truncation, is
// told from the one before.
type logModel struct {
	base     Index
	baseTerm Term
	entries  []Entry
	events   []int // of entries
	next     int   // event

	issued   Index // entries up to here are in writes
	cut      Index
	writes   []modelWrite
	finished int // how many writes have
	handed   []handedOut
}

type modelWrite struct {
	truncate Index
	first    Index
	events   []int
}

// handedOut is a slice of the log that somebody keeps, and what it was.
type handedOut struct{ slice, copy []Entry }

func (m *logModel) last() Index { return m.base + Index(len(m.entries)) }

func (m *logModel) term(i Index) (Term, bool) {
	switch {
	case i == m.base:
		return m.baseTerm, true
	case i < m.base || i > m.last():
		return 0, false
	}
	return m.entries[i-m.base-1].Term, true
}

// drop forgets the entries from i on, in memory: the next write has to do so on disk, if they are there.
func (m *logModel) drop(i Index) {
	n := i - m.base - 1
	m.entries, m.events = m.entries[:n:n], m.events[:n:n]
	if m.issued >= i {
		m.issued = i - 1
		if m.cut == 0 || i < m.cut {
			m.cut = i
		}
	}
}

// durable is how far the log is on disk whatever becomes of the writes that have not finished: after each of those the
// disk must hold it still.
func (m *logModel) durable() Index {
	to := m.last()
	disk := map[Index]int{}
	for k, w := range m.writes {
		if w.truncate != 0 {
			maps.DeleteFunc(disk, func(i Index, _ int) bool { return i >= w.truncate })
		}
		for j, e := range w.events {
			disk[w.first+Index(j)] = e
		}
		if k+1 >= m.finished {
			to = min(to, m.held(disk))
		}
	}
	if m.finished == 0 {
		return m.base
	}
	return to
}

func (m *logModel) held(disk map[Index]int) Index {
	i := m.base
	for i < m.last() && disk[i+1] == m.events[i-m.base] {
		i++
	}
	return i
}

// A log is what its model is, through any history of appends, truncations, compactions, restarts, writes and completions.
func TestTheLogIsLikeASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, m := &log{}, &logModel{}
		index := func(lo, hi Index, name string) Index {
			return Index(rapid.Uint64Range(uint64(lo), uint64(hi)).Draw(t, name))
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { m.grow(t, l, rapid.SampledFrom([]int{1, 1, 2, 3, 5, 40}).Draw(t, "n")) },
			"replace": func(t *rapid.T) {
				if len(m.entries) == 0 {
					t.Skip("empty")
				}
				i := index(m.base+1, m.last()+1, "from")
				l.truncate(i)
				if i <= m.last() {
					m.drop(i)
				}
				m.grow(t, l, rapid.IntRange(0, 3).Draw(t, "n"))
			},
			"write": func(t *rapid.T) {
				es := l.unwritten()
				to := l.issued + Index(len(es))
				w := modelWrite{truncate: m.cut, first: m.issued + 1}
				require.Equal(t, m.cut, l.cut)
				require.Equal(t, m.issued, l.issued)
				require.True(t, equal(m.entries[w.first-m.base-1:to-m.base], es), "a write holds what follows the one before")
				w.events = slices.Clone(m.events[w.first-m.base-1 : to-m.base])
				m.writes, m.issued, m.cut = append(m.writes, w), to, 0
				m.keep(es)
				l.wrote(uint64(len(m.writes)), to)
			},
			"finish": func(t *rapid.T) {
				if m.finished == len(m.writes) {
					t.Skip("no write is under way")
				}
				m.finished = rapid.SampledFrom([]int{m.finished + 1, m.finished + 1, len(m.writes)}).Draw(t, "upto")
				l.persisted(uint64(m.finished))
			},
			"snapshot": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "received") == 0 {
					i, term := index(m.base, m.last()+3, "index"), m.baseTerm+1
					l.restart(i, term)
					m.base, m.baseTerm, m.entries, m.events = i, term, nil, nil
					m.issued, m.cut = i, i+1
					return
				}
				i := index(m.base, min(m.last(), max(l.durable(), m.base)), "upto")
				term, _ := m.term(i)
				l.compact(i)
				m.entries, m.events = m.entries[i-m.base:], m.events[i-m.base:]
				m.base, m.baseTerm = i, term
			},
			"": func(t *rapid.T) {
				m.compare(t, l)
				if len(m.entries) == 0 {
					return
				}
				lo := index(m.base+1, m.last(), "lo")
				hi := index(lo, m.last(), "hi")
				most := rapid.IntRange(0, 700).Draw(t, "bytes")
				es := l.slice(lo, hi, most)
				require.NotEmpty(t, es)
				require.True(t, equal(m.entries[lo-m.base-1:lo-m.base-1+Index(len(es))], es))
				require.LessOrEqual(t, es[len(es)-1].Index, hi)
				require.True(t, len(es) == 1 || page(es).size() <= most)
				require.Equal(t, len(es), cap(es), "nobody can append into the log")
				m.keep(es)
			},
		})
	})
}

func equal(a, b []Entry) bool { return slices.EqualFunc(a, b, enginetest.SameEntry) }

func (m *logModel) lastEntry() (Index, Term) {
	t, _ := m.term(m.last())
	return m.last(), t
}

// grow appends n entries to both, of the last term or the next.
func (m *logModel) grow(t *rapid.T, l *log, n int) {
	_, term := m.lastEntry()
	term += Term(rapid.IntRange(0, 1).Draw(t, "term"))
	for range n {
		m.next++
		e := Entry{Index: m.last() + 1, Term: max(term, 1), Data: make([]byte, m.next%3)}
		l.append(&e)
		m.entries, m.events = append(m.entries, e), append(m.events, m.next)
	}
}

// keep remembers a slice that was handed out, to see that it never changes.
func (m *logModel) keep(es []Entry) {
	if len(m.handed) < 20 {
		m.handed = append(m.handed, handedOut{es, slices.Clone(es)})
	}
}

func (m *logModel) compare(t require.TestingT, l *log) {
	require.Equal(t, [2]Index{m.base, m.last()}, [2]Index{l.base, l.last})
	_, lastTerm := m.lastEntry()
	require.Equal(t, lastTerm, l.lastTerm)
	require.Equal(t, page(m.entries).size(), l.bytes)
	for i := m.base - min(m.base, 1); i <= m.last()+1; i++ {
		want, known := m.term(i)
		if got, ok := l.term(i); ok != known || got != want {
			t.Errorf("term of %d: %d, not %d", i, got, want)
		}
		e := l.entry(i)
		if there := i > m.base && i <= m.last(); there != (e != nil) || there && !enginetest.SameEntry(*e, m.entries[i-m.base-1]) {
			t.Errorf("entry %d is %v", i, e)
		}
	}
	for term := m.baseTerm; term <= lastTerm; term++ {
		want := m.last()
		for want > m.base && m.entries[want-m.base-1].Term > term {
			want--
		}
		wantTerm, _ := m.term(want)
		if got, gotTerm := l.findTerm(m.last()+5, term); got != want || gotTerm != wantTerm {
			t.Errorf("the last of term %d is %d/%d, not %d/%d", term, got, gotTerm, want, wantTerm)
		}
	}
	for _, h := range m.handed {
		require.True(t, equal(h.copy, h.slice), "what was handed out has changed")
	}
	require.LessOrEqual(t, l.durable(), max(m.durable(), m.base))
	if l.durable() >= m.base {
		require.Equal(t, m.durable(), l.durable())
	}
	if m.finished == len(m.writes) && m.issued == m.last() && m.cut == 0 {
		require.GreaterOrEqual(t, l.durable(), m.last(), "all is written")
	}
}

// A clone of a log and the log it was made from go different ways.
func TestALogAndItsCloneShareNothingThatChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &log{}
		for i := range rapid.IntRange(0, 60).Draw(t, "n") {
			a.append(&Entry{Index: Index(i + 1), Term: 1})
		}
		var b log
		a.cloneInto(&b)
		for k, l := range []*log{a, &b} {
			if l.last > 0 {
				l.truncate(Index(rapid.Uint64Range(1, uint64(l.last)).Draw(t, "from")))
			}
			for range 20 {
				l.append(&Entry{Index: l.last + 1, Term: Term(k + 2)})
			}
		}
		for k, l := range []*log{a, &b} {
			for i := l.last; i > l.last-20; i-- {
				require.Equal(t, Term(k+2), l.entry(i).Term)
			}
		}
	})
}
