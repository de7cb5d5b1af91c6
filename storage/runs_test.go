package storage

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

// TestRunsAgreeWithAMap holds runs to a map from index to the number of the write that it is from, and
// their segments to a count of the runs in them.
func TestRunsAgreeWithAMap(t *testing.T) {
	index := rapid.Custom(func(t *rapid.T) consensus.Index { return consensus.Index(rapid.IntRange(1, 20).Draw(t, "index")) })
	rapid.Check(t, func(t *rapid.T) {
		var rs runs
		model := make(map[consensus.Index]int64)
		segments := []*segment{{number: 1}, {number: 2}}
		number := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				number++
				first := index.Draw(t, "first")
				last := first + consensus.Index(rapid.IntRange(0, 5).Draw(t, "more"))
				rs.put(run{first: first, last: last, bytes: int(last-first+1) * 100, at: place{rapid.SampledFrom(segments).Draw(t, "segment"), number, 1}})
				for i := first; i <= last; i++ {
					model[i] = number
				}
			},
			"remove": func(t *rapid.T) {
				first := index.Draw(t, "first")
				last := first + consensus.Index(rapid.IntRange(0, 5).Draw(t, "more"))
				rs.remove(first, last)
				for i := first; i <= last; i++ {
					delete(model, i)
				}
			},
			"truncate": func(t *rapid.T) {
				from := index.Draw(t, "from")
				rs.truncate(from)
				for i := range model {
					if i >= from {
						delete(model, i)
					}
				}
			},
			"compact": func(t *rapid.T) {
				to, retained := index.Draw(t, "to"), rapid.IntRange(0, 6).Draw(t, "retained")*100
				rs.compact(to, retained)
				kept := 0
				for i := range model {
					if rs.at(i) == nil {
						require.LessOrEqual(t, i, to)
						delete(model, i)
					}
				}
				for i := range rs {
					if rs[i].last <= to {
						kept += rs[i].bytes
					}
				}
				require.LessOrEqual(t, kept, retained)
			},
			"": func(t *rapid.T) {
				live, known := make(map[*segment]int), 0
				for i := range rs {
					r := &rs[i]
					require.LessOrEqual(t, r.first, r.last)
					require.True(t, i == 0 || rs[i-1].last < r.first)
					live[r.at.segment]++
					for n := r.first; n <= r.last; n++ {
						require.Equal(t, model[n], r.at.offset, "entry %d", n)
						require.Equal(t, r, rs.at(n))
						known++
					}
				}
				require.Len(t, model, known)
				for _, s := range segments {
					require.Equal(t, live[s], s.live)
				}
			},
		})
	})
}

func TestCompactGivesBackWhatABusyTimeTook(t *testing.T) {
	var rs runs
	s := &segment{number: 1}
	for i := consensus.Index(1); i <= 1000; i++ {
		rs.put(run{first: i, last: i, bytes: 100, at: place{s, int64(i), 1}})
	}
	rs.compact(990, 500)
	require.Len(t, rs, 15)
	require.Equal(t, 15, s.live)
	require.LessOrEqual(t, cap(rs), 60)
	rs.remove(0, 2000)
	require.LessOrEqual(t, cap(rs), 16)
}
