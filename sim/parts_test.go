package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

func TestTheQueueIsInOrderOfTimeAndThenOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []event
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(model) == 0 || rapid.Bool().Draw(t, "push") {
				e := event{at: rapid.Int64Range(0, 9).Draw(t, "at")}
				q.push(e)
				e.seq = q.seq
				model = append(model, e)
				continue
			}
			first := slices.MinFunc(model, func(a, b event) int {
				if a.before(&b) {
					return -1
				}
				return 1
			})
			if got := q.pop(); got != first {
				t.Fatalf("popped %v, want %v", got, first)
			}
			model = slices.DeleteFunc(model, func(e event) bool { return e == first })
		}
	})
}

func TestAWindowIsAMapOfConsecutivePositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window[int]
		w.reset()
		model := map[consensus.Index]int{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := consensus.Index(rapid.IntRange(1, 30).Draw(t, "index"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				*w.put(i) = int(i) * 10
				model[i] = int(i) * 10
			case 2:
				w.cut(i)
			case 3:
				w.drop(i)
			}
			for k := consensus.Index(0); k < 40; k++ {
				if k < w.first || k >= w.end() {
					delete(model, k)
				}
				if at := w.at(k); at != nil && *at != model[k] || at == nil && model[k] != 0 {
					t.Fatalf("position %d holds %v, want %d", k, at, model[k])
				}
			}
		}
	})
}

func TestAnOdometerTriesEveryCombinationOnce(t *testing.T) {
	seen := map[[3]int]bool{}
	for o := new(Odometer); o.Next(); {
		var c [3]int
		c[0] = o.Choose(ChooseFault, 2)
		if c[0] == 0 { // what is asked may depend on what was answered
			c[1] = o.Choose(ChooseDelay, 3)
			c[2] = o.Choose(ChooseCrash, 2)
		}
		require.False(t, seen[c])
		seen[c] = true
	}
	require.Len(t, seen, 3*2+1)
}

func TestACrashKeepsAnyPrefixOfTheUnfinishedWrites(t *testing.T) {
	kept := map[consensus.Index]bool{}
	for o := new(Odometer); o.Next(); {
		w := &World{dice: dice{o}}
		n := &node{w: w}
		n.disk.format(1)
		for i := range 4 {
			n.disk.queue = append(n.disk.queue, consensus.Write{Entries: []consensus.Entry{{Index: consensus.Index(i + 1), Term: 1}}})
		}
		n.disk.lose(n)
		require.Empty(t, n.disk.queue)
		rec := n.disk.recover()
		for i, e := range rec.Entries {
			require.Equal(t, consensus.Index(i+1), e.Index)
		}
		kept[consensus.Index(len(rec.Entries))] = true
	}
	require.Equal(t, map[consensus.Index]bool{0: true, 1: true, 2: true, 3: true, 4: true}, kept)
}

func TestAReplayerNoticesAnotherQuestion(t *testing.T) {
	r := Replayer{Record: []Decision{{ChooseFault, 5, 3}}}
	require.Equal(t, 3, r.Choose(ChooseFault, 5))
	require.NoError(t, r.Stale())
	require.Equal(t, 0, r.Choose(ChooseFault, 5), "after the end")
	r = Replayer{Record: []Decision{{ChooseFault, 5, 3}}}
	require.Less(t, r.Choose(ChooseFault, 2), 2)
	require.Error(t, r.Stale())
}

func TestChoicesAreFairEnough(t *testing.T) {
	d := dice{NewSeeded(1)}
	const n = 100_000
	sum, most := time.Duration(0), time.Duration(0)
	hits := 0
	for range n {
		sum += d.about(ChooseDelay, time.Second)
		most = max(most, d.far(ChooseDelay, time.Second))
		if d.chance(ChooseFault, parts/4) {
			hits++
		}
		b := d.between(ChooseDelay, time.Second, 2*time.Second)
		require.True(t, b >= time.Second && b < 2*time.Second)
	}
	require.InDelta(t, float64(time.Second), float64(sum/n), float64(time.Second)/50)
	require.InDelta(t, n/4, hits, n/50)
	require.Greater(t, most, 60*time.Second)
}

func TestClocksStayWithinFivePercent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := clock{reading: 77, rate: trueRate}
	now, last := int64(0), consensus.Instant(77)
	for range 1000 {
		rate := trueRate + r.Int64N(100_001) - 50_000
		c.set(now, rate)
		step := r.Int64N(int64(time.Hour))
		now += step
		read := c.at(now)
		require.InDelta(t, float64(step), float64(read-last), float64(step)/20+2)
		last = read
	}
}

func TestRegistersAnswerWhatWasThere(t *testing.T) {
	var s registers
	apply := func(kind operationKind, arg, old uint64) uint64 {
		return s.Apply(consensus.Command{Data: command(kind, 2, arg, old, 5)}).Value
	}
	require.EqualValues(t, 0, apply(opWrite, 7, 0))
	require.EqualValues(t, 7, apply(opSwap, 8, 6))
	require.EqualValues(t, 7, s[2])
	require.EqualValues(t, 7, apply(opSwap, 8, 7))
	require.EqualValues(t, 8, s[2])
}
