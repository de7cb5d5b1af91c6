package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Check finds each invariant broken that it promises to look at.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	leader := func() *rig {
		r := newRig(t, bound(3))
		r.elect(1)
		r.settle()
		r.propose(1, "chosen")
		r.settle()
		r.propose(1, "proposed")
		r.propose(1, "likewise")
		return r
	}
	follower := func() *rig {
		r := one(t)
		r.ask(accept(2, b(2, 2), 1, command(1, b(2, 2), "a"), command(2, b(2, 2), "b")))
		return r
	}
	sealed := func() *rig {
		r := one(t)
		r.seal(1, sign(1, Chosen, 1, Members{Voters: ids(3)[1:], Bound: bound(3).Bound}))
		return r
	}
	for name, x := range map[string]struct {
		state func() *rig
		spoil func(*Paxos)
	}{
		"snapshot ≤ commit":              {follower, func(p *Paxos) { p.snapshot.Index = p.commit + 1 }},
		"base = snapshot":                {follower, func(p *Paxos) { p.snapshot.Index = p.commit }},
		"commit ≤ last":                  {follower, func(p *Paxos) { p.commit = p.log.last + 1 }},
		"handed ≤ commit":                {follower, func(p *Paxos) { p.handed = p.commit + 1 }},
		"finished writes ≤ issued":       {follower, func(p *Paxos) { p.durable = p.seq + 1 }},
		"written promise ≤ promise":      {follower, func(p *Paxos) { p.written.Term = p.promised + 1 }},
		"no stop-sign ≤ commit":          {follower, func(p *Paxos) { p.stopAt = p.commit }},
		"something at last":              {follower, func(p *Paxos) { p.log.last++ }},
		"what is committed is learned":   {follower, func(p *Paxos) { p.commit = p.log.last }},
		"votes ≤ promise (I5)":           {follower, func(p *Paxos) { p.promised, p.written.Term = b(1, 2), 0 }},
		"epochs in order":                {sealed, func(p *Paxos) { p.epochs = append(p.epochs, p.epochs[0]) }},
		"epochs are entered when sealed": {sealed, func(p *Paxos) { p.epochs[0].index = p.commit + 1 }},
		"no epoch above the promise":     {sealed, func(p *Paxos) { p.promised, p.written.Term = b(2, 2), 0 }},
		"one's own ballot is promised":   {leader, func(p *Paxos) { p.campaigned++ }},
		"durably":                        {leader, func(p *Paxos) { p.own = false }},
		"a leader follows itself":        {leader, func(p *Paxos) { p.leader = 2 }},
		"nothing above a stop-sign (S1)": {leader, func(p *Paxos) { p.stop = 1 }},
		"next above last":                {leader, func(p *Paxos) { p.next-- }},
	} {
		p := x.state().p(1)
		require.NoError(t, p.Check(), name)
		var spoiled Paxos
		p.CloneInto(&spoiled)
		x.spoil(&spoiled)
		require.Error(t, spoiled.Check(), name)
	}
}

// A stop-sign that cannot be read is our own mistake, as none passes the gate: it stops the process that makes it.
func TestAStopSignThatCannotBeReadPanics(t *testing.T) {
	r := one(t)
	p := r.p(1)
	bad := Entry{Index: 1, Kind: consensus.EntryMembers, Data: []byte{9}}
	require.Panics(t, func() { p.learned(p.log.put(&bad)); p.advance() })

	r = one(t)
	r.ask(accept(2, b(2, 2), 1, command(1, b(2, 2), "a")))
	r.compact(1)
	p = r.p(1)
	p.onLearn(&Message{Kind: Learn, From: 3, To: 1, Ranges: []Range{{First: 1, Last: 1}}})
	require.Panics(t, func() { p.Fetched(consensus.Fetch{To: 3, Lo: 1}, []Entry{bad}, nil) })
}
