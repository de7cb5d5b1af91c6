package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

const testCluster = 0x5eed

// wires join nodes without sockets, so that a test can run in virtual time. Nothing is buffered:
// who writes waits for who reads.
type wires struct {
	mu    sync.Mutex
	at    map[string]*wireListener
	dials []time.Time
	wrap  func(net.Conn) net.Conn // if not nil, makes what a dialling node gets
}

var errRefused = errors.New("nobody listens")

func (w *wires) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	l, wrap := w.at[address], w.wrap
	w.dials = append(w.dials, time.Now())
	w.mu.Unlock()
	if l == nil {
		return nil, errRefused
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
	case <-l.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if wrap != nil {
		ours = wrap(ours)
	}
	return ours, nil
}

// dialled returns when there were dials, and forgets it.
func (w *wires) dialled() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	dials := w.dials
	w.dials = nil
	return dials
}

// wrapping has dialling nodes get what f makes.
func (w *wires) wrapping(f func(net.Conn) net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrap = f
}

// A wireListener is its address.
type wireListener struct {
	address string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (w *wires) listen(address string) *wireListener {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.at = make(map[string]*wireListener)
	}
	l := &wireListener{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	w.at[address] = l
	return l
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wireListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *wireListener) Addr() net.Addr  { return l }
func (l *wireListener) Network() string { return "wire" }
func (l *wireListener) String() string  { return l.address }

// welcome accepts a connection and its hello, as a node that the test plays.
func (l *wireListener) welcome(t *testing.T) net.Conn {
	c, err := l.Accept()
	require.NoError(t, err)
	h, err := readHello(c)
	require.NoError(t, err)
	_, err = c.Write(h.appendAnswer(nil, welcome))
	require.NoError(t, err)
	return c
}

// A keeper is a handler that keeps what it is given.
type keeper struct {
	mu    sync.Mutex
	msgs  []consensus.Message
	calls int
	stall map[consensus.NodeID]chan struct{} // Deliver of a message from there waits for it
	store func(r io.Reader) error
}

func (k *keeper) Deliver(msgs []consensus.Message) {
	if c := k.stall[msgs[0].From]; c != nil {
		<-c
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	k.msgs = append(k.msgs, msgs...)
}

func (k *keeper) DeliverSnapshot(_ consensus.Message, _ consensus.SnapshotMeta, r io.Reader) error {
	return k.store(r)
}

// contexts are those of the messages that have arrived, which are forgotten.
func (k *keeper) contexts() (got []uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.msgs {
		got = append(got, k.msgs[i].Context)
	}
	k.msgs = nil
	return got
}

func options(id consensus.NodeID) TCPOptions {
	return TCPOptions{ID: id, Cluster: testCluster, Plaintext: true}
}

// node starts the node id at the address that is its number.
func (w *wires) node(t *testing.T, id consensus.NodeID, h consensus.Handler, set ...func(*TCPOptions)) *TCP {
	opt := options(id)
	opt.Dial = w.dial
	for _, f := range set {
		f(&opt)
	}
	opt, err := opt.withDefaults()
	require.NoError(t, err)
	n := newTCP(w.listen(address(id)), opt)
	start(t, n, h)
	synctest.Wait()
	return n
}

// start serves n until the test ends.
func start(t testing.TB, n *TCP, h consensus.Handler) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Serve(context.Background(), h)
	}()
	t.Cleanup(func() {
		n.Close()
		<-done
	})
}

func address(id consensus.NodeID) string { return strconv.Itoa(int(id)) }

// pair starts the nodes 1, which knows 2, and 2, which gives what arrives to the keeper.
func (w *wires) pair(t *testing.T, set ...func(*TCPOptions)) (*TCP, *TCP, *keeper) {
	k := new(keeper)
	two := w.node(t, 2, k, set...)
	one := w.node(t, 1, new(keeper), append(set, knows(2))...)
	return one, two, k
}

// knows gives a node the addresses of others.
func knows(ids ...consensus.NodeID) func(*TCPOptions) {
	return func(o *TCPOptions) {
		o.Peers = make(map[consensus.NodeID]string)
		for _, id := range ids {
			o.Peers[id] = address(id)
		}
	}
}

// note is a small message; its Context tells it from others.
func note(from, to consensus.NodeID, context uint64) consensus.Message {
	return consensus.Message{Kind: consensus.KindHeartbeat, From: from, To: to, Context: context}
}

func sendNote(n *TCP, to consensus.NodeID, context uint64) {
	n.Send([]consensus.Message{note(n.opt.ID, to, context)})
}

// bulk is a message of about that size.
func bulk(from, to consensus.NodeID, context uint64, size int) consensus.Message {
	m := note(from, to, context)
	m.Data = bytes.Repeat([]byte{byte(context)}, size)
	return m
}

// helloTo1 is what node 2 says to node 1.
func helloTo1() hello { return hello{minVersion, maxVersion, forMessages, testCluster, 2, 1} }

// stranger dials node 1 as nobody yet.
func (w *wires) stranger(t *testing.T) net.Conn {
	c, err := w.dial(context.Background(), "", "1")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// peer dials node 1 with a hello that is welcome.
func (w *wires) peer(t *testing.T, h hello) net.Conn {
	c := w.stranger(t)
	require.NoError(t, greet(c, h))
	return c
}

// A guest is a connection of a node that the test plays, and from which what node 1 says is read.
type guest struct {
	net.Conn
	closed chan struct{} // by node 1
}

func (w *wires) guest(t *testing.T, h hello) *guest {
	g := &guest{w.peer(t, h), make(chan struct{})}
	go func() {
		defer close(g.closed)
		io.Copy(io.Discard, g.Conn)
	}()
	return g
}

// requireClosed reads c to its end, whatever comes before it.
func requireClosed(t *testing.T, c net.Conn) {
	_, err := io.Copy(io.Discard, c)
	require.NoError(t, err)
}

// messagesFrame is a frame of messages.
func messagesFrame(msgs ...consensus.Message) []byte {
	b, _ := appendMessages(nil, msgs)
	return b
}

// A journal is the text of a log.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// count is how many lines have s in them.
func (j *journal) count(s string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), s)
}

func (j *journal) logger(o *TCPOptions) { o.Logger = slog.New(slog.NewTextHandler(j, nil)) }
