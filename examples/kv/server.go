package main

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

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

	mu      sync.RWMutex // read: clients are being served
	stopped bool
}

// serveNode serves n on a listener until close.
func serveNode(n *node, ln net.Listener) *server {
	s := &server{node: n, listener: ln, done: make(chan error, 1)}
	go func() { s.done <- redcon.Serve(guard{ln}, s.handle, s.accept, s.closed) }()
	return s
}

func (s *server) handle(conn redcon.Conn, first redcon.Command) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped {
		conn.Close()
		return
	}
	conn.Context().(*client).serve(append([]redcon.Command{first}, conn.ReadPipeline()...))
	redcon.BaseWriter(conn).Flush() // before the server may close the connection
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

// close waits for what is being executed, answers it, and closes all connections.
func (s *server) close() error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	err := s.listener.Close()
	return errors.Join(err, <-s.done)
}
