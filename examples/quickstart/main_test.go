package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// runIn runs the program.
func runIn(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

func TestTheStoryEndsWell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "five.txt")
	require.NoError(t, os.WriteFile(file, []byte("a\nb\n\nd\nthe last has no newline"), 0o644))
	for name, x := range map[string]struct {
		stdin string
		args  []string
		title string
	}{
		"file":           {"", []string{file}, "5 lines of " + file + ", three replicas, raft"},
		"raft":           {"", []string{"-protocol", "raft", file}, "5 lines of " + file + ", three replicas, raft"},
		"paxos":          {"", []string{"-protocol", "paxos", file}, "5 lines of " + file + ", three replicas, paxos"},
		"standard input": {"one\n", nil, "1 line of standard input, three replicas, raft"},
		"nothing":        {"", nil, "8 lines of the built-in text, three replicas, raft"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := runIn(t, x.stdin, x.args...)
			require.Zero(t, code, stderr)
			require.True(t, strings.HasPrefix(stdout, x.title+"\n"), stdout)
			for _, chapter := range []string{"leads", "replicated, through replica", "stopped", "more replicated", "is back", "hold the same"} {
				_, rest, found := strings.Cut(stdout, chapter)
				require.True(t, found, "%q in:\n%s", chapter, stdout)
				stdout = rest
			}
		})
	}
}

func TestAnEmptyFileIsReplicatedToo(t *testing.T) {
	code, stdout, _ := runIn(t, "", os.DevNull)
	require.Zero(t, code)
	require.Contains(t, stdout, "hold the same 0 lines")
}

func TestMistakesAreToldWithTheUsage(t *testing.T) {
	for _, x := range []struct {
		args []string
		says string
	}{
		{[]string{filepath.Join(t.TempDir(), "missing")}, "missing: no such file"},
		{[]string{"-protocol", "gossip"}, `no protocol "gossip"; there is: paxos, raft`},
		{[]string{"a", "b"}, "one file at most, not 2"},
		{[]string{"-nonsense"}, "-nonsense"},
	} {
		code, stdout, stderr := runIn(t, "", x.args...)
		require.Equal(t, 2, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, x.says)
		require.Contains(t, stderr, "usage: quickstart")
	}
}

func TestStatesThatDifferAreToldApart(t *testing.T) {
	want := []string{"a", "b"}
	require.NoError(t, same([]string{"a", "b"}, want))
	require.EqualError(t, same([]string{"a"}, want), "it ends before line 2")
	require.EqualError(t, same([]string{"a", "c"}, want), `line 2 is "c", not "b"`)
	require.EqualError(t, same([]string{"a", "b", "b"}, want), `line 3 is one too many: "b"`)
}
