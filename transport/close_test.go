package transport

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// The bubble sees to it that no goroutine is left.
func TestCloseWaitsForNobody(t *testing.T) {
	untilDone := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, c := range map[string]struct {
		set   func(*TCPOptions)
		begin func(t *testing.T, w *wires, one *TCP)
	}{
		"a stranger": {begin: func(t *testing.T, w *wires, one *TCP) { w.stranger(t) }},
		"a stranger, in TLS": {secured(), func(t *testing.T, w *wires, one *TCP) {
			w.stranger(t).Write([]byte("\x16\x03\x01\x00\xf8"))
		}},
		"a stranger that does not read the answer": {begin: func(t *testing.T, w *wires, one *TCP) {
			h := helloTo1()
			w.stranger(t).Write(h.appendTo(nil))
		}},
		"half a frame": {begin: func(t *testing.T, w *wires, one *TCP) {
			w.guest(t, helloTo1()).Write(messagesFrame(note(2, 1, 1))[:20])
		}},
		"a name to be resolved": {func(o *TCPOptions) {
			o.Resolve = func(ctx context.Context, _ consensus.NodeID, _ string) (string, error) { return "", untilDone(ctx) }
		}, func(t *testing.T, w *wires, one *TCP) { sendNote(one, 2, 1) }},
		"a dial": {func(o *TCPOptions) {
			o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, untilDone(ctx) }
		}, func(t *testing.T, w *wires, one *TCP) { sendNote(one, 2, 1) }},
		"an answer": {begin: func(t *testing.T, w *wires, one *TCP) {
			l := w.listen("2")
			sendNote(one, 2, 1)
			c, err := l.Accept()
			require.NoError(t, err)
			readHello(c)
		}},
		"an answer, in TLS": {secured(), func(t *testing.T, w *wires, one *TCP) {
			l := w.listen("2")
			sendNote(one, 2, 1)
			c, err := l.Accept()
			require.NoError(t, err)
			go io.Copy(io.Discard, c)
		}},
		"the next try": {begin: func(t *testing.T, w *wires, one *TCP) { sendNote(one, 2, 1) }},
		"a node that does not read": {begin: func(t *testing.T, w *wires, one *TCP) {
			l := w.listen("2")
			sendNote(one, 2, 1)
			l.welcome(t)
			one.Send([]consensus.Message{bulk(1, 2, 1, 1<<20)})
		}},
		"a receiver that does not answer": {begin: func(t *testing.T, w *wires, one *TCP) {
			l := w.listen("2")
			go sendSnapshot(context.Background(), one, bytes.NewReader(contents(1000)))
			go io.Copy(io.Discard, l.welcome(t))
		}},
		"a sender that does not go on": {begin: func(t *testing.T, w *wires, one *TCP) {
			c := w.sender(t)
			go io.Copy(io.Discard, c)
			c.Write(openFrom2(1, 0))
		}},
		"a sender that does not go away": {begin: func(t *testing.T, w *wires, one *TCP) {
			c := w.sender(t)
			go io.Copy(io.Discard, c)
			c.Write(append(openFrom2(1, 0), appendOffset(nil, frameEnd, 0, nil)...))
		}},
		"a sender of a stream that is not known": {begin: func(t *testing.T, w *wires, one *TCP) {
			c := w.sender(t)
			go io.Copy(io.Discard, c)
			c.Write(openFrom2(1, 1000))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w wires
				k := &keeper{store: func(r io.Reader) error {
					_, err := io.Copy(io.Discard, r)
					return err
				}}
				set := c.set
				if set == nil {
					set = func(*TCPOptions) {}
				}
				one := w.node(t, 1, k, knows(2), set)
				c.begin(t, &w, one)
				synctest.Wait()
				closing := time.Now()
				one.Close()
				require.LessOrEqual(t, time.Since(closing), farewell)
			})
		})
	}
}
