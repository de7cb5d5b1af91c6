package raft

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/stretchr/testify/require"
)

// damaged starts node 1 of three, in term 3, with entries 1 to 4 of term 1 and nothing readable of those up to lost.
func damaged(t *testing.T, lost Index) *cluster {
	c := subject(t, 3, 3, 1, 1, 1, 1)
	n := c.Node(1)
	n.Crash(0)
	n.Disk.Damage(5, lost)
	c.restart()
	return c
}

// restart begins another life of node 1, so long ago that it gives votes.
func (c *cluster) restart() {
	n := c.Node(1)
	if n.Engine != nil {
		n.Crash(0)
	}
	n.Start()
	c.Patience(1)
	c.Flush()
}

// grants reports whether node 1 would vote for a candidate whose log is the best that there can be.
func (c *cluster) grants() bool {
	c.Patience(1)
	r := c.raft(1)
	ms := only(c.step(Message{Kind: PreVote, From: 2, Term: r.term + 1, Index: 1000, LogTerm: r.term, Context: 1}), PreVoteReply)
	return !ms[0].Reject
}

// receive has node 1 append entries of these terms after prev, which leader 2 of term sent.
func (c *cluster) receive(term Term, prev Index, terms ...Term) {
	t, _ := c.raft(1).log.term(prev)
	c.step(Message{Kind: AppendEntries, From: 2, Term: term, Index: prev, LogTerm: t, Session: 1, Entries: entries(prev, terms...)})
}

// reminder is the entry of term 0 on the disk of node 1, or 0.
func (c *cluster) reminder() (at Index) {
	for i, e := range c.Node(1).Disk.Log {
		if e.Term == 0 {
			at = i
		}
	}
	return at
}

func repeat(n int, t Term) (ts []Term) {
	for range n {
		ts = append(ts, t)
	}
	return ts
}

// Whoever has lost entries remembers that, though nothing on its disk is damaged any more: until its log is as long as it
// was, or holds an entry of a later term than the one it came back with.
func TestDamageIsRememberedUntilItIsRepaired(t *testing.T) {
	for name, x := range map[string]struct {
		repair func(c *cluster)
		sure   bool
	}{
		"nothing":               {func(*cluster) {}, false},
		"some of it":            {func(c *cluster) { c.receive(3, 4, 1, 1) }, false},
		"all of it":             {func(c *cluster) { c.receive(3, 4, 1, 1, 1, 1) }, true},
		"its own term":          {func(c *cluster) { c.receive(3, 4, 3) }, false},
		"an old entry":          {func(c *cluster) { c.receive(9, 4, 3) }, false},
		"a later term":          {func(c *cluster) { c.receive(9, 4, 1, 9) }, true},
		"a later term, undone":  {func(c *cluster) { c.receive(9, 4, 1, 9); c.receive(10, 5, 3) }, true},
		"another log":           {func(c *cluster) { c.receive(9, 2, 2) }, false},
		"another log, later on": {func(c *cluster) { c.receive(9, 2, 9) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := damaged(t, 8)
			require.False(t, c.grants())
			require.Equal(t, Index(8), c.reminder(), "what cut the damage off reminds of it")
			x.repair(c)
			require.Equal(t, x.sure, c.grants())
			require.Equal(t, x.sure, c.reminder() == 0)
			for range 3 {
				c.restart()
				require.Less(t, c.raft(1).Status().Last, Index(9))
				require.Equal(t, x.sure, c.grants())
			}
		})
	}
}

// A snapshot tells what is committed up to its end, and of which term that is.
func TestASnapshotRepairsDamage(t *testing.T) {
	for _, x := range []struct {
		index Index
		term  Term
		sure  bool
	}{{6, 3, false}, {8, 3, true}, {6, 4, true}} {
		c := damaged(t, 8)
		require.False(t, c.grants())
		c.Node(1).Disk.Blobs[x.index] = entries(0, repeat(int(x.index), 1)...)
		config := c.raft(1).config().encode()
		c.step(Message{Kind: InstallSnapshot, From: 2, Term: 5, Index: x.index, LogTerm: x.term, Data: config})
		require.Equal(t, x.index, c.raft(1).Status().Snapshot)
		require.Equal(t, x.sure, c.reminder() == 0)
		c.restart()
		require.Equal(t, x.sure, c.grants(), "a snapshot at %d of term %d", x.index, x.term)
	}
}

// A long message is several writes, of a page each. What an entry in the last of them tells is not known on disk before
// that has it.
func TestTheReminderStaysUntilTheRepairIsDurable(t *testing.T) {
	c := damaged(t, 200)
	n := c.Node(1)
	require.False(t, c.grants())
	n.Manual = true
	c.receive(4, 4, append(repeat(60, 3), 4)...)
	writes := len(n.Disk.Unfinished)
	require.Greater(t, writes, 2)
	for keep := range writes + 1 {
		d := n.Disk.Clone()
		d.Crash(keep)
		e, err := New(n.Config, d.Recover())
		require.NoError(t, err)
		require.Equal(t, keep < writes, e.(*Raft).isUnsure(), "%d of %d writes", keep, writes)
	}
}

// The reminder lies beside the log: no page of it, and no entry that is handed out, ever holds it.
func TestTheReminderIsNotPartOfTheLog(t *testing.T) {
	c := damaged(t, 9)
	n := c.Node(1)
	n.Manual = true
	c.receive(3, 2, 2, 2)
	w := n.Disk.Unfinished[len(n.Disk.Unfinished)-1]
	require.Equal(t, Index(3), w.Truncate)
	require.Len(t, w.Entries, 3)
	require.Equal(t, Entry{Index: 9, Kind: consensus.EntryNoop}, w.Entries[2])
	c.receive(3, 4, 2, 2)
	require.Equal(t, []Term{1, 1, 2, 2, 2, 2}, c.terms(1))
	require.Equal(t, Index(6), c.raft(1).Status().Last)
	require.False(t, w.Changed())
	n.FinishAll()
	c.restart()
	require.Equal(t, []Term{1, 1, 2, 2, 2, 2}, c.terms(1))
}

// A hole that nobody explains is taken for damage.
func TestAHoleIsDamage(t *testing.T) {
	c := subject(t, 3, 3, 1, 1, 1, 1)
	delete(c.Node(1).Disk.Log, 3)
	c.restart()
	require.False(t, c.grants())
	require.Equal(t, []Term{1, 1}, c.terms(1))
	require.Equal(t, Index(4), c.reminder())
}
