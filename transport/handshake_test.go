package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

func TestAHelloIsJudged(t *testing.T) {
	for want, spoil := range map[refusal][]func(*hello){
		welcome:         {func(*hello) {}, func(h *hello) { h.lowest = 0 }, func(h *hello) { h.highest = 9 }, func(h *hello) { h.purpose = forSnapshot }},
		refusedVersion:  {func(h *hello) { h.lowest, h.highest = 2, 9 }, func(h *hello) { h.lowest, h.highest = 0, 0 }, func(h *hello) { h.lowest, h.highest = 2, 1 }},
		refusedCluster:  {func(h *hello) { h.cluster++ }, func(h *hello) { h.cluster, h.lowest, h.highest = 0, 2, 9 }},
		refusedTo:       {func(h *hello) { h.to = 3 }, func(h *hello) { h.to = 0 }},
		refusedFrom:     {func(h *hello) { h.from = 0 }, func(h *hello) { h.from = 1 }},
		refusedPurpose:  {func(h *hello) { h.purpose = 0 }, func(h *hello) { h.purpose = 3 }},
		refusedIdentity: nil, // it is not the hello's to say
	} {
		for _, f := range spoil {
			h := helloTo1()
			f(&h)
			require.Equal(t, want, h.judge(1, testCluster), "%+v", h)
			var answer bytes.Buffer
			answer.Write(h.appendAnswer(nil, want))
			err := readAnswer(&answer)
			if want == welcome {
				require.NoError(t, err)
				continue
			}
			require.Equal(t, &refusedError{want, minVersion, maxVersion}, err)
			require.Contains(t, err.Error(), want.String())
		}
	}
	require.Len(t, refusalTexts, int(refusals))
	require.Equal(t, "refusal 99", refusal(99).String())
}

func TestAVersionThatWasNotOfferedIsMalformed(t *testing.T) {
	h := hello{lowest: 1, highest: maxVersion + 1}
	b := h.appendAnswer(nil, welcome)
	require.NoError(t, readAnswer(bytes.NewReader(b)), "the highest that both speak")
	b = appendSum(append(b[:9], maxVersion+1, 1, 9))
	require.ErrorIs(t, readAnswer(bytes.NewReader(b)), consensus.ErrMalformed)
}

func TestADamagedGreetingIsMalformed(t *testing.T) {
	h := helloTo1()
	for name, c := range map[string]struct {
		whole []byte
		read  func(io.Reader) error
	}{
		"hello":  {h.appendTo(nil), func(r io.Reader) error { _, err := readHello(r); return err }},
		"answer": {h.appendAnswer(nil, welcome), readAnswer},
	} {
		require.NoError(t, c.read(bytes.NewReader(c.whole)), name)
		for i := range c.whole {
			b := bytes.Clone(c.whole)
			b[i] ^= 0x10
			require.ErrorIs(t, c.read(bytes.NewReader(b)), consensus.ErrMalformed, "%s, byte %d", name, i)
			require.Error(t, c.read(bytes.NewReader(c.whole[:i])), "%s, %d bytes", name, i)
		}
	}
}

func TestWhoIsNotWelcomeIsToldWhy(t *testing.T) {
	for why, spoil := range map[refusal]func(*hello){
		refusedVersion: func(h *hello) { h.lowest, h.highest = maxVersion+1, maxVersion+1 },
		refusedCluster: func(h *hello) { h.cluster++ },
		refusedTo:      func(h *hello) { h.to = 3 },
		refusedFrom:    func(h *hello) { h.from = 1 },
		refusedPurpose: func(h *hello) { h.purpose = 3 },
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			var j journal
			one := w.node(t, 1, new(keeper), j.logger)
			h := helloTo1()
			spoil(&h)
			c := w.stranger(t)
			require.Equal(t, &refusedError{why, minVersion, maxVersion}, greet(c, h))
			requireClosed(t, c)
			synctest.Wait()
			require.Equal(t, uint64(1), one.Stats().Refused)
			require.Zero(t, one.Stats().Accepted)
			require.Equal(t, 1, j.count(why.String()))
		})
	}
}

func TestNodesThatAreNotMeantForEachOtherExchangeNothing(t *testing.T) {
	for why, set := range map[refusal]func(*TCPOptions){
		refusedCluster: func(o *TCPOptions) { o.Cluster++ },
		refusedTo:      func(o *TCPOptions) { o.ID = 3 },
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			k := new(keeper)
			w.node(t, 2, k, set)
			one := w.node(t, 1, new(keeper), knows(2))
			sendNote(one, 2, 1)
			synctest.Wait()
			require.Empty(t, k.contexts())
			require.Contains(t, one.Stats().Peers[2].LastError, why.String())
		})
	}
}

func TestAStrangerWhoSendsGarbageGetsNoAnswer(t *testing.T) {
	for name, garbage := range map[string]string{
		"another protocol": "GET / HTTP/1.1\r\nHost: one\r\n\r\n",
		"a TLS hello":      "\x16\x03\x01\x00\xf8\x01\x00\x00",
		"a damaged hello":  string(damagedHello()),
		"zeros":            string(make([]byte, 1000)),
	} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			one := w.node(t, 1, new(keeper))
			c := w.stranger(t)
			go c.Write([]byte(garbage))
			answer, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Empty(t, answer, name)
			synctest.Wait()
			require.Equal(t, uint64(1), one.Stats().Refused, name)
		})
	}
}

func damagedHello() []byte {
	h := helloTo1()
	b := h.appendTo(nil)
	b[20] ^= 1
	return b
}

func TestAStrangerHasTheTimeoutToIntroduceItself(t *testing.T) {
	h := helloTo1()
	for _, n := range []int{0, 1, len(magic), helloSize - 1} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			one := w.node(t, 1, new(keeper))
			c := w.stranger(t)
			c.Write(h.appendTo(nil)[:n])
			begun := time.Now()
			requireClosed(t, c)
			require.Equal(t, one.opt.Timeout, time.Since(begun))
		})
	}
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper))
		c, begun := w.stranger(t), time.Now()
		var drip sync.WaitGroup
		drip.Go(func() { // it is not silent, but slow
			for _, b := range h.appendTo(nil) {
				c.Write([]byte{b})
				time.Sleep(time.Second)
			}
		})
		requireClosed(t, c)
		require.Equal(t, one.opt.Timeout, time.Since(begun))
		drip.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper))
		c := w.stranger(t)
		c.Write(h.appendTo(nil)) // and the answer is not read
		time.Sleep(one.opt.Timeout + 1)
		closed := time.Now()
		requireClosed(t, c)
		require.Zero(t, time.Since(closed))
	})
}

func TestStrangersAreFewAndTheOldestMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		k := new(keeper)
		one := w.node(t, 1, k)
		var all []net.Conn
		for range maxStrangers {
			all = append(all, w.stranger(t))
		}
		synctest.Wait()
		w.guest(t, helloTo1()).Write(messagesFrame(note(2, 1, 7)))
		requireClosed(t, all[0])
		synctest.Wait()
		require.Equal(t, []uint64{7}, k.contexts())
		require.NoError(t, greet(all[1], helloTo1()), "the others may still introduce themselves")
		synctest.Wait()
		require.Equal(t, uint64(1), one.Stats().Refused)
		require.Len(t, one.server.strangers, maxStrangers-2)
	})
}

func TestTheConnectionsOfANodeAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper))
		h := helloTo1()
		h.purpose = forSnapshot
		for range maxConnections {
			w.peer(t, h)
		}
		requireClosed(t, w.peer(t, h))
		h.from = 3
		w.peer(t, h)
		synctest.Wait()
		s := one.Stats()
		require.Equal(t, []uint64{maxConnections + 1, 1}, []uint64{s.Accepted, s.Refused})
	})
}

func TestTheConnectionsOfAllAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper))
		synctest.Wait()
		one.server.accepted = maxAccepted - 1
		c := w.peer(t, helloTo1())
		requireClosed(t, w.stranger(t))
		synctest.Wait()
		require.Equal(t, maxAccepted, one.server.accepted)
		c.Close()
		synctest.Wait()
		w.peer(t, helloTo1())
	})
}

func TestARefusalIsLoggedOnceAMinuteForEachReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		var j journal
		w.node(t, 1, new(keeper), j.logger)
		for range 150 {
			h := helloTo1()
			h.cluster++
			require.Error(t, greet(w.stranger(t), h))
			h.cluster, h.to = testCluster, 9
			require.Error(t, greet(w.stranger(t), h))
			time.Sleep(time.Second)
		}
		require.Equal(t, 3, j.count(refusedCluster.String()))
		require.Equal(t, 3, j.count(refusedTo.String()))
	})
}

func TestAListenerThatFailsForAWhileIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		var j journal
		k, opt := new(keeper), options(2)
		j.logger(&opt)
		opt, err := opt.withDefaults()
		require.NoError(t, err)
		n := newTCP(&exhausted{wireListener: w.listen("2"), errors: 10}, opt)
		start(t, n, k)
		one := w.node(t, 1, new(keeper), knows(2))
		sendNote(one, 2, 1)
		time.Sleep(time.Second)
		require.Equal(t, []uint64{1}, k.contexts())
		require.Equal(t, 1, j.count("too many open files"))
	})
}

// An exhausted listener has nothing to accept at first.
type exhausted struct {
	*wireListener
	errors int
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.errors--; e.errors >= 0 {
		return nil, errors.New("too many open files")
	}
	return e.wireListener.Accept()
}
