package transport

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// claiming is the header of a frame that claims a length, and the beginning of its payload.
func claiming(length uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, length)
	return append(b, make([]byte, 100)...)
}

func TestWhoBreaksTheProtocolIsClosedAndHoldsNoOtherUp(t *testing.T) {
	damaged := messagesFrame(note(2, 1, 1))
	damaged[headerSize+lengthSize+1] ^= 1
	outside := messagesFrame(note(2, 1, 1))
	binary.LittleEndian.PutUint32(outside[headerSize:], 1000)
	endFrame(outside, 0)
	for name, bad := range map[string][]byte{
		"garbage":                    []byte("what is this, and why is it so long that a header must be in it?"),
		"a wrong checksum":           damaged,
		"a frame of 4 GiB":           claiming(1<<32 - 1),
		"a frame above the limit":    claiming(16<<20 + lengthSize + 1),
		"not a message":              appendFrame(nil, append([]byte{3, 0, 0, 0}, "???"...)),
		"half of a length":           appendFrame(nil, []byte{1, 0}),
		"a message out of its frame": outside,
		"a message of another node":  messagesFrame(note(3, 1, 1)),
		"a message for another node": messagesFrame(note(2, 3, 1)),
		"a bad message behind good":  append(messagesFrame(note(2, 1, 8)), messagesFrame(note(3, 1, 1))...),
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			var j journal
			k := new(keeper)
			one := w.node(t, 1, k, j.logger)
			three := helloTo1()
			three.from = 3
			good := w.guest(t, three)
			g := w.guest(t, helloTo1())
			g.Write(bad)
			<-g.closed
			good.Write(messagesFrame(note(3, 1, 7)))
			synctest.Wait()
			require.Contains(t, k.contexts(), uint64(7), name)
			s := one.Stats()
			require.Equal(t, []uint64{2, 1}, []uint64{s.Accepted, s.Malformed}, name)
			require.Equal(t, 1, j.count("malformed"), name)
		})
	}
}

func TestWhoFallsSilentIsClosedAfterTheTimeout(t *testing.T) {
	frame := messagesFrame(bulk(2, 1, 1, readBuffer))
	for _, n := range []int{0, 1, headerSize, 1000, len(frame) - 1, len(frame)} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			one := w.node(t, 1, new(keeper))
			g := w.guest(t, helloTo1())
			silent := time.Now()
			if n > 0 {
				time.Sleep(time.Second)
				g.Write(frame[:n])
				silent = time.Now()
			}
			<-g.closed
			require.Equal(t, one.opt.Timeout, time.Since(silent), "%d bytes", n)
			require.Zero(t, one.Stats().Malformed, "to be silent is no crime")
		})
	}
}

func TestWhoDoesNotHearThatWeAreAliveIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper))
		c := w.peer(t, helloTo1()) // which reads nothing
		c.Write(emptyFrame)
		time.Sleep(one.opt.Timeout + 1)
		closed := time.Now()
		requireClosed(t, c)
		require.Zero(t, time.Since(closed))
	})
}

// flood writes frames of messages from node 2 to node 1 until that takes no more, and returns how
// many bytes it took.
func flood(t *testing.T, c net.Conn) (taken int) {
	frame := messagesFrame(bulk(2, 1, 1, 1<<10), note(2, 1, 2))
	for {
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Write(frame)
		taken += n
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			return taken
		}
	}
}

func TestAFloodThatTheHandlerStallsOnTakesBoundedMemoryAndHoldsNoOtherUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k := &keeper{stall: map[consensus.NodeID]chan struct{}{2: make(chan struct{})}}
		w.node(t, 1, k)
		require.LessOrEqual(t, flood(t, w.guest(t, helloTo1())), 2*readBuffer)

		three := helloTo1()
		three.from = 3
		good := w.guest(t, three)
		for i := range uint64(100) {
			good.Write(messagesFrame(note(3, 1, i)))
			synctest.Wait()
			require.Equal(t, []uint64{i}, k.contexts())
		}
		close(k.stall[2])
	})
}

func TestANodeThatComesAgainReplacesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k := new(keeper)
		one := w.node(t, 1, k)
		old := w.guest(t, helloTo1())
		old.Write(messagesFrame(note(2, 1, 1)))
		fresh := w.guest(t, helloTo1())
		<-old.closed
		fresh.Write(messagesFrame(note(2, 1, 2)))
		synctest.Wait()
		require.Equal(t, []uint64{1, 2}, k.contexts())
		require.Equal(t, 1, one.server.lines[2].users)
		fresh.Close()
		synctest.Wait()
		require.Empty(t, one.server.lines)
		require.Zero(t, one.server.accepted)
	})
}

func TestANodeThatComesAgainAndAgainWhileTheHandlerStallsTakesUpTwoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k := &keeper{stall: map[consensus.NodeID]chan struct{}{2: make(chan struct{})}}
		one := w.node(t, 1, k)
		w.guest(t, helloTo1()).Write(messagesFrame(note(2, 1, 1)))
		var latest *guest
		for range 10 {
			synctest.Wait()
			latest = w.guest(t, helloTo1())
			synctest.Wait()
			require.Equal(t, 2, one.server.accepted)
		}
		close(k.stall[2])
		latest.Write(messagesFrame(note(2, 1, 2)))
		synctest.Wait()
		require.Equal(t, []uint64{1, 2}, k.contexts(), "each in its turn")
	})
}

func TestFramesThatArriveTogetherAreDeliveredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k := new(keeper)
		one := w.node(t, 1, k)
		var b []byte
		for i := range uint64(50) {
			b = append(b, messagesFrame(note(2, 1, i))...)
		}
		w.guest(t, helloTo1()).Write(b)
		synctest.Wait()
		require.Len(t, k.contexts(), 50)
		require.Equal(t, 1, k.calls)
		require.Equal(t, Traffic{50, 50, uint64(len(b))}, one.Stats().Received)
	})
}

func TestANodeWithoutAnAddressIsWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, two, _ := w.pair(t)
		sendNote(one, 2, 1)
		synctest.Wait()
		require.Empty(t, two.Stats().Peers)
		require.Equal(t, uint64(1), two.Stats().Received.Messages)
	})
}

func TestWhoComesBackIsSentToAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, two, k := w.pair(t)
		sendNote(one, 2, 1)
		synctest.Wait()
		two.Close()
		synctest.Wait()
		require.False(t, one.Stats().Peers[2].Connected)
		w.node(t, 2, k)
		time.Sleep(firstBackoff)
		sendNote(one, 2, 2)
		synctest.Wait()
		require.Equal(t, []uint64{1, 2}, k.contexts())
	})
}

var errDisk = errors.New("the disk is full")
