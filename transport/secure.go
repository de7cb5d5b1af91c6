package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
)

// A secureConn is a connection with TLS whose handshake is over. One Write is one system call,
// however many TLS records it takes.
type secureConn struct {
	*tls.Conn
	records *recordConn
}

// secure begins TLS on raw, as begin says: tls.Client or tls.Server.
func secure(ctx context.Context, raw net.Conn, begin func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config) (*secureConn, error) {
	records := &recordConn{Conn: raw}
	c := &secureConn{begin(records, cfg), records}
	return c, c.HandshakeContext(ctx)
}

func (c *secureConn) Write(b []byte) (int, error) {
	c.records.hold()
	n, err := c.Conn.Write(b)
	if flushed := c.records.flush(); err == nil {
		err = flushed
	}
	return n, err
}

func (c *secureConn) await(read func() error) error { return await(c.records.Conn, read) }

// Close closes the connection at once. TLS would say farewell, and that could block. It is not needed:
// a frame that ends early is told from one that does not by the frame itself.
func (c *secureConn) Close() error { return c.records.Close() }

// peer is the certificate of the other side.
func (c *secureConn) peer() *x509.Certificate { return c.ConnectionState().PeerCertificates[0] }

// A recordConn is what TLS writes its records to.
type recordConn struct {
	net.Conn

	mu   sync.Mutex
	held bool // records are kept until flush
	buf  []byte
}

func (c *recordConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return c.Conn.Write(b)
	}
	c.buf = append(c.buf, b...)
	return len(b), nil
}

func (c *recordConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

func (c *recordConn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Conn.Write(c.buf)
	c.held, c.buf = false, c.buf[:0]
	return err
}
