package transport

import (
	"cmp"
	"context"
	"net"
	"sync"
	"time"

	"github.com/consensus-go/consensus"
)

const (
	// frameSize is how long a frame of several messages may be. A message that is longer has a frame
	// of its own.
	frameSize = 128 << 10
	// writeBuffer is how much is written with one system call, when there is so much.
	writeBuffer = 256 << 10
)

// emptyFrame says that its sender is alive.
var emptyFrame = appendFrame(nil, nil)

// run sends what is queued until ctx is done. It connects when there is something to send.
func (p *peer) run(ctx context.Context) {
	var tries backoff
	for {
		select {
		case <-ctx.Done():
			p.lose(ctx.Err())
			return
		case <-p.wake:
		}
		if p.status().QueuedBytes == 0 {
			continue // it has been dropped since
		}
		err := p.connect(ctx, &tries)
		p.lose(err)
		if ctx.Err() == nil {
			p.t.complain("no connection to a node", p.id, err)
		}
		p.pause(ctx, &tries)
	}
}

// pause waits until it is time to try again.
func (p *peer) pause(ctx context.Context, tries *backoff) {
	timer := time.NewTimer(tries.next())
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-p.kick:
		tries.reset()
	}
	p.retry()
}

// connect connects to the peer, sends to it until that fails, and returns why.
func (p *peer) connect(ctx context.Context, tries *backoff) error {
	conn, address, err := p.t.dial(ctx, p, forMessages)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := p.use(conn, address); err != nil {
		return err
	}
	tries.reset()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var listening sync.WaitGroup
	listening.Go(func() { cancel(p.listen(conn)) })
	err = p.write(ctx, conn)
	conn.Close()
	listening.Wait()
	return err
}

// listen reads what the peer says on the connection: that it is alive. It returns when the peer
// does not, or breaks the connection.
func (p *peer) listen(conn net.Conn) error {
	frames := newFrameReader(conn, p.t.opt.Timeout, 0, 64)
	for {
		if _, _, err := frames.next(); err != nil {
			return err
		}
	}
}

// write sends what is queued on conn until that fails or ctx is done. Now and then it asks whether
// the peer is alive.
func (p *peer) write(ctx context.Context, conn net.Conn) error {
	ticker := time.NewTicker(p.t.opt.Timeout / aliveFraction)
	defer ticker.Stop()
	var b batch
	var buf []byte
	var stall deadline
	for {
		var sent Traffic
		buf = buf[:0]
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.wake:
		case <-ticker.C:
			buf = append(buf, emptyFrame...)
			sent.Frames = 1
		}
		b = p.take(b)
		for rest := b.msgs; len(rest) > 0 || len(buf) > 0; buf = buf[:0] {
			for len(rest) > 0 && len(buf) < writeBuffer {
				n := 0
				buf, n = appendMessages(buf, rest)
				rest = rest[n:]
				sent.add(Traffic{Messages: uint64(n), Frames: 1})
			}
			if err := p.t.write(conn, &stall, buf); err != nil {
				return cmp.Or(context.Cause(ctx), err)
			}
			sent.Bytes = uint64(len(buf))
			p.sent(sent)
			sent = Traffic{}
		}
		p.written(&b)
		if cap(buf) > 4*writeBuffer {
			buf = nil // it was for a message larger than most
		}
	}
}

// appendMessages appends one frame with as many of msgs as go into it, and returns how many.
func appendMessages(b []byte, msgs []consensus.Message) ([]byte, int) {
	start, n := len(b), 0
	b = beginFrame(b)
	for n == 0 || n < len(msgs) && len(b)-start+sizeOf(&msgs[n]) <= frameSize {
		b = appendMessage(b, &msgs[n])
		n++
	}
	endFrame(b, start)
	return b, n
}

// write writes all of b, and fails when a writeBuffer of it takes longer than the timeout. The deadline is that of conn.
func (t *TCP) write(conn net.Conn, stall *deadline, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), writeBuffer)
		if stall.renew(t.opt.Timeout) {
			conn.SetWriteDeadline(stall.at)
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
