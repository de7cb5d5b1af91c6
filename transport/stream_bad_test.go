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

// openFrom2 is the opening of a snapshot from node 2 to node 1.
func openFrom2(name byte, offset uint64) []byte {
	m := note(2, 1, 1)
	o := newOutflow(nil, nil, &m, &testMeta)
	o.name, o.window.lo = streamName{name}, offset
	return o.open()
}

// sender dials node 1 for a snapshot, as node 2.
func (w *wires) sender(t *testing.T) net.Conn {
	h := helloTo1()
	h.purpose = forSnapshot
	return w.peer(t, h)
}

// answer reads the next frame that says something.
func answer(t *testing.T, c net.Conn) []byte {
	frames := newFrameReader(c, time.Hour, 1<<20, headerSize+maxText+2)
	for {
		payload, _, err := frames.next()
		require.NoError(t, err)
		if len(payload) > 0 {
			return payload
		}
	}
}

func TestASenderThatBreaksTheProtocolIsClosed(t *testing.T) {
	for name, frames := range map[string][][]byte{
		"no opening":             {appendOffset(nil, frameChunk, 0, []byte("data"))},
		"an empty opening":       {emptyFrame},
		"half an opening":        {appendFrame(nil, openFrom2(1, 0)[headerSize:60])},
		"a message of another":   {goldenOpen()},
		"a chunk that skips":     {openFrom2(1, 0), appendOffset(nil, frameChunk, 1, []byte("data"))},
		"an end that skips":      {openFrom2(1, 0), appendOffset(nil, frameEnd, 1, nil)},
		"an end with data":       {openFrom2(1, 0), appendOffset(nil, frameEnd, 0, []byte("data"))},
		"a chunk behind the end": {openFrom2(1, 0), appendOffset(nil, frameEnd, 0, nil), appendOffset(nil, frameChunk, 0, []byte("data"))},
		"more than the window":   {openFrom2(1, 0), appendOffset(nil, frameChunk, 0, make([]byte, windowSize+1))},
		"a frame of 4 GiB":       {openFrom2(1, 0), claiming(1<<32 - 1)},
		"a frame of 2 MiB":       {openFrom2(1, 0), claiming(2 << 20)},
		"an opening of 2 MiB":    {claiming(2 << 20)},
		"an unknown frame":       {openFrom2(1, 0), appendOffset(nil, 99, 0, nil)},
		"a frame too short":      {openFrom2(1, 0), appendText(nil, frameChunk, "data")},
		"an opening again":       {openFrom2(1, 0), openFrom2(1, 0)},
		"garbage":                {openFrom2(1, 0), []byte("garbage that is longer than a header")},
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			release := make(chan struct{})
			k := &keeper{store: func(r io.Reader) error {
				<-release
				_, err := io.Copy(io.Discard, r)
				return err
			}}
			one := w.node(t, 1, k)
			c := w.sender(t)
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				io.Copy(io.Discard, c)
			}()
			for _, f := range frames {
				c.Write(f)
			}
			synctest.Wait()
			select {
			case <-closed:
			default:
				t.Errorf("%s: the connection is open", name)
			}
			require.Equal(t, uint64(1), one.Stats().Malformed, name)
			close(release)
		})
	}
}

func TestAReceiverThatBreaksTheProtocolIsGivenUp(t *testing.T) {
	for name, f := range map[string][]byte{
		"resumed beyond what there is": appendOffset(nil, frameResume, 1<<20, nil),
		"credit before it has begun":   appendOffset(nil, frameCredit, 0, nil),
		"done without an outcome":      appendText(nil, frameDone, ""),
		"an unknown frame":             appendOffset(nil, 99, 0, nil),
		"a frame too long":             appendFrame(nil, make([]byte, 5000)),
		"garbage":                      []byte("garbage that is longer than a header"),
		"credit for what was not sent": append(appendOffset(nil, frameResume, 0, nil), appendOffset(nil, frameCredit, 1<<30, nil)...),
		"resumed twice":                append(appendOffset(nil, frameResume, 0, nil), appendOffset(nil, frameResume, 0, nil)...),
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			l := w.listen("2")
			one := w.node(t, 1, new(keeper), knows(2))
			sent := make(chan error, 1)
			go func() { sent <- sendSnapshot(t.Context(), one, bytes.NewReader(contents(1000))) }()
			c := l.welcome(t)
			go io.Copy(io.Discard, c)
			c.Write(f)
			require.ErrorIs(t, <-sent, consensus.ErrMalformed, name)
			require.Equal(t, uint64(1), one.Stats().Connects)
		})
	}
}

func TestAReceiverThatFallsSilentIsGivenUp(t *testing.T) {
	for _, begin := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			l := w.listen("2")
			one := w.node(t, 1, new(keeper), knows(2))
			sent, begun := make(chan error, 1), time.Now()
			go func() { sent <- sendSnapshot(t.Context(), one, bytes.NewReader(contents(5<<20))) }()
			c := l.welcome(t)
			go io.Copy(io.Discard, c)
			if begin {
				c.Write(appendOffset(nil, frameResume, 0, nil))
			}
			l.Close()
			require.Error(t, <-sent)
			require.GreaterOrEqual(t, time.Since(begun), one.opt.Timeout)
			require.Less(t, time.Since(begun), one.keepInflow()+2*lastBackoff)
		})
	}
}

func TestASenderThatFallsSilentIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		ended := make(chan error, 1)
		one := w.node(t, 1, &keeper{store: func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			ended <- err
			return err
		}})
		c := w.sender(t)
		go io.Copy(io.Discard, c)
		c.Write(openFrom2(1, 0))
		begun := time.Now()
		require.ErrorIs(t, <-ended, errLost)
		require.Equal(t, one.opt.Timeout+one.keepInflow(), time.Since(begun))
	})
}

func TestAStreamThatIsNotKnownIsNotResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper))
		c := w.sender(t)
		c.Write(openFrom2(1, 1000))
		require.Contains(t, string(answer(t, c)), errLost.Error())
		c.Close()
		synctest.Wait()
		require.Zero(t, one.server.accepted)
	})
}

func TestTheSnapshotsOfANodeAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, &keeper{store: func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}})
		for i := range maxInflows {
			c := w.sender(t)
			c.Write(openFrom2(byte(i), 0))
			require.Equal(t, byte(frameResume), answer(t, c)[0])
			c.Close() // it may be resumed
			synctest.Wait()
		}
		c := w.sender(t)
		c.Write(openFrom2(200, 0))
		got := answer(t, c)
		require.Equal(t, []byte{frameDone, byte(consensus.OutcomeBusy)}, got[:2])
		c.Close()
		time.Sleep(3 * one.keepInflow()) // now they have been given up
		c = w.sender(t)
		c.Write(openFrom2(200, 0))
		require.Equal(t, byte(frameResume), answer(t, c)[0])
		synctest.Wait()
		require.Len(t, one.server.inflows, 1)
	})
}

func TestAnOutcomeIsThereForASenderThatComesBackForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		calls, release := 0, make(chan struct{})
		w.node(t, 1, &keeper{store: func(r io.Reader) error {
			calls++
			_, err := io.Copy(io.Discard, r)
			<-release
			return err
		}})
		c := w.sender(t)
		c.Write(openFrom2(1, 0))
		answer(t, c)
		c.Write(appendOffset(nil, frameEnd, 0, nil))
		synctest.Wait()
		c.Close()
		time.Sleep(time.Hour) // it is still being stored
		close(release)
		synctest.Wait()
		c = w.sender(t)
		c.Write(openFrom2(1, 0))
		require.Equal(t, byte(frameResume), answer(t, c)[0])
		require.Equal(t, []byte{frameDone, byte(consensus.OutcomeOK)}, answer(t, c))
		require.Equal(t, 1, calls)
	})
}

func TestAnOutcomeThatNobodyAsksForIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, &keeper{store: func(io.Reader) error { return errDisk }})
		c := w.sender(t)
		c.Write(openFrom2(1, 0))
		answer(t, c)
		c.SetDeadline(time.Now()) // it does not hear how it ended
		time.Sleep(one.opt.Timeout + 1)
		c.Close()
		synctest.Wait()
		require.Len(t, one.server.inflows, 1)
		time.Sleep(one.keepInflow())
		c = w.sender(t)
		c.Write(openFrom2(2, 0))
		answer(t, c)
		synctest.Wait()
		require.Len(t, one.server.inflows, 1)
	})
}

func TestASenderThatComesBackBeforeItsConnectionIsMissedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k := new(keeper)
		got := k.storing(t)
		w.node(t, 1, k)
		old := w.sender(t)
		old.Write(openFrom2(1, 0))
		answer(t, old)
		go io.Copy(io.Discard, old)
		old.Write(appendOffset(nil, frameChunk, 0, []byte("half and")))
		synctest.Wait()
		fresh := w.sender(t)
		fresh.Write(openFrom2(1, 0))
		require.Equal(t, appendOffset(nil, frameResume, 8, nil)[headerSize:], answer(t, fresh))
		_, err := old.Write(emptyFrame)
		require.ErrorIs(t, err, io.ErrClosedPipe)
		fresh.Write(append(appendOffset(nil, frameChunk, 8, []byte(" half")), appendOffset(nil, frameEnd, 13, nil)...))
		require.Equal(t, []byte{frameDone, byte(consensus.OutcomeOK)}, answer(t, fresh))
		require.Equal(t, "half and half", got.String())
	})
}

func TestCloseEndsSnapshotsAtBothEnds(t *testing.T) {
	for _, which := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			one, two, k := w.pair(t)
			ended := make(chan error, 1)
			k.store = func(r io.Reader) error {
				_, err := io.Copy(io.Discard, r)
				ended <- err
				return err
			}
			sent := make(chan error, 1)
			go func() { sent <- sendSnapshot(context.Background(), one, &sluggish{endlessly{}}) }()
			time.Sleep(time.Hour)
			closing := time.Now()
			[]*TCP{one, two}[which].Close()
			require.Error(t, <-ended)
			require.Error(t, <-sent)
			require.LessOrEqual(t, time.Since(closing), time.Minute+farewell, "as soon as the source is not being read")
		})
	}
}

// endlessly is a source without an end.
type endlessly struct{}

func (endlessly) Read(b []byte) (int, error) { return len(b), nil }

func TestASnapshotToAnUnknownNodeOrOfAnotherIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, _ := w.pair(t)
		for _, m := range []consensus.Message{note(1, 1, 1), note(1, 9, 1), note(3, 2, 1)} {
			require.ErrorIs(t, one.SendSnapshot(t.Context(), m, testMeta, endlessly{}), errUnreachable)
		}
	})
}
