package consensus

import "fmt"

// A request is what was asked of this replica: by a caller of its own, or by another replica
// that forwarded a proposal or asked for a read index. It is in one queue at a time, which says
// how far it has got, and is answered once, by finish.
type request struct {
	key
	what   operation
	kind   EntryKind // of a proposal, and
	data   []byte    // its data, as long as it may have to be sent again
	expect Index     // of a change
	to     NodeID    // the replica it was forwarded to, or the target of a transfer
	term   Term      // the term it went out in
	stamp  Term      // of one from elsewhere: see forward.go
	index  Index     // where it was proposed, or 0
	sent   Instant   // when it was forwarded last
	weight int       // what it counts for in Replica.parkedBytes
	doubts int       // intervals for which nobody may know what became of it: see sweep

	link          // in its queue
	twin *request // another one proposed at the same index, in another term
}

// A key names a request in the whole group.
type key struct {
	from NodeID
	//lint:ignore U1000 a key without a hole is hashed in one piece
	hole uint32
	id   uint64
}

type operation uint8

const (
	proposing operation = iota
	changing
	reading
	transferring
)

// A queue is a list of requests in the order of arrival. Any request can be taken out of the
// queue that it is in, whichever that is. A queue must not be copied.
type queue struct {
	root link // the ring's fixed point: root.next is the first, root.prev the last
}

// A link is a request's place in a ring, or the fixed point of one, where the request is nil.
type link struct {
	prev, next *link
	request    *request
}

func (l *queue) init() { l.root.prev, l.root.next = &l.root, &l.root }

func (l *queue) empty() bool { return l.root.next == &l.root }

// first is the oldest request, or nil.
func (l *queue) first() *request { return l.root.next.request }

// after is the request that follows q, or nil.
func (l *queue) after(q *request) *request { return q.link.next.request }

// push takes q out of the queue that it is in, if any, and appends it to l.
func (l *queue) push(q *request) {
	q.unlink()
	q.link = link{prev: l.root.prev, next: &l.root, request: q}
	q.prev.next, q.next.prev = &q.link, &q.link
}

// takeFront moves all requests of o before those of l.
func (l *queue) takeFront(o *queue) {
	if o.empty() {
		return
	}
	first, last := o.root.next, o.root.prev
	last.next, first.prev = l.root.next, &l.root
	last.next.prev, first.prev.next = last, first
	o.init()
}

func (q *request) unlink() {
	if q.next != nil {
		q.prev.next, q.next.prev = q.next, q.prev
		q.link = link{}
	}
}

// open makes a request known. It is in no queue yet.
func (r *Replica) open(from NodeID, id uint64, what operation) *request {
	q := r.take()
	q.key, q.what = key{from: from, id: id}, what
	n := len(r.requests)
	r.requests[q.key] = q
	if len(r.requests) == n {
		panic(fmt.Sprintf("consensus: node %d: request %d/%d is open already", r.cfg.ID, from, id))
	}
	return q
}

// take returns a blank request.
func (r *Replica) take() *request {
	n := len(r.idle)
	if n == 0 {
		return new(request)
	}
	q := r.idle[n-1]
	r.idle = r.idle[:n-1]
	return q
}

// finish answers a request, to its caller here or to the replica that it came from, and forgets it.
func (r *Replica) finish(q *request, result Result, err error) {
	if q.from == r.cfg.ID {
		r.done = append(r.done, completion{q.id, result, err})
	} else {
		r.replyForward(q, result, err)
	}
	r.forget(q)
}

// forget ends a request without an answer.
func (r *Replica) forget(q *request) {
	delete(r.requests, q.key)
	q.unlink()
	r.unplace(q)
	r.unweigh(q)
	if q.what == reading {
		r.reading--
	}
	r.recycle(q)
}

func (r *Replica) recycle(q *request) {
	*q = request{}
	r.idle = append(r.idle, q)
}

// finishAll answers all requests of a queue alike.
func (r *Replica) finishAll(l *queue, err error) {
	for q := l.first(); q != nil; q = l.first() {
		r.finish(q, Result{}, err)
	}
}

// weigh counts q as parked. It reports false, and the request is to be refused, if that is more
// than may be; the first one may be of any size.
func (r *Replica) weigh(q *request) bool {
	w := entryOverhead + len(q.data)
	if r.parkedBytes > 0 && r.parkedBytes+w > r.cfg.MaxParked {
		return false
	}
	q.weight = w
	r.parkedBytes += w
	return true
}

func (r *Replica) unweigh(q *request) {
	r.parkedBytes -= q.weight
	q.weight = 0
}

// place notes that the engine took q in at an index. Usually one request stands there; after
// changes of leadership several may, of different terms, and at most one of them will be chosen.
func (r *Replica) place(q *request, index Index) {
	r.unweigh(q)
	q.data = nil
	q.term = r.state().Term
	q.index = index
	q.twin = r.placed[index]
	r.placed[index] = q
	r.proposed.push(q)
}

func (r *Replica) unplace(q *request) {
	if q.index == 0 {
		return
	}
	head := r.placed[q.index]
	switch {
	case head != q:
		for head.twin != q {
			head = head.twin
		}
		head.twin = q.twin
	case q.twin != nil:
		r.placed[q.index] = q.twin
	default:
		delete(r.placed, q.index)
	}
	q.index, q.twin = 0, nil
}

// settle answers the requests whose fate the applied entry decides: the one that it carries, and
// those that stood at its index and are not the ones chosen there.
func (r *Replica) settle(a *Applied) {
	k := key{from: a.From, id: a.ID}
	q := r.placed[a.Index]
	if q != nil {
		delete(r.placed, a.Index)
	}
	found := a.ID == 0
	for q != nil {
		twin := q.twin
		q.index, q.twin = 0, nil
		switch {
		case q.key == k:
			found = true
			r.finish(q, a.Result, a.Err)
		case q.what == changing && a.Kind == EntryMembers && a.ID == 0:
			// The first half of a change, ours or another's: the entry that completes it tells.
		default:
			r.finish(q, Result{}, ErrOverwritten)
		}
		q = twin
	}
	if found {
		return
	}
	if a.Err == ErrUnknown {
		return // the Machine here keeps no state; the leader's answer tells more
	}
	if q := r.requests[k]; q != nil { // forwarded from here, or a change completed
		r.finish(q, a.Result, a.Err)
	}
}

// skipTo answers the requests that a snapshot of index has passed over: they may be in it.
func (r *Replica) skipTo(index Index) {
	for q := r.proposed.first(); q != nil; {
		next := r.proposed.after(q)
		if q.index <= index { // 0: a change whose first half is applied
			r.finish(q, Result{}, ErrUnknown)
		}
		q = next
	}
}

// patience is for how many intervals a request is waited for when its term is over. A new leader
// usually decides within one or two what became of it.
const patience = 3

// sweep looks, once in RetryInterval, after the requests that nothing may ever answer. One that
// was proposed or forwarded in a term that is over may have been chosen or not, and the log may
// never grow past it; and the answer to a forwarded one may have been lost. The first is answered
// ErrUnknown when patience is at an end, the second is sent again. A session asks again
// without harm: it is not kept waiting.
func (r *Replica) sweep() {
	if r.now-r.swept < r.interval {
		return
	}
	r.swept = r.now
	st := r.state()
	r.doubt(&r.proposed, st.Term)
	r.doubt(&r.forwarded, st.Term)
	if st.Leader == 0 {
		r.doubt(&r.transfers, st.Term)
	}
	r.forwardAgain()
}

func (r *Replica) doubt(l *queue, term Term) {
	for q := l.first(); q != nil; {
		next := l.after(q)
		if q.term < term {
			q.doubts++
		}
		if q.doubts == patience || q.doubts > 0 && q.kind.ofSession() {
			r.finish(q, Result{}, ErrUnknown)
		}
		q = next
	}
}

// errCanceled answers a request that was cancelled and had no effect.
var errCanceled = notApplied("cancelled before it had an effect")

// cancel answers one request with never if it cannot have had an effect, and with ErrUnknown if
// it can. Parked and refused requests are with nobody else, and a read never has an effect.
func (r *Replica) cancel(q *request, never error) {
	if q.what == reading || q.weight > 0 && q.to == 0 {
		r.finish(q, Result{}, never)
	} else {
		r.finish(q, Result{}, ErrUnknown)
	}
}

// closeRequests answers all callers here. Those elsewhere learn it from the next leader.
func (r *Replica) closeRequests() {
	queues := []*queue{&r.parked, &r.refused, &r.forwarded, &r.proposed, &r.transfers, &r.waiting, &r.asked}
	for _, rounds := range [...][]*round{r.rounds, r.readable.live(), {r.polling}} {
		for _, p := range rounds {
			if p != nil {
				queues = append(queues, &p.reads)
			}
		}
	}
	for _, l := range queues {
		for q := l.first(); q != nil; q = l.first() {
			switch {
			case q.from == r.cfg.ID:
				r.cancel(q, ErrClosed)
			case q.what == reading:
				r.drop(q)
			default:
				r.forget(q)
			}
		}
	}
}
