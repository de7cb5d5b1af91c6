package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTortureForAFewSeconds(t *testing.T) {
	for _, protocol := range []string{"raft", "paxos"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), []string{"-for", "5s", "-protocol", protocol, "-links", "proxy", "-seed", "40", "-json", "-v"}, &stdout, &stderr)
			require.Zero(t, code, stderr.String())
			var s summary
			require.NoError(t, json.Unmarshal(stdout.Bytes(), &s))
			require.Zero(t, s.Violations)
			require.Positive(t, s.Ops)
			require.Positive(t, s.Kills)
			require.Positive(t, s.Cuts)
		})
	}
}

func TestAClusterThatForgetsIsFoundOut(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-for", "1h", "-links", "proxy", "-seed", "1"}, os.Stderr)
	require.NoError(t, err)
	tort, err := prepare(context.Background(), o, os.Stderr)
	require.NoError(t, err)
	defer os.RemoveAll(tort.dir)
	tort.harms = []harm{{1, func(n *nemesis, ctx context.Context) {
		n.kill(n.members()...)
		for _, id := range n.members() {
			n.erase(id)
		}
		n.restart(ctx, n.members()...)
		sleep(ctx, time.Second)
	}}}
	tort.run(context.Background())
	var stderr bytes.Buffer
	s := tort.finish(&stderr)
	require.Positive(t, s.Violations)
	require.Contains(t, stderr.String(), "VIOLATION")
	for _, pattern := range []string{"violation-1-*.html", "*.json", "node-1.log", "torture.log"} {
		found, err := filepath.Glob(filepath.Join(tort.dir, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-protocol", "zab"}, {"-nodes", "2"}, {"-links", "string"}, {"-clients", "0"}, {"more"}} {
		require.Equal(t, 2, run(context.Background(), args, os.Stdout, new(bytes.Buffer)), args)
	}
}
