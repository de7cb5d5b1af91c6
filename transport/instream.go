package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/consensus-go/consensus"
)

// maxInflows is how many snapshots of one node may be received at once, those included whose
// connection broke and which may be resumed.
const maxInflows = 4 * maxStreams

// keepInflow is how long a snapshot whose connection broke may be resumed.
func (t *TCP) keepInflow() time.Duration { return resumeTimeouts * t.opt.Timeout }

// An opening is what a connection for a snapshot begins with.
type opening struct {
	name    streamName
	offset  uint64 // the first byte that the sender still has
	message consensus.Message
	meta    consensus.SnapshotMeta
}

func parseOpening(b []byte) (o opening, err error) {
	const fixed = 1 + len(o.name) + 8
	if len(b) < fixed || b[0] != frameOpen {
		return o, malformed("not the opening of a snapshot")
	}
	copy(o.name[:], b[1:])
	o.offset = binary.LittleEndian.Uint64(b[fixed-8:])
	m, b, err := cutMessage(b[fixed:])
	if err == nil {
		err = o.message.DecodeFrom(bytes.Clone(m)) // it keeps what it is decoded from
	}
	if err == nil && len(b) < 16 {
		err = malformed("opening of a snapshot without its description")
	}
	if err != nil {
		return o, err
	}
	o.meta.Index = consensus.Index(binary.LittleEndian.Uint64(b))
	o.meta.Term = consensus.Term(binary.LittleEndian.Uint64(b[8:]))
	if len(b) > 16 {
		o.meta.Config = bytes.Clone(b[16:])
	}
	return o, nil
}

// stream receives a snapshot on conn. It calls keep once it knows that there is one: from then on
// the connection is closed here, and not by who stops the server.
func (s *server) stream(conn net.Conn, from consensus.NodeID, keep func() bool) error {
	frames := newFrameReader(conn, s.t.opt.Timeout, maxStreamFrame, 2*chunkSize)
	payload, _, err := frames.next()
	if err != nil {
		return err
	}
	o, err := parseOpening(payload)
	if err != nil {
		return err
	}
	if m := &o.message; m.From != from || m.To != s.t.opt.ID {
		return malformed("snapshot from node %d to node %d on the connection from node %d", m.From, m.To, from)
	}
	if !keep() {
		return errStopped
	}
	link := newStreamLink(s.ctx, s.t, conn)
	defer link.close()
	in, err := s.inflow(from, &o)
	if err != nil {
		go func() { link.lost(drain(frames)) }()
		link.farewell(appendDone(nil, err))
		return err
	}
	offset, progress := in.attach(link)
	defer in.detach(link, s.t.keepInflow())
	go func() { link.lost(in.feedFrom(link, frames)) }()
	return s.report(in, link, offset, progress)
}

// drain reads until there is no more.
func drain(frames *frameReader) error {
	for {
		if _, _, err := frames.next(); err != nil {
			return err
		}
	}
}

// report tells the sender how far the handler has got with in, until the connection is lost or
// there is no more to tell.
func (s *server) report(in *inflow, link *streamLink, offset uint64, progress chan struct{}) error {
	ticker := time.NewTicker(s.t.opt.Timeout / aliveFraction)
	defer ticker.Stop()
	b, credited := appendOffset(nil, frameResume, offset, nil), uint64(0)
	for {
		if len(b) > 0 {
			if err := link.write(b); err != nil {
				return err
			}
			b = b[:0]
		}
		select {
		case <-s.ctx.Done():
			link.farewell(appendDone(b, errStopped))
			return errStopped
		case <-link.gone:
			return link.err
		case <-progress:
		case <-ticker.C:
			b = append(b, emptyFrame...)
		}
		consumed, done, result := in.state()
		if done {
			if link.farewell(appendDone(b, result)); link.ended() {
				s.forget(in)
			}
			return nil
		}
		if consumed-credited >= windowSize/4 {
			b, credited = appendOffset(b, frameCredit, consumed, nil), consumed
		}
	}
}

// inflow returns the snapshot that o opens: a new one, which the handler is given, or one that was
// being received before.
func (s *server) inflow(from consensus.NodeID, o *opening) (*inflow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := streamKey{from, o.name}
	if in := s.inflows[key]; in != nil {
		return in, nil
	}
	if o.offset != 0 {
		return nil, errLost
	}
	n := 0
	for k, in := range s.inflows {
		if k.from != from {
			continue
		}
		if in.stale(s.t.keepInflow()) {
			delete(s.inflows, k)
		} else {
			n++
		}
	}
	if n >= maxInflows {
		return nil, fmt.Errorf("%w: %d snapshots of node %d", consensus.ErrBusy, n, from)
	}
	in := newInflow(key, s.t.keepInflow())
	s.inflows[key] = in
	s.work.Go(func() {
		defer context.AfterFunc(s.ctx, func() { in.fail(errStopped) })()
		err := s.handler.DeliverSnapshot(o.message, o.meta, in)
		if err == nil {
			s.t.stats.snapshotsReceived.Add(1)
		}
		in.finish(err)
	})
	return in, nil
}

// forget forgets a snapshot whose sender knows what became of it.
func (s *server) forget(in *inflow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inflows, in.key)
}
