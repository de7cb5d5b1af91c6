package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/sim"
)

// BenchmarkSwarm runs one seed of the swarm after the other, with all checks, on one processor.
func BenchmarkSwarm(b *testing.B) {
	for _, o := range engines {
		b.Run(o.Name, func(b *testing.B) {
			b.ReportAllocs()
			o.Seeds, o.Seed, o.Workers = b.N, 1, 1
			r, err := sim.Campaign(b.Context(), o)
			require.NoError(b, err)
			require.Empty(b, r.Violations)
			b.ReportMetric(float64(r.Events)/r.Wall.Seconds(), "events/s")
			b.ReportMetric(r.Simulated.Seconds()/r.Wall.Seconds(), "simulated-s/s")
		})
	}
}
