package consensus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestADurationIsInTheFirstBucketWhoseBoundItDoesNotExceed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(-5, int64(20*time.Second)).Draw(t, "duration"))
		if rapid.Bool().Draw(t, "at a bound") {
			d = HistogramBound(rapid.IntRange(0, HistogramBuckets-1).Draw(t, "bucket")) + time.Duration(rapid.IntRange(-1, 1).Draw(t, "aside"))
		}
		want := 0
		for want < HistogramBuckets && d > HistogramBound(want) {
			want++
		}
		var h Histogram
		h.observe(d)
		var counts [HistogramBuckets + 1]uint64
		counts[want] = 1
		require.Equal(t, Histogram{Counts: counts, Sum: max(d, 0)}, h)
	})
}

func TestTheBoundsOfAHistogramReachFromTenMicrosecondsToTenSeconds(t *testing.T) {
	require.Equal(t, 10*time.Microsecond, HistogramBound(0))
	require.GreaterOrEqual(t, HistogramBound(HistogramBuckets-1), 10*time.Second)
}

func TestCountingAllocatesNothing(t *testing.T) {
	var m Metrics
	require.Zero(t, testing.AllocsPerRun(100, func() { m.Proposals.count(nil, time.Millisecond) }))
	require.EqualValues(t, m.Proposals.OK, m.Proposals.Latency.Count())
}
