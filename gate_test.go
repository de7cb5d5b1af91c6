package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// judgeAndPass asks the gate, and lets the request pass if it is new.
func judgeAndPass(g *gate, t Term, id uint64) verdict {
	v := g.judge(t, t, 2, id)
	if v == gateNew {
		g.set(2, id, passPending)
	}
	return v
}

func TestTheGateLetsNoIDPassTwiceForAStamp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := gate{first: 1}
		type try struct {
			stamp Term
			id    uint64
		}
		passed := make(map[try]bool)
		near := uint64(rapid.Uint32().Draw(t, "near"))
		for range rapid.IntRange(1, 200).Draw(t, "tries") {
			counter := rapid.OneOf(
				rapid.Uint64Range(near, near+3),
				rapid.Uint64Range(near, near+2*gateWindow),
				rapid.Uint64Range(0, 1<<32-1)).Draw(t, "counter")
			x := try{Term(rapid.Uint64Range(1, 3).Draw(t, "stamp")), rapid.Uint64Range(0, 4).Draw(t, "life")<<32 | counter&(1<<32-1)}
			if judgeAndPass(&g, x.stamp, x.id) == gateNew {
				require.False(t, passed[x], "%v", x)
				passed[x] = true
			}
		}
	})
}

func TestTheGateLetsEveryIDOfTheWindowPassOnce(t *testing.T) {
	g := gate{first: 1}
	for i := uint64(gateWindow); i > 0; i-- { // backwards: the first one opens the window
		require.Equal(t, gateNew, judgeAndPass(&g, 1, i))
	}
	for i := uint64(1); i <= gateWindow; i++ {
		require.Equal(t, gatePending, judgeAndPass(&g, 1, i))
	}
	require.Equal(t, gateNew, judgeAndPass(&g, 1, gateWindow+1))
	require.Equal(t, gateUnknown, judgeAndPass(&g, 1, 1), "below the window")
	require.Equal(t, gatePending, judgeAndPass(&g, 1, 2))
	require.Equal(t, gateNew, judgeAndPass(&g, 1, 10*gateWindow))
	require.Equal(t, gateUnknown, judgeAndPass(&g, 1, gateWindow+1))
	require.Equal(t, gateNew, judgeAndPass(&g, 1, 10*gateWindow-1))
}

func TestTheGateIsBounded(t *testing.T) {
	g := gate{first: 1}
	for from := NodeID(1); from <= gateOrigins; from++ {
		require.Equal(t, gateNew, g.judge(1, 1, from, 5))
	}
	require.Equal(t, gateUnknown, g.judge(1, 1, gateOrigins+1, 5))
	require.Equal(t, gateNew, g.judge(1, 1, 3, 5))
	require.Equal(t, gateNew, g.judge(2, 2, gateOrigins+1, 5), "the next term begins anew")

	for i := uint64(0); i < gateGone+2; i++ {
		require.Equal(t, gateNew, judgeAndPass(&g, 3, i<<32|5))
	}
	require.Equal(t, gateUnknown, judgeAndPass(&g, 3, (gateGone+2)<<32|5))
	require.Equal(t, gatePending, judgeAndPass(&g, 3, (gateGone+1)<<32|5), "a life that is kept")
	require.Equal(t, gateNew, judgeAndPass(&g, 4, 3<<32|5))
	require.Zero(t, testing.AllocsPerRun(100, func() { judgeAndPass(&g, g.term+1, 7) }))
}

func TestAnEarlierLifeOfAnOriginIsForgottenAndNotNew(t *testing.T) {
	g := gate{first: 1}
	for life := uint64(0); life < 3; life++ {
		require.Equal(t, gateNew, judgeAndPass(&g, 1, life<<32|5))
	}
	for _, id := range []uint64{5, 6} {
		require.Equal(t, gateUnknown, judgeAndPass(&g, 1, id))
		g.set(2, id, passRefused) // the answer to what it let pass
		require.Equal(t, gateUnknown, judgeAndPass(&g, 1, id))
	}
	require.Equal(t, gatePending, judgeAndPass(&g, 1, 1<<32|5), "it is in use, and so")
	require.Equal(t, gateNew, judgeAndPass(&g, 1, 3<<32|5), "takes the place of the other one")
	require.Equal(t, gatePending, judgeAndPass(&g, 1, 1<<32|5))
	require.Equal(t, gateUnknown, judgeAndPass(&g, 1, 2<<32|5))
	require.Equal(t, gatePending, judgeAndPass(&g, 1, 3<<32|5), "now this one is in use")
	require.Equal(t, gateNew, judgeAndPass(&g, 1, 4<<32|5))
	require.Equal(t, gatePending, judgeAndPass(&g, 1, 3<<32|5))
	require.Equal(t, gateUnknown, judgeAndPass(&g, 1, 1<<32|5))
}

func TestTheGateKnowsNothingOfTermsBeforeTheFirstThatItsLifeLed(t *testing.T) {
	var g gate
	require.Equal(t, gateUnknown, judgeAndPass(&g, 7, 1), "it has led none")
	g.first = 8
	require.Equal(t, gateUnknown, judgeAndPass(&g, 7, 1))
	require.Equal(t, gateNew, judgeAndPass(&g, 8, 1))
}
