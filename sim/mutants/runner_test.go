package mutants

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// newModule is a module with an engine of one line, a simulator that sees some of what is wrong
// with it, and a script that sees something else.
func newModule(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, "go.mod", "module toy\n\ngo 1.26\n")
	write(t, root, "raft/raft.go", "package raft\n\n// Rule is 0.\nconst Rule = 0\n")
	write(t, root, "raft/raft_test.go", `package raft

import "testing"

func TestScripts(t *testing.T) {
	t.Run("rule is not 2", func(t *testing.T) {
		if Rule == 2 || Rule == 9 {
			t.Fatal("it is")
		}
	})
}
`)
	write(t, root, "sim/cmd/simulate/main.go", `package main

import (
	"os"
	"strings"

	"toy/raft"
)

func main() {
	args := strings.Join(os.Args[1:], " ")
	asked, ok := strings.CutPrefix(args, "run -json -first -protocol raft -profile swarm -nodes 3 ")
	if !ok {
		os.Stderr.WriteString("called with " + args)
		os.Exit(2)
	}
	switch raft.Rule {
	case 1: // seed 8 fails, but not after it
		if asked != "-start 7 -seeds 10 -for 1m0s" && asked != "-start 8 -seeds 1 -for 1m0s" {
			break
		}
		os.Stdout.WriteString("{\"seeds\":2,\"events\":50,\"violations\":[{\"seed\":8,\"property\":\"election safety\",\"detail\":\"two leaders\"}]}")
		os.Exit(1)
	case 4:
		panic("four")
	}
	os.Stdout.WriteString("{\"seeds\":10,\"events\":100,\"violations\":[]}")
}
`)
	return root
}

func toyRunner(root string) *Runner {
	return &Runner{
		Root: root, Protocol: "raft", Scripts: "TestScripts", Parallel: 2, Done: func(Result) {},
		Drivers: []Driver{{Profile: "swarm", Nodes: 3, Start: 7, Seeds: 10}},
	}
}

func toyMutant(name, rule string) Mutant {
	return Mutant{Name: name, File: name + ".txt", Protocol: "raft", Breaks: "the rule is 0", Replacements: []Replacement{
		{File: "raft/raft.go", Old: "const Rule = 0\n", New: "const Rule = " + rule + "\n"},
	}}
}

func TestRunReportsWhatFindsEachMutant(t *testing.T) {
	told := 0
	r := toyRunner(newModule(t))
	r.Done = func(Result) { told++ }
	results, err := r.Run(t.Context(), []Mutant{
		toyMutant("simulated", "1"), toyMutant("scripted", "2"), toyMutant("missed", "3"), toyMutant("crashing", "4"),
	})
	require.NoError(t, err)
	require.Equal(t, 4, told)
	for i := range results {
		results[i].Seconds, results[i].BuildS = 0, 0
	}
	require.Equal(t, []Result{
		{Name: "simulated", Breaks: "the rule is 0", FoundBy: BySimulator, Profile: "swarm", Nodes: 3, Seed: 8, Property: "election safety", Detail: "two leaders", Seeds: 2, Events: 50},
		{Name: "scripted", Breaks: "the rule is 0", FoundBy: ByScript, Property: "TestScripts/rule_is_not_2", Seeds: 10, Events: 100},
		{Name: "missed", Breaks: "the rule is 0", Seeds: 10, Events: 100},
		{Name: "crashing", Breaks: "the rule is 0", FoundBy: BySimulator, Profile: "swarm", Nodes: 3, Seed: 7, Property: "crash", Detail: "panic: four"},
	}, results)
}

func TestRunRefusesAMutantThatDoesNotFitBeforeItCompilesAnything(t *testing.T) {
	m := toyMutant("unfit", "1")
	m.Replacements[0].Old = "const Rule = 7\n"
	_, err := toyRunner(t.TempDir()).Run(t.Context(), []Mutant{m})
	require.ErrorContains(t, err, "mutant unfit (unfit.txt:0)")
}

func TestRunNamesAMutantThatDoesNotCompile(t *testing.T) {
	_, err := toyRunner(newModule(t)).Run(t.Context(), []Mutant{toyMutant("broken", "nonsense")})
	require.ErrorContains(t, err, "mutant broken (broken.txt): go build")
	require.ErrorContains(t, err, "undefined: nonsense")
}

func TestRunCountsNothingThatTheEngineItselfFails(t *testing.T) {
	root := newModule(t)
	write(t, root, "raft/raft.go", "package raft\n\n// Rule is 1.\nconst Rule = 1\n\nconst Other = 0\n")
	m := toyMutant("innocent", "")
	m.Replacements[0] = Replacement{File: "raft/raft.go", Old: "const Other = 0\n", New: "const Other = 1\n"}
	results, err := toyRunner(root).Run(t.Context(), []Mutant{m})
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Empty(t, results[0].FoundBy)
	require.Equal(t, 2+10, results[0].Seeds, "the driver went on after seed 8")
}

func TestRunLeavesOutWhatWasCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := toyRunner(newModule(t))
	r.Parallel = 1
	r.Done = func(Result) { cancel() }
	results, err := r.Run(ctx, []Mutant{toyMutant("simulated", "1"), toyMutant("never", "1")})
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, "simulated", results[0].Name)
}
