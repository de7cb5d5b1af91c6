package enginetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/consensus-go/consensus"
)

// A trio is three engines in one goroutine on a perfect network and disk: what an entry costs in
// the engines alone.
type trio struct {
	protocol *Protocol
	replicas [3]replica // the first one leads
	eff      consensus.Effects
	inbox    []Message
	messages int
}

type replica struct {
	consensus.Engine
	id      NodeID
	applied Index
	term    Term // of what it applied last
}

func newTrio(tb testing.TB, p *Protocol) *trio {
	t := &trio{protocol: p}
	for i := range t.replicas {
		id := NodeID(i + 1)
		e, err := p.New(consensus.EngineConfig{ID: id, Members: Voters(3), Seed: 1}, consensus.Recovered{Incarnation: uint64(id)})
		if err != nil {
			tb.Fatal(err)
		}
		t.replicas[i] = replica{Engine: e, id: id}
	}
	for now := Instant(1); ; now += Instant(100 * time.Millisecond) {
		for i := range t.replicas {
			t.replicas[i].Tick(now)
			t.pump(&t.replicas[i])
		}
		t.settle()
		if t.replicas[0].Status().Leader != 0 && now > Instant(3*time.Second) {
			break
		}
	}
	for t.replicas[0].Status().Role != consensus.Leader {
		t.replicas[0], t.replicas[1], t.replicas[2] = t.replicas[1], t.replicas[2], t.replicas[0]
	}
	return t
}

// pump does what r wants done, as the smallest correct host does.
func (t *trio) pump(r *replica) {
	for r.Ready(&t.eff) {
		t.inbox = append(t.inbox, t.eff.Early...)
		if t.eff.Write.Seq != 0 {
			r.Persisted(t.eff.Write.Seq)
		}
		t.inbox = append(t.inbox, t.eff.Messages...)
		if n := len(t.eff.Committed); n > 0 {
			r.applied, r.term = t.eff.Committed[n-1].Index, t.eff.Committed[n-1].Term
		}
		t.eff.Reset()
	}
}

// settle delivers messages until there are none.
func (t *trio) settle() {
	for k := 0; k < len(t.inbox); k++ {
		t.messages++
		for i := range t.replicas {
			if r := &t.replicas[i]; r.id == t.inbox[k].To {
				r.Step(&t.inbox[k])
				t.pump(r)
			}
		}
	}
	clear(t.inbox)
	t.inbox = t.inbox[:0]
}

// commit proposes a batch and sees it applied everywhere.
func (t *trio) commit(n int, data []byte) {
	for range n {
		if _, err := t.replicas[0].Propose(consensus.Proposal{Data: data}); err != nil {
			panic(err)
		}
	}
	t.pump(&t.replicas[0])
	t.settle()
}

// compact snapshots every engine, so that memory stays level.
func (t *trio) compact() {
	for i := range t.replicas {
		r := &t.replicas[i]
		r.Compacted(consensus.SnapshotMeta{Index: r.applied, Term: r.term, Config: t.protocol.Config(r.Engine, r.applied)})
		t.pump(r)
	}
}

// Benchmark reports what one entry costs in three engines together.
func Benchmark(b *testing.B, p *Protocol) {
	for _, batch := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			t := newTrio(b, p)
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

// NoAllocation fails the test if a batch of 64 entries over three replicas allocates anything.
func NoAllocation(t *testing.T, p *Protocol) {
	c := newTrio(t, p)
	data := make([]byte, 16)
	for range 100 {
		c.commit(64, data)
	}
	if n := testing.AllocsPerRun(100, func() { c.commit(64, data) }); n != 0 {
		t.Fatalf("%v allocations for a batch of 64 over three replicas", n)
	}
	for i := range c.replicas {
		r := &c.replicas[i]
		if err := r.Check(); err != nil || r.applied != r.Status().Last {
			t.Fatalf("engine %d applied %d of %d: %v", r.id, r.applied, r.Status().Last, err)
		}
	}
}
