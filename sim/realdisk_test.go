package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
)

func TestEveryEngineSurvivesOnARealDisk(t *testing.T) {
	for _, o := range []Options{
		{Name: "raft", Protocol: raft.New},
		{Name: "paxos", Protocol: paxos.New, Rules: PaxosRules},
	} {
		for _, o.Profile = range []Profile{Swarm, Crashes, Churn} {
			t.Run(o.Name+"/"+o.Profile.String(), func(t *testing.T) {
				o.Storage, o.Seed, o.Seeds = true, 1, 12
				r, err := Campaign(t.Context(), o)
				require.NoError(t, err)
				require.Empty(t, r.Violations)
				if o.Profile == Crashes {
					require.NotZero(t, r.Marks[MarkCrashLostWrites])
					require.NotZero(t, r.Marks[MarkWriteFailed])
					require.NotZero(t, r.Marks[MarkDamageRepaired])
				}
			})
		}
	}
}

func TestTheSameSeedOnARealDiskGivesTheSameRun(t *testing.T) {
	for seed := range uint64(3) {
		o := Options{Protocol: paxos.New, Rules: PaxosRules, Profile: Crashes, Storage: true, Seed: seed}
		first, err := Simulate(o)
		require.NoError(t, err)
		second, err := Simulate(o)
		require.NoError(t, err)
		require.Equal(t, first, second)
		o.Storage = false
		other, err := Simulate(o)
		require.NoError(t, err)
		require.NotEqual(t, first.Digest, other.Digest)
	}
}

func TestAReplayIsOnTheSameKindOfDisk(t *testing.T) {
	require.Contains(t, Options{Name: "raft", Storage: true}.Replay(7), " -storage")
	require.NotContains(t, Options{Name: "raft"}.Replay(7), "-storage")
}

// TestARealDiskIsHeldToTheModel: what it holds is not what it should be, as the model was changed.
func TestARealDiskIsHeldToTheModel(t *testing.T) {
	for name, do := range map[string]func(w *World, n *node){
		"a state": func(w *World, n *node) {
			n.disk.state.Term++
			n.crash()
		},
		"an entry": func(w *World, n *node) {
			n.disk.log.at(n.disk.last()).ID++
			n.crash()
		},
		"an entry too many": func(w *World, n *node) {
			n.disk.log.cut(n.disk.last())
			n.crash()
		},
		"damage": func(w *World, n *node) {
			i := n.disk.last()
			n.disk.bad = []consensus.Range{{First: i, Last: i}}
			n.crash()
		},
		"what a follower is sent": func(w *World, n *node) {
			i := n.disk.last()
			n.disk.log.at(i).ID++
			n.fetch(consensus.Fetch{Lo: i, Hi: i, MaxBytes: 1000})
		},
		"a snapshot": func(w *World, n *node) {
			n.disk.image = []byte("another")
			n.image()
		},
		"between two lives": func(w *World, n *node) {
			n.crash()
			require.False(t, w.failed())
			n.disk.state.Commit++
			n.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, f := worldOf(t, Options{Protocol: raft.New, Nodes: 3, Storage: true}, 20*time.Second)
			for f.disk.head < len(f.disk.queue) {
				w.loop(w.now + int64(time.Millisecond))
			}
			do(w, f)
			require.True(t, w.failed())
			require.Equal(t, "storage", w.result.Violations[0].Property, w.result.Violations[0].Detail)
		})
	}
}
