package consensus

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// restingLoop is a loop that has nothing to do, and no goroutine of its own.
func restingLoop() *loop {
	h := new(Host)
	l := newLoop(h, mailboxBytes)
	h.loops = []*loop{newLoop(h, mailboxBytes), l} // not the first, which watches other hosts
	l.lean = leanTicks + 1
	l.ticking = false
	return l
}

func TestWhatComesWhileATurnIsUsedElsewhereIsLeftToTheLoop(t *testing.T) {
	l := restingLoop()
	var ran []string
	event := func(name string, then func()) event {
		return event{call: func() { ran = append(ran, name); then() }}
	}
	ok, turn := l.mail.add(event("first", func() {
		require.True(t, l.mail.put(event("second", func() {})))
	}))
	require.True(t, ok && turn)
	l.here()
	require.Equal(t, []string{"first"}, ran)
	require.Len(t, l.mail.wake, 1)
	<-l.mail.wake
	l.here()
	require.Equal(t, []string{"first", "second"}, ran)
	require.Empty(t, l.mail.wake)
}

func TestALoopThatDoesNotTickIsWokenByWhoeverMakesTimeMatter(t *testing.T) {
	l := restingLoop()
	for _, ticking := range []bool{false, true} {
		l.ticking, l.awake = ticking, nil
		_, turn := l.mail.add(event{call: func() { l.awake = append(l.awake, new(Group)) }})
		require.True(t, turn)
		l.here()
		if !ticking {
			require.Len(t, l.mail.wake, 1)
			<-l.mail.wake
			l.mail.leave(false)
		}
		require.Empty(t, l.mail.wake)
	}
}

func TestARequestIsAloneUnlessOthersWaitOrWereAnsweredTogether(t *testing.T) {
	l := restingLoop()
	l.metrics = new(Metrics)
	g := &Group{loop: l, host: l.host, tickets: make(map[uint64]*ticket)}
	ask := func(id uint64) {
		g.tickets[id] = newTicket().(*ticket)
		l.open++
	}
	answer := func(ids ...uint64) {
		_, turn := l.mail.add(event{call: func() {
			for _, id := range ids {
				g.answer(id, Result{}, nil)
			}
		}})
		require.True(t, turn)
		l.here()
	}
	require.True(t, l.isAlone())
	ask(1)
	require.False(t, l.isAlone())
	answer(1)
	require.True(t, l.isAlone())
	ask(2)
	ask(3)
	answer(2, 3)
	require.False(t, l.isAlone(), "their callers are about to ask again")
	answer()
	require.False(t, l.isAlone())
	ask(4)
	answer(4)
	require.True(t, l.isAlone())
}

func TestALoopIsCalmWhileFewRequestsWait(t *testing.T) {
	l := restingLoop()
	for l.open = range 2 * fewRequests {
		require.Equal(t, l.open <= fewRequests, l.isCalm())
	}
}

func TestAPanicInARoundEndsTheProcessWhoeverRecovers(t *testing.T) {
	if os.Getenv("CONSENSUS_TEST_PANIC") != "" {
		defer os.Exit(0)
		defer func() { recover() }()
		l := restingLoop()
		l.mail.add(event{call: func() { panic("an invariant is broken") }})
		l.here()
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "CONSENSUS_TEST_PANIC=1")
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Contains(t, string(out), "an invariant is broken")
	require.Contains(t, string(out), "loop_test.go", "where it was")
}
