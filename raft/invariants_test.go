package raft

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/stretchr/testify/require"
)

// Check finds each invariant broken that it promises to look at.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	leader := func() *cluster {
		c := led(t, voters(3))
		c.Propose(1, "a", "b")
		c.Settle(filter{})
		return c
	}
	candidate := func() *cluster {
		c := subject(t, 3, 1, 1)
		c.candidate()
		return c
	}
	follower := func() *cluster {
		c := subject(t, 3, 1, 1)
		c.step(Message{Kind: AppendEntries, From: 2, Term: 2, Index: 1, LogTerm: 1, Entries: entries(1, 2), Commit: 1})
		return c
	}
	empty := func() *cluster { return subject(t, 3, 1) }
	conf := func(i Index) configuration { return configuration{index: i, now: voters(3)} }
	for name, x := range map[string]struct {
		state func() *cluster
		spoil func(*Raft)
	}{
		"snapshot ≤ commit":        {leader, func(r *Raft) { r.snapshot.Index = r.commit + 1 }},
		"base ≤ snapshot":          {leader, func(r *Raft) { r.log.base = 1 }},
		"commit ≤ last":            {leader, func(r *Raft) { r.commit = r.log.last + 1 }},
		"handed ≤ commit":          {leader, func(r *Raft) { r.handed = r.commit + 1 }},
		"verified ≤ last":          {follower, func(r *Raft) { r.verified = r.log.last + 1 }},
		"issued ≤ last":            {leader, func(r *Raft) { r.log.issued = r.log.last + 1 }},
		"finished ≤ issued":        {leader, func(r *Raft) { r.log.issued = 1 }},
		"last term ≤ term":         {leader, func(r *Raft) { r.log.lastTerm = r.term + 1 }},
		"finished writes ≤ issued": {leader, func(r *Raft) { r.durableSeq = r.seq + 1 }},
		"no pages, no entries":     {empty, func(r *Raft) { r.log.bytes = 1 }},
		"first entry after base":   {leader, func(r *Raft) { r.log.pages[0] = r.log.pages[0][1:] }},
		"last entry":               {follower, func(r *Raft) { r.log.lastTerm-- }},
		"configurations in order":  {leader, func(r *Raft) { r.configs = append(r.configs, conf(2), conf(2)) }},
		"configuration in the log": {leader, func(r *Raft) { r.configs = append(r.configs, conf(9)) }},
		"a candidate's vote":       {candidate, func(r *Raft) { r.vote = 2 }},
		"a leader's vote":          {leader, func(r *Raft) { r.vote = 2 }},
		"a leader follows itself":  {leader, func(r *Raft) { r.leader = 2 }},
		"match < next":             {leader, func(r *Raft) { r.peers[0].match = r.peers[0].next }},
		"next ≤ last + 1":          {leader, func(r *Raft) { r.peers[0].next = r.log.last + 2 }},
	} {
		r := x.state().raft(1)
		require.NoError(t, r.Check(), name)
		var spoiled Raft
		r.CloneInto(&spoiled)
		x.spoil(&spoiled)
		require.Error(t, spoiled.Check(), name)
	}
}

// Nobody appends anywhere but at the end: that is our own mistake, and stops the process that makes it.
func TestAnEntryOutOfPlacePanics(t *testing.T) {
	require.Panics(t, func() { new(log).append(&Entry{Index: 2}) })
}

// A snapshot of ours always holds a configuration.
func TestASnapshotWithoutAConfigurationPanics(t *testing.T) {
	c := led(t, voters(3))
	require.Panics(t, func() { c.raft(1).Compacted(consensus.SnapshotMeta{Index: 1, Term: 1, Config: []byte{9}}) })
}
