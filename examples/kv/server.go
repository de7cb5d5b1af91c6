package main

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/redcon"
)

// maxClients is how many connections a server has at a time.
const maxClients = 10000

// A server serves one node to Redis clients.
type server struct {
	node     *node
	listener net.Listener
	clients  atomic.Int64
	done     chan error

	mu      sync.Mutex
	stopped bool
	serving sync.WaitGroup // added to only under mu, by who sees that it has not stopped
}

// serveNode serves n on a listener until close.
func serveNode(n *node, ln net.Listener) *server {
	s := &server{node: n, listener: ln, done: make(chan error, 1)}
	go func() { s.done <- redcon.Serve(guard{ln}, s.handle, s.accept, s.closed) }()
	return s
}

// handle executes what a client has sent at once, of which first is the first command.
func (s *server) handle(conn redcon.Conn, first redcon.Command) {
	if !s.begin() {
		conn.Close()
		return
	}
	defer s.serving.Done()
	conn.Context().(*client).serve(append([]redcon.Command{first}, conn.ReadPipeline()...))
	redcon.BaseWriter(conn).Flush() // before the server may close the connection
}

// begin reports whether clients are served still. Then s.serving must be told when this one is done.
func (s *server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.serving.Add(1)
	}
	return !s.stopped
}

func (s *server) accept(conn redcon.Conn) bool {
	if s.clients.Add(1) > maxClients {
		s.clients.Add(-1)
		conn.WriteError("ERR max number of clients reached")
		return false
	}
	conn.SetContext(&client{server: s, conn: conn})
	return true
}

func (s *server) closed(redcon.Conn, error) { s.clients.Add(-1) }

// close waits for what is being executed, answers it, and closes all connections. A client that does
// not take its answer has as long for that as a command may take, and a second.
func (s *server) close() error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(s.node.cfg.timeout + time.Second):
	}
	err := errors.Join(s.listener.Close(), <-s.done)
	<-idle
	return err
}
