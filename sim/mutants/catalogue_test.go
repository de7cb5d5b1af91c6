package mutants

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The catalogue is a floor: more is welcome, less is not.
var floor = [...]struct {
	dir   string
	names []string
}{
	{"raft", []string{
		"figure-8", "vote-reset-same-term", "stale-vote-counted", "duplicate-vote-counted", "vote-not-durable", "vote-before-sync",
		"candidate-counts-unsynced-tail", "no-up-to-date-check", "quorum-minus-one", "truncate-always", "ack-own-last-index",
		"commit-to-last-index", "no-prev-term-check", "stale-append-reply", "match-survives-election", "ack-before-sync",
		"ack-duplicate-before-sync", "completion-aba", "leader-counts-unsynced-self", "pre-vote-mutates", "read-before-own-commit",
		"read-without-quorum", "joint-new-majority-only", "snapshot-loses-config", "damage-forgotten",
		"quiet-with-lagging-follower", "quiet-never-wakes", "lease-through-quiet", "removed-is-never-told", "lease-by-timers",
	}},
	{"runtime", []string{
		"answer-in-the-wrong-life", "answers-weigh-nothing-restored", "applied-before-durable", "evicts-the-oldest-session",
		"forward-proposed-twice", "held-messages-released-early", "mixed-version-field-dropped", "reply-to-wrong-waiter",
		"restored-before-durable", "retry-applied-twice", "session-survives-its-close", "sessions-not-in-snapshot",
		"unknown-told-as-never", "wiped-voter-votes",
	}},
	{"paxos", []string{
		"accept-any-ballot", "accept-before-sync", "accept-does-not-raise-promise", "adopt-first", "adopt-nothing", "apply-skips-hole",
		"ballot-shared", "chunk-counts-as-promise", "corrupt-is-empty", "enters-without-truncate", "epochs-skipped", "floor-is-empty",
		"gaps-never-filled", "learn-unchosen", "learned-written-lazily", "learns-ahead-of-epoch", "lease-from-receipt",
		"lease-not-honoured", "lease-not-honoured-by-oneself", "next-slot-own-last", "no-duel-backoff", "noop-above-stop-sign",
		"observer-vote-counted", "own-vote-before-sync", "promise-before-sync", "promise-omits-chosen", "proposes-above-stop-sign",
		"q2-minus-one", "quorums-miss", "read-before-barrier", "read-without-quorum", "read-wrong-quorum", "replaced-vote-acknowledged",
		"resume-after-restart", "round-one-for-others", "second-hand-ballot", "self-promise-unrecorded", "stale-promise-counted",
		"trim-to-accepted", "votes-as-integers", "watermark-commits-anything", "watermark-of-a-beaten-leader", "wiped-rejoins",
		"write-error-ignored", "quiet-with-lagging-follower", "quiet-never-wakes", "lease-through-quiet", "question-before-its-epoch",
		"snapshot-counted-before-sync",
	}},
	{"storage", []string{
		"crc-ignored", "damage-forgotten", "damage-is-absence", "entries-deleted-early", "folder-without-dir-sync",
		"fsync-error-swallowed", "fsync-left-out", "fsync-retried", "missing-not-missed", "moved-is-absent", "rename-without-dir-sync",
		"segment-deleted-early", "segment-without-dir-sync", "snapshot-crc-ignored", "state-before-entries", "tail-believed",
		"tail-comes-back", "torn-tail-accepted",
	}},
}

func TestEveryMutantOfTheCatalogueFitsTheSource(t *testing.T) {
	for _, f := range floor {
		protocol := f.dir
		if protocol == "runtime" { // which is tried under Raft
			protocol = "raft"
		}
		ms, err := Load(f.dir, protocol)
		require.NoError(t, err)
		var names []string
		for _, m := range ms {
			names = append(names, m.Name)
			require.Equal(t, filepath.Join(f.dir, m.Name+".txt"), m.File)
			_, err := m.Apply(filepath.Join("..", ".."))
			require.NoError(t, err)
		}
		require.Subset(t, names, f.names)
	}
}
