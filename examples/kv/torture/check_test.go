package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// at is an operation from call to end; 0: it has no answer.
func at(call, end int64, k kind, arg, answer string) *operation {
	return &operation{Kind: k, Key: "k", Arg: arg, Call: call, Return: end, Answer: answer}
}

func swapping(call, end int64, old, arg, answer string) *operation {
	o := at(call, end, swap, arg, answer)
	o.Old = old
	return o
}

func TestWhatClientsWereToldMustHaveAnOrder(t *testing.T) {
	for name, c := range map[string]struct {
		ops  []*operation
		want string // "": it has one
	}{
		"nothing": {[]*operation{at(1, 2, get, "", nothing)}, ""},
		"a read sees the last write": {[]*operation{
			at(1, 2, set, "<a>", "OK"), at(3, 4, set, "<b>", "OK"), at(5, 6, get, "", "<b>")}, ""},
		"a read is stale": {[]*operation{
			at(1, 2, set, "<a>", "OK"), at(3, 4, set, "<b>", "OK"), at(5, 6, get, "", "<a>")}, "no order"},
		"a read sees what was never written": {[]*operation{at(1, 2, get, "", "<a>")}, "no order"},
		"a write without an answer took effect late": {[]*operation{
			at(1, 0, set, "<a>", ""), at(2, 3, set, "<b>", "OK"), at(4, 5, get, "", "<b>"), at(6, 7, get, "", "<a>")}, ""},
		"it took effect twice": {[]*operation{
			at(1, 0, set, "<a>", ""), at(2, 3, get, "", "<a>"), at(4, 5, set, "<b>", "OK"), at(6, 7, get, "", "<a>")}, "no order"},
		"only one of two is the first": {[]*operation{
			at(1, 4, setNX, "<a>", "OK"), at(2, 5, setNX, "<b>", nothing), at(6, 7, get, "", "<a>")}, ""},
		"both are": {[]*operation{
			at(1, 4, setNX, "<a>", "OK"), at(2, 5, setNX, "<b>", "OK"), at(6, 7, get, "", "<b>")}, "no order"},
		"a swap of what was read": {[]*operation{
			at(1, 2, set, "<a>", "OK"), swapping(3, 4, "<a>", "<b>", "OK"), at(5, 6, get, "", "<b>")}, ""},
		"a swap of what was there no more": {[]*operation{
			at(1, 2, set, "<a>", "OK"), at(3, 4, set, "<b>", "OK"), swapping(5, 6, "<a>", "<c>", "OK"), at(7, 8, get, "", "<c>")}, "no order"},
		"appends in the order of their answers": {[]*operation{
			at(1, 4, appending, "<a>", "6"), at(2, 5, appending, "<b>", "3"), at(6, 7, get, "", "<b><a>")}, ""},
		"an append without an answer is there": {[]*operation{
			at(1, 0, appending, "<a>", ""), at(2, 3, appending, "<b>", "6"), at(6, 7, get, "", "<a><b>")}, ""},
		"an append without an answer is not there": {[]*operation{
			at(1, 0, appending, "<a>", ""), at(2, 3, appending, "<b>", "3"), at(6, 7, get, "", "<b>")}, ""},
		"an append is lost": {[]*operation{
			at(1, 2, appending, "<a>", "3"), at(3, 4, appending, "<b>", "3"), at(6, 7, get, "", "<b>")}, "an acknowledged APPEND of <a> is lost"},
		"an append was executed twice": {[]*operation{
			at(1, 2, appending, "<a>", "3"), at(6, 7, get, "", "<a><a>")}, "an APPEND of <a> was executed 2 times"},
		"numbers": {[]*operation{
			at(1, 2, increment, "", "1"), at(3, 0, increment, "", ""), at(4, 5, increment, "", "3"), at(6, 7, get, "", "3")}, ""},
		"an increment is lost": {[]*operation{
			at(1, 2, increment, "", "1"), at(3, 4, increment, "", "1"), at(6, 7, get, "", "1")}, "2 INCRs were acknowledged, and 1 are there"},
		"an increment was executed twice": {[]*operation{
			at(1, 2, increment, "", "1"), at(6, 7, get, "", "2")}, "1 INCRs were sent, and 2 were executed"},
	} {
		v := checkKey("k", c.ops)
		if c.want == "" {
			require.Nil(t, v, name)
			continue
		}
		require.NotNil(t, v, name)
		require.Contains(t, v.what, c.want, name)
	}
}

func TestAGenerationIsDoneWhenItsLastOperationHasEnded(t *testing.T) {
	var done []*generation
	r := newRecorder(func(g *generation) { done = append(done, g) })
	first := r.begin()
	for range generationSize - 1 {
		g := r.begin()
		require.Same(t, first, g)
		r.end(g, &operation{Key: first.keys[0], Kind: get, Return: 1})
	}
	next := r.begin()
	require.NotSame(t, first, next)
	require.NotContains(t, next.keys, first.keys[0])
	require.Empty(t, done)
	r.end(first, &operation{Key: first.keys[0], Kind: set})
	require.Equal(t, []*generation{first}, done)
	require.Len(t, first.ops[first.keys[0]], generationSize)
	r.end(next)
	r.close()
	require.Equal(t, []*generation{first, next}, done)
	ops, unknown := r.counts()
	require.Equal(t, generationSize, ops)
	require.Equal(t, 1, unknown)
}
