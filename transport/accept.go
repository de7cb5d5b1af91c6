package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/consensus-go/consensus"
)

const (
	// maxStrangers is how many connections may be in their handshake. One more, and the oldest is
	// closed: who comes in earnest is through long before.
	maxStrangers = 64
	// maxAccepted is how many connections others may have to us, all in all.
	maxAccepted = 4096
	// acceptPause is how long to wait when the system has no connection for us to accept, because
	// of too many open files perhaps.
	acceptPause = 50 * time.Millisecond
)

// A server is the one call of Serve.
type server struct {
	t       *TCP
	handler consensus.Handler
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup // all goroutines of the transport

	mu        sync.Mutex
	strangers []net.Conn                 // in their handshake, the oldest first
	accepted  int                        // connections, strangers included
	lines     map[consensus.NodeID]*line // of the nodes that have a connection to us
	inflows   map[streamKey]*inflow
}

func newServer(t *TCP, ctx context.Context, h consensus.Handler) *server {
	s := &server{t: t, handler: h, lines: make(map[consensus.NodeID]*line), inflows: make(map[streamKey]*inflow)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// accept takes connections in until the listener is closed.
func (s *server) accept() {
	for {
		conn, err := s.t.listener.Accept()
		switch {
		case err == nil:
			conn = newSocket(conn)
			if s.admit(conn) {
				s.work.Go(func() { s.serve(conn) })
			}
		case errors.Is(err, net.ErrClosed):
			return
		default:
			s.t.complain("no connection can be accepted", s.t.opt.ID, err)
			select {
			case <-s.ctx.Done():
			case <-time.After(acceptPause):
			}
		}
	}
}

// admit lets a stranger in, if there is room.
func (s *server) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted >= maxAccepted {
		conn.Close()
		s.t.stats.refused.Add(1)
		return false
	}
	s.accepted++
	s.strangers = append(s.strangers, conn)
	if len(s.strangers) > maxStrangers {
		s.strangers[0].Close() // its own goroutine does the rest
		s.strangers = slices.Delete(s.strangers, 0, 1)
	}
	return true
}

// known notes that conn is no stranger any more.
func (s *server) known(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strangers = slices.DeleteFunc(s.strangers, func(c net.Conn) bool { return c == conn })
}

// serve does what a connection is for, after its handshake, and closes it.
func (s *server) serve(raw net.Conn) {
	defer func() {
		raw.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.accepted--
	}()
	stop := context.AfterFunc(s.ctx, func() { raw.Close() })
	defer stop()
	conn, h, err := s.handshake(raw)
	s.known(raw)
	if err != nil {
		s.refuse(raw, h.from, err)
		return
	}
	l := s.join(h.from)
	if l == nil {
		s.refuse(raw, h.from, errCrowd)
		return
	}
	defer s.leave(h.from, l)
	s.t.stats.accepted.Add(1)
	if p := s.t.peer(h.from); p != nil {
		p.alive()
	}
	if h.purpose == forSnapshot {
		err = s.stream(conn, h.from, stop)
	} else {
		err = l.receive(s, conn, h.from)
	}
	if errors.Is(err, consensus.ErrMalformed) {
		s.t.stats.malformed.Add(1)
		s.t.complain("closed the connection of a node", h.from, err)
	}
}

// handshake finds out whose connection it is, and answers.
func (s *server) handshake(conn net.Conn) (net.Conn, hello, error) {
	var certificate *x509.Certificate
	conn.SetDeadline(time.Now().Add(s.t.opt.Timeout))
	if s.t.opt.TLS != nil {
		c, err := secure(s.ctx, conn, tls.Server, s.t.identity().server())
		if err != nil {
			return nil, hello{}, err
		}
		conn, certificate = c, c.peer()
	}
	h, err := readHello(conn)
	if err != nil {
		return nil, h, err
	}
	why := h.judge(s.t.opt.ID, s.t.opt.Cluster)
	if why == welcome && certificate != nil && !certifies(certificate, h.from) {
		why = refusedIdentity
	}
	if _, err := conn.Write(h.appendAnswer(nil, why)); err != nil {
		return nil, h, err
	}
	if why != welcome {
		return nil, h, &refusedError{why, h.lowest, h.highest}
	}
	conn.SetDeadline(time.Time{})
	return conn, h, nil
}

// refuse counts a handshake that failed, of who claims to be from, and logs it once a minute for each machine and
// refusal. All that is no refusal of ours is one: its text may have a port in it, or the time of day.
func (s *server) refuse(conn net.Conn, from consensus.NodeID, err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.t.stats.refused.Add(1)
	remote := conn.RemoteAddr().String()
	host, _, splitErr := net.SplitHostPort(remote)
	if splitErr != nil {
		host = remote
	}
	var answer *refusedError
	if errors.As(err, &answer) {
		host += " " + answer.refusal.String()
	}
	if s.t.refusals.allows(time.Now(), host) {
		s.t.opt.Logger.Warn("transport: refused a connection", "node", s.t.opt.ID, "peer", from, "remote", remote, "err", err)
	}
}
