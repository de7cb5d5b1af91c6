package sim_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// BenchmarkCompare counts what the two protocols do for the same: the figures of the README. They are counted on a
// schedule, and are the same on any machine.
//
//	go test ./sim -run '^$' -bench Compare -benchtime 1x
func BenchmarkCompare(b *testing.B) {
	for _, p := range []struct {
		name string
		new  consensus.NewEngine
	}{{"raft", raft.New}, {"paxos", paxos.New}} {
		b.Run("command/"+p.name, func(b *testing.B) {
			g := found(b, p.new, consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}, 1)
			l := g.leader()
			last := g.Propose(l.ID(), "a")
			g.count(b, "delays-leader", func() bool { return l.Applied >= last })
			g.count(b, "delays-all", func() bool { return g.applied(last) })
			b.ReportMetric(float64(g.writes()), "writes")
		})
		b.Run("change/"+p.name, func(b *testing.B) {
			g := found(b, p.new, consensus.Members{Voters: []consensus.NodeID{1, 2, 3}, Learners: []consensus.NodeID{4}}, 1)
			l, m := g.leader(), consensus.Members{}
			for _, n := range g.Nodes {
				if n == l || len(m.Voters) < 2 || n.ID() == 4 {
					m.Voters = append(m.Voters, n.ID())
				}
			}
			before := l.Engine.Status()
			l.Input(func() {
				_, err := l.Engine.Change(consensus.Proposal{From: l.ID(), ID: 7}, m, before.MembersIndex)
				require.NoError(b, err)
			})
			g.count(b, "delays-leader", func() bool { return l.Machine[l.Applied-1].ID == 7 })
			b.ReportMetric(float64(l.Applied-before.Commit), "entries")
		})
		b.Run("failover/"+p.name, func(b *testing.B) {
			const clusters = 300
			var sum, most, messages float64
			for seed := range uint64(clusters) {
				g := found(b, p.new, consensus.Members{Voters: []consensus.NodeID{1, 2, 3, 4, 5}}, seed)
				g.until(enginetest.Instant(g.dice.Int64N(int64(enginetest.ElectionTimeout))), func() bool { return false })
				g.sent = 0
				g.leader().Crash(0)
				took := float64(g.until(20*enginetest.ElectionTimeout, func() bool { return g.leader() != nil })) / float64(enginetest.ElectionTimeout)
				require.NotNil(b, g.leader())
				sum, most, messages = sum+took, max(most, took), messages+float64(g.sent)
			}
			b.ReportMetric(sum/clusters, "mean-timeouts")
			b.ReportMetric(most, "max-timeouts")
			b.ReportMetric(messages/clusters, "messages")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A gauge is a cluster that counts.
type gauge struct {
	*enginetest.Cluster
	dice   *rand.Rand
	sent   int
	delays int
	issued uint64
}

// found starts the members of m and lets them elect a leader and come to rest.
func found(tb testing.TB, protocol consensus.NewEngine, m consensus.Members, seed uint64) *gauge {
	g := &gauge{dice: rand.New(rand.NewPCG(seed, 0))}
	g.Cluster = enginetest.New(&enginetest.Protocol{New: protocol, Durable: func(consensus.State) string { return "" }}).Watch(tb)
	g.Quiet = true
	m.All(func(id consensus.NodeID) {
		n := g.Add(id, consensus.EngineConfig{Members: m})
		n.Config.Seed = seed
		n.Start()
	})
	g.until(20*enginetest.ElectionTimeout, func() bool { l := g.leader(); return l != nil && !l.Engine.Status().Changing })
	g.until(enginetest.ElectionTimeout, func() bool { return false })
	require.NotNil(tb, g.leader())
	g.sent, g.issued = 0, g.writes()
	return g
}

func (g *gauge) leader() *enginetest.Node {
	for _, n := range g.Nodes {
		if n.Engine != nil && n.Engine.Status().Role == consensus.Leader {
			return n
		}
	}
	return nil
}

// writes are those since the cluster came to rest.
func (g *gauge) writes() (n uint64) {
	for _, x := range g.Nodes {
		n += x.Issued
	}
	return n - g.issued
}

func (g *gauge) applied(i consensus.Index) bool {
	for _, n := range g.Nodes {
		if n.Applied < i {
			return false
		}
	}
	return true
}

// deliver delivers what is in flight, which takes one message delay.
func (g *gauge) deliver() bool {
	n := g.Deliver(enginetest.Filter{})
	g.sent += n
	return n > 0
}

// until lets time go on, in ticks that come to the nodes in any order, until something has happened or so much time is over.
func (g *gauge) until(most enginetest.Instant, happened func() bool) (took enginetest.Instant) {
	const tick = enginetest.ElectionTimeout / 50
	for ; took < most && !happened(); took += tick {
		for _, k := range g.dice.Perm(len(g.Nodes)) {
			g.Nodes[k].Tick(tick)
			for g.deliver() {
			}
		}
	}
	return took
}

// count reports how many messages, and message delays, it takes until something has happened, while time stands still.
func (g *gauge) count(b *testing.B, delays string, done func() bool) {
	for !done() && g.deliver() {
		g.delays++
	}
	require.True(b, done())
	b.ReportMetric(float64(g.delays), delays)
	b.ReportMetric(float64(g.sent), "messages")
	b.ReportMetric(0, "ns/op") // of no interest
}
