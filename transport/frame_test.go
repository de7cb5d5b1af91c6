package transport

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// A readerConn is a connection that only reads.
type readerConn struct{ io.Reader }

func (readerConn) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (readerConn) Close() error                     { return nil }
func (readerConn) LocalAddr() net.Addr              { return nil }
func (readerConn) RemoteAddr() net.Addr             { return nil }
func (readerConn) SetDeadline(time.Time) error      { return nil }
func (readerConn) SetReadDeadline(time.Time) error  { return nil }
func (readerConn) SetWriteDeadline(time.Time) error { return nil }

// frameOf is a frame of n bytes that are all alike.
func frameOf(n int) []byte { return appendFrame(nil, bytes.Repeat([]byte{byte(n)}, n)) }

func TestFramesArriveHoweverTheyAreCut(t *testing.T) {
	sizes := []int{0, 1, 5, 64 - headerSize, 64 - headerSize + 1, 63, 64, 65, 1000, 0, 3}
	var stream []byte
	for _, n := range sizes {
		stream = append(stream, frameOf(n)...)
	}
	for name, cut := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader,
		"halves": iotest.HalfReader, "with the end": iotest.DataErrReader,
		"drained": func(r io.Reader) io.Reader { return &hesitant{Reader: iotest.HalfReader(r)} },
	} {
		frames := newFrameReader(readerConn{cut(bytes.NewReader(stream))}, time.Second, 1000, 64)
		for _, n := range sizes {
			payload, apart, err := frames.next()
			for err == errDrained {
				payload, apart, err = frames.next()
			}
			require.NoError(t, err, name)
			require.Equal(t, n+headerSize > 64, apart)
			require.Equal(t, bytes.Repeat([]byte{byte(n)}, n), append([]byte{}, payload...))
		}
		_, _, err := frames.next()
		for err == errDrained {
			_, _, err = frames.next()
		}
		require.ErrorIs(t, err, io.EOF, name)
	}
}

// A hesitant reader is drained every other time.
type hesitant struct {
	io.Reader
	drained bool
}

func (h *hesitant) Read(b []byte) (int, error) {
	if h.drained = !h.drained; h.drained {
		return 0, errDrained
	}
	return h.Reader.Read(b)
}

func TestAReaderKnowsWhetherAWholeFrameIsThere(t *testing.T) {
	stream := append(append(frameOf(10), frameOf(20)...), frameOf(30)[:37]...)
	frames := newFrameReader(readerConn{bytes.NewReader(stream)}, time.Second, 100, 1000)
	require.False(t, frames.ready())
	for _, ready := range []bool{true, false} {
		_, _, err := frames.next()
		require.NoError(t, err)
		require.Equal(t, ready, frames.ready())
	}
	_, _, err := frames.next()
	require.ErrorIs(t, err, io.EOF)
}

func TestADamagedFrameIsMalformed(t *testing.T) {
	whole := frameOf(20)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1
		b = append(b, whole...) // a length may now take in more
		_, _, err := newFrameReader(readerConn{bytes.NewReader(b)}, time.Second, 24, 64).next()
		require.ErrorIs(t, err, consensus.ErrMalformed, "byte %d", i)
	}
}

func TestAFrameThatPromisesTooMuchIsRefusedBeforeItIsRead(t *testing.T) {
	for _, n := range []uint32{1001, 1 << 31, 1<<32 - 1} {
		header := binary.LittleEndian.AppendUint32(nil, n)
		r := bytes.NewReader(append(header, make([]byte, 5000)...))
		_, _, err := newFrameReader(readerConn{r}, time.Second, 1000, 64).next()
		require.ErrorIs(t, err, consensus.ErrMalformed)
		require.Equal(t, 5004-64, r.Len())
	}
}

// A frame of 1 GiB of which a little arrives.
func TestAFrameTakesMemoryForWhatHasArrived(t *testing.T) {
	const promised, arrived = 1 << 30, 3 << 20
	header := binary.LittleEndian.AppendUint32(nil, promised)
	b := append(header, make([]byte, arrived)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := newFrameReader(readerConn{bytes.NewReader(b)}, time.Second, promised, 64).next()
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, io.EOF)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(promised/16))
}

// unpackAll returns the messages of a frame from node 1 to node 2.
func unpackAll(payload []byte, apart bool) ([]consensus.Message, error) {
	k := new(keeper)
	in := inbox{server: &server{t: &TCP{opt: TCPOptions{ID: 2}}, handler: k}, from: 1}
	err := in.unpack(payload, apart)
	in.deliver()
	return k.msgs, err
}

func TestMessagesKeepNothingOfAFrameButWhatIsMostOfIt(t *testing.T) {
	large, small := bulk(1, 2, 'l', 1000), bulk(1, 2, 's', 100)
	large.Entries = []consensus.Entry{{Index: 1, Data: []byte("entry")}, {Index: 2}}
	payload := messagesFrame(large, small)[headerSize:]
	for _, apart := range []bool{false, true} {
		frame := bytes.Clone(payload)
		msgs, err := unpackAll(frame, apart)
		require.NoError(t, err)
		require.Equal(t, []consensus.Message{large, small}, msgs)
		clear(frame)
		require.Equal(t, small, msgs[1], "it is less than half of the frame")
		require.Equal(t, apart, msgs[0].Data[0] == 0, "it is more")
		require.Equal(t, apart, msgs[0].Entries[0].Data[0] == 0)
	}
}

func TestWhatIsAppendedToAMessageTouchesNoOther(t *testing.T) {
	m := bulk(1, 2, 'm', 4)
	m.Entries = []consensus.Entry{{Index: 1, Data: []byte("one")}, {Index: 2, Data: []byte("two")}}
	payload := messagesFrame(m, m)[headerSize:]
	for _, apart := range []bool{false, true} {
		msgs, err := unpackAll(bytes.Clone(payload), apart)
		require.NoError(t, err)
		_ = append(msgs[0].Entries[0].Data, "three"...)
		_ = append(msgs[0].Entries[1].Data, "four"...)
		_ = append(msgs[0].Data, "five"...)
		require.Equal(t, []consensus.Message{m, m}, msgs)
	}
}

func TestAFrameOfManyMessagesIsDeliveredInParts(t *testing.T) {
	msgs := make([]consensus.Message, 2*maxBatch+1)
	for i := range msgs {
		msgs[i] = note(1, 2, uint64(i)+1)
	}
	var payload []byte
	for i := range msgs {
		payload = appendMessage(payload, &msgs[i])
	}
	got, err := unpackAll(payload, false)
	require.NoError(t, err)
	require.Equal(t, msgs, got)
}

func TestOneFrameHoldsOneMessageOrSeveralUpToASize(t *testing.T) {
	msgs := []consensus.Message{note(1, 2, 1), bulk(1, 2, 2, frameSize), note(1, 2, 3), bulk(1, 2, 4, frameSize/2), bulk(1, 2, 5, frameSize/2)}
	var counts []int
	for rest := msgs; len(rest) > 0; {
		b, n := appendMessages(nil, rest)
		payload, _, err := newFrameReader(readerConn{bytes.NewReader(b)}, time.Second, 2*frameSize, readBuffer).next()
		require.NoError(t, err)
		require.True(t, n == 1 || len(payload) <= frameSize)
		counts, rest = append(counts, n), rest[n:]
	}
	require.Equal(t, []int{1, 1, 2, 1}, counts)
}

func TestAMessageTakesNoMoreOnTheWireThanItCountsFor(t *testing.T) {
	m := consensus.Message{
		Kind: 255, Reject: true, Flags: 255, Outcome: 255, From: 1<<32 - 1, To: 1<<32 - 1, Group: 1<<64 - 1, Incarnation: 1<<64 - 1,
		Term: 1<<64 - 1, Promised: 1<<64 - 1, Leader: 1<<64 - 1, Index: 1<<64 - 1, LogTerm: 1<<64 - 1, Commit: 1<<64 - 1, Floor: 1<<64 - 1,
		Applied: 1<<64 - 1, Last: 1<<64 - 1, Next: 1<<64 - 1, Session: 1<<64 - 1, Context: 1<<64 - 1,
	}
	for range 1000 {
		m.Ranges = append(m.Ranges, consensus.Range{First: 1 << 63, Last: 1<<64 - 1})
	}
	m.Entries = []consensus.Entry{{Index: 1<<64 - 1, Term: 1<<64 - 1, From: 1<<32 - 1, ID: 1<<64 - 1}}
	require.LessOrEqual(t, len(appendMessage(nil, &m)), lengthSize+sizeOf(&m))
}

// FuzzFrame is what a node meets on a connection that was welcome: any bytes. It is a sequence of
// frames of messages, up to where it is malformed, or ends.
func FuzzFrame(f *testing.F) {
	f.Add(messagesFrame(note(1, 2, 3)))
	f.Add(append(messagesFrame(note(1, 2, 3), bulk(1, 2, 4, 100)), emptyFrame...))
	f.Add(messagesFrame(entries(1)...))
	f.Add(frameOf(100))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames := newFrameReader(readerConn{bytes.NewReader(b)}, time.Second, 1<<10, 64)
		for {
			payload, apart, err := frames.next()
			if err != nil {
				return
			}
			msgs, err := unpackAll(bytes.Clone(payload), apart)
			if err != nil {
				require.ErrorIs(t, err, consensus.ErrMalformed)
				continue
			}
			var again []byte
			for i := range msgs {
				again = appendMessage(again, &msgs[i])
			}
			require.True(t, bytes.Equal(payload, again))
		}
	})
}
