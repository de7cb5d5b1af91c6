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
type mailbox struct {
	wake  chan struct{} // one slot, full when there may be something to take
	limit int

	mu     sync.Mutex
	msgs   []Message
	bytes  int // of msgs, at most limit, or one message
	events []event
	closed bool
}

func newMailbox(limit int) *mailbox { return &mailbox{wake: make(chan struct{}, 1), limit: limit} }

// deliver adds messages and returns how many it had to drop.
func (m *mailbox) deliver(msgs []Message) (dropped int) {
	m.mu.Lock()
	for i := range msgs {
		size := msgs[i].size()
		if m.closed || m.bytes > 0 && m.bytes+size > m.limit {
			dropped++
			continue
		}
		m.bytes += size
		m.msgs = append(m.msgs, msgs[i])
	}
	m.mu.Unlock()
	m.signal()
	return dropped
}

// put adds an event. It reports false if the mailbox is closed; otherwise the loop will handle
// the event, even if it is to stop.
func (m *mailbox) put(e event) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.events = append(m.events, e)
	m.mu.Unlock()
	m.signal()
	return true
}

// take swaps what is there for two empty slices.
func (m *mailbox) take(msgs []Message, events []event) ([]Message, []event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	msgs, m.msgs = m.msgs, msgs[:0]
	events, m.events = m.events, events[:0]
	m.bytes = 0
	return msgs, events
}

// close refuses whatever comes from now on.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

func (m *mailbox) signal() { signal(m.wake) }

// signal fills the one slot of a wake-up channel.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// size is what the message counts for in budgets: its bytes in memory, nearly.
func (m *Message) size() int { return messageOverhead + len(m.Data) + entriesSize(m.Entries) }
