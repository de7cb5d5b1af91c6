//go:build unix

package transport

import (
	"cmp"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// A socket is a TCP connection of the system's. While it is awaited its Read does not wait.
//
// The poller of Go's runtime tells each arrival once, to who waits or will wait next. So when a read has returned
// less than it asked for nothing is left, and what comes later ends the wait. But for the end of the stream: if
// that had arrived together with the last bytes, nobody tells, and the connection ends with its deadline.
type socket struct {
	net.Conn
	raw     syscall.RawConn
	fd      int  // while it is awaited; else -1
	drained bool // while it is awaited: nothing more had arrived when it was last read
	closed  atomic.Bool
}

// newSocket makes a socket of conn, if it is a TCP connection and nothing else.
func newSocket(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	return &socket{Conn: tcp, raw: raw, fd: -1}
}

// await is what the function of that name does.
func (s *socket) await(read func() error) error {
	var err error
	ended := s.raw.Read(func(fd uintptr) bool {
		s.fd, s.drained = int(fd), false
		err = read()
		return err != errDrained
	})
	s.fd = -1
	if err == errDrained {
		err = nil
	}
	return cmp.Or(err, ended)
}

// Close waits for a call that await makes.
func (s *socket) Close() error {
	s.closed.Store(true) // for a Read that never has to wait
	return s.Conn.Close()
}

func (s *socket) Read(b []byte) (int, error) {
	switch {
	case s.fd < 0:
		return s.Conn.Read(b)
	case s.closed.Load():
		return 0, net.ErrClosed
	case s.drained:
		return 0, errDrained
	}
	n, err := syscall.Read(s.fd, b)
	for err == syscall.EINTR {
		n, err = syscall.Read(s.fd, b)
	}
	switch {
	case err == syscall.EAGAIN:
		s.drained = true
		return 0, errDrained
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	s.drained = n < len(b)
	return n, nil
}
