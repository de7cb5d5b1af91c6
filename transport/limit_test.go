package transport

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABackoffGrowsFrom50msTo5sAndIsRandom(t *testing.T) {
	var b backoff
	for bound := firstBackoff; bound < lastBackoff; bound *= 2 {
		d := b.next()
		require.GreaterOrEqual(t, d, bound/2)
		require.Less(t, d, bound)
	}
	different := make(map[time.Duration]bool)
	for range 100 {
		d := b.next()
		require.GreaterOrEqual(t, d, lastBackoff/2)
		require.Less(t, d, lastBackoff)
		different[d] = true
	}
	require.Greater(t, len(different), 50)
	b.reset()
	require.Less(t, b.next(), firstBackoff)
}

func TestABucketLetsBytesPassAtItsRate(t *testing.T) {
	b, now := bucket{rate: 1000}, time.Unix(100, 0)
	require.Zero(t, b.take(now, 500), "nothing is owed")
	require.Equal(t, 500*time.Millisecond, b.take(now, 1000))
	require.Equal(t, 1500*time.Millisecond, b.take(now, 1), "whoever takes waits for those before")
	now = now.Add(time.Hour)
	require.Zero(t, b.take(now, 1000))
	require.Equal(t, time.Second, b.take(now, 1), "nothing was saved up in an hour")
}

func TestABucketWithoutARateHoldsNothingUp(t *testing.T) {
	var b bucket
	for range 10 {
		require.Zero(t, b.take(time.Unix(1, 0), 1<<30))
	}
}

func TestTheSameThingIsSaidOnceAMinute(t *testing.T) {
	var s throttle
	now := time.Unix(100, 0)
	require.True(t, s.allows(now, "a"))
	require.False(t, s.allows(now.Add(59*time.Second), "a"))
	require.True(t, s.allows(now, "b"))
	require.True(t, s.allows(now.Add(time.Minute), "a"))
	require.False(t, s.allows(now.Add(119*time.Second), "a"))
}

func TestWhatIsSaidInAMinuteIsBounded(t *testing.T) {
	var s throttle
	now, said := time.Unix(100, 0), 0
	for i := range 10 * maxSayings {
		if s.allows(now, strconv.Itoa(i)) {
			said++
		}
	}
	require.Equal(t, maxSayings, said)
	require.Len(t, s.said, maxSayings)
	require.True(t, s.allows(now.Add(time.Minute), "later"))
	require.Len(t, s.said, 1)
}
