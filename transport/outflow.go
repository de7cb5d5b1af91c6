package transport

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/consensus-go/consensus"
)

// errLost ends a snapshot that was not resumed in time.
var errLost = errors.New("transport: the connection was lost for too long")

const (
	// maxStreams is how many snapshots are sent to one node at once. More wait.
	maxStreams = 8
	// maxResumes is how many connections may break in turn without any progress.
	maxResumes = 10
	// resumeTimeouts is for how many timeouts a snapshot whose connection broke may be resumed.
	resumeTimeouts = 2
)

// An outflow is a snapshot on its way to a peer. The caller of SendSnapshot reads its source into
// the window. A goroutine makes the connections, one after another, and writes; while there is one,
// a second goroutine reads what the receiver says.
type outflow struct {
	t     *TCP
	p     *peer
	name  streamName
	head  []byte        // of open: what is behind the offset
	space chan struct{} // one slot: there may be room in the window, or it is over
	data  chan struct{} // one slot: there may be more to write

	mu      sync.Mutex
	window  window    // lo is what the receiver has consumed
	sent    uint64    // window.lo <= sent <= window.hi
	source  error     // how the source ended: io.EOF, or it broke off; nil as long as it goes on
	opened  bool      // the receiver has begun with it
	resumed bool      // the receiver has said where to go on, on this connection
	closed  bool      // end has been written, on this connection
	heard   time.Time // when the receiver last said something
	tries   int       // connections that have brought no progress
	over    bool      // err holds
	err     error
}

// SendSnapshot implements consensus.Transport. When the connection breaks in the middle it goes on
// with another one, for as long as the receiver keeps what it has: for twice the Timeout. ctx ends
// it between two reads of r, and r is not read after SendSnapshot has returned.
func (t *TCP) SendSnapshot(ctx context.Context, m consensus.Message, meta consensus.SnapshotMeta, r io.Reader) error {
	p, s, err := t.target(&m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(errClosed) })()
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	case <-ctx.Done():
		s.work.Done()
		return context.Cause(ctx)
	}
	o := newOutflow(t, p, &m, &meta)
	ran := make(chan struct{})
	go func() {
		defer s.work.Done()
		defer close(ran)
		o.run(ctx)
	}()
	o.fill(r)
	<-ran
	if o.err == nil {
		t.stats.snapshotsSent.Add(1)
	}
	return o.err
}

// target returns whom m is to be sent to, and by whom: by a server whose work is not done before the
// caller says so.
func (t *TCP) target(m *consensus.Message) (*peer, *server, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, s := t.peers[m.To], t.server
	switch {
	case t.closed:
		return nil, nil, errClosed
	case s == nil:
		return nil, nil, errNotServed
	case p == nil || m.From != t.opt.ID:
		return nil, nil, unreachable(m.To)
	}
	s.work.Add(1)
	return p, s, nil
}

func newOutflow(t *TCP, p *peer, m *consensus.Message, meta *consensus.SnapshotMeta) *outflow {
	o := &outflow{t: t, p: p, space: make(chan struct{}, 1), data: make(chan struct{}, 1)}
	rand.Read(o.name[:]) // never fails
	o.head = appendMessage(nil, m)
	o.head = binary.LittleEndian.AppendUint64(o.head, uint64(meta.Index))
	o.head = binary.LittleEndian.AppendUint64(o.head, uint64(meta.Term))
	o.head = append(o.head, meta.Config...)
	return o
}

// fill reads r into the window until r ends, or it is all over, and returns when it is.
func (o *outflow) fill(r io.Reader) {
	for {
		o.mu.Lock()
		room, over, ended := o.window.room(), o.over, o.source != nil
		o.mu.Unlock()
		switch {
		case over:
			return
		case ended || len(room) == 0:
			<-o.space
			continue
		}
		n, err := r.Read(room)
		o.mu.Lock()
		o.window.hi += uint64(n)
		o.source = err
		o.mu.Unlock()
		signal(o.data)
	}
}

// finish ends it all, with the error that SendSnapshot returns.
func (o *outflow) finish(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.over, o.err = true, err
		signal(o.space)
	}
}

// run connects, again and again if need be, until it is all over.
func (o *outflow) run(ctx context.Context) {
	var pause backoff
	for {
		err := o.connect(ctx)
		o.mu.Lock()
		over, opened, source := o.over, o.opened, o.source
		late := o.tries >= maxResumes || time.Since(o.heard) > o.t.keepInflow()
		if o.tries == 0 {
			pause.reset()
		}
		o.tries++
		o.mu.Unlock()
		switch {
		case over:
			return
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case source != nil && source != io.EOF:
			err = source
		case opened && !late && resumable(err):
			timer := time.NewTimer(pause.next())
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		o.finish(err)
		return
	}
}

// resumable reports whether another connection may get further than one that failed with err.
func resumable(err error) bool {
	var refused *refusedError
	return !errors.Is(err, consensus.ErrMalformed) && !errors.As(err, &refused)
}

// connect sends what there is to send on one connection, until that breaks or it is all over.
func (o *outflow) connect(ctx context.Context) error {
	conn, _, err := o.t.dial(ctx, o.p, forSnapshot)
	if err != nil {
		return err
	}
	link := newStreamLink(ctx, o.t, conn)
	defer link.close()
	go func() { link.lost(o.listen(conn)) }()
	return o.write(ctx, link)
}

// write writes until the connection is lost or it is all over.
func (o *outflow) write(ctx context.Context, link *streamLink) error {
	ticker := time.NewTicker(o.t.opt.Timeout / aliveFraction)
	defer ticker.Stop()
	buf := o.open()
	var pass <-chan time.Time // when buf may be written; nil: at once
	for {
		if err := o.failure(ctx); err != nil {
			link.farewell(appendText(nil, frameAbort, err.Error()))
			return err
		}
		if len(buf) == 0 {
			var size int
			if buf, size = o.next(buf); size > 0 {
				if wait := o.t.rate.take(time.Now(), size); wait > 0 {
					pass = time.After(wait)
				}
			}
		}
		if len(buf) > 0 && pass == nil {
			if err := link.write(buf); err != nil {
				return err
			}
			buf = buf[:0]
			continue
		}
		select {
		case <-ctx.Done():
		case <-link.gone:
			return link.err
		case <-pass:
			pass = nil
		case <-o.data:
		case <-ticker.C:
			if err := link.write(emptyFrame); err != nil {
				return err
			}
		}
	}
}

// failure is why the receiver must not wait for the end of the stream, if it must not.
func (o *outflow) failure(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.source != nil && o.source != io.EOF {
		return o.source
	}
	return context.Cause(ctx)
}

// open returns the first frame of a connection.
func (o *outflow) open() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resumed, o.closed = false, false
	b := append(beginFrame(nil), frameOpen)
	b = append(b, o.name[:]...)
	b = binary.LittleEndian.AppendUint64(b, o.window.lo)
	b = append(b, o.head...)
	endFrame(b, 0)
	return b
}

// next appends the next frame that can be written, if any, and returns how many bytes of the
// snapshot are in it.
func (o *outflow) next(b []byte) ([]byte, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.resumed || o.closed {
		return b, 0
	}
	data := o.window.from(o.sent)
	switch {
	case len(data) > 0:
		b = appendOffset(b, frameChunk, o.sent, data)
		o.sent += uint64(len(data))
		o.t.stats.snapshotBytesSent.Add(uint64(len(data)))
	case o.source == io.EOF:
		b = appendOffset(b, frameEnd, o.sent, nil)
		o.closed = true
	}
	return b, len(data)
}

// listen reads what the receiver says, until it says that it is done.
func (o *outflow) listen(conn net.Conn) error {
	frames := newFrameReader(conn, o.t.opt.Timeout, maxText+2, 4<<10)
	for {
		payload, _, err := frames.next()
		if err != nil {
			return err
		}
		o.hear()
		if len(payload) == 0 {
			continue
		}
		switch kind, body := payload[0], payload[1:]; {
		case kind == frameResume && len(body) == 8:
			err = o.resume(binary.LittleEndian.Uint64(body))
		case kind == frameCredit && len(body) == 8:
			err = o.credit(binary.LittleEndian.Uint64(body))
		case kind == frameDone && len(body) >= 1:
			outcome := consensus.Outcome(body[0])
			if outcome == consensus.OutcomeOK {
				o.finish(nil)
			} else {
				o.finish(&remoteError{o.p.id, outcome, string(body[1:])})
			}
			return nil
		default:
			err = malformed("answer to a snapshot")
		}
		if err != nil {
			return err
		}
	}
}

func (o *outflow) hear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = time.Now()
}

// resume goes on at offset, which the receiver has got to.
func (o *outflow) resume(offset uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.resumed || offset < o.window.lo || offset > o.sent {
		return malformed("snapshot resumed at %d, of %d to %d", offset, o.window.lo, o.sent)
	}
	if o.opened {
		o.t.stats.snapshotsResumed.Add(1)
	}
	o.sent, o.opened, o.resumed = offset, true, true
	signal(o.data)
	return nil
}

// credit forgets what the receiver has consumed.
func (o *outflow) credit(offset uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.resumed || offset < o.window.lo || offset > o.sent {
		return malformed("credit for %d, of %d to %d", offset, o.window.lo, o.sent)
	}
	if offset > o.window.lo {
		o.window.lo, o.tries = offset, 0
	}
	signal(o.space)
	return nil
}
