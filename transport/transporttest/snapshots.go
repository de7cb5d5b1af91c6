package transporttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

var (
	errFull  = errors.New("no room for it")
	errBroke = errors.New("the source broke")
)

// meta is what the suite's snapshots are described by.
func meta() consensus.SnapshotMeta {
	return consensus.SnapshotMeta{Index: 1 << 40, Term: 7, Config: []byte("config")}
}

// state is more than any buffer holds.
var state = bytes.Repeat([]byte("0123456789abcdef"), 1<<18)

// header is the message before a snapshot.
func header(from, to consensus.NodeID) consensus.Message {
	m := full(from, to, 20)
	m.Kind = consensus.KindInstallSnapshot
	return m
}

// send sends a snapshot from node 1 to node 2.
func (n *network) send(ctx context.Context, r io.Reader) error {
	return n.nodes[1].SendSnapshot(ctx, header(1, 2), meta(), r)
}

// onSnapshot has node id store snapshots with f.
func (n *network) onSnapshot(id consensus.NodeID, f func(consensus.Message, consensus.SnapshotMeta, io.Reader) error) {
	x := n.nodes[id]
	x.mu.Lock()
	defer x.mu.Unlock()
	x.onSnapshot = f
}

// store has node 2 store snapshots with f.
func (n *network) store(f func(r io.Reader) error) {
	n.onSnapshot(2, func(_ consensus.Message, _ consensus.SnapshotMeta, r io.Reader) error { return f(r) })
}

// snapshotClaims are about streams that come to their end.
var snapshotClaims = []claim{
	{"a snapshot arrives whole, with its header and meta", func(n *network) {
		var stored []byte
		n.onSnapshot(2, func(m consensus.Message, s consensus.SnapshotMeta, r io.Reader) (err error) {
			assert.Equal(n, header(1, 2), m)
			assert.Equal(n, meta(), s)
			stored, err = io.ReadAll(r)
			return err
		})
		for _, r := range []io.Reader{bytes.NewReader(state), iotest.HalfReader(bytes.NewReader(state)), iotest.DataErrReader(bytes.NewReader(state))} {
			require.NoError(n, n.send(context.Background(), r))
			require.True(n, bytes.Equal(state, stored))
		}
	}},
	{"an empty snapshot arrives", func(n *network) {
		n.store(func(r io.Reader) error {
			got, err := io.ReadAll(r)
			assert.Empty(n, got)
			return err
		})
		require.NoError(n, n.send(context.Background(), bytes.NewReader(nil)))
	}},
	{"SendSnapshot returns only once the receiver has stored", func(n *network) {
		storing, release, sent := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		n.store(func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			close(storing)
			<-release
			return err
		})
		go func() { sent <- n.send(context.Background(), bytes.NewReader(state)) }()
		<-storing
		time.Sleep(moment)
		require.Empty(n, sent)
		close(release)
		require.NoError(n, <-sent)
	}},
	{"SendSnapshot tells that the receiver could not store", func(n *network) {
		for _, read := range []int64{0, 100, int64(len(state))} {
			n.store(func(r io.Reader) error {
				io.CopyN(io.Discard, r, read)
				return errFull
			})
			require.Error(n, n.send(context.Background(), bytes.NewReader(state)))
		}
	}},
	{"messages overtake a snapshot that is stuck", func(n *network) {
		release, sent := make(chan struct{}), make(chan error, 1)
		n.store(func(r io.Reader) error {
			<-release
			_, err := io.Copy(io.Discard, r)
			return err
		})
		go func() { sent <- n.send(context.Background(), bytes.NewReader(state)) }()
		n.deliver(message(1, 2, 30))
		n.deliver(message(3, 2, 31))
		n.deliver(message(2, 1, 32))
		close(release)
		require.NoError(n, <-sent)
	}},
	{"snapshots to several nodes run at once", func(n *network) {
		const nodes = 2
		arrived, sent := make(chan struct{}, nodes), make(chan error, nodes)
		together := make(chan struct{})
		for to := consensus.NodeID(2); to <= 3; to++ {
			n.onSnapshot(to, func(_ consensus.Message, _ consensus.SnapshotMeta, r io.Reader) error {
				arrived <- struct{}{}
				<-together
				_, err := io.Copy(io.Discard, r)
				return err
			})
			go func() {
				sent <- n.nodes[1].SendSnapshot(context.Background(), header(1, to), meta(), bytes.NewReader(state))
			}()
		}
		for range nodes {
			<-arrived
		}
		close(together)
		for range nodes {
			require.NoError(n, <-sent)
		}
	}},
}
