package paxos

import (
	"fmt"
	"testing"
	"time"

	"github.com/consensus-go/consensus"
)

// A trio is three engines in one goroutine on a perfect network and disk: what an entry costs in
// the engines alone.
type trio struct {
	engines  [3]*Paxos
	eff      consensus.Effects
	inbox    []Message
	messages int
	applied  [3]Slot
}

func newTrio(tb testing.TB) *trio {
	t := &trio{}
	for i := range t.engines {
		e, err := New(consensus.EngineConfig{ID: NodeID(i + 1), Members: Members{Voters: []NodeID{1, 2, 3}}, Seed: 1},
			consensus.Recovered{Incarnation: uint64(i + 1)})
		if err != nil {
			tb.Fatal(err)
		}
		t.engines[i] = e.(*Paxos)
	}
	for now := Instant(1); ; now += Instant(100 * time.Millisecond) {
		for i, e := range t.engines {
			e.Tick(now)
			t.pump(i)
		}
		t.settle()
		if t.engines[0].Status().Leader != 0 && now > Instant(3*time.Second) {
			break
		}
	}
	for t.engines[0].role() != consensus.Leader { // the benchmarks propose at the first
		t.engines[0], t.engines[1], t.engines[2] = t.engines[1], t.engines[2], t.engines[0]
	}
	return t
}

// pump does what engine i wants done, as the smallest correct host does.
func (t *trio) pump(i int) {
	e := t.engines[i]
	for e.Ready(&t.eff) {
		t.inbox = append(t.inbox, t.eff.Early...)
		if t.eff.Write.Seq != 0 {
			e.Persisted(t.eff.Write.Seq)
		}
		t.inbox = append(t.inbox, t.eff.Messages...)
		if n := len(t.eff.Committed); n > 0 {
			t.applied[i] = t.eff.Committed[n-1].Index
		}
		t.eff.Reset()
	}
}

// settle delivers messages until there are none.
func (t *trio) settle() {
	for k := 0; k < len(t.inbox); k++ {
		t.messages++
		to := t.inbox[k].To
		for i, e := range t.engines {
			if e.cfg.ID == to {
				e.Step(&t.inbox[k])
				t.pump(i)
			}
		}
	}
	clear(t.inbox)
	t.inbox = t.inbox[:0]
}

// commit proposes a batch and sees it applied everywhere.
func (t *trio) commit(n int, data []byte) {
	for range n {
		if _, err := t.engines[0].Propose(consensus.Proposal{Data: data}); err != nil {
			panic(err)
		}
	}
	t.pump(0)
	t.settle()
}

// compact snapshots every engine, so that memory stays level.
func (t *trio) compact() {
	for i, e := range t.engines {
		e.Compacted(consensus.SnapshotMeta{Index: t.applied[i], Config: e.epoch().encode()})
		t.pump(i)
	}
}

// BenchmarkEngine reports what one entry costs in three engines together: compare it with the
// figures for Raft.
func BenchmarkEngine(b *testing.B) {
	for _, batch := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			t := newTrio(b)
			data := make([]byte, 16)
			t.commit(batch, data)
			t.messages = 0
			b.ReportAllocs()
			b.ResetTimer()
			done := 0
			for b.Loop() {
				t.commit(batch, data)
				if done += batch; done%(1<<14) < batch {
					t.compact()
				}
			}
			entries := float64(b.N * batch)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/entries, "ns/entry")
			b.ReportMetric(float64(t.messages)/entries, "messages/entry")
		})
	}
}

func TestABatchAllocatesNothing(t *testing.T) {
	c := newTrio(t)
	data := make([]byte, 16)
	for range 100 {
		c.commit(64, data)
	}
	if n := testing.AllocsPerRun(100, func() { c.commit(64, data) }); n != 0 {
		t.Fatalf("%v allocations for a batch of 64 over three replicas", n)
	}
	for i, e := range c.engines {
		if err := e.Check(); err != nil || c.applied[i] != e.log.last {
			t.Fatalf("engine %d applied %d of %d: %v", e.cfg.ID, c.applied[i], e.log.last, err)
		}
	}
}
