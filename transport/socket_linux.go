package transport

import (
	"cmp"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// tcpInq is TCP_INQ, which package syscall lacks: with what it has read the system says how many bytes are left,
// and counts the end of the stream as one. See tcp(7).
const tcpInq = 36

// A socket is a TCP connection of the system's. While it is awaited its Read does not wait.
//
// The poller of Go's runtime tells each arrival once, to who waits or will wait next. So who waits must have read all
// that had arrived, the end of the stream included. When nothing is left, what comes later ends the wait. But for a
// reset: if that had arrived together with the last bytes, nobody tells, and the connection ends with its deadline.
type socket struct {
	net.Conn
	raw     syscall.RawConn
	fd      int    // while it is awaited; else -1
	drained bool   // while it is awaited: nothing more had arrived when it was last read
	left    []byte // room for what the system says of that
	closed  atomic.Bool
}

// newSocket makes a socket of conn, if it is a TCP connection and nothing else, of a system that says what is left.
func newSocket(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	var refused error
	err = raw.Control(func(fd uintptr) { refused = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpInq, 1) })
	if cmp.Or(err, refused) != nil {
		return conn
	}
	return &socket{Conn: tcp, raw: raw, fd: -1, left: make([]byte, syscall.CmsgSpace(4))}
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
	n, said, _, _, err := syscall.Recvmsg(s.fd, b, s.left, 0)
	for err == syscall.EINTR {
		n, said, _, _, err = syscall.Recvmsg(s.fd, b, s.left, 0)
	}
	switch {
	case err == syscall.EAGAIN:
		s.drained = true
		return 0, errDrained
	case err != nil:
		return 0, os.NewSyscallError("recvmsg", err)
	case n == 0:
		return 0, io.EOF
	}
	s.drained = said == len(s.left) && binary.NativeEndian.Uint32(s.left[syscall.CmsgLen(0):]) == 0
	return n, nil
}
