package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEverySettingRuns measures nothing: it takes a moment of every setting, and how much is done in that is the
// machine's affair. A run ends when every client has had its answers.
func TestEverySettingRuns(t *testing.T) {
	for _, args := range [][]string{
		{"-protocol", "raft", "-op", "write", "-groups", "3"},
		{"-protocol", "paxos", "-op", "write", "-storage", "memory"},
		{"-protocol", "raft", "-op", "read", "-transport", "memory"},
		{"-protocol", "paxos", "-op", "lease-read", "-replicas", "1"},
	} {
		var stdout, stderr bytes.Buffer
		args = append(args, "-d", "50ms", "-warm-up", "10ms", "-clients", "4", "-dir", t.TempDir())
		require.Zero(t, run(args, &stdout, &stderr), stderr.String())
		var r result
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &r))
		require.Equal(t, args[3], r.Op)
		require.Equal(t, 4, r.Clients)
		require.Zero(t, r.Errors)
	}
}

func TestAWrongSettingIsExplained(t *testing.T) {
	for _, args := range [][]string{{"-protocol", "zab"}, {"-op", "scan"}, {"-storage", "tape"}, {"-transport", "pigeon"}, {"-clients", "0"}, {"-payload", "-1"}, {"more"}, {"-d", "x"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, run(args, &stdout, &stderr))
		require.Empty(t, stdout.String())
		require.Contains(t, stderr.String(), args[len(args)-1])
	}
}
