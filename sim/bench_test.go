package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim"
)

// BenchmarkSwarm runs one seed of the swarm after the other, with all checks, on one processor.
func BenchmarkSwarm(b *testing.B) {
	b.ReportAllocs()
	r, err := sim.Campaign(b.Context(), sim.Options{Protocol: raft.New, Seeds: b.N, Seed: 1, Workers: 1})
	require.NoError(b, err)
	require.Empty(b, r.Violations)
	b.ReportMetric(float64(r.Events)/r.Wall.Seconds(), "events/s")
	b.ReportMetric(r.Simulated.Seconds()/r.Wall.Seconds(), "simulated-s/s")
}
