package transport

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWindowGivesBackWhatWasPutIn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := window{ring: make([]byte, 100)}
	var in, out []byte
	for range 10000 {
		b := make([]byte, random.IntN(60))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		fits := uint64(len(b)) <= 100-(w.hi-w.lo)
		require.Equal(t, fits, w.write(b))
		if fits {
			in = append(in, b...)
		}
		got := make([]byte, random.IntN(60))
		out = append(out, got[:w.read(got)]...)
		require.Equal(t, uint64(len(in)), w.hi)
		require.Equal(t, uint64(len(out)), w.lo)
	}
	require.True(t, bytes.HasPrefix(in, out))
	require.Greater(t, len(out), 10000)
}

func TestAWindowCanBeReadAgainFromAnyOffsetInIt(t *testing.T) {
	w := window{ring: make([]byte, 10)}
	require.True(t, w.write([]byte("abcdefgh")))
	require.Equal(t, 5, w.read(make([]byte, 5)))
	require.True(t, w.write([]byte("ijklm")))
	require.False(t, w.write([]byte("xyz")), "there is room for two")
	all := []byte("abcdefghijklm")
	for offset := w.lo; offset <= w.hi; offset++ {
		var got []byte
		for at := offset; at < w.hi; {
			b := w.from(at)
			got = append(got, b...)
			at += uint64(len(b))
		}
		require.Equal(t, string(all[offset:]), string(got))
	}
}

func TestAWindowHandsOutAChunkAtMost(t *testing.T) {
	w := newWindow()
	require.Len(t, w.room(), chunkSize)
	require.True(t, w.write(make([]byte, windowSize)))
	require.Empty(t, w.room())
	require.Len(t, w.from(0), chunkSize)
}
