package consensus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReadsShareARoundThatBeginsAfterThem(t *testing.T) {
	var r Rounds
	r.Reset(5)
	r.Begin(10)
	r.Ask(1)
	r.Ask(2)
	require.True(t, r.Assign(7, 11, 0))
	require.False(t, r.Assign(8, 11, 0), "none is new")
	r.Begin(11)
	require.Empty(t, r.Confirm(1, 0, nil), "that round began before they came")
	require.Equal(t, Instant(10), r.QuorumAt)
	require.Equal(t, []Read{{ID: 1, Index: 7}, {ID: 2, Index: 7}}, r.Confirm(2, 0, nil))
	require.True(t, r.Idle())
	require.Equal(t, Instant(11), r.QuorumAt)
}

func TestALeaseLastsFromWhenItsRoundBegan(t *testing.T) {
	var r Rounds
	r.Reset(5)
	require.Zero(t, r.Lease(time.Second), "nobody has confirmed anything")
	r.Begin(10)
	r.Confirm(1, 6, nil)
	require.Equal(t, Instant(2), r.Silent(8), "by timers, which stood still for a while")
	end := r.Lease(8)
	require.Equal(t, Instant(10+7), end)
	require.Zero(t, r.Lease(0))
	r.Ask(1)
	require.False(t, r.Assign(3, end-1, end), "no round is needed")
	require.Equal(t, []Read{{ID: 1, Index: 3, Until: end}}, r.Confirm(1, 0, nil))
	r.Ask(2)
	require.True(t, r.Assign(3, end, end))
}

func TestReadsEndWithTheLeadership(t *testing.T) {
	var r Rounds
	r.Begin(1)
	r.Ask(1)
	reads := r.End(nil)
	require.Len(t, reads, 1)
	require.ErrorIs(t, reads[0].Err, ErrNotLeader)
	require.True(t, r.Idle())
}

func TestRoundsAreBounded(t *testing.T) {
	var r Rounds
	for range 2 * maxRounds {
		r.Begin(1)
	}
	require.Len(t, r.open, maxRounds)
	r.Ask(1)
	require.False(t, r.Assign(1, 1, 0), "a read waits rather than give up a round")
	waiting, round := r.Waiting()
	require.Equal(t, 1, waiting)
	require.Zero(t, round)
	r.Confirm(2*maxRounds, 0, nil)
	require.True(t, r.Assign(1, 1, 0))
}

// Whatever happens, a read is answered once, in order, by a round that began after it, with what was
// committed when it was assigned one.
func TestARoundConfirmsNoReadThatCameLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r, clone Rounds
		asked := map[uint64]uint64{} // the rounds begun before a read came
		next, last := uint64(1), uint64(0)
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				r.Ask(next)
				asked[next] = r.Last
				next++
			case 1:
				if r.Assign(Index(r.Last), 0, 0) {
					r.Begin(0)
				}
			case 2:
				r.Begin(0)
			default:
				for _, x := range r.Confirm(rapid.Uint64Range(0, r.Last).Draw(t, "agreed"), 0, nil) {
					require.Equal(t, last+1, x.ID)
					require.Greater(t, r.Confirmed, asked[x.ID])
					require.GreaterOrEqual(t, uint64(x.Index), asked[x.ID])
					last = x.ID
				}
			}
			r.CloneInto(&clone)
			require.Equal(t, r.AppendState(nil), clone.AppendState(nil))
		}
	})
}
