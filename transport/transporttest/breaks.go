package transporttest

import (
	"bytes"
	"context"
	"io"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// endless is a snapshot that never comes to its end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// breakClaims are about streams that do not come to their end: a receiver must never take a part
// for the whole.
var breakClaims = []claim{
	{"a source that fails is no end to the receiver, and an error to the sender", func(n *network) {
		seen := make(chan error, 1)
		n.store(func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			seen <- err
			return err
		})
		broken := io.MultiReader(bytes.NewReader(state), iotest.ErrReader(errBroke))
		require.Error(n, n.send(context.Background(), broken))
		require.Error(n, <-seen)
	}},
	{"a context that is done is no end to the receiver, and an error to the sender", func(n *network) {
		ctx, cancel := context.WithCancel(context.Background())
		seen := make(chan error, 1)
		n.store(func(r io.Reader) error {
			io.CopyN(io.Discard, r, int64(len(state)))
			cancel()
			_, err := io.Copy(io.Discard, r)
			seen <- err
			return err
		})
		require.Error(n, n.send(ctx, endless{}))
		require.Error(n, <-seen)
	}},
	{"a context that is done ends the wait for a receiver that is stuck", func(n *network) {
		ctx, cancel := context.WithCancel(context.Background())
		release := make(chan struct{})
		n.store(func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			cancel()
			<-release
			return err
		})
		require.Error(n, n.send(ctx, bytes.NewReader(state)))
		close(release)
	}},
	{"a snapshot to a node that is not there is an error", func(n *network) {
		m := header(1, 9)
		require.Error(n, n.nodes[1].SendSnapshot(context.Background(), m, meta(), bytes.NewReader(state)))
	}},
	{"a receiver that stops breaks the stream off, with no call of DeliverSnapshot under way", func(n *network) {
		x, seen := n.nodes[2], make(chan error, 1)
		n.store(func(r io.Reader) error {
			x.cancel()
			_, err := io.Copy(io.Discard, r)
			seen <- err
			return err
		})
		require.Error(n, n.send(context.Background(), endless{}))
		<-x.served
		require.Error(n, <-seen)
		require.Zero(n, x.handlingCalls())
		require.NoError(n, x.err)
	}},
	{"Serve waits for DeliverSnapshot to return", func(n *network) {
		x, begun, release := n.nodes[2], make(chan struct{}), make(chan struct{})
		n.store(func(io.Reader) error {
			close(begun)
			<-release
			return errFull
		})
		sent := make(chan error, 1)
		go func() { sent <- n.send(context.Background(), bytes.NewReader(state)) }()
		<-begun
		x.cancel()
		n.deliver(message(1, 3, 40))
		select {
		case <-x.served:
			n.Error("Serve has returned, and DeliverSnapshot has not")
		default:
		}
		close(release)
		<-x.served
		require.Zero(n, x.handlingCalls())
		require.Error(n, <-sent)
	}},
	{"after a stream broke off the next one arrives", func(n *network) {
		n.store(func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
		broken := io.MultiReader(bytes.NewReader(state), iotest.ErrReader(errBroke))
		require.Error(n, n.send(context.Background(), broken))
		require.NoError(n, n.send(context.Background(), bytes.NewReader(state)))
	}},
}
