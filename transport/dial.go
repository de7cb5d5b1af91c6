package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

var (
	// errMoved: the address of a node changed while it was being dialled.
	errMoved = errors.New("its address has changed")
	// errNoAddress: it was taken away.
	errNoAddress = errors.New("it has no address")
)

// dial connects to p, and returns the connection once p has welcomed us, with the address that p
// was known by.
func (t *TCP) dial(ctx context.Context, p *peer, purpose uint8) (conn net.Conn, address string, err error) {
	if address = p.status().Address; address == "" {
		return nil, "", errNoAddress
	}
	ctx, cancel := context.WithTimeout(ctx, t.opt.Timeout)
	defer cancel()
	conn, err = t.reach(ctx, p, address, purpose)
	if err != nil {
		t.stats.connectFailures.Add(1)
		return nil, "", err
	}
	t.stats.connects.Add(1)
	return conn, address, nil
}

func (t *TCP) reach(ctx context.Context, p *peer, address string, purpose uint8) (net.Conn, error) {
	target, err := t.opt.Resolve(ctx, p.id, address)
	if err != nil {
		return nil, fmt.Errorf("resolving %s: %w", address, err)
	}
	raw, err := t.opt.Dial(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	conn := raw
	if t.opt.TLS != nil {
		conn = tls.Client(raw, t.identity().client(p.id))
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	err = greet(conn, hello{minVersion, maxVersion, purpose, t.opt.Cluster, t.opt.ID, p.id})
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	return conn, nil
}

// hangUp closes conn at once. There is no farewell, which could block: a frame that ends early is
// told from one that does not by the frame itself.
func hangUp(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	conn.Close()
}

// deadline gives what is done with conn until the next call the timeout.
func (t *TCP) deadline(conn net.Conn) { conn.SetDeadline(time.Now().Add(t.opt.Timeout)) }
