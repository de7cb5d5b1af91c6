package sim

// An eventKind says what an event is, and what its arg means.
type eventKind uint8

const (
	eventTick    eventKind = iota // the node's clock ticks
	eventDeliver                  // a message arrives; arg: the packet
	eventWritten                  // the node's oldest unfinished write is durable
	eventJob                      // the node's applier finishes its next job
	eventClient                   // a client goes on; arg: the client
	eventCall                     // something rare; arg: the index of a function
)

// An event is something that happens at an instant of world time. It is small and a value: the
// queue copies it around.
type event struct {
	at   int64  // nanoseconds
	seq  uint32 // later events have a higher one, so that the order is total
	life uint32 // of the node that it is meant for, if it dies with it; 0: it does not
	arg  uint32
	kind eventKind
	node uint8 // index; noNode: none
}

const noNode = 255

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// A queue is a heap of events with four children to a parent: shallower than two, and the
// children share a cache line or two.
type queue struct {
	events []event
	seq    uint32
}

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.events = append(q.events, e)
	es, i := q.events, len(q.events)-1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&es[parent]) {
			break
		}
		es[i] = es[parent]
		i = parent
	}
	es[i] = e
}

func (q *queue) pop() event {
	es := q.events
	first, last := es[0], es[len(es)-1]
	es = es[:len(es)-1]
	q.events = es
	i := 0
	for {
		child := 4*i + 1
		if child >= len(es) {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, len(es)); c++ {
			if es[c].before(&es[least]) {
				least = c
			}
		}
		if !es[least].before(&last) {
			break
		}
		es[i] = es[least]
		i = least
	}
	if len(es) > 0 {
		es[i] = last
	}
	return first
}
