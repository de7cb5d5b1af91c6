package transport

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/consensus-go/consensus"
)

// maxConnections is how many connections one node may have to us: one for messages, some for
// snapshots, and their successors.
const maxConnections = 4 * maxStreams

// errCrowd: a node has more.
var errCrowd = errors.New("too many connections of that node")

// A line is what comes from one node, on one connection for messages at a time: the latest. Its
// predecessor is closed, and may still be in a call of the handler: until that has returned the latest
// waits, so that a node which comes again and again takes up no more than that.
type line struct {
	slot  chan struct{} // one slot, taken by who delivers
	users int           // connections of the node; server.mu

	mu     sync.Mutex
	latest context.CancelFunc // closes the latest
}

// join notes another connection of a node. It returns nil if there are too many.
func (s *server) join(from consensus.NodeID) *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[from]
	if l == nil {
		l = &line{slot: make(chan struct{}, 1)}
		s.lines[from] = l
	}
	if l.users == maxConnections {
		return nil
	}
	l.users++
	return l
}

// leave undoes join.
func (s *server) leave(from consensus.NodeID, l *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(s.lines, from)
	}
}

// receive delivers what comes on conn once it is its turn, until it breaks or is not the latest.
func (l *line) receive(s *server, conn net.Conn, from consensus.NodeID) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	l.replace(cancel)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case l.slot <- struct{}{}:
		defer func() { <-l.slot }()
	}
	return s.receive(conn, from)
}

func (l *line) replace(latest context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latest != nil {
		l.latest()
	}
	l.latest = latest
}
