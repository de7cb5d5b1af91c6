package transport

import "net"

// errDrained: all that has arrived on a connection has been read.
var errDrained net.Error = drained{}

// TLS goes on after an error that is temporary.
type drained struct{}

func (drained) Error() string   { return "transport: nothing more has arrived" }
func (drained) Timeout() bool   { return true }
func (drained) Temporary() bool { return true }

// await calls read, which reads from conn, until that returns another error than errDrained, and returns it.
// Between two calls it waits until something arrives. On a connection whose Read waits by itself there is one call.
//
// Package net asks for more before it waits, each time, and that system call is nearly as dear as the one that had
// brought a message.
func await(conn net.Conn, read func() error) error {
	if c, ok := conn.(interface{ await(func() error) error }); ok {
		return c.await(read)
	}
	return read()
}
