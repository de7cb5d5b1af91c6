package consensus_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// nothing is a state machine without state.
type nothing struct{}

func (nothing) Apply(consensus.Command) consensus.Result { return consensus.Result{} }
func (nothing) Snapshot() io.WriterTo                    { return &bytes.Buffer{} }
func (nothing) Restore(io.Reader) error                  { return nil }

// idlers are many groups on three hosts in one process that have nothing to do.
type idlers struct {
	tb       testing.TB
	protocol consensus.NewEngine
	hosts    []*consensus.Host
	members  []*consensus.Group
}

func newIdlers(tb testing.TB, protocol consensus.NewEngine) *idlers {
	network := transport.NewNetwork()
	x := &idlers{tb: tb, protocol: protocol}
	for _, id := range three.Voters {
		host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: storage.NewMemory(), Transport: network.Node(id), Logger: silent})
		require.NoError(tb, err)
		x.hosts = append(x.hosts, host)
	}
	return x
}

func (x *idlers) close() {
	for _, host := range x.hosts {
		host.Close()
	}
}

// add founds groups, all at once, each with two commands in its log, and lets them come to rest.
func (x *idlers) add(groups int) {
	first := len(x.members)
	for range groups {
		id := consensus.GroupID(1 + len(x.members)/len(x.hosts))
		for _, host := range x.hosts {
			g, err := host.Create(consensus.GroupConfig{ID: id, Protocol: x.protocol, Members: three, StateMachine: nothing{}})
			require.NoError(x.tb, err)
			x.members = append(x.members, g)
		}
	}
	const clients = 256
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			for i := first + c*len(x.hosts); i < len(x.members); i += clients * len(x.hosts) {
				x.use(x.members[i])
			}
		})
	}
	wait.Wait()
	require.False(x.tb, x.tb.Failed())
	for _, g := range x.members[first:] {
		for !g.Status().Quiet {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// use has a group elect a leader and apply two commands, or more if that leader was deposed in between.
func (x *idlers) use(g *consensus.Group) {
	if err := g.Read(background); err != nil {
		x.tb.Error(err)
		return
	}
	for done := 0; done < 2; {
		switch _, err := g.Propose(background, make([]byte, 16)); {
		case err == nil:
			done++
		case !errors.Is(err, consensus.ErrUnknown):
			x.tb.Error(err)
			return
		}
	}
}

// settle gives the hosts the time in which they give back what grew in a burst.
func (x *idlers) settle() { time.Sleep(20 * time.Second) }

func (x *idlers) sent() (n int) {
	for _, host := range x.hosts {
		n += int(host.Metrics().MessagesSent)
	}
	return n
}

// memoryInUse is how large the heap and the stacks are.
func memoryInUse() (heap, stacks int) {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what the first one has ended
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), int(m.StackInuse)
}

// TestAnIdleReplicaTakesLessThanFourKibibytesAndNoMessages counts its log in storage.Memory, too. BenchmarkIdle measures.
func TestAnIdleReplicaTakesLessThanFourKibibytesAndNoMessages(t *testing.T) {
	for name, protocol := range idleEngines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newIdlers(t, protocol)
				defer x.close()
				x.add(100)
				x.add(100)
				x.settle()
				heap, _ := memoryInUse()
				replicas, goroutines := len(x.members), runtime.NumGoroutine()
				for range 10 {
					x.add(100)
				}
				x.settle()
				grown, _ := memoryInUse()
				replicas = len(x.members) - replicas
				require.Less(t, (grown-heap)/replicas, 4<<10)
				require.Less(t, runtime.NumGoroutine()-goroutines, replicas/10, "it has no goroutine of its own, and no stack")
				sent := x.sent()
				time.Sleep(time.Minute)
				// Each host asks two others ten times in a second, and is asked by them.
				require.LessOrEqual(t, x.sent()-sent, 60*10*3*2*2)
			})
		})
	}
}

// BenchmarkIdle measures what groups cost that have nothing to do, on three hosts in one process: the memory
// of one replica, its log in storage.Memory included, and how much of a processor all of them take; and how long it takes
// until they have nothing to do, when all are founded at once.
//
//	go test . -run '^$' -bench Idle/.*/groups=10000 -benchtime 10x
func BenchmarkIdle(b *testing.B) {
	for name, protocol := range idleEngines {
		for _, groups := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("%s/groups=%d", name, groups), func(b *testing.B) { benchmarkIdle(b, protocol, groups) })
		}
	}
}

var idleEngines = map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New}

func benchmarkIdle(b *testing.B, protocol consensus.NewEngine, groups int) {
	x := newIdlers(b, protocol)
	defer x.close()
	heap, stacks := memoryInUse()
	began := time.Now()
	x.add(groups)
	founding := time.Since(began)
	x.settle()
	heapNow, stacksNow := memoryInUse()
	memory, used := heapNow+stacksNow-heap-stacks, processorTime()
	b.ResetTimer()
	for range b.N {
		time.Sleep(time.Second)
	}
	b.StopTimer()
	b.ReportMetric(100*(processorTime()-used).Seconds()/b.Elapsed().Seconds(), "%cpu")
	b.ReportMetric(float64(memory)/float64(len(x.members)), "B/replica")
	b.ReportMetric(founding.Seconds(), "s-to-found")
}

// processorTime is for how long processors have run this program's own code.
func processorTime() time.Duration {
	runtime.GC() // brings the figure up to date
	sample := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	metrics.Read(sample)
	return time.Duration(sample[0].Value.Float64() * float64(time.Second))
}
