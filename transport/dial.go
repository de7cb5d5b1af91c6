package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
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
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	conn, err := t.introduce(ctx, raw, hello{minVersion, maxVersion, purpose, t.opt.Cluster, t.opt.ID, p.id})
	if err == nil && ctx.Err() == nil {
		return conn, nil
	}
	raw.Close()
	return nil, fmt.Errorf("%s: %w", target, cmp.Or(ctx.Err(), err))
}

// introduce does the dialling side's handshake.
func (t *TCP) introduce(ctx context.Context, conn net.Conn, h hello) (net.Conn, error) {
	if t.opt.TLS != nil {
		c, err := secure(ctx, conn, tls.Client, t.identity().client(h.to))
		if err != nil {
			return nil, err
		}
		conn = c
	}
	return conn, greet(conn, h)
}
