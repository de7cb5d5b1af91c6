package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
)

// The three partial partitions of the Omni-Paxos paper (Ng, Haridi, Carbone, EuroSys 2023), in a world
// that is calm otherwise.

var both = []Options{{Name: "raft", Protocol: raft.New}, {Name: "paxos", Protocol: paxos.New, Rules: PaxosRules}}

// star leaves only the links between the node in the middle and the others, but for one of them.
func (w *World) star(middle, without *node) (undo func()) {
	var cut []link
	for i := range w.nodes {
		for k := range w.nodes {
			if a, b := &w.nodes[i], &w.nodes[k]; a != middle && b != middle || a == without || b == without {
				cut = append(cut, link{uint8(i), uint8(k)})
			}
		}
	}
	w.cut(cut, 1)
	return func() { w.cut(cut, -1) }
}

// wait lets so many election timeouts pass.
func (w *World) wait(t *testing.T, timeouts int64) {
	t.Helper()
	w.loop(w.now + timeouts*int64(w.plan.election))
	require.False(t, w.failed(), "%v", w.result.Violations)
}

// TestQuorumLoss: everybody reaches one follower only, and so does the leader, which that one still
// hears. That follower must take over.
func TestQuorumLoss(t *testing.T) {
	for _, o := range both {
		o.Nodes = 5
		w, _, middle := worldOf(t, o, 20*time.Second)
		w.star(middle, nil)
		w.wait(t, succession[o.Rules])
		require.Equal(t, middle, w.leader(), o.Name)
		before := middle.status.Commit
		w.wait(t, 8)
		require.Greater(t, middle.status.Commit, before, o.Name)
	}
}

// TestConstrainedElection: the leader is cut off, and of the others only one reaches a quorum, which has
// missed what was committed last. With Paxos it leads all the same. With Raft nobody can, as nobody would
// vote for its log: that is the protocol's own limit, and ends with the partition.
func TestConstrainedElection(t *testing.T) {
	for _, o := range both {
		o.Nodes = 5
		w, l, middle := worldOf(t, o, 20*time.Second)
		deaf := []link{{l.index, middle.index}, {middle.index, l.index}}
		w.cut(deaf, 1)
		at := l.log.end() - 1 // what follows, the one in the middle hears of from nobody
		for w.wait(t, 0); l.status.Commit <= at; {
			w.loop(w.now + int64(time.Millisecond))
		}
		undo := w.star(middle, l)
		require.Less(t, middle.disk.last(), l.status.Commit, o.Name)
		w.wait(t, succession[o.Rules])
		if o.Rules == PaxosRules {
			require.Equal(t, middle, w.leader())
			require.Greater(t, middle.status.Commit, at)
		} else {
			require.Nil(t, w.leader())
		}
		undo()
		w.cut(deaf, -1)
		w.wait(t, 8)
		require.NotNil(t, w.leader(), o.Name)
	}
}

// TestChained: of three nodes the leader and one other lose their link. Nothing must come of that: the one
// that lacks the leader reaches somebody who has it.
func TestChained(t *testing.T) {
	for _, o := range both {
		o.Nodes = 3
		w, l, other := worldOf(t, o, 20*time.Second)
		term := l.status.Term
		w.cut([]link{{l.index, other.index}, {other.index, l.index}}, 1)
		w.wait(t, 20)
		require.Equal(t, l, w.leader(), o.Name)
		require.Equal(t, term, l.status.Term, o.Name)
		if o.Rules == PaxosRules { // and it learns through the one in the middle
			require.Greater(t, other.status.Commit+10, l.status.Commit)
		}
	}
}
