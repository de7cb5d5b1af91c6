package transport

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/consensus-go/consensus"
)

const (
	// farewell is how long a connection for a snapshot is kept for its last frame to arrive, when
	// all has to end.
	farewell = 250 * time.Millisecond
	// maxText is how long the text of an error may be on the wire.
	maxText = 1 << 10
	// maxStreamFrame is how long the payload of a frame about a snapshot may be.
	maxStreamFrame = windowSize + maxText
)

// A streamName is the random name of a snapshot on its way.
type streamName [16]byte

// A streamLink is a connection for a snapshot, written by one goroutine and read by another. Once
// ctx is done its writes are given no time: what still has to be said is short.
type streamLink struct {
	t      *TCP
	conn   net.Conn
	ctx    context.Context
	forget func() bool
	gone   chan struct{} // closed when nothing is read any more
	err    error         // then, why
}

func newStreamLink(ctx context.Context, t *TCP, conn net.Conn) *streamLink {
	l := &streamLink{t: t, conn: conn, ctx: ctx, gone: make(chan struct{})}
	l.forget = context.AfterFunc(ctx, l.hurry)
	return l
}

// lost notes that the reading goroutine has ended.
func (l *streamLink) lost(err error) {
	l.err = err
	close(l.gone)
}

// close closes the connection and waits for the reading goroutine.
func (l *streamLink) close() {
	l.forget()
	l.conn.Close()
	<-l.gone
}

// ended reports whether the other side has closed the connection, and not merely lost it.
func (l *streamLink) ended() bool {
	select {
	case <-l.gone:
		return l.err == io.EOF
	default:
		return false
	}
}

func (l *streamLink) hurry() { l.conn.SetWriteDeadline(time.Now().Add(farewell)) }

func (l *streamLink) write(b []byte) error {
	l.conn.SetWriteDeadline(time.Now().Add(l.t.opt.Timeout))
	if l.ctx.Err() != nil {
		l.hurry()
	}
	_, err := l.conn.Write(b)
	return err
}

// farewell writes the last frame, and gives the other side the timeout, or little once ctx is done, to read
// it and to close. To close at once could destroy it: a system that has received something for a connection that
// is closed resets it.
func (l *streamLink) farewell(frame []byte) {
	if l.write(frame) != nil {
		return
	}
	timer := time.NewTimer(l.t.opt.Timeout)
	defer timer.Stop()
	defer context.AfterFunc(l.ctx, func() { timer.Reset(farewell) })()
	select {
	case <-l.gone:
	case <-timer.C:
	}
}

// appendOffset appends a frame of that kind, with an offset and data.
func appendOffset(b []byte, kind byte, offset uint64, data []byte) []byte {
	start := len(b)
	b = append(beginFrame(b), kind)
	b = binary.LittleEndian.AppendUint64(b, offset)
	b = append(b, data...)
	endFrame(b, start)
	return b
}

// appendText appends a frame of that kind, with as much of the text as may be.
func appendText(b []byte, kind byte, text string) []byte {
	start := len(b)
	b = append(beginFrame(b), kind)
	b = append(b, text[:min(len(text), maxText)]...)
	endFrame(b, start)
	return b
}

// appendDone appends the frame that tells what became of a snapshot.
func appendDone(b []byte, err error) []byte {
	if err == nil {
		return appendText(b, frameDone, string([]byte{byte(consensus.OutcomeOK)}))
	}
	return appendText(b, frameDone, string([]byte{byte(consensus.OutcomeOf(err))})+err.Error())
}

// A remoteError is the error with which a receiver did not store a snapshot. What it says of a
// request, such as consensus.ErrBusy, errors.Is finds.
type remoteError struct {
	node    consensus.NodeID
	outcome consensus.Outcome
	text    string
}

func (e *remoteError) Error() string {
	return fmt.Sprintf("transport: node %d has not stored the snapshot: %s", e.node, e.text)
}

func (e *remoteError) Unwrap() error {
	if e.outcome == consensus.OutcomeUnknown {
		return nil // an error that no outcome stands for
	}
	return e.outcome.Err()
}
