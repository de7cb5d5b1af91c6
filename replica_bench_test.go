package consensus

import (
	"fmt"
	"testing"
)

// What a Replica adds to its engine and its Env: an idle Pump, and an entry from the call of
// Propose to its answer, when so many share a Pump.
func BenchmarkReplica(b *testing.B) {
	b.Run("idle", func(b *testing.B) {
		r := NewReplica(ReplicaConfig{ID: 1, Group: 1}, &fakeEngine{}, &quietEnv{}, Recovered{})
		for b.Loop() {
			r.Tick(r.now + 1000)
			r.Pump()
		}
	})
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			e := &fakeEngine{status: Status{ID: 1, Role: Leader, Term: 1, Leader: 1}}
			r := NewReplica(ReplicaConfig{ID: 1, Group: 1}, e, &quietEnv{}, Recovered{})
			results := make([]Applied, 0, batch)
			for b.Loop() {
				r.Tick(r.now + 1000)
				for range batch {
					id := r.NextID()
					r.Propose(id, EntryCommand, nil)
					results = append(results, Applied{Index: e.status.Last, From: 1, ID: id, Size: 64})
				}
				r.Pump()
				r.Applied(results)
				r.Pump()
				results, e.proposals = results[:0], e.proposals[:0]
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/entry")
		})
	}
}
