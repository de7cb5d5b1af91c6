package sim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim"
)

func campaign(t *testing.T, o sim.Options) sim.Report {
	t.Helper()
	if o.Protocol == nil {
		o.Protocol = raft.New
	}
	r, err := sim.Campaign(context.Background(), o)
	require.NoError(t, err)
	return r
}

// engines are the options that say which engine it is.
var engines = []sim.Options{
	{Name: "raft", Protocol: raft.New},
	{Name: "paxos", Protocol: paxos.New, Rules: sim.PaxosRules},
}

func TestEveryEngineSurvivesEveryProfile(t *testing.T) {
	for _, o := range engines {
		for _, p := range []sim.Profile{sim.Swarm, sim.Calm, sim.Cuts, sim.Hoarder, sim.Crashes, sim.Churn, sim.Storm, sim.Leases, sim.Upheaval} {
			t.Run(o.Name+"/"+p.String(), func(t *testing.T) {
				o.Profile, o.Seed, o.Seeds = p, 1, 30
				r := campaign(t, o)
				require.Empty(t, r.Violations)
				require.Equal(t, 30, r.Seeds)
			})
		}
	}
}

func TestADurableStateMachineSurvivesEveryProfile(t *testing.T) {
	for _, o := range engines {
		for _, p := range []sim.Profile{sim.Swarm, sim.Crashes, sim.Churn} {
			t.Run(o.Name+"/"+p.String(), func(t *testing.T) {
				o.Durable, o.Profile, o.Seed, o.Seeds = true, p, 1, 30
				require.Empty(t, campaign(t, o).Violations)
			})
		}
	}
}

func TestASwarmSeedIsLongEnough(t *testing.T) {
	for seed := range uint64(20) {
		r, err := sim.Simulate(sim.Options{Protocol: raft.New, Seed: seed})
		require.NoError(t, err)
		require.GreaterOrEqual(t, r.Simulated, 30*time.Second)
		require.GreaterOrEqual(t, r.Operations, uint64(200))
	}
}

func TestTheSameSeedGivesTheSameRun(t *testing.T) {
	for _, o := range engines {
		for o.Seed = range 30 {
			first, err := sim.Simulate(o)
			require.NoError(t, err)
			second, err := sim.Simulate(o)
			require.NoError(t, err)
			require.Equal(t, first, second)
		}
	}
}

func TestATraceChangesNothing(t *testing.T) {
	var trace strings.Builder
	o := sim.Options{Protocol: raft.New, Seed: 3}
	silent, err := sim.Simulate(o)
	require.NoError(t, err)
	o.Trace = &trace
	traced, err := sim.Simulate(o)
	require.NoError(t, err)
	require.Equal(t, silent, traced)
	require.Contains(t, trace.String(), "is now leader in term")
}

func TestNeitherTheWorkersNorTheirWorldsMatter(t *testing.T) {
	one := campaign(t, sim.Options{Seed: 1, Seeds: 30, Workers: 1})
	many := campaign(t, sim.Options{Seed: 1, Seeds: 30, Workers: 7})
	require.Equal(t, one.Digest, many.Digest)
	require.Equal(t, one.Counters, many.Counters)
	fresh, err := sim.Simulate(sim.Options{Protocol: raft.New, Seed: 17})
	require.NoError(t, err)
	used := campaign(t, sim.Options{Seed: 1, Seeds: 17, Workers: 1})
	before := campaign(t, sim.Options{Seed: 1, Seeds: 16, Workers: 1})
	require.Equal(t, used.Events-before.Events, fresh.Events)
}

func TestARecordReplays(t *testing.T) {
	record := sim.Recorder{From: sim.NewSeeded(9)}
	o := sim.Options{Protocol: raft.New, Chooser: &record}
	first, err := sim.Simulate(o)
	require.NoError(t, err)
	replay := sim.Replayer{Record: record.Record}
	o.Chooser = &replay
	second, err := sim.Simulate(o)
	require.NoError(t, err)
	require.NoError(t, replay.Stale())
	require.Equal(t, first, second)
}

func TestASwarmReachesItsMarks(t *testing.T) {
	for _, o := range engines {
		o.Seed, o.Seeds = 1, 300
		r := campaign(t, o)
		require.LessOrEqual(t, len(r.Cold), 2, "%s, cold: %v", o.Name, r.Cold) // the rarest need some luck
		require.False(t, r.Failed())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	var config *consensus.ConfigError
	for _, o := range []sim.Options{
		{},
		{Protocol: raft.New, Nodes: 10},
		{Protocol: raft.New, Nodes: -1},
		{Protocol: raft.New, Seeds: -1},
		{Protocol: raft.New, For: -time.Second},
		{Protocol: raft.New, Workers: -1},
		{Protocol: raft.New, Profile: 99},
	} {
		_, err := sim.Simulate(o)
		require.ErrorAs(t, err, &config)
		require.NotEmpty(t, config.Field)
	}
	_, err := sim.ParseProfile("sunny")
	require.ErrorContains(t, err, "storm")
}

func TestAnyNumberOfNodes(t *testing.T) {
	for _, o := range engines {
		for o.Nodes = 1; o.Nodes <= 9; o.Nodes++ {
			o.Seed, o.Seeds = 1, 5
			require.Empty(t, campaign(t, o).Violations, "%s, %d nodes", o.Name, o.Nodes)
		}
	}
}
