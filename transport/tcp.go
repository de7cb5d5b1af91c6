package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/consensus-go/consensus"
)

// TCPOptions say who a TCP is and whom it knows. Exactly one of TLS and Plaintext must be set;
// other zero values take the default.
type TCPOptions struct {
	ID        consensus.NodeID            // of this node
	Cluster   uint64                      // not 0: nodes with another one are refused, and refuse us
	Peers     map[consensus.NodeID]string // where to dial the other nodes: "host:port". Others may dial us all the same
	TLS       *TLS                        // who we are, and whom we trust; see LoadTLS
	Plaintext bool                        // no encryption, and anybody may claim to be any node

	Logger *slog.Logger // of what goes wrong, the same thing at most once a minute; default: none

	// Resolve is asked before each dial for the address to dial, given the one that Peers or
	// SetAddress named. Default: that one. A name in it is looked up by Dial, each time. Both must
	// return when ctx is done.
	Resolve func(ctx context.Context, id consensus.NodeID, address string) (string, error)
	// Dial makes the connections. Default: that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	QueueBytes             int // messages that may wait for one peer; default 16 MiB
	SnapshotBytesPerSecond int // of all snapshots together that are being sent; default: no limit
	// MaxMessageBytes is how large a message may be, with 64 bytes for each entry beside its data. It
	// must be well above every group's MaxInflight, and the same on all nodes; at most 1 GiB; default 16 MiB.
	MaxMessageBytes int

	// Timeout is the longest silence of a node that is believed to be there, and what a handshake
	// may take. Nothing that makes progress is limited in time. The same on all nodes; default 5s.
	Timeout time.Duration
}

const (
	// aliveFraction: nodes say that they are alive several times per Timeout.
	aliveFraction = 3
	// minTimeout: less is no time for a network, but a duration without its unit.
	minTimeout = time.Millisecond
	// maxMessageBytes keeps a frame's length well within its 32 bits.
	maxMessageBytes = 1 << 30
)

// A TCP is the Transport of one node, over TCP connections. All its methods may be called at any
// time.
type TCP struct {
	opt      TCPOptions
	listener net.Listener
	rate     bucket
	said     throttle // of peers
	refusals throttle // of strangers, who must not use up what may be said of peers
	stats    stats

	mu     sync.RWMutex
	peers  map[consensus.NodeID]*peer
	server *server // the one and only call of Serve, once it has begun
	closed bool    // nothing may begin any more
}

var _ consensus.Transport = (*TCP)(nil)

var (
	errNotServed = errors.New("transport: not served")
	errServed    = errors.New("transport: served before, which is once only")
	errClosed    = errors.New("transport: closed")
)

// Listen makes the transport of one node, which listens at address: "host:port", where port 0
// picks a free one. Nobody is let in before Serve is called. The error is a *ConfigError, or that of
// the certificates or the listener.
func Listen(address string, opt TCPOptions) (*TCP, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	return newTCP(listener, opt), nil
}

func newTCP(listener net.Listener, opt TCPOptions) *TCP {
	t := &TCP{opt: opt, listener: listener, rate: bucket{rate: opt.SnapshotBytesPerSecond}, peers: make(map[consensus.NodeID]*peer)}
	for id, address := range opt.Peers {
		t.SetAddress(id, address)
	}
	return t
}

func (o TCPOptions) withDefaults() (TCPOptions, error) {
	wrong := func(field, value, reason string) (TCPOptions, error) {
		return o, &consensus.ConfigError{Field: field, Value: value, Reason: reason}
	}
	switch {
	case o.ID == 0:
		return wrong("ID", "0", "0 is no node")
	case o.Cluster == 0:
		return wrong("Cluster", "0", "a cluster has a number, to be told from others")
	case o.TLS == nil && !o.Plaintext:
		return wrong("TLS", "nil", "without it, Plaintext must be asked for")
	case o.TLS != nil && o.Plaintext:
		return wrong("Plaintext", "true", "with TLS set it must be false")
	case o.Timeout != 0 && o.Timeout < minTimeout:
		return wrong("Timeout", o.Timeout.String(), "must be at least "+minTimeout.String())
	case o.MaxMessageBytes > maxMessageBytes:
		return wrong("MaxMessageBytes", strconv.Itoa(o.MaxMessageBytes), "must be at most "+strconv.Itoa(maxMessageBytes))
	}
	if _, ok := o.Peers[0]; ok {
		return wrong("Peers", "0", "0 is no node")
	}
	if o.TLS != nil {
		i, err := o.TLS.identity(o.ID)
		if err != nil {
			return o, err
		}
		if leaf := i.certificate.Leaf; !certifies(leaf, o.ID) {
			return wrong("TLS", fmt.Sprintf("a certificate of %q", leaf.DNSNames), "it must name "+nodeName(o.ID))
		}
	}
	for _, x := range []struct {
		field string
		value *int
		fill  int
	}{{"QueueBytes", &o.QueueBytes, queueBytes}, {"MaxMessageBytes", &o.MaxMessageBytes, 16 << 20}, {"SnapshotBytesPerSecond", &o.SnapshotBytesPerSecond, 0}} {
		if *x.value < 0 {
			return wrong(x.field, strconv.Itoa(*x.value), "a size cannot be negative")
		}
		if *x.value == 0 {
			*x.value = x.fill
		}
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Resolve == nil {
		o.Resolve = func(_ context.Context, _ consensus.NodeID, address string) (string, error) { return address, nil }
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o, nil
}

// maxFrame is the longest payload of a frame of messages.
func (t *TCP) maxFrame() int { return max(frameSize, lengthSize+t.opt.MaxMessageBytes) }

// Addr is where the node listens.
func (t *TCP) Addr() net.Addr { return t.listener.Addr() }

// SetAddress says where to dial the node id from now on; the connection to where it was is closed.
// With an empty address nothing is sent to it any more.
func (t *TCP) SetAddress(id consensus.NodeID, address string) {
	if id == 0 || id == t.opt.ID {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.peers[id]; p != nil {
		p.setAddress(address)
		return
	}
	p := newPeer(t, id, address)
	t.peers[id] = p
	if s := t.server; s != nil && !t.closed {
		s.work.Go(func() { p.run(s.ctx) })
	}
}

// Serve implements consensus.Transport. It can be called once: when it returns, all connections
// are closed, and so is the listener.
func (t *TCP) Serve(ctx context.Context, h consensus.Handler) error {
	s, err := t.begin(ctx, h)
	if err != nil {
		return err
	}
	<-s.ctx.Done()
	t.Close()
	if ctx.Err() == nil {
		return errClosed
	}
	return nil
}

func (t *TCP) begin(ctx context.Context, h consensus.Handler) (*server, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, errClosed
	case t.server != nil:
		return nil, errServed
	}
	s := newServer(t, ctx, h)
	t.server = s
	s.work.Go(s.accept)
	for _, p := range t.peers {
		s.work.Go(func() { p.run(s.ctx) })
	}
	return s, nil
}

// Close ends Serve and closes everything. It returns when nothing of the transport runs any more,
// calls of the handler included.
func (t *TCP) Close() error {
	t.mu.Lock()
	first, s := !t.closed, t.server
	t.closed = true
	t.mu.Unlock()
	var err error
	if first {
		err = t.listener.Close()
	}
	if s != nil {
		s.cancel()
		s.work.Wait()
	}
	return err
}

// Send implements consensus.Transport.
func (t *TCP) Send(msgs []consensus.Message) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for len(msgs) > 0 {
		n := 1
		for n < len(msgs) && msgs[n].To == msgs[0].To {
			n++
		}
		if p := t.peers[msgs[0].To]; p != nil && t.server != nil && !t.closed {
			p.enqueue(msgs[:n])
		} else {
			t.stats.unknown.Add(uint64(n))
		}
		msgs = msgs[n:]
	}
}

// complain logs what went wrong with a node, unless it has just been said.
func (t *TCP) complain(what string, id consensus.NodeID, err error) {
	if t.said.allows(time.Now(), what+strconv.FormatUint(uint64(id), 10)) {
		t.opt.Logger.Warn("transport: "+what, "node", t.opt.ID, "peer", id, "err", err)
	}
}

// peer returns the node id, or nil if it has no address.
func (t *TCP) peer(id consensus.NodeID) *peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.peers[id]
}
