package transport

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWindowGivesBackWhatWasPutIn(t *testing.T) {
	const rounds = 30
	random, all := rand.New(rand.NewPCG(1, 2)), contents(rounds*windowSize)
	for _, most := range []int{1000, chunkSize, windowSize} { // at once
		var w window
		in, out, got := 0, 0, make([]byte, most)
		for range rounds {
			b := all[in : in+random.IntN(most)]
			fits := in-out+len(b) <= windowSize
			require.Equal(t, fits, w.write(b))
			if fits {
				in += len(b)
			}
			n := w.read(got[:random.IntN(most)])
			require.True(t, bytes.Equal(all[out:out+n], got[:n]))
			out += n
			require.Equal(t, []uint64{uint64(out), uint64(in)}, []uint64{w.lo, w.hi})
			require.LessOrEqual(t, len(w.ring), windowSize)
		}
		require.Greater(t, out, 5*most)
	}
}

func TestAWindowCanBeReadAgainFromAnyOffsetInIt(t *testing.T) {
	var w window
	all := contents(3 * windowSize / 2)
	require.True(t, w.write(all[:windowSize]))
	require.Equal(t, windowSize/2, w.read(make([]byte, windowSize/2)))
	require.False(t, w.write(make([]byte, windowSize/2+1)), "there is room for half")
	require.True(t, w.write(all[windowSize:]))
	for offset := w.lo; offset <= w.hi; offset += 10_007 {
		got := make([]byte, 0, windowSize)
		for at := offset; at < w.hi; {
			b := w.from(at)
			require.LessOrEqual(t, len(b), chunkSize)
			got = append(got, b...)
			at += uint64(len(b))
		}
		require.True(t, bytes.Equal(all[offset:], got))
	}
	require.Empty(t, w.from(w.hi))
}

func TestAWindowTakesMemoryForWhatItHolds(t *testing.T) {
	var w window
	require.Empty(t, w.from(0))
	for range 1000 {
		require.True(t, w.write(make([]byte, 100)))
		require.Equal(t, 100, w.read(make([]byte, 200)))
	}
	require.Len(t, w.ring, chunkSize)
	require.True(t, w.write(make([]byte, windowSize)))
	require.Len(t, w.ring, windowSize)
	require.Empty(t, w.room())
}
