package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Session applies each command exactly once, however often it has to be sent (thesis §6.3). The
// group keeps the answers that it may still ask for, in the replicated state; the commands carry
// the session's id and a number of their own. It lives until Close, or until others, used more
// recently, need all that MaxSessions and MaxSessionBytes allow. Its methods may be called concurrently; commands of concurrent calls
// are applied in any order.
//
// A Session is good as long as the Group that opened it, which answers its calls. What is in the log outlives that,
// also if the Group is opened again: a client that knows the ID goes on with ProposeOnce, at any member.
type Session struct {
	group *Group
	id    uint64

	mu     sync.Mutex
	next   uint64          // the sequence of the next command
	oldest uint64          // no sequence below is open; next-MaxAnswers <= oldest <= next
	open   map[uint64]bool // sequences whose answer a caller waits for
	moved  chan struct{}   // closed when oldest moves; nil if nobody waits for that
}

// OpenSession opens a session, trying again until it has one or ctx is done. One that was opened
// by an attempt whose answer was lost is evicted in its time.
func (g *Group) OpenSession(ctx context.Context) (*Session, error) {
	r, err := g.insist(ctx, EntrySessionOpen, nil)
	if err != nil {
		return nil, err
	}
	return &Session{group: g, id: r.Value, next: 1, oldest: 1, open: make(map[uint64]bool)}, nil
}

// Propose has the command cmd chosen and applied exactly once, and returns what the state machine
// answered: it tries again, as the same command, until it knows or ctx is done. Then it is
// ErrUnknown whether cmd was applied, once, or not, unless the error says that it was not. It
// waits if MaxAnswers later commands have been begun before an earlier one has ended.
func (s *Session) Propose(ctx context.Context, cmd []byte) (Result, error) {
	c := SessionCommand{Session: s.id, Data: cmd}
	var err error
	if c.Sequence, c.Oldest, err = s.begin(ctx); err != nil {
		return Result{}, err
	}
	defer s.end(c.Sequence)
	return s.group.ProposeOnce(ctx, c)
}

// ID names the session in the whole group.
func (s *Session) ID() uint64 { return s.id }

// ProposeOnce has a command of a session chosen and applied exactly once, however often and at whichever members
// it is proposed. It is for a client that outlives its connection, or the process that it was connected to: one that
// keeps the ID of its Session and numbers its commands itself, in place of calling Session.Propose. When it was not
// answered, it proposes the same SessionCommand again, at any member. Answers are kept from Oldest on; while there
// are MaxAnswers of them, one more command waits. The rest is as with Session.Propose.
func (g *Group) ProposeOnce(ctx context.Context, c SessionCommand) (Result, error) {
	return g.insist(ctx, EntrySessionCommand, c.AppendTo(make([]byte, 0, len(c.Data)+sessionHead)))
}

// sessionHead is about what a SessionCommand takes beside its data.
const sessionHead = 16

// Close ends the session. One that was closed or evicted before is no error.
func (s *Session) Close(ctx context.Context) error {
	_, err := s.group.insist(ctx, EntrySessionClose, AppendSessionClose(nil, s.id))
	return err
}

// begin numbers a command, once there is room for its answer.
func (s *Session) begin(ctx context.Context) (sequence, oldest uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.next-s.oldest >= MaxAnswers {
		if s.moved == nil {
			s.moved = make(chan struct{})
		}
		moved := s.moved
		s.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", ErrNotApplied, ctx.Err())
		}
		s.mu.Lock()
		if err != nil {
			return 0, 0, err
		}
	}
	sequence = s.next
	s.next++
	s.open[sequence] = true
	return sequence, s.oldest, nil
}

// end notes that nobody waits for the answer any more.
func (s *Session) end(sequence uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sequence)
	if s.oldest != sequence {
		return
	}
	for s.oldest < s.next && !s.open[s.oldest] {
		s.oldest++
	}
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
}

// insist proposes an entry until it knows what became of it, or ctx is done, or it is refused for
// good. Once one attempt was ErrUnknown the whole is: that another one was not applied says
// nothing of the first.
func (g *Group) insist(ctx context.Context, kind EntryKind, data []byte) (Result, error) {
	for unknown := false; ; {
		r, err := g.request(ctx, event{kind: eventPropose, entry: kind, data: data})
		switch {
		case err == nil, kind == EntrySessionClose && errors.Is(err, ErrNoSession):
			return r, nil // a session that is gone is closed, whoever did it
		case ctx.Err() == nil && g.passing(err):
			unknown = unknown || errors.Is(err, ErrUnknown)
			g.rest(ctx)
		case errors.Is(err, ErrStaleSequence):
			return Result{}, err // an earlier attempt was applied, whatever was known of it
		case unknown && ctx.Err() != nil:
			return Result{}, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
		case unknown:
			return Result{}, fmt.Errorf("%w; then: %v", ErrUnknown, err)
		default:
			return Result{}, err
		}
	}
}

// passing reports whether a request that failed with err may succeed later.
func (g *Group) passing(err error) bool {
	switch {
	case errors.Is(err, ErrStopped), errors.Is(err, ErrNotLeader) && g.noForward:
		return false
	}
	for _, e := range [...]error{ErrUnknown, ErrNotLeader, ErrBusy, ErrOverwritten, ErrTransferring} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// rest waits between two attempts, a tenth of the election timeout.
func (g *Group) rest(ctx context.Context) {
	select {
	case <-time.After(g.election / 10):
	case <-ctx.Done():
	case <-g.ctx.Done():
	}
}
