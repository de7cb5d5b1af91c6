package consensus

import "sync"

// mailboxBytes bounds the messages that wait for one loop, if the host's budget is not the lower
// bound. What is above it is dropped, as a network may do. Requests are bounded by the callers that wait for them, completions by what the
// replicas asked for.
const mailboxBytes = 64 << 20

// messageOverhead is what a message weighs beside its entries and data: about what the struct
// takes in memory.
const messageOverhead = 256

// An event is anything but a message that reaches a loop. The frequent ones have a kind each, so
// that none of them allocates; the others are a call.
type event struct {
	kind   eventKind
	entry  EntryKind // eventPropose
	group  *Group
	ticket *ticket         // eventPropose, eventRead, eventAsk and eventCancel: whom to answer
	seq    uint64          // eventPersisted
	data   []byte          // eventPropose
	ask    func(id uint64) // eventAsk: passes the request to the replica
	call   func()          // eventCall, eventLook: on the loop
}

type eventKind uint8

const (
	eventPropose   eventKind = iota
	eventRead                // linearizably
	eventAsk                 // any other request
	eventCancel              // the caller's context is done
	eventPersisted           // the write numbered seq is durable
	eventApplied             // the applier has results
	eventCall                // whatever is rare
	eventLook                // a call that tells the replica nothing
)

// asks reports whether a caller waits for an answer to the event.
func (k eventKind) asks() bool { return k <= eventAsk }

// A mailbox is the one way into a loop. Putting something in never blocks; the loop takes all
// there is at once, and that is where batches come from: the more arrives during a round, the more
// the next one does with a single write and a single message per follower.
//
// It is also where the loop's turn is kept. One goroutine has it at a time, and runs the rounds. Who puts something in
// while nobody has it gets it, and passes it on to the loop's own goroutine, or uses it and then leaves.
type mailbox struct {
	wake  chan struct{} // one slot: the turn, on its way to the loop's own goroutine
	limit int

	mu     sync.Mutex
	msgs   []Message
	bytes  int // of msgs, at most limit, or one message
	events []event
	tick   bool
	closed bool
	taken  bool // somebody has the turn; else there is nothing to take
}

func newMailbox(limit int) *mailbox { return &mailbox{wake: make(chan struct{}, 1), limit: limit} }

// deliver adds messages and returns how many it had to drop, and whether the caller has the turn now.
func (m *mailbox) deliver(msgs []Message) (dropped int, turn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range msgs {
		size := msgs[i].size()
		if m.closed || m.bytes > 0 && m.bytes+size > m.limit {
			dropped++
			continue
		}
		m.bytes += size
		m.msgs = append(m.msgs, msgs[i])
	}
	return dropped, m.enter()
}

// add adds an event. It is not ok if the mailbox is closed; otherwise the loop will handle the event, even if it is
// to stop. Turn says that the caller has the turn now.
func (m *mailbox) add(e event) (ok, turn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, false
	}
	m.events = append(m.events, e)
	return true, m.enter()
}

// put adds an event for the loop's own goroutine, and reports whether it could.
func (m *mailbox) put(e event) bool {
	ok, turn := m.add(e)
	if turn {
		m.pass()
	}
	return ok
}

// ring notes that the time has come for a tick, and reports whether the caller has the turn now.
func (m *mailbox) ring() (turn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick = true
	return m.enter()
}

// close refuses whatever comes from now on, and reports whether the caller has the turn now. Otherwise it is on its way
// to the loop's own goroutine, or will be.
func (m *mailbox) close() (turn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return m.enter()
}

func (m *mailbox) enter() (turn bool) {
	turn, m.taken = !m.taken, true
	return turn
}

// take swaps what is there for two empty slices, and reports whether it is time for a tick.
func (m *mailbox) take(msgs []Message, events []event) (_ []Message, _ []event, tick bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	msgs, m.msgs = m.msgs, msgs[:0]
	events, m.events = m.events, events[:0]
	tick, m.tick, m.bytes = m.tick, false, 0
	return msgs, events, tick
}

// leave ends a turn. If there is more to do, or the loop's own goroutine is wanted for another reason, it gets the turn.
func (m *mailbox) leave(wanted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = wanted || m.tick || m.closed || len(m.msgs) > 0 || len(m.events) > 0
	if m.taken {
		m.pass()
	}
}

// pass gives the turn, which the caller has, to the loop's own goroutine.
func (m *mailbox) pass() { m.wake <- struct{}{} }

// signal fills the one slot of a wake-up channel.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// size is what the message counts for in budgets: its bytes in memory, nearly.
func (m *Message) size() int { return messageOverhead + len(m.Data) + entriesSize(m.Entries) }
