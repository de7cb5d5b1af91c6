package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

var trio = consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}

// everyEngine tests f with a group of each engine that has elected a leader.
func everyEngine(t *testing.T, m consensus.Members, f func(*testing.T, *gauge)) {
	for _, o := range engines {
		t.Run(o.Name, func(t *testing.T) { f(t, found(t, o.Protocol, m, 1)) })
	}
}

// quiet reports whether every replica says that it needs no tick.
func (g *gauge) quiet() bool {
	for _, n := range g.Nodes {
		if n.Engine == nil || !n.Engine.Status().Quiet {
			return false
		}
	}
	return true
}

// sleep lets time pass at the nodes without a tick, once they are quiet.
func (g *gauge) sleep(t *testing.T, d enginetest.Instant) {
	g.until(5*enginetest.ElectionTimeout, g.quiet)
	require.True(t, g.quiet())
	for _, n := range g.Nodes {
		n.Now += d
	}
}

func wake(n *enginetest.Node, heard enginetest.Instant) {
	n.Input(func() { n.Engine.Wake(n.Now, heard) })
}

func TestAnIdleGroupComesToRest(t *testing.T) {
	everyEngine(t, trio, func(t *testing.T, g *gauge) {
		g.until(2*enginetest.ElectionTimeout, g.quiet)
		require.True(t, g.quiet())
	})
}

// TestAGroupWhoseAnswersTakeLongerThanAnIntervalComesToRest has a link that takes an interval in each direction: when
// the answers to a round of heartbeats come, the next ones would have been sent already.
func TestAGroupWhoseAnswersTakeLongerThanAnIntervalComesToRest(t *testing.T) {
	everyEngine(t, trio, func(t *testing.T, g *gauge) {
		const perInterval = 4
		g.Propose(g.leader().ID(), "a")
		var posted []int // until each tick
		delivered := 0
		for k := 0; !g.quiet() && k < 50*perInterval; k++ {
			for _, n := range g.Nodes {
				n.Tick(enginetest.Heartbeat / perInterval)
			}
			posted = append(posted, delivered+len(g.Flight))
			if k >= perInterval && posted[k-perInterval] > delivered {
				delivered += g.Deliver(enginetest.Filter{N: posted[k-perInterval] - delivered})
			}
		}
		require.True(t, g.quiet())
	})
}

// TestWhatHappensWhileTheyAgreeKeepsALeaderAwake: the followers have agreed to be quiet when there is a proposal,
// which wakes them, and only then the leader gets their answers.
func TestWhatHappensWhileTheyAgreeKeepsALeaderAwake(t *testing.T) {
	everyEngine(t, trio, func(t *testing.T, g *gauge) {
		leader := g.leader()
		agreed := func() bool {
			return slices.ContainsFunc(g.Nodes, func(n *enginetest.Node) bool { return n != leader && n.Engine.Status().Quiet })
		}
		g.Propose(leader.ID(), "a")
		for g.deliver() {
		}
		for !agreed() {
			for _, n := range g.Nodes {
				n.Tick(enginetest.Heartbeat / 10)
			}
			for !agreed() && g.deliver() {
			}
		}
		require.False(t, leader.Engine.Status().Quiet, "it has no answer yet")
		g.Propose(leader.ID(), "b")
		g.until(enginetest.ElectionTimeout/2, func() bool {
			require.False(t, leader.Engine.Status().Quiet)
			return false
		})
	})
}

func TestAFollowerThatIsDownKeepsItsGroupAwake(t *testing.T) {
	everyEngine(t, trio, func(t *testing.T, g *gauge) {
		for _, n := range g.Nodes {
			if n != g.leader() {
				n.Crash(0)
				break
			}
		}
		g.until(enginetest.ElectionTimeout/2, func() bool { return false }) // it has asked again since
		g.until(10*enginetest.ElectionTimeout, func() bool {
			require.False(t, g.leader().Engine.Status().Quiet)
			return false
		})
	})
}

func TestAWokenLeaderGoesOnLeading(t *testing.T) {
	everyEngine(t, trio, func(t *testing.T, g *gauge) {
		l := g.leader()
		g.sleep(t, 100*enginetest.ElectionTimeout)
		for _, n := range g.Nodes {
			wake(n, n.Now)
		}
		g.until(10*enginetest.ElectionTimeout, func() bool { return g.leader() != l })
		require.Same(t, l, g.leader())
	})
}

func TestAWokenFollowerWakesItsLeader(t *testing.T) {
	everyEngine(t, trio, func(t *testing.T, g *gauge) {
		l := g.leader()
		g.sleep(t, 100*enginetest.ElectionTimeout)
		f := g.Nodes[l.ID()%3]
		wake(f, f.Now)
		called := false
		for _, p := range g.Flight {
			called = called || p.To == l.ID()
		}
		require.True(t, called)
	})
}

func TestAGroupWhoseLeadersHostIsLostElectsInTheOrdinaryTime(t *testing.T) {
	everyEngine(t, trio, func(t *testing.T, g *gauge) {
		g.sleep(t, 100*enginetest.ElectionTimeout)
		g.leader().Crash(0)
		for _, n := range g.Nodes {
			if n.Engine != nil {
				wake(n, n.Now-enginetest.ElectionTimeout)
			}
		}
		g.until(4*enginetest.ElectionTimeout, func() bool { return g.leader() != nil })
		require.NotNil(t, g.leader())
	})
}

// answers reports whether n answers a read at once.
func answers(t *testing.T, n *enginetest.Node, id uint64) bool {
	n.Input(func() { require.NoError(t, n.Engine.Read(id)) })
	return slices.ContainsFunc(n.Reads, func(r consensus.Read) bool { return r.ID == id })
}

// TestQuietExtendsNoLease is what a lease that Wake had renewed would break: nobody has followed the leader since.
func TestQuietExtendsNoLease(t *testing.T) {
	m := trio
	m.Lease = time.Duration(enginetest.ElectionTimeout)
	everyEngine(t, m, func(t *testing.T, g *gauge) {
		l := g.leader()
		require.True(t, answers(t, l, 1))
		g.until(enginetest.ElectionTimeout/2, func() bool { return false })
		g.sleep(t, 2*enginetest.ElectionTimeout)
		wake(l, l.Now)
		l.Tick(0)
		require.False(t, answers(t, l, 2))
	})
}

// TestHostsWithTooMuchToDoKeepTheirLeadersAndComeToRest is what many groups did not do that were founded at once: their
// hosts came round to each of them only twice in an election timeout, and so the answers to a round of heartbeats came two
// rounds later. Timers that had counted all of that time would have deposed every leader, again and again; and whoever was
// quiet would have been woken by what another one had asked him, or answered, in the election before.
func TestHostsWithTooMuchToDoKeepTheirLeadersAndComeToRest(t *testing.T) {
	for _, o := range engines {
		t.Run(o.Name, func(t *testing.T) {
			for seed := range uint64(20) {
				g := found(t, o.Protocol, trio, seed+1)
				l := g.leader()
				g.Propose(l.ID(), "a")
				for k := 0; !g.quiet() && k < 30; k++ {
					arrived := len(g.Flight)
					for _, n := range g.Nodes {
						n.Now += enginetest.ElectionTimeout / 2
						n.Input(func() { n.Engine.Tick(n.Now) })
					}
					g.Deliver(enginetest.Filter{N: arrived})
					require.Same(t, l, g.leader())
				}
				require.True(t, g.quiet())
			}
		})
	}
}

// TestALeaseEndsWhileItsLeaderIsNotRun: a lease is a matter of the host's clock, and not of timers.
func TestALeaseEndsWhileItsLeaderIsNotRun(t *testing.T) {
	m := trio
	m.Lease = time.Duration(enginetest.ElectionTimeout)
	everyEngine(t, m, func(t *testing.T, g *gauge) {
		l := g.leader()
		for k := range uint64(3) {
			g.until(enginetest.ElectionTimeout/2, func() bool { return false })
			require.True(t, answers(t, l, 2*k))
			l.Now += enginetest.ElectionTimeout
			l.Input(func() { l.Engine.Tick(l.Now) })
			require.False(t, answers(t, l, 2*k+1))
		}
	})
}
