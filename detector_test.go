package consensus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// two are two detectors, and what they say to each other.
type two struct {
	a, b *Detector // of hosts 1 and 2
}

// exchange lets a ask at an instant, and b answer; the answer reaches a at a later one.
func (x two) exchange(asked, answered Instant) {
	for _, m := range x.a.Tick(asked, nil) {
		for _, r := range x.b.Deliver(&m, 0, nil) {
			x.a.Deliver(&r, answered, nil)
		}
	}
}

// newTwo are two of which a watches b, and has had an answer before.
func newTwo() two {
	x := two{NewDetector(1, 7), NewDetector(2, 8)}
	x.watch()
	x.exchange(0, 0)
	x.a.Unwatch(2)
	x.watch()
	return x
}

func (x two) watch() { x.a.Watch(2, 10*time.Nanosecond, 100*time.Nanosecond, 0) }

func TestAHostThatAnswersIsNotLost(t *testing.T) {
	x := newTwo()
	for now := Instant(0); now < 1000; now += 10 {
		x.exchange(now, now+1)
		require.Empty(t, x.a.Lost(now+1, nil))
	}
	require.Equal(t, Instant(990), x.a.Heard(2))
}

func TestAHostThatDoesNotAnswerIsLostAfterTheTimeout(t *testing.T) {
	x := newTwo()
	x.exchange(0, 1)
	require.Empty(t, x.a.Lost(99, nil))
	require.Equal(t, []NodeID{2}, x.a.Lost(100, nil))
	x.a.Unwatch(2)
	require.Empty(t, x.a.Lost(200, nil))
	require.Zero(t, x.a.Heard(2))
}

func TestAHostIsAskedOnceAnIntervalHoweverManyGroupsAreWatched(t *testing.T) {
	x := newTwo()
	for range 1000 {
		x.a.Watch(2, 20*time.Nanosecond, 100*time.Nanosecond, 0)
	}
	asked := 0
	for now := Instant(0); now < 100; now++ {
		asked += len(x.a.Tick(now, nil))
	}
	require.Equal(t, 10, asked)
}

func TestAHostOfWhichNoGroupIsWatchedIsNotAsked(t *testing.T) {
	x := newTwo()
	x.a.Unwatch(2)
	require.Empty(t, x.a.Tick(0, nil))
}

func TestAnAnswerProvesThatItsSenderLivedWhenItWasAsked(t *testing.T) {
	x := newTwo()
	x.exchange(0, 99)
	require.Equal(t, []NodeID{2}, x.a.Lost(100, nil))
}

func TestAnAnswerToAnEarlierLifeCountsForNothing(t *testing.T) {
	x := newTwo()
	question := x.a.Tick(0, nil)
	answer := x.b.Deliver(&question[0], 0, nil)
	next := NewDetector(1, 9)
	next.Watch(2, 10*time.Nanosecond, 100*time.Nanosecond, 0)
	answer[0].Context = 50
	next.Deliver(&answer[0], 60, nil)
	require.Zero(t, next.Heard(2))
}

func TestAHostInAnotherLifeIsLost(t *testing.T) {
	x := newTwo()
	x.exchange(0, 1)
	x.b.Renew()
	x.exchange(10, 11)
	require.Equal(t, []NodeID{2}, x.a.Lost(11, nil))
	x.watch() // a group that goes quiet before all others are awake
	x.a.Unwatch(2)
	x.exchange(20, 21)
	require.Empty(t, x.a.Lost(21, nil))
}

func TestAHostThatRenewsItselfBeforeItsFirstAnswerIsLost(t *testing.T) {
	x := two{NewDetector(1, 7), NewDetector(2, 8)}
	x.watch()
	x.b.Renew()
	x.exchange(0, 1)
	require.Equal(t, []NodeID{2}, x.a.Lost(1, nil))
}

func TestAnAnswerCountsThoughWhoAskedHasRenewedItself(t *testing.T) {
	x := newTwo()
	for _, m := range x.a.Tick(50, nil) {
		x.a.Renew()
		for _, r := range x.b.Deliver(&m, 0, nil) {
			x.a.Deliver(&r, 51, nil)
		}
	}
	require.Equal(t, Instant(50), x.a.Heard(2))
}

func TestAHostIsNotLostBecauseItWasNotAsked(t *testing.T) {
	x := newTwo()
	x.exchange(0, 1)
	x.a.Tick(1000, nil)
	require.Empty(t, x.a.Lost(1000, nil), "nobody asked for a while")
	x.exchange(1010, 1011)
	require.Equal(t, Instant(1010), x.a.Heard(2))
	for now := Instant(1020); now < 1110; now += 10 {
		x.a.Tick(now, nil)
		require.Empty(t, x.a.Lost(now, nil))
	}
	x.a.Tick(1110, nil)
	require.Equal(t, []NodeID{2}, x.a.Lost(1110, nil))
}

func TestTheShortestTimesOfTheGroupsCount(t *testing.T) {
	x := newTwo()
	x.a.Watch(2, 5*time.Nanosecond, 50*time.Nanosecond, 0)
	x.exchange(0, 1)
	require.Len(t, x.a.Tick(5, nil), 1)
	require.Equal(t, []NodeID{2}, x.a.Lost(50, nil))
}
