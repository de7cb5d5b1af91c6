package consensus_test

import (
	"bytes"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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

// add founds groups, each with two commands in its log, and lets them come to rest.
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
	for i := first; i < len(x.members); i += len(x.hosts) {
		require.NoError(x.tb, x.members[i].Read(background))
		for range 2 {
			_, err := x.members[i].Propose(background, make([]byte, 16))
			require.NoError(x.tb, err)
		}
	}
	for _, g := range x.members[first:] {
		for !g.Status().Quiet {
			time.Sleep(100 * time.Millisecond)
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

// memoryInUse is the heap and the stacks.
func memoryInUse() int {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what the first one has ended
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// TestAnIdleReplicaTakesAFewKibibytesAndNoMessages counts its log in storage.Memory, too. The bounds leave room for what
// else the process does meanwhile; BenchmarkIdle measures.
func TestAnIdleReplicaTakesAFewKibibytesAndNoMessages(t *testing.T) {
	for name, c := range map[string]struct {
		protocol consensus.NewEngine
		most     int
	}{"raft": {raft.New, 5 << 10}, "paxos": {paxos.New, 6 << 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newIdlers(t, c.protocol)
				defer x.close()
				x.add(100)
				x.add(100)
				x.settle()
				memory, replicas := memoryInUse(), len(x.members)
				for range 5 {
					x.add(100)
				}
				x.settle()
				require.Less(t, (memoryInUse()-memory)/(len(x.members)-replicas), c.most)
				sent := x.sent()
				time.Sleep(time.Minute)
				// Each host asks two others ten times in a second, and is asked by them.
				require.LessOrEqual(t, x.sent()-sent, 60*10*3*2*2)
			})
		})
	}
}

// BenchmarkIdle measures what 3,000 groups cost that have nothing to do, on three hosts in one process: the memory
// of one replica, its log in storage.Memory included, and how much of a processor all of them take.
//
//	go test . -run '^$' -bench Idle -benchtime 10x
func BenchmarkIdle(b *testing.B) {
	for name, protocol := range map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New} {
		b.Run(name, func(b *testing.B) {
			x := newIdlers(b, protocol)
			defer x.close()
			before := memoryInUse()
			for range 10 { // so many elections at once take a while
				x.add(300)
			}
			x.settle()
			memory, began := memoryInUse()-before, processorTime()
			b.ResetTimer()
			for range b.N {
				time.Sleep(time.Second)
			}
			b.StopTimer()
			b.ReportMetric(100*(processorTime()-began).Seconds()/b.Elapsed().Seconds(), "%cpu")
			b.ReportMetric(float64(memory)/float64(len(x.members)), "B/replica")
		})
	}
}

// processorTime is for how long processors have run this program's own code.
func processorTime() time.Duration {
	runtime.GC() // brings the figure up to date
	sample := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	metrics.Read(sample)
	return time.Duration(sample[0].Value.Float64() * float64(time.Second))
}
