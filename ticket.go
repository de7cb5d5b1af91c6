package consensus

import (
	"context"
	"fmt"
	"time"
)

// A ticket is a caller who waits for an answer. Every ticket that a mailbox took gets exactly one.
type ticket struct {
	id     uint64      // the request's; the loop's
	kind   eventKind   // of the request
	began  Instant     // when it reached the loop; the loop's
	answer chan answer // one slot
}

type answer struct {
	result Result
	err    error
}

func newTicket() any { return &ticket{answer: make(chan answer, 1)} }

// ask makes a request that f passes to the replica, on the loop.
func (g *Group) ask(ctx context.Context, f func(id uint64)) (Result, error) {
	return g.request(ctx, event{kind: eventAsk, ask: f})
}

// request puts a request to the replica and waits for its answer. Once ctx is done, the error
// says both what is known of the request and what ctx says.
func (g *Group) request(ctx context.Context, e event) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrNotApplied, err)
	}
	t := g.host.tickets.Get().(*ticket)
	t.kind = e.kind
	e.group, e.ticket = g, t
	ok, turn := g.loop.mail.add(e)
	switch {
	case !ok:
		g.host.tickets.Put(t)
		<-g.ctx.Done() // the loop is ending
		return Result{}, g.end.refusal
	case turn && g.loop.isAlone():
		g.loop.here()
	case turn:
		g.loop.mail.pass()
	}
	select {
	case a := <-t.answer:
		g.host.tickets.Put(t)
		return a.result, a.err
	case <-ctx.Done():
		return g.abandon(ctx, t)
	}
}

// abandon takes the request back and waits for its answer all the same: the loop gives it in its
// next round. The ticket is not used again, because the cancellation may yet be on its way.
func (g *Group) abandon(ctx context.Context, t *ticket) (Result, error) {
	g.loop.mail.put(event{kind: eventCancel, group: g, ticket: t})
	a := <-t.answer
	if a.err != nil {
		a.err = fmt.Errorf("%w: %w", a.err, ctx.Err())
	}
	return a.result, a.err
}

// register numbers a request, on the loop.
func (g *Group) register(t *ticket) uint64 {
	t.id = g.replica.NextID()
	if g.tickets == nil {
		g.tickets = make(map[uint64]*ticket)
	}
	g.tickets[t.id] = t
	g.loop.open++
	return t.id
}

// answer hands the answer of the request id to whoever waits for it.
func (g *Group) answer(id uint64, r Result, err error) {
	t := g.tickets[id]
	if t == nil {
		panic(fmt.Sprintf("consensus: group %d: request %#x was answered twice, or never made", g.id, id))
	}
	delete(g.tickets, id)
	g.loop.open--
	if err != nil && g.halted && g.end.cause != ErrClosed {
		err = because(err, g.end.cause)
	}
	g.reply(t, answer{result: r, err: err})
}

// reply gives a caller the answer, and counts it. The loop's clock is that of its rounds: it tells
// how long the request took in the eyes of the group, at no cost.
func (g *Group) reply(t *ticket, a answer) {
	g.loop.answers++
	took := time.Duration(g.loop.now - t.began)
	switch t.kind {
	case eventPropose:
		g.loop.metrics.Proposals.count(a.err, took)
	case eventRead:
		g.loop.metrics.Reads.count(a.err, took)
	}
	t.answer <- a
}
