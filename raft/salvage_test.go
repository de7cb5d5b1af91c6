package raft

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// remains are those of a replica that knows its log to be committed up to commit.
func remains(commit Index, log ...Entry) consensus.Recovered {
	return consensus.Recovered{State: consensus.State{Term: 9, Commit: commit}, Entries: log}
}

// What is salvaged are the entries of these terms, after the index after.
func TestWhatIsSalvagedIsTheLogThatWouldBeElected(t *testing.T) {
	long, late := remains(1, entries(0, 1, 1, 2, 2, 2)...), remains(1, entries(0, 1, 1, 3)...)
	stale := remains(0, entries(0, 1, 2, 2, 2, 2)...)
	cut := remains(3, entries(0, 1, 3, 3)...)                             // it has lost what followed
	holed := remains(5, append(entries(0, 1, 3), entries(3, 3, 3)...)...) // and this one what came between
	reminded := remains(1, append(entries(0, 1, 2), Entry{Index: 7})...)
	snapshot := remains(3, entries(3, 3, 4)...)
	snapshot.Snapshot = consensus.SnapshotMeta{Index: 3, Term: 3}
	for name, x := range map[string]struct {
		recs  []consensus.Recovered
		after Index
		want  []Term
	}{
		"nothing":             {},
		"one":                 {[]consensus.Recovered{long}, 1, []Term{1, 2, 2, 2}},
		"all of one":          {[]consensus.Recovered{long}, 0, []Term{1, 1, 2, 2, 2}},
		"the later last term": {[]consensus.Recovered{long, late}, 1, []Term{1, 3}},
		"in any order":        {[]consensus.Recovered{late, long}, 1, []Term{1, 3}},
		"the longer of two":   {[]consensus.Recovered{remains(1, entries(0, 1, 1)...), remains(1, entries(0, 1, 1, 1)...)}, 1, []Term{1, 1}},
		"not the stale log after what was chosen":  {[]consensus.Recovered{stale, cut}, 3, nil},
		"not beyond a hole":                        {[]consensus.Recovered{holed}, 2, nil},
		"not what a hole makes look better":        {[]consensus.Recovered{stale, holed}, 5, nil},
		"not the reminder of damage":               {[]consensus.Recovered{reminded}, 1, []Term{2}},
		"after a snapshot":                         {[]consensus.Recovered{snapshot}, 3, []Term{3, 4}},
		"after another's snapshot":                 {[]consensus.Recovered{snapshot, remains(2, entries(0, 1, 3, 3)...)}, 3, []Term{3, 4}},
		"not a snapshot from before the beginning": {[]consensus.Recovered{snapshot}, 1, nil},
	} {
		c := subject(t, 3, 1)
		var got []Term
		for i, e := range c.raft(1).Salvage(x.recs, x.after, nil) {
			require.Equal(t, x.after+1+Index(i), e.Index, name)
			got = append(got, e.Term)
		}
		require.Equal(t, x.want, got, name)
	}
}

// A snapshot without term and configuration is one that was restored from a backup. Like an empty log it is followed
// by the founding configuration.
func TestAGroupIsFoundedOnARestoredSnapshot(t *testing.T) {
	c := &cluster{enginetest.New(&protocol).Watch(t)}
	n := c.Add(1, consensus.EngineConfig{Members: voters(1)})
	n.Disk.Snapshot = consensus.SnapshotMeta{Index: 7}
	n.Start()
	require.Equal(t, Index(7), c.raft(1).Status().Commit)
	c.Campaign(1)
	c.Flush()
	st := c.raft(1).Status()
	require.Equal(t, consensus.Leader, st.Role)
	require.Equal(t, Index(8), st.MembersIndex)
	require.Equal(t, uint64(1), st.Members.Incarnation(1))
}

func TestARestoredSnapshotLeavesAFounderItsMembers(t *testing.T) {
	c := subject(t, 3, 1)
	c.Node(1).Disk.Blobs[7] = []Entry{}
	c.step(Message{Kind: InstallSnapshot, From: 2, Term: 1, Index: 7})
	st := c.raft(1).Status()
	require.Equal(t, Index(7), st.Commit)
	require.Equal(t, voters(3).Voters, st.Members.Voters)
	require.Zero(t, st.Ignored)
	c.step(Message{Kind: InstallSnapshot, From: 2, Term: 1, Index: 9, Data: (&configuration{now: voters(3)}).encode()})
	require.Equal(t, uint64(1), c.raft(1).Status().Ignored, "a configuration, and no term")
	_, err := New(consensus.EngineConfig{ID: 1, Group: 1}, consensus.Recovered{Snapshot: consensus.SnapshotMeta{Index: 7, Term: 1}})
	require.ErrorIs(t, err, consensus.ErrMalformed, "a term, and no configuration")
}
