package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMailboxIsBoundedInBytes(t *testing.T) {
	m := newMailbox(mailboxBytes)
	big := Message{Entries: []Entry{{Data: make([]byte, mailboxBytes)}}}
	require.Zero(t, dropped(m, big), "one may exceed the bound")
	require.Equal(t, 2, dropped(m, Message{}, Message{}))
	msgs, _, _ := m.take(nil, nil)
	require.Len(t, msgs, 1)
	require.Equal(t, 1, dropped(m, Message{}, big), "the one that does not fit")
}

func dropped(m *mailbox, msgs ...Message) int {
	n, _ := m.deliver(msgs)
	return n
}

func TestAMailboxGivesAllAtOnceAndInOrder(t *testing.T) {
	m := newMailbox(mailboxBytes)
	for seq := range uint64(3) {
		require.True(t, m.put(event{seq: seq}))
	}
	require.Len(t, m.wake, 1)
	_, events, _ := m.take(nil, nil)
	require.Len(t, events, 3)
	for i := range events {
		require.Equal(t, uint64(i), events[i].seq)
	}
	msgs, events, _ := m.take(nil, events)
	require.Empty(t, msgs)
	require.Empty(t, events)
}

func TestAClosedMailboxGivesWhatItTook(t *testing.T) {
	m := newMailbox(mailboxBytes)
	require.True(t, m.put(event{}))
	m.close()
	require.False(t, m.put(event{}))
	require.Equal(t, 1, dropped(m, Message{}))
	_, events, _ := m.take(nil, nil)
	require.Len(t, events, 1)
}

func TestATurnIsOneGoroutinesAtATime(t *testing.T) {
	m := newMailbox(mailboxBytes)
	enter := map[string]func() bool{
		"event":   func() bool { _, turn := m.add(event{}); return turn },
		"message": func() bool { _, turn := m.deliver([]Message{{}}); return turn },
		"tick":    m.ring,
	}
	for name, first := range enter {
		require.True(t, first(), name)
		for name, second := range enter {
			require.False(t, second(), name)
		}
		m.leave(false)
		require.Len(t, m.wake, 1, "there is more to do, for the loop's own goroutine")
		require.False(t, first(), "which has the turn")
		<-m.wake
		_, _, tick := m.take(nil, nil)
		require.True(t, tick)
		m.leave(false)
		require.Empty(t, m.wake)
	}
	require.True(t, m.ring())
	m.take(nil, nil)
	m.leave(true)
	require.Len(t, m.wake, 1, "it is wanted though there is nothing to do")
}

func TestAMailboxThatIsClosedDuringATurnPassesItOn(t *testing.T) {
	m := newMailbox(mailboxBytes)
	require.True(t, m.ring())
	require.False(t, m.close())
	m.take(nil, nil)
	m.leave(false)
	require.Len(t, m.wake, 1)
}

func TestASnapshotSlotIsFreeWhenItsSnapshotIsDecided(t *testing.T) {
	s := snapshotSlot{taken: make(chan struct{}, 1)}
	offer := func() {
		s.taken <- struct{}{}
		s.offer(10)
	}
	offer()
	s.pumped()
	require.Empty(t, s.taken, "the engine did not want it")

	offer()
	s.adopted(&Write{Seq: 7, Snapshot: &SnapshotMeta{Index: 9}})
	s.pumped()
	require.Empty(t, s.taken, "the engine wanted another")

	offer()
	s.adopted(&Write{Seq: 7, Snapshot: &SnapshotMeta{Index: 10}})
	s.pumped()
	s.persisted(6)
	require.Len(t, s.taken, 1)
	s.persisted(8)
	require.Empty(t, s.taken, "it is durably adopted")
	s.persisted(9)
	s.pumped()
	require.Empty(t, s.taken)
}

func TestGroupsSpreadOverTheLoops(t *testing.T) {
	h := &Host{loops: []*loop{{}, {}, {}, {}}}
	for stride := GroupID(1); stride < 1<<60; stride *= 2 {
		groups := make(map[*loop]int)
		for i := range GroupID(400) {
			groups[h.loopOf(i*stride)]++
		}
		for _, l := range h.loops {
			require.Greater(t, groups[l], 50, "every %dth", stride)
		}
	}
}

func TestTheMailboxesTakeAQuarterOfTheBudget(t *testing.T) {
	m := memory{budget: 1 << 20}
	require.Equal(t, 1<<18, 4*m.mailbox(4))
	m.budget = 1 << 40
	require.Equal(t, mailboxBytes, m.mailbox(4))
}
