package transport_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/transport"
	"github.com/consensus-go/consensus/transport/transporttest"
)

func TestMemoryKeepsThePromisesOfTransport(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		synctest.Test(t, func(t *testing.T) {
			n := transport.NewNetwork()
			test(t, []consensus.Transport{n.Node(1), n.Node(2), n.Node(3)})
		})
	})
}

// The suite itself must work for transports that cannot run in a bubble, as those with sockets.
func TestMemoryKeepsThePromisesOfTransportInRealTime(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		n := transport.NewNetwork()
		test(t, []consensus.Transport{n.Node(1), n.Node(2), n.Node(3)})
	})
}

// The suite asks for no more than the contract does, so it must bear what that allows.
func TestTheSuiteBearsMessagesThatComeAgain(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		synctest.Test(t, func(t *testing.T) {
			n := transport.NewNetwork()
			test(t, []consensus.Transport{&stutterer{Memory: n.Node(1)}, &stutterer{Memory: n.Node(2)}, &stutterer{Memory: n.Node(3)}})
		})
	})
}

// A stutterer sends everything again, when it sends the next.
type stutterer struct {
	*transport.Memory

	mu   sync.Mutex
	last []consensus.Message
}

func (s *stutterer) Send(msgs []consensus.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Memory.Send(s.last)
	s.Memory.Send(msgs)
	s.last = slices.Clone(msgs)
	for i := range s.last {
		s.last[i].Ranges = slices.Clone(s.last[i].Ranges)
	}
}

// A receiver counts messages and reads snapshots to their end.
type receiver struct {
	messages []consensus.Message
	stall    chan struct{}
	before   func(io.Reader)
}

func (r *receiver) Deliver(msgs []consensus.Message) {
	if r.stall != nil {
		<-r.stall
	}
	r.messages = append(r.messages, msgs...)
}

func (r *receiver) DeliverSnapshot(_ consensus.Message, _ consensus.SnapshotMeta, stream io.Reader) error {
	if r.before != nil {
		r.before(stream)
	}
	_, err := io.Copy(io.Discard, stream)
	return err
}

// serving serves node until the function that it returns is called.
func serving(node *transport.Memory, h consensus.Handler) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Serve(ctx, h) }()
	synctest.Wait()
	return func() {
		cancel()
		<-done
	}
}

func send(from *transport.Memory, to consensus.NodeID, context uint64, size int) {
	from.Send([]consensus.Message{{From: 1, To: to, Context: context, Data: make([]byte, size)}})
	synctest.Wait()
}

func TestACutLinkCarriesNothingUntilItIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := transport.NewNetwork(), new(receiver), new(receiver)
		defer serving(n.Node(1), a)()
		defer serving(n.Node(2), b)()
		n.Cut(2, 1)
		send(n.Node(1), 2, 1, 0)
		send(n.Node(2), 1, 1, 0)
		require.Error(t, n.Node(1).SendSnapshot(context.Background(), consensus.Message{To: 2}, consensus.SnapshotMeta{}, bytes.NewReader(nil)))
		require.Empty(t, a.messages)
		require.Empty(t, b.messages)
		n.Heal(1, 2)
		send(n.Node(1), 2, 2, 0)
		send(n.Node(2), 1, 2, 0)
		require.Len(t, a.messages, 1)
		require.Len(t, b.messages, 1)
	})
}

func TestACutBreaksASnapshotOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := transport.NewNetwork()
		r := &receiver{before: func(stream io.Reader) {
			io.CopyN(io.Discard, stream, 1000)
			n.Cut(1, 2)
		}}
		defer serving(n.Node(2), r)()
		state := bytes.NewReader(make([]byte, 1<<20))
		require.Error(t, n.Node(1).SendSnapshot(context.Background(), consensus.Message{To: 2}, consensus.SnapshotMeta{}, state))
	})
}

func TestANodeIsAlwaysTheSame(t *testing.T) {
	n := transport.NewNetwork()
	require.Same(t, n.Node(1), n.Node(1))
	require.NotSame(t, n.Node(1), n.Node(2))
}

func TestANodeThatIsServedAgainReceivesAgainAndNothingOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, stalled, next := transport.NewNetwork(), &receiver{stall: make(chan struct{})}, new(receiver)
		stop := serving(n.Node(2), stalled)
		send(n.Node(1), 2, 1, 0) // under way
		send(n.Node(1), 2, 2, 0) // queued
		close(stalled.stall)
		stop()
		send(n.Node(1), 2, 3, 0) // nobody is there
		defer serving(n.Node(2), next)()
		send(n.Node(1), 2, 4, 0)
		require.Len(t, next.messages, 1)
		require.Equal(t, uint64(4), next.messages[0].Context)
	})
}

func TestANodeIsServedOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := transport.NewNetwork()
		defer serving(n.Node(1), new(receiver))()
		require.Error(t, n.Node(1).Serve(context.Background(), new(receiver)))
	})
}

func TestTheQueueIsBoundedInBytes(t *testing.T) {
	const size = 1 << 20
	synctest.Test(t, func(t *testing.T) {
		n, r := transport.NewNetwork(), &receiver{stall: make(chan struct{})}
		defer serving(n.Node(2), r)()
		for i := range uint64(100) {
			send(n.Node(1), 2, i, size)
		}
		close(r.stall)
		synctest.Wait()
		require.Len(t, r.messages, 1+15) // one under way, and below 16 MiB, as messages weigh something themselves
		for i := range r.messages {
			require.Equal(t, uint64(i), r.messages[i].Context, "the latest are dropped")
		}
	})
}

func TestAMessageAboveTheBoundPassesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, r := transport.NewNetwork(), new(receiver)
		defer serving(n.Node(2), r)()
		send(n.Node(1), 2, 1, 100<<20)
		require.Len(t, r.messages, 1)
	})
}

// A sink tells how many messages were in each batch.
type sink struct{ got chan int }

func (s sink) Deliver(msgs []consensus.Message) { s.got <- len(msgs) }

func (s sink) DeliverSnapshot(consensus.Message, consensus.SnapshotMeta, io.Reader) error { return nil }

func TestSendDoesNotAllocateInTheSteadyState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := transport.NewNetwork(), sink{make(chan int)}
		defer serving(n.Node(2), s)()
		msgs := []consensus.Message{{From: 1, To: 2, Entries: make([]consensus.Entry, 64)}}
		round := func() {
			n.Node(1).Send(msgs)
			<-s.got
		}
		round()
		round() // now both halves of the queue have memory
		require.Zero(t, testing.AllocsPerRun(100, round))
	})
}
