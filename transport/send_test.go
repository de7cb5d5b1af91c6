package transport

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

func TestAConnectionIsMadeForTheFirstMessageAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, k := w.pair(t)
		time.Sleep(time.Hour)
		require.Empty(t, w.dialled())
		for i := range uint64(3) {
			sendNote(one, 2, i)
			time.Sleep(time.Hour)
			require.Equal(t, []uint64{i}, k.contexts())
		}
		require.Len(t, w.dialled(), 1)
	})
}

func TestTheTriesToReachANodeBecomeRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper), knows(2))
		for range 60 * 1000 {
			sendNote(one, 2, 1)
			time.Sleep(time.Millisecond)
		}
		dials := w.dialled()
		for i, bound := 1, firstBackoff; i < len(dials); i, bound = i+1, min(2*bound, lastBackoff) {
			pause := dials[i].Sub(dials[i-1])
			require.GreaterOrEqual(t, pause, bound/2)
			require.LessOrEqual(t, pause, bound+time.Millisecond)
		}
		require.Greater(t, len(dials), 15)
		require.Equal(t, uint64(len(dials)), one.Stats().ConnectFailures)
		require.Equal(t, errRefused.Error(), one.Stats().Peers[2].LastError)
	})
}

func TestWhatIsSentToANodeThatCannotBeReachedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, k := w.node(t, 1, new(keeper), knows(2)), new(keeper)
		for i := range uint64(5) {
			sendNote(one, 2, i)
			synctest.Wait()
		}
		require.Equal(t, TCPDrops{Unreachable: 5}, one.Stats().Dropped)
		w.node(t, 2, k)
		time.Sleep(lastBackoff)
		sendNote(one, 2, 9)
		synctest.Wait()
		require.Equal(t, []uint64{9}, k.contexts())
		require.Empty(t, one.Stats().Peers[2].LastError)
	})
}

func TestANodeThatIsHeardOfIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper), knows(2))
		for begun := time.Now(); len(w.dialled()) == 0 || time.Since(begun) < time.Minute; {
			sendNote(one, 2, 1)
			time.Sleep(time.Millisecond)
		}
		sendNote(one, 2, 1)
		synctest.Wait()
		require.Empty(t, w.dialled(), "it has just been tried, and will be again in seconds")
		w.peer(t, helloTo1())
		synctest.Wait()
		sendNote(one, 2, 1)
		synctest.Wait()
		require.Len(t, w.dialled(), 2, "its own, and the other")
	})
}

// An obstacle is a connection whose writes and reads the test can stop.
type obstacle struct {
	net.Conn
	writes  atomic.Int64
	barrier atomic.Pointer[chan struct{}]
}

func (o *obstacle) Write(b []byte) (int, error) {
	o.writes.Add(1)
	if c := o.barrier.Load(); c != nil {
		<-*c
	}
	return o.Conn.Write(b)
}

func TestWhatComesDuringAWriteGoesWithTheNext(t *testing.T) {
	for name, set := range map[string]func(*testing.T) func(*TCPOptions){
		"plain": func(*testing.T) func(*TCPOptions) { return func(*TCPOptions) {} },
		"TLS":   func(*testing.T) func(*TCPOptions) { return secured() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w wires
				var o *obstacle
				w.wrapping(func(c net.Conn) net.Conn {
					o = &obstacle{Conn: c}
					return o
				})
				one, _, k := w.pair(t, set(t))
				sendNote(one, 2, 0)
				synctest.Wait()
				release := make(chan struct{})
				o.barrier.Store(&release)
				o.writes.Store(0)
				for i := range uint64(1000) {
					sendNote(one, 2, i+1)
					synctest.Wait()
				}
				require.Equal(t, int64(1), o.writes.Load())
				require.Len(t, k.contexts(), 1)
				k.calls = 0
				o.barrier.Store(nil)
				close(release)
				synctest.Wait()
				require.Equal(t, int64(2), o.writes.Load())
				require.Len(t, k.contexts(), 1000)
				require.Equal(t, uint64(3), one.Stats().Sent.Frames)
			})
		})
	}
}

func TestAQueueIsBoundedInBytesAndTheLatestAreDropped(t *testing.T) {
	const size, bound = 1 << 20, 4 << 20
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k := &keeper{stall: map[consensus.NodeID]chan struct{}{1: make(chan struct{})}}
		w.node(t, 2, k)
		one := w.node(t, 1, new(keeper), knows(2), func(o *TCPOptions) { o.QueueBytes = bound })
		for i := range uint64(100) {
			one.Send([]consensus.Message{bulk(1, 2, i, size)})
			require.LessOrEqual(t, one.Stats().Peers[2].QueuedBytes, bound)
			synctest.Wait()
		}
		dropped := one.Stats().Dropped
		require.Equal(t, TCPDrops{QueueFull: dropped.QueueFull}, dropped)
		close(k.stall[1])
		synctest.Wait()
		got := k.contexts()
		require.Equal(t, uint64(100), uint64(len(got))+dropped.QueueFull)
		for i := range got {
			require.Equal(t, uint64(i), got[i])
		}
		require.Zero(t, one.Stats().Peers[2].QueuedBytes)
	})
}

func TestAQueueThatWasLongGivesItsMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, k := w.pair(t)
		msgs := heartbeats(2 * maxSpare)
		for range 3 { // both halves of the queue, and a batch of one that is under way
			one.Send(msgs)
			synctest.Wait()
			require.Len(t, k.contexts(), len(msgs))
		}
		require.LessOrEqual(t, cap(one.peers[2].queue.msgs), maxSpare)

		m := note(1, 2, 1)
		m.Ranges = make([]consensus.Range, 2*maxSpareRanges)
		for range 3 {
			one.Send([]consensus.Message{m})
			synctest.Wait()
			require.Len(t, k.contexts(), 1)
		}
		require.LessOrEqual(t, cap(one.peers[2].queue.ranges), maxSpareRanges)
	})
}

func TestAMessageAboveTheQueueBoundPassesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, k := w.pair(t, func(o *TCPOptions) { o.QueueBytes = 1000 })
		one.Send([]consensus.Message{bulk(1, 2, 1, 1<<20), note(1, 2, 2)})
		synctest.Wait()
		require.Equal(t, []uint64{1}, k.contexts())
	})
}

func TestAMessageThatIsTooLargeIsDroppedAndOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, k := w.pair(t, func(o *TCPOptions) { o.MaxMessageBytes = 1 << 20 })
		one.Send([]consensus.Message{note(1, 2, 1), bulk(1, 2, 2, 1<<20), bulk(1, 2, 3, 1<<20-messageOverhead), note(1, 2, 4)})
		synctest.Wait()
		require.Equal(t, []uint64{1, 3, 4}, k.contexts())
		require.Equal(t, TCPDrops{TooLarge: 1}, one.Stats().Dropped)
	})
}

func TestANodeThatStallsHoldsNoOtherUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		stalled := w.listen("2")
		k := new(keeper)
		w.node(t, 3, k)
		one := w.node(t, 1, new(keeper), knows(2, 3))
		sendNote(one, 2, 0)
		conn := stalled.welcome(t) // and never reads
		defer conn.Close()
		for i := range uint64(100) {
			one.Send([]consensus.Message{bulk(1, 2, i, 1<<20), note(1, 3, i)})
			synctest.Wait()
			require.Equal(t, []uint64{i}, k.contexts())
			require.LessOrEqual(t, one.Stats().Peers[2].QueuedBytes, queueBytes)
		}
		time.Sleep(one.opt.Timeout + 1)
		synctest.Wait()
		require.False(t, one.Stats().Peers[2].Connected)
	})
}

func TestANodeThatFallsSilentIsNoticedWithinTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		silent := w.listen("2")
		one := w.node(t, 1, new(keeper), knows(2))
		sendNote(one, 2, 0)
		conn := silent.welcome(t)
		begun := time.Now()
		requireClosed(t, conn) // it reads, and says nothing
		require.Equal(t, one.opt.Timeout, time.Since(begun))
	})
}

func TestALargeBatchOnASlowLinkIsNotTakenForSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		w.wrapping(func(c net.Conn) net.Conn { return slow{c} })
		one, _, k := w.pair(t)
		one.Send([]consensus.Message{bulk(1, 2, 1, 8<<20)})
		time.Sleep(time.Hour)
		require.Equal(t, []uint64{1}, k.contexts())
		require.Equal(t, uint64(1), one.Stats().Connects)
	})
}

// A slow connection passes 100 kB a second.
type slow struct{ net.Conn }

func (s slow) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		piece := b[n:min(n+10_000, len(b))]
		time.Sleep(100 * time.Millisecond)
		_, err = s.Conn.Write(piece)
		n += len(piece)
	}
	return n, err
}

func TestAnAddressIsResolvedAtEachDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k, asked := new(keeper), 0
		w.node(t, 2, k)
		one := w.node(t, 1, new(keeper), func(o *TCPOptions) {
			o.Peers = map[consensus.NodeID]string{2: "two.example:7001"}
			o.Resolve = func(_ context.Context, id consensus.NodeID, address string) (string, error) {
				require.Equal(t, consensus.NodeID(2), id)
				require.Equal(t, "two.example:7001", address)
				if asked++; asked < 3 {
					return "", errors.New("no such host")
				}
				return "2", nil
			}
		})
		for i := range uint64(3) {
			sendNote(one, 2, i)
			time.Sleep(lastBackoff)
		}
		require.Equal(t, []uint64{2}, k.contexts())
		require.Equal(t, 3, asked)
		require.Len(t, w.dialled(), 1)
	})
}

func TestAnAddressMayChangeAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, two, k := w.pair(t)
		sendNote(one, 2, 1)
		synctest.Wait()
		require.Equal(t, []uint64{1}, k.contexts())

		moved := newTCP(w.listen("elsewhere"), two.opt)
		start(t, moved, k)
		one.SetAddress(2, "elsewhere")
		synctest.Wait()
		require.False(t, one.Stats().Peers[2].Connected, "the connection to where it was is closed")
		sendNote(one, 2, 2)
		synctest.Wait()
		require.Equal(t, uint64(1), moved.Stats().Received.Messages)

		one.SetAddress(2, "elsewhere")
		synctest.Wait()
		require.True(t, one.Stats().Peers[2].Connected, "nothing has changed")

		one.SetAddress(2, "")
		sendNote(one, 2, 3)
		synctest.Wait()
		require.Equal(t, TCPDrops{Unknown: 1}, one.Stats().Dropped)
		require.ErrorIs(t, one.SendSnapshot(t.Context(), note(1, 2, 1), consensus.SnapshotMeta{}, strings.NewReader("")), errNoAddress)
	})
}

func TestANodeMayBeLearnedAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, k := w.node(t, 1, new(keeper)), new(keeper)
		w.node(t, 2, k)
		one.SetAddress(2, "2")
		one.SetAddress(1, "1") // itself: of no use
		one.SetAddress(0, "0")
		sendNote(one, 2, 1)
		synctest.Wait()
		require.Equal(t, []uint64{1}, k.contexts())
		require.Len(t, one.Stats().Peers, 1)
	})
}

func TestAnAddressThatChangesWhileItIsDialledIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		old, k := w.listen("old"), new(keeper)
		w.node(t, 2, k)
		one := w.node(t, 1, new(keeper))
		one.SetAddress(2, "old")
		sendNote(one, 2, 1)
		c, err := old.Accept()
		require.NoError(t, err)
		h, err := readHello(c)
		require.NoError(t, err)
		one.SetAddress(2, "2")
		c.Write(h.appendAnswer(nil, welcome))
		requireClosed(t, c)
		synctest.Wait()
		sendNote(one, 2, 2)
		synctest.Wait()
		require.Equal(t, []uint64{2}, k.contexts())
	})
}

func TestANodeThatCannotBeReachedIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		var j journal
		one := w.node(t, 1, new(keeper), knows(2, 3), j.logger)
		for range 150 {
			sendNote(one, 2, 1)
			sendNote(one, 3, 1)
			time.Sleep(time.Second)
		}
		require.Equal(t, 3, j.count("peer=2"))
		require.Equal(t, 3, j.count("peer=3"))
	})
}
