package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim"
	"github.com/consensus-go/consensus/sim/mutants"
)

// simulate runs a command line.
func simulate(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = execute(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// A spoiled engine is Raft that breaks an invariant of its own once something is committed.
type spoiled struct{ consensus.Engine }

func (e spoiled) Check() error {
	if e.Status().Commit >= 5 {
		return errors.New("five is right out")
	}
	return nil
}

// spoil adds a protocol that fails, for one test.
func spoil(t *testing.T) {
	protocols["spoiled"] = func(c consensus.EngineConfig, rec consensus.Recovered) (consensus.Engine, error) {
		e, err := raft.New(c, rec)
		return spoiled{e}, err
	}
	t.Cleanup(func() { delete(protocols, "spoiled") })
}

func TestWrongUseExitsWith2AndNamesTheFlagAndTheValue(t *testing.T) {
	empty := t.TempDir()
	for line, want := range map[string]string{
		"":                             "no command given",
		"fly":                          `there is no command "fly"`,
		"run -protocol gossip":         `-protocol gossip: there is no such protocol; there are: paxos, raft`,
		"run -profile quiet":           `-profile quiet: `,
		"run -seeds 0":                 "-seeds 0: must be at least 1",
		"run -seeds -3":                "-seeds -3: must be at least 1",
		"run -seeds many":              `invalid value "many" for flag -seeds`,
		"run -start -1":                `invalid value "-1" for flag -start`,
		"run -nodes 10":                "-nodes 10: ",
		"run -nodes -1":                "-nodes -1: ",
		"run -for 0s":                  "-for 0s: must be above 0",
		"run -for 10":                  `invalid value "10" for flag -for`,
		"run -speed 3":                 "-speed",
		"run 42":                       `unexpected argument "42"`,
		"replay -seed x":               `invalid value "x" for flag -seed`,
		"replay -profile quiet":        "-profile quiet: ",
		"replay -for -1s":              "-for -1s: ",
		"replay -nodes 77":             "-nodes 77: ",
		"mutants -protocol gossip":     "-protocol gossip: ",
		"mutants -dir /no/such/folder": "-dir /no/such/folder: ",
		"mutants -dir " + empty:        "-dir " + empty + ": it holds no mutant of raft",
		"mutants -only nobody":         "-only nobody: there is no mutant of that name in ",
	} {
		t.Run(line, func(t *testing.T) {
			code, stdout, stderr := simulate(t.Context(), strings.Fields(line)...)
			require.Equal(t, exitUsage, code)
			require.Contains(t, stderr, want)
			require.Empty(t, stdout)
		})
	}
}

func TestHelpExitsWith0(t *testing.T) {
	for _, line := range []string{"-h", "help", "run -h", "replay -h", "mutants -h"} {
		code, stdout, stderr := simulate(t.Context(), strings.Fields(line)...)
		require.Equal(t, exitClean, code, line)
		require.Contains(t, stdout, "-protocol", line)
		require.Empty(t, stderr, line)
	}
}

func TestAMutantThatDoesNotFitExitsWith2AndNamesItselfAndItsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "stale.txt")
	text := "name: stale\nprotocol: raft\nbreaks: x\n\n--- raft/raft.go\nno such line\n+++\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	code, _, stderr := simulate(t.Context(), "mutants", "-dir", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "mutant stale ("+file+":5): the old text stands 0 times in raft/raft.go, not once")
}

func TestRunPrintsWhatWasExercised(t *testing.T) {
	code, stdout, stderr := simulate(t.Context(), "run", "-seeds", "2", "-start", "7")
	require.Equal(t, exitClean, code)
	require.Empty(t, stderr, "no bar where there is no terminal")
	for _, row := range []string{
		"raft, profile swarm, 2 seeds from 7 on", "events", "simulated seconds", "messages", "crashes", "partitions", "elections",
		"commits", "reads", "configuration changes", "snapshots", "situations reached", "2 seeds in ", ": no violation\n",
	} {
		require.Contains(t, stdout, row)
	}
}

func TestRunPrintsOneJSONObjectWithExactlyTheseKeys(t *testing.T) {
	code, stdout, _ := simulate(t.Context(), "run", "-seeds", "2", "-json")
	require.Equal(t, exitClean, code)
	var got map[string]any
	d := json.NewDecoder(strings.NewReader(stdout))
	require.NoError(t, d.Decode(&got))
	require.False(t, d.More())
	require.Equal(t, strings.Fields(`commits config_changes crashes elections events events_per_s marks messages
		partitions protocol reads seeds simulated_s snapshots violations wall_s`), slices.Sorted(maps.Keys(got)))
	require.Equal(t, "raft", got["protocol"])
	require.EqualValues(t, 2, got["seeds"])
	require.Greater(t, got["simulated_s"], 60.0)
	require.Equal(t, []any{}, got["violations"])
}

func TestAViolationExitsWith1AndNamesTheCommandThatReplaysIt(t *testing.T) {
	spoil(t)
	code, stdout, _ := simulate(t.Context(), "run", "-protocol", "spoiled", "-profile", "calm", "-seeds", "2", "-start", "3")
	require.Equal(t, exitFound, code)
	require.Contains(t, stdout, "five is right out")
	require.Contains(t, stdout, ": 2 violations\n")
	require.Contains(t, stdout, "\n  go run ./sim/cmd/simulate replay -protocol spoiled -profile calm -seed 4 -trace\n")

	code, stdout, _ = simulate(t.Context(), "replay", "-protocol", "spoiled", "-profile", "calm", "-seed", "4", "-trace")
	require.Equal(t, exitFound, code)
	require.Contains(t, stdout, "five is right out")
}

func TestAViolationInJSON(t *testing.T) {
	spoil(t)
	code, stdout, _ := simulate(t.Context(), "run", "-protocol", "spoiled", "-profile", "calm", "-seeds", "9", "-start", "3", "-first", "-json")
	require.Equal(t, exitFound, code)
	var got struct {
		Seeds      int
		Violations []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Equal(t, 1, got.Seeds)
	require.Len(t, got.Violations, 1)
	require.Equal(t, []string{"detail", "property", "replay", "seed"}, slices.Sorted(maps.Keys(got.Violations[0])))
	require.EqualValues(t, 3, got.Violations[0]["seed"])
}

func TestReplayIsTheSameRun(t *testing.T) {
	code, traced, _ := simulate(t.Context(), "replay", "-seed", "42", "-nodes", "3", "-trace")
	require.Equal(t, exitClean, code)
	code, plain, _ := simulate(t.Context(), "replay", "-seed", "42", "-nodes", "3")
	require.Equal(t, exitClean, code)
	require.Greater(t, strings.Count(traced, "\n"), 1000, "a line for each transition")
	digest := plain[strings.LastIndex(plain, "digest "):]
	require.True(t, strings.HasSuffix(traced, digest))
}

func TestAnInterruptedRunPrintsWhatWasDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, stdout, _ := simulate(ctx, "run")
	require.Equal(t, exitClean, code)
	require.Contains(t, stdout, "0 seeds in 0s, interrupted: no violation")
}

func TestRunStopsWhenTheTimeIsUp(t *testing.T) {
	code, stdout, _ := simulate(t.Context(), "run", "-for", "1ms")
	require.Equal(t, exitClean, code)
	require.NotContains(t, stdout, ", interrupted:")
}

func TestColdMarksFailALongCampaignAndOnlyThat(t *testing.T) {
	var b strings.Builder
	r := report{Report: sim.Report{Seeds: sim.EnoughSeeds, Cold: []string{"split vote", "fetch failed"}}}
	printVerdict(&b, &r)
	require.True(t, r.Failed())
	require.Contains(t, b.String(), "never reached: split vote, fetch failed\nThat fails a campaign of 2,000 seeds or more")

	b.Reset()
	r.Seeds--
	printVerdict(&b, &r)
	require.False(t, r.Failed())
	require.Contains(t, b.String(), "never reached: split vote, fetch failed\n")
	require.NotContains(t, b.String(), "That fails")
}

func TestAMarkIsColdIfItIsSoInEveryBatch(t *testing.T) {
	var r report
	for _, cold := range [][]string{{"a", "b", "c"}, {"b", "c", "d"}, {"a", "c"}} {
		r.add(&sim.Report{Seeds: 1, Cold: cold, Counters: sim.Counters{Events: 10}, Wall: time.Second})
	}
	require.Equal(t, []string{"c"}, r.Cold)
	require.Equal(t, 3, r.Seeds)
	require.EqualValues(t, 30, r.Events)
	require.Equal(t, 3*time.Second, r.Wall)
}

func TestTheBarShowsWhicheverEndIsNearer(t *testing.T) {
	b := bar{seeds: 4000, done: 1000, events: 5_000_000}
	require.Equal(t, "[#######.......................]  25%  1,000 of 4,000 seeds  1,000,000 events/s  no violation", b.line(5*time.Second))
	b.limit, b.failed = 10*time.Second, 1
	require.Equal(t, "[###############...............]  50%  1,000 of 4,000 seeds  1,000,000 events/s  1 violation", b.line(5*time.Second))
	b.seeds = 0
	require.Equal(t, "[##############################] 100%  1,000 seeds  250,000 events/s  1 violation", b.line(20*time.Second))
}

func TestMutantsAreCountedByWhatFoundThem(t *testing.T) {
	p := planted{Mutants: []mutants.Result{
		{Name: "a", FoundBy: mutants.BySimulator, Profile: "storm", Seed: 9, Property: "election safety", Seeds: 1009, Events: 1_000_000, Seconds: 2.04},
		{Name: "b", FoundBy: mutants.ByScript, Property: "TestScripts/b"},
		{Name: "c"},
	}, WallS: 12.3}
	p.count()
	require.Equal(t, []int{2, 1, 1}, []int{p.Found, p.Scripted, p.Missed})

	var b strings.Builder
	for _, r := range p.Mutants {
		printMutant(&b, r)
	}
	require.NoError(t, p.print(&b, 4))
	for _, want := range []string{"storm, seed 9", "1,009", "1,000,000", " 2.0\n", "only a script", "NOTHING",
		"\n2 of 3 mutants found, 1 of them only by a script, in 12 s\n", "interrupted: 1 were not tried\n"} {
		require.Contains(t, b.String(), want)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, grouped(n))
	}
}
