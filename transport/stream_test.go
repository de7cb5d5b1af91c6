package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// contents are n bytes that no two positions of a window share.
func contents(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

var testMeta = consensus.SnapshotMeta{Index: 9, Term: 8, Config: []byte("config")}

// sendSnapshot sends r from node 1 to node 2.
func sendSnapshot(ctx context.Context, n *TCP, r io.Reader) error {
	m := note(1, 2, 1)
	m.Kind, m.Index, m.LogTerm = consensus.KindInstallSnapshot, testMeta.Index, testMeta.Term
	return n.SendSnapshot(ctx, m, testMeta, r)
}

// storing has the keeper store one snapshot, and returns where. It fails the test if it is given another.
func (k *keeper) storing(t *testing.T) *bytes.Buffer {
	b := new(bytes.Buffer)
	k.store = func(r io.Reader) error {
		k.store = func(io.Reader) error {
			t.Error("another snapshot")
			return nil
		}
		_, err := b.ReadFrom(r)
		return err
	}
	return b
}

// A fragile connection breaks once so many bytes have been written.
type fragile struct {
	net.Conn
	left int
}

func (f *fragile) Write(b []byte) (int, error) {
	if len(b) > f.left {
		f.Conn.Write(b[:f.left])
		f.Conn.Close()
		return f.left, net.ErrClosed
	}
	f.left -= len(b)
	return f.Conn.Write(b)
}

// breaking has the next connections of w break after so many bytes, and others not at all.
func (w *wires) breaking(after ...int) {
	w.wrapping(func(c net.Conn) net.Conn {
		if len(after) == 0 {
			return c
		}
		f := &fragile{c, after[0]}
		after = after[1:]
		return f
	})
}

func TestASnapshotGoesOnAfterItsConnectionBroke(t *testing.T) {
	want := contents(3 << 20)
	for _, after := range [][]int{
		{1 << 20}, {helloSize + 200}, {2 << 20, 800_000, 100_000}, {helloSize + 200, helloSize + 200, helloSize + 200},
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			w.breaking(after...)
			one, two, k := w.pair(t)
			got := k.storing(t)
			require.NoError(t, sendSnapshot(t.Context(), one, bytes.NewReader(want)))
			require.True(t, bytes.Equal(want, got.Bytes()))
			s := one.Stats()
			require.Equal(t, []uint64{1, uint64(len(after)), uint64(len(after)) + 1}, []uint64{s.SnapshotsSent, s.SnapshotsResumed, s.Connects})
			require.Less(t, s.SnapshotBytesSent, uint64(len(want)+(1+len(after))*windowSize), "what was acknowledged is not sent again")
			require.Equal(t, uint64(1), two.Stats().SnapshotsReceived)
			synctest.Wait()
			require.Empty(t, two.server.inflows)
		})
	}
}

// The connection breaks after any number of bytes, so that each frame is cut everywhere.
func TestASnapshotSurvivesACutAnywhere(t *testing.T) {
	want := contents(100)
	for after := helloSize; after < helloSize+300; after++ {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			w.breaking(after)
			one, _, k := w.pair(t)
			got := new(bytes.Buffer)
			k.store = func(r io.Reader) error {
				got.Reset()
				_, err := got.ReadFrom(r)
				return err
			}
			if err := sendSnapshot(t.Context(), one, bytes.NewReader(want)); err != nil {
				require.Less(t, after, helloSize+headerSize+100, "only before it has begun")
				return
			}
			require.Equal(t, want, got.Bytes())
		})
	}
}

func TestASnapshotThatNobodyResumesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, two, k := w.pair(t)
		w.breaking(1<<20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		ended := make(chan error, 1)
		var broke time.Time
		k.store = func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			ended <- err
			return err
		}
		source := io.TeeReader(bytes.NewReader(contents(5<<20)), writerFunc(func([]byte) { broke = time.Now() }))
		require.Error(t, sendSnapshot(t.Context(), one, source))
		require.ErrorIs(t, <-ended, errLost)
		require.GreaterOrEqual(t, time.Since(broke), two.keepInflow())
		require.LessOrEqual(t, time.Since(broke), 2*two.keepInflow())
	})
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

func TestASnapshotThatMakesNoProgressIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		l := w.listen("2")
		one := w.node(t, 1, new(keeper), knows(2))
		go func() { // it takes every connection, has them begin, and closes them
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				h, _ := readHello(c)
				c.Write(h.appendAnswer(nil, welcome))
				newFrameReader(c, time.Second, 1<<20, 1<<20).next()
				c.Write(appendOffset(nil, frameResume, 0, nil))
				c.Close()
			}
		}()
		defer l.Close()
		require.Error(t, sendSnapshot(t.Context(), one, bytes.NewReader(contents(1000))))
		require.Equal(t, uint64(maxResumes+1), one.Stats().Connects)
	})
}

// What a crash leaves of a receiver is another one at its address.
func TestAReceiverThatRestartsHasLostItsPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		w.breaking(7 << 20)
		one, two, k := w.pair(t)
		k.storing(t)
		restart := readerFunc(func() { start(t, newTCP(w.listen("2"), two.opt), new(keeper)) })
		err := sendSnapshot(t.Context(), one, io.MultiReader(bytes.NewReader(contents(5<<20)), restart, bytes.NewReader(contents(5<<20))))
		require.ErrorContains(t, err, errLost.Error())
		require.Zero(t, one.Stats().SnapshotsResumed)
	})
}

// readerFunc calls f once, and is an empty source.
type readerFunc func()

func (f readerFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func TestTheErrorOfTheHandlerComesBack(t *testing.T) {
	const size = 2 * windowSize
	state := contents(size)
	for _, c := range []struct {
		err, is error
	}{
		{errDisk, nil},
		{fmt.Errorf("%w: another snapshot is in the making", consensus.ErrBusy), consensus.ErrBusy},
		{consensus.ErrNotLeader, consensus.ErrNotApplied},
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			one, two, k := w.pair(t)
			for _, read := range []int64{0, 1000, size} {
				k.store = func(r io.Reader) error {
					io.CopyN(io.Discard, r, read)
					return c.err
				}
				begun := time.Now()
				err := sendSnapshot(t.Context(), one, bytes.NewReader(state))
				require.ErrorContains(t, err, c.err.Error())
				require.ErrorContains(t, err, "node 2")
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
				require.False(t, errors.Is(err, consensus.ErrUnknown), "nobody has asked for anything but this")
				require.Zero(t, time.Since(begun))
			}
			synctest.Wait()
			require.Empty(t, two.server.inflows)
			require.Zero(t, two.Stats().SnapshotsReceived)
		})
	}
}

func TestWhatIsSlowButAliveIsWaitedFor(t *testing.T) {
	want := contents(300_000)
	for name, c := range map[string]func(k *keeper, got *bytes.Buffer) io.Reader{
		"the source": func(k *keeper, got *bytes.Buffer) io.Reader {
			return &sluggish{iotest.OneByteReader(bytes.NewReader(want[:10]))}
		},
		"the handler": func(k *keeper, got *bytes.Buffer) io.Reader {
			store := k.store
			k.store = func(r io.Reader) error { return store(&sluggish{r}) }
			return bytes.NewReader(want)
		},
		"the handler, at the end": func(k *keeper, got *bytes.Buffer) io.Reader {
			store := k.store
			k.store = func(r io.Reader) error {
				defer time.Sleep(time.Hour)
				return store(r)
			}
			return bytes.NewReader(want)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			one, _, k := w.pair(t)
			got := k.storing(t)
			require.NoError(t, sendSnapshot(t.Context(), one, c(k, got)), name)
			require.True(t, bytes.HasPrefix(want, got.Bytes()))
			require.Equal(t, uint64(1), one.Stats().Connects)
		})
	}
}

// A sluggish source takes a minute for each read.
type sluggish struct{ r io.Reader }

func (s *sluggish) Read(b []byte) (int, error) {
	time.Sleep(time.Minute)
	return s.r.Read(b)
}

func TestSnapshotsShareARate(t *testing.T) {
	const rate, size = 1 << 20, 5 << 20
	synctest.Test(t, func(t *testing.T) {
		var w wires
		discard := &keeper{store: func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }}
		w.node(t, 2, discard)
		w.node(t, 3, discard)
		one := w.node(t, 1, discard, knows(2, 3), func(o *TCPOptions) { o.SnapshotBytesPerSecond = rate })
		begun, sent := time.Now(), make(chan error)
		for to := consensus.NodeID(2); to <= 3; to++ {
			go func() {
				sent <- one.SendSnapshot(t.Context(), note(1, to, 1), testMeta, bytes.NewReader(make([]byte, size)))
			}()
		}
		require.NoError(t, <-sent)
		require.NoError(t, <-sent)
		require.InDelta(t, 2*size/rate, time.Since(begun).Seconds(), 0.2)
	})
}

func TestARateBelowAChunkPerTimeoutIsNotTakenForSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, k := w.pair(t, func(o *TCPOptions) { o.SnapshotBytesPerSecond = 1000 })
		k.storing(t)
		begun := time.Now()
		require.NoError(t, sendSnapshot(t.Context(), one, bytes.NewReader(contents(200_000))))
		require.Greater(t, time.Since(begun), 130*time.Second)
		require.Equal(t, uint64(1), one.Stats().Connects)
	})
}

func TestSnapshotsToANodeWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one, _, k := w.pair(t)
		release, sent := make(chan struct{}), make(chan error)
		begun := make(chan struct{}, 2*maxStreams)
		k.store = func(io.Reader) error {
			begun <- struct{}{}
			<-release
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range maxStreams + 1 {
			go func() { sent <- sendSnapshot(ctx, one, bytes.NewReader(nil)) }()
		}
		synctest.Wait()
		require.Len(t, begun, maxStreams)
		gone, abandon := context.WithCancel(t.Context())
		abandon()
		require.ErrorIs(t, sendSnapshot(gone, one, bytes.NewReader(nil)), context.Canceled)
		close(release)
		for range maxStreams + 1 {
			require.NoError(t, <-sent)
		}
		cancel()
	})
}
