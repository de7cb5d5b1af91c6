package sim

import (
	"errors"

	"github.com/consensus-go/consensus"
)

// Exactly once: what a client asks for takes effect at most once in the history of any replica, and
// in the same place in all of them, however often it is sent, by whatever replicas, to whatever leaders,
// through crashes and snapshots, and also when its session has ended in between; and exactly once if
// the client was told so. The checks follow two names of a command: the operation of the client, and
// session and sequence.

// checkOutcomes is when n has applied es, with the results in w.applied.
func (w *World) checkOutcomes(n *node, es []consensus.Entry) {
	l := &w.ghost.ledger
	if n.state == nil {
		return // a witness executes nothing
	}
	effects := n.state.effects
	for i := range es {
		e, a := &es[i], &w.applied[i]
		got := outcome{err: a.Err, result: resultHash(&a.Result)}
		if len(effects) > 0 && effects[0] == e.Index {
			got.effect, effects = true, effects[1:]
		}
		switch {
		case e.Index == l.outcomes.end():
			w.record(n, e, &got, len(a.Result.Data))
		case e.Index > l.outcomes.end():
			w.fail("exactly once", "node %d applies %d, and nobody has applied %d", n.id, e.Index, l.outcomes.end())
			return
		}
		want := *l.outcomes.at(e.Index)
		if w.options.Durable && passedOver(&got, &want) {
			continue // the state's digest tells whether it was executed, in an earlier life
		}
		if got.of = want.of; got != want {
			w.fail("exactly once", "node %d applies %d, a %v: effect %t, error %v, result %x; it should be: effect %t, error %v, result %x, as a duplicate of %d",
				n.id, e.Index, e.Kind, got.effect, got.err, got.result, want.effect, want.err, want.result, want.of)
			return
		}
		if want.of != 0 && want.of <= n.state.restored {
			w.mark(MarkRetryRestored)
		}
	}
	n.state.effects = n.state.effects[:0]
}

// passedOver reports whether got is what becomes of a command that a durable state machine has executed
// in an earlier life, or of a retry of one.
func passedOver(got, want *outcome) bool {
	switch {
	case got.effect:
		return false
	case got.err == consensus.ErrStaleSequence:
		return want.effect || want.of != 0
	}
	return got.err == consensus.ErrUnknown && want.effect
}

// record puts what ought to become of the next entry of the log into the ledger, when the first replica
// has applied it.
func (w *World) record(n *node, e *consensus.Entry, got *outcome, size int) {
	l := &w.ghost.ledger
	evictions := len(l.ended)
	want := l.outcome(&w.plan.limits, e)
	var id identity
	if c, err := consensus.DecodeSessionCommand(e.Data); e.Kind == consensus.EntrySessionCommand && err == nil {
		id = identity{c.Session, c.Sequence}
	}
	if want.effect {
		want.result = got.result
	}
	if got.effect {
		w.checkEffect(n, e, id)
	}
	*l.outcomes.put(e.Index) = want
	if want.effect && id != (identity{}) {
		l.commands[id] = e.Index
		if w.options.Durable {
			size = consensus.MaxDurableAnswer
		}
		l.keep(&w.plan.limits, id, e.Index, answerOverhead+size)
	}
	if len(l.ended) > evictions && e.Kind != consensus.EntrySessionClose {
		w.mark(MarkSessionEvicted)
	}
	w.recogniseRetry(e, &want, id)
}

// answerOverhead is what an answer counts for beside its data.
const answerOverhead = 40

// checkEffect: nothing takes effect twice, or after its client was told that it never would.
func (w *World) checkEffect(n *node, e *consensus.Entry, id identity) {
	l := &w.ghost.ledger
	if at, done := l.commands[id]; done && id != (identity{}) {
		w.fail("exactly once", "command %d of session %d takes effect at %d and, at node %d, at %d", id.sequence, id.session, at, n.id, e.Index)
	}
	op, known := l.requests[e.ID]
	if !known {
		return // the administrator's
	}
	if at, done := l.acted[op]; done {
		w.fail("exactly once", "operation %d, %v, takes effect at %d and, at node %d, at %d", op, &w.clients.operations[op], at, n.id, e.Index)
	}
	l.acted[op] = e.Index
	if w.clients.operations[op].never {
		w.fail("exactly once", "operation %d, %v, takes effect at %d, and its client was told that it never would", op, &w.clients.operations[op], e.Index)
	}
}

// checkTold: what was answered to the client of an operation is what its one effect answered.
func (w *World) checkTold(op int, r *consensus.Result) {
	l := &w.ghost.ledger
	at, done := l.acted[op]
	switch {
	case !done:
		w.fail("exactly once", "operation %d, %v, is said to be done, and took no effect", op, &w.clients.operations[op])
	case l.outcomes.at(at).result != resultHash(r):
		w.fail("exactly once", "operation %d, %v, took effect at %d, and is answered with what that did not answer: %d", op, &w.clients.operations[op], at, r.Value)
	}
}

// checkNever: what is known never to happen has not happened.
func (w *World) checkNever(op int) {
	if at, done := w.ghost.ledger.acted[op]; done && w.clients.operations[op].never {
		w.fail("exactly once", "operation %d, %v, took effect at %d, and its client is told that it never will", op, &w.clients.operations[op], at)
	}
}

// refused reports whether the entry of the proposal of that id had no effect, for the reason err.
func (g *ghost) refused(id uint64, err error) bool {
	o := g.ledger.outcomes.at(g.ids[id])
	return o != nil && o.err != nil && errors.Is(err, o.err)
}

// recogniseRetry tells which marks an entry of a session reached.
func (w *World) recogniseRetry(e *consensus.Entry, o *outcome, id identity) {
	g := &w.ghost
	first, done := g.ledger.commands[id]
	switch {
	case o.of != 0:
		if was, is := g.decided(o.of), g.decided(e.Index); was != nil && is != nil && was.term != is.term {
			w.mark(MarkRetryNewLeader)
		}
	case done && first < e.Index && o.err == consensus.ErrNoSession:
		if g.ledger.ended[id.session] == sessionEvicted {
			w.mark(MarkRetryEvicted)
		} else {
			w.mark(MarkRetryClosed)
		}
	}
}

func resultHash(r *consensus.Result) uint64 { return mix(r.Value ^ hash(r.Data)<<1) }
