package transport

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/transport/transporttest"
)

// listen makes n nodes on this machine that know each other.
func listen(t testing.TB, n int, set ...func(*TCPOptions)) []*TCP {
	var nodes []*TCP
	for id := range n {
		opt := options(consensus.NodeID(id + 1))
		for _, f := range set {
			f(&opt)
		}
		node, err := Listen("127.0.0.1:0", opt)
		require.NoError(t, err)
		t.Cleanup(func() { node.Close() })
		nodes = append(nodes, node)
	}
	for _, node := range nodes {
		for id, other := range nodes {
			node.SetAddress(consensus.NodeID(id+1), other.Addr().String())
		}
	}
	return nodes
}

// secured gives nodes certificates of one authority.
func secured() func(*TCPOptions) {
	authority := NewDemoAuthority()
	return func(o *TCPOptions) { o.Plaintext, o.TLS = false, authority.TLS(o.ID) }
}

func TestTCPKeepsThePromisesOfTransport(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		nodes := listen(t, 3)
		test(t, []consensus.Transport{nodes[0], nodes[1], nodes[2]})
	})
}

func TestTCPKeepsThePromisesOfTransportWithTLS(t *testing.T) {
	secured := secured()
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		nodes := listen(t, 3, secured)
		test(t, []consensus.Transport{nodes[0], nodes[1], nodes[2]})
	})
}

func TestAConnectionIsKeptThoughNothingMoreArrivesForNow(t *testing.T) {
	for name, set := range map[string]func(*TCPOptions){"plain": func(*TCPOptions) {}, "TLS": secured()} {
		t.Run(name, func(t *testing.T) {
			nodes, heard := listen(t, 2, set), make(ear, 1)
			start(t, nodes[0], new(keeper))
			start(t, nodes[1], heard)
			awaitServe(nodes[0])
			for i := range uint64(100) {
				sendNote(nodes[0], 2, i)
				require.Equal(t, i, <-heard)
			}
			require.Equal(t, uint64(1), nodes[1].Stats().Accepted)
		})
	}
}

// An ear passes on the Context of each message.
type ear chan uint64

func (e ear) Deliver(msgs []consensus.Message) {
	for i := range msgs {
		e <- msgs[i].Context
	}
}

func (ear) DeliverSnapshot(consensus.Message, consensus.SnapshotMeta, io.Reader) error { return nil }

// In virtual time every goroutine must have ended, and what must not happen is known not to.
func TestTCPKeepsThePromisesOfTransportInVirtualTime(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			var nodes []consensus.Transport
			for id := consensus.NodeID(1); id <= 3; id++ {
				opt := options(id)
				opt.Dial = w.dial
				knows(1, 2, 3)(&opt)
				opt, err := opt.withDefaults()
				require.NoError(t, err)
				nodes = append(nodes, newTCP(w.listen(address(id)), opt))
			}
			test(t, nodes)
		})
	})
}

func TestWhatIsWrongWithTheOptionsIsNamed(t *testing.T) {
	authority := NewDemoAuthority()
	for _, c := range []struct {
		field, value string
		spoil        func(*TCPOptions)
	}{
		{"ID", "0", func(o *TCPOptions) { o.ID = 0 }},
		{"Cluster", "0", func(o *TCPOptions) { o.Cluster = 0 }},
		{"TLS", "nil", func(o *TCPOptions) { o.Plaintext = false }},
		{"Plaintext", "true", func(o *TCPOptions) { o.TLS = authority.TLS(1) }},
		{"TLS", `a certificate of ["node-2.consensus"]`, func(o *TCPOptions) { o.Plaintext, o.TLS = false, authority.TLS(2) }},
		{"Peers", "0", func(o *TCPOptions) { o.Peers = map[consensus.NodeID]string{0: "host:1"} }},
		{"Timeout", "-1ns", func(o *TCPOptions) { o.Timeout = -1 }},
		{"Timeout", "5ns", func(o *TCPOptions) { o.Timeout = 5 }},
		{"QueueBytes", "-1", func(o *TCPOptions) { o.QueueBytes = -1 }},
		{"MaxMessageBytes", "-2", func(o *TCPOptions) { o.MaxMessageBytes = -2 }},
		{"MaxMessageBytes", "1073741825", func(o *TCPOptions) { o.MaxMessageBytes = 1<<30 + 1 }},
		{"SnapshotBytesPerSecond", "-3", func(o *TCPOptions) { o.SnapshotBytesPerSecond = -3 }},
	} {
		opt := options(1)
		c.spoil(&opt)
		_, err := Listen("127.0.0.1:0", opt)
		var wrong *consensus.ConfigError
		require.ErrorAs(t, err, &wrong, c.field)
		require.Equal(t, c.field, wrong.Field)
		require.Equal(t, c.value, wrong.Value)
	}
}

func TestAnAddressThatCannotBeListenedAtIsAnError(t *testing.T) {
	nodes := listen(t, 1)
	_, err := Listen(nodes[0].Addr().String(), options(2))
	require.Error(t, err)
}

func TestATransportIsServedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		n := w.node(t, 1, new(keeper))
		synctest.Wait()
		require.ErrorIs(t, n.Serve(t.Context(), new(keeper)), errServed)
		n.Close()
		require.ErrorIs(t, n.Serve(t.Context(), new(keeper)), errClosed)
	})
}

func TestCloseEndsServeWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTCP(new(wires).listen("1"), options(1))
		served := make(chan error)
		go func() { served <- n.Serve(context.Background(), new(keeper)) }()
		synctest.Wait()
		require.NoError(t, n.Close())
		require.ErrorIs(t, <-served, errClosed)
		require.NoError(t, n.Close(), "again")
	})
}

func TestMessagesThatCannotGoAnywhereAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, k := w.pair(t)
		one.Send([]consensus.Message{note(1, 1, 1), note(1, 9, 2), note(1, 0, 3), note(7, 2, 4), note(1, 2, 5)})
		synctest.Wait()
		require.Equal(t, []uint64{5}, k.contexts())
		require.Equal(t, TCPDrops{Unknown: 4}, one.Stats().Dropped)
		require.Equal(t, uint64(1), one.Stats().Sent.Messages)
	})
}

func TestANodeThatIsNotServedSendsNothing(t *testing.T) {
	opt := options(1)
	knows(2)(&opt)
	n, err := Listen("127.0.0.1:0", opt)
	require.NoError(t, err)
	defer n.Close()
	sendNote(n, 2, 1)
	require.Equal(t, TCPDrops{Unknown: 1}, n.Stats().Dropped)
	snapshot := func() error {
		return n.SendSnapshot(context.Background(), note(1, 2, 1), testMeta, strings.NewReader(""))
	}
	require.ErrorIs(t, snapshot(), errNotServed)
	n.Close()
	require.ErrorIs(t, snapshot(), errClosed)
}

func TestBothSidesCountTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, two, _ := w.pair(t)
		for i := range uint64(10) {
			one.Send([]consensus.Message{bulk(1, 2, i, 50<<10), note(1, 2, i)})
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		sent, received := one.Stats(), two.Stats()
		require.Equal(t, uint64(20), sent.Sent.Messages)
		require.Equal(t, sent.Sent, received.Received)
		require.Equal(t, sent.Sent, sent.Peers[2].Sent)
		require.Greater(t, sent.Sent.Frames, uint64(100), "those that say that a node is alive")
		require.True(t, sent.Peers[2].Connected)
		require.Equal(t, uint64(1), sent.Peers[2].Connects)
		require.Equal(t, []uint64{1, 0, 0, 1}, []uint64{sent.Connects, sent.ConnectFailures, received.Refused, received.Accepted})
	})
}

// counting is a handler that tells how many messages were in each batch.
type counting struct{ got chan int }

func (c counting) Deliver(msgs []consensus.Message) { c.got <- len(msgs) }

func (c counting) DeliverSnapshot(consensus.Message, consensus.SnapshotMeta, io.Reader) error {
	return nil
}

// traffic serves two nodes that listen at sockets, and returns how to send from one to the other and
// wait until it is there.
func traffic(t testing.TB, set ...func(*TCPOptions)) (send func(msgs []consensus.Message)) {
	c := counting{make(chan int, 1)}
	nodes := listen(t, 2, set...)
	for _, n := range nodes {
		start(t, n, c)
		awaitServe(n)
	}
	return func(msgs []consensus.Message) {
		nodes[0].Send(msgs)
		for missing := len(msgs); missing > 0; {
			missing -= <-c.got
		}
	}
}

// awaitServe returns when n is served: before, what is sent is dropped.
func awaitServe(n *TCP) {
	for {
		n.mu.RLock()
		s := n.server
		n.mu.RUnlock()
		if s != nil {
			return
		}
		runtime.Gosched()
	}
}

// heartbeats and entries are what nodes send each other: n messages without, and with 64 entries.
func heartbeats(n int) (msgs []consensus.Message) {
	for i := range n {
		m := note(1, 2, uint64(i)+1)
		m.Group, m.Term, m.Commit = consensus.GroupID(i+1), 7, 1<<20
		msgs = append(msgs, m)
	}
	return msgs
}

func entries(n int) []consensus.Message {
	msgs := heartbeats(n)
	for i := range msgs {
		msgs[i].Kind = consensus.KindAppendEntries
		for j := range 64 {
			msgs[i].Entries = append(msgs[i].Entries, consensus.Entry{Index: 1<<20 + consensus.Index(j), Term: 7, From: 1, ID: 1 << 40, Data: make([]byte, 100)})
		}
	}
	return msgs
}

// What a message takes is allocated at its receiver: its entries' bytes, and their list.
func TestMessagesAreNotAllocatedForOnTheirWay(t *testing.T) {
	send := traffic(t)
	for _, c := range []struct {
		msgs []consensus.Message
		want float64
	}{{heartbeats(10), 0}, {entries(1), 2}} {
		send(c.msgs) // now there is memory
		require.Equal(t, c.want, testing.AllocsPerRun(100, func() { send(c.msgs) }))
	}
}

func BenchmarkTCP(b *testing.B) {
	for _, c := range []struct {
		name string
		msgs []consensus.Message
	}{
		{"heartbeat", heartbeats(1)}, {"1000 heartbeats", heartbeats(1000)},
		{"64 entries", entries(1)}, {"64 times 64 entries", entries(64)},
	} {
		for _, security := range []struct {
			name string
			set  []func(*TCPOptions)
		}{{"plain", nil}, {"TLS", []func(*TCPOptions){secured()}}} {
			b.Run(c.name+"/"+security.name, func(b *testing.B) {
				send := traffic(b, security.set...)
				send(c.msgs)
				b.ReportAllocs()
				for b.Loop() {
					send(c.msgs)
				}
				b.ReportMetric(float64(b.N*len(c.msgs))/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
