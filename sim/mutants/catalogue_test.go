package mutants

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The catalogue is a floor: more is welcome, less is not.
var floor = []string{
	"figure-8", "vote-reset-same-term", "stale-vote-counted", "duplicate-vote-counted", "vote-not-durable", "vote-before-sync",
	"candidate-counts-unsynced-tail", "no-up-to-date-check", "quorum-minus-one", "truncate-always", "ack-own-last-index",
	"commit-to-last-index", "no-prev-term-check", "stale-append-reply", "match-survives-election", "ack-before-sync",
	"ack-duplicate-before-sync", "completion-aba", "leader-counts-unsynced-self", "pre-vote-mutates", "read-before-own-commit",
	"read-without-quorum", "joint-new-majority-only", "snapshot-loses-config",
}

func TestEveryMutantOfTheCatalogueFitsTheSource(t *testing.T) {
	ms, err := Load("raft", "raft")
	require.NoError(t, err)
	var names []string
	for _, m := range ms {
		names = append(names, m.Name)
		require.Equal(t, filepath.Join("raft", m.Name+".txt"), m.File)
		_, err := m.Apply(filepath.Join("..", ".."))
		require.NoError(t, err)
	}
	require.Subset(t, names, floor)
}
