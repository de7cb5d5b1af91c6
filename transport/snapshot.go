package transport

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/consensus-go/consensus"
)

var (
	// errStopped breaks off the streams to a node that is no longer served.
	errStopped = errors.New("transport: the receiver has stopped")
	// errAnswered ends a stream that the receiver has answered before its end.
	errAnswered = errors.New("transport: the receiver has ended the stream")
)

// SendSnapshot implements consensus.Transport. The stream has no length: a receiver sees io.EOF
// only if r came to its own end, and any other error if it broke off. ctx ends it between two
// reads of r, and r is not read after SendSnapshot has returned.
func (t *Memory) SendSnapshot(ctx context.Context, m consensus.Message, meta consensus.SnapshotMeta, r io.Reader) error {
	reader, writer := io.Pipe()
	stored := make(chan error, 1)
	to := t.network.reach(t.id, m.To)
	if to == nil || !to.receive(passOn(&m), meta, reader, stored) {
		return unreachable(m.To)
	}
	defer context.AfterFunc(ctx, func() { writer.CloseWithError(ctx.Err()) })()

	pieces := struct{ io.Reader }{r} // not an io.WriterTo, which would pass everything in one piece
	_, sent := io.Copy(linkWriter{t, m.To, writer}, pieces)
	writer.CloseWithError(sent) // io.EOF, if sent is nil
	select {
	case err := <-stored:
		if err == nil && sent != nil && sent != errAnswered {
			return sent // the receiver did not heed it
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receive has the handler of t store the stream r, and then sends the result to stored, which
// has room for it. It reports whether anybody serves. Serve waits for the goroutine.
func (t *Memory) receive(m consensus.Message, meta consensus.SnapshotMeta, r *io.PipeReader, stored chan<- error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.service
	if s == nil {
		return false
	}
	meta.Config = bytes.Clone(meta.Config)
	s.streams.Go(func() {
		defer context.AfterFunc(s.ctx, func() { r.CloseWithError(errStopped) })()
		err := s.handler.DeliverSnapshot(m, meta, r)
		r.CloseWithError(errAnswered) // if the sender still writes, in vain
		stored <- err
	})
	return true
}

// A linkWriter breaks off when the link does.
type linkWriter struct {
	from *Memory
	to   consensus.NodeID
	w    *io.PipeWriter
}

func (l linkWriter) Write(p []byte) (int, error) {
	if l.from.network.reach(l.from.id, l.to) == nil {
		return 0, unreachable(l.to)
	}
	return l.w.Write(p)
}
