package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// remains are those of an acceptor that knows everything up to commit to be chosen.
func remains(commit Slot, es ...Entry) consensus.Recovered {
	return consensus.Recovered{State: consensus.State{Term: b(9, 1), Commit: commit}, Entries: es}
}

func TestWhatIsSalvagedIsWhatPhaseOneWouldPropose(t *testing.T) {
	low, high := b(1, 1), b(2, 2)
	for name, x := range map[string]struct {
		recs   []consensus.Recovered
		after  Slot
		config []byte
		want   string // the values; a slot without one is left out
	}{
		"nothing":                   {},
		"the highest ballot":        {[]consensus.Recovered{remains(1, command(2, low, "a"), command(3, high, "b")), remains(1, command(2, high, "c"), command(3, low, "d"))}, 1, nil, "cb"},
		"what is chosen, first":     {[]consensus.Recovered{remains(1, command(2, Chosen, "a")), remains(1, command(2, high, "b"))}, 1, nil, "a"},
		"what one has, holes aside": {[]consensus.Recovered{remains(0, command(2, low, "a")), remains(0, command(5, low, "b"))}, 0, nil, "ab"},
		"nothing above a stop-sign that may be chosen": {
			[]consensus.Recovered{remains(0, command(1, high, "a"), sign(2, high, 1, bound(3)), command(3, low, "b"))}, 0, nil, "a."},
		"no stop-sign that cannot be": {
			[]consensus.Recovered{remains(0, command(1, low, "a"), sign(2, low, 1, bound(3)), command(3, high, "b"))}, 0, nil, "ab"},
		"nothing of an epoch that has ended": {
			[]consensus.Recovered{remains(1, command(3, high, "a")), remains(2, command(3, pack(1, 1, 1), "b"))}, 2, sign(2, high, 1, bound(3)).Data, "b"},
	} {
		got := ""
		for _, e := range one(t).p(1).Salvage(x.recs, x.after, x.config) {
			require.Greater(t, e.Index, x.after, name)
			if got += string(e.Data); e.Kind == consensus.EntryMembers {
				got = got[:len(got)-len(e.Data)] + "."
			}
		}
		require.Equal(t, x.want, got, name)
	}
}
