package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// Rules of what is under way at once (L8, I20).

func TestL8AMemberIsSentNoMoreThanItsWindow(t *testing.T) {
	r := newRig(t, bound(3))
	r.p(1).cfg.MaxInflight, r.p(1).cfg.MaxMessageSize = 300, 100
	r.elect(1)
	r.settle()
	for range 50 {
		r.propose(1, "0123456789")
	}
	sent := map[NodeID]int{}
	for _, m := range r.flight(Accept) {
		for i := range m.Entries {
			sent[m.To] += m.Entries[i].Size()
		}
	}
	require.LessOrEqual(t, sent[2], 300+100)
	require.LessOrEqual(t, sent[3], 300+100)
	r.settle()
	require.Equal(t, Slot(50), r.p(2).Status().Commit, "the window opens with the acknowledgements")
}

func TestL8ProposalsAreBounded(t *testing.T) {
	r := newRig(t, bound(3))
	r.p(1).cfg.MaxUncommitted = 500
	r.elect(1)
	r.settle()
	var err error
	for range 50 {
		if _, err = r.p(1).Propose(consensus.Proposal{From: 1, ID: 1, Data: []byte("0123456789")}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, consensus.ErrBusy)
	require.LessOrEqual(t, r.p(1).Status().Uncommitted, 500)
	r.pump(r.find(1))
	r.settle()
	r.propose(1, "and again")
	for kind, p := range map[error]consensus.Proposal{
		consensus.ErrTooLarge:   {From: 1, ID: 1, Data: make([]byte, 5<<20)},
		consensus.ErrNotApplied: {From: 1, ID: 1, Kind: consensus.EntryMembers},
	} {
		last := r.p(1).Status().Last
		_, err := r.p(1).Propose(p)
		require.ErrorIs(t, err, kind)
		require.Equal(t, last, r.p(1).Status().Last)
	}
}

func TestL8AnAcceptorVotesOnlyNearWhatItHasLearned(t *testing.T) {
	r := one(t)
	far := Slot(window)
	out := r.ask(accept(2, b(2, 2), 0, command(far, b(2, 2), "v"), command(far+1, b(2, 2), "w")))
	require.Equal(t, []Range{{First: far, Last: far}}, out[0].Ranges)
	r.ask(learnReply(2, far+2, command(far+2, Chosen, "x")))
	require.Equal(t, far, r.p(1).Status().Last)
}

func TestL8ACandidateFarBehindForgetsNoVote(t *testing.T) {
	for name, m := range map[string]Message{
		"all of it is in memory":  {Commit: window, Last: window + 1, Entries: []Entry{command(window+1, b(1, 2), "chosen")}},
		"most of it is compacted": {Commit: window + 1, Last: window + 2, Floor: window + 1, Entries: []Entry{command(window+2, b(1, 2), "chosen")}},
		"an entry above the last": {Entries: []Entry{command(window+1, b(1, 2), "chosen")}},
		"a slot that is unknown":  {Ranges: []Range{{First: window + 1, Last: window + 1}}},
		"a last that is nobody's": {Last: 1 << 61},
	} {
		r, mine := preparingOf(t, 3)
		x := promiseOf(2, mine, m.Entries...)
		x.Commit, x.Last, x.Floor, x.Ranges = m.Commit, m.Last, m.Floor, m.Ranges
		r.ask(x)
		r.p(1).Step(&Message{Kind: EpochSnapshot, From: 2, To: 1, Group: 1, Incarnation: store(2), Promised: mine, Index: window + 1, Commit: window + 1})
		require.Equal(t, consensus.Follower, r.p(1).Status().Role, name)
		require.Equal(t, mine, r.p(1).Status().Term, name)
	}
}

func TestI20WhatIsQueuedIsBounded(t *testing.T) {
	r := one(t)
	r.ask(accept(2, b(2, 2), 2, command(1, b(2, 2), "a"), command(2, b(2, 2), "b")))
	r.compact(1)
	p := r.p(1)
	for from := NodeID(10); from < 60; from++ { // all want what only storage has
		m := Message{Kind: Learn, From: from, To: 1, Group: 1, Incarnation: store(from), Promised: b(2, 2), Ranges: []Range{{First: 1, Last: 1}}}
		p.Step(&m)
		p.Step(&m)
	}
	require.Len(t, p.services, maxServices)
	var eff consensus.Effects
	p.Ready(&eff)
	require.LessOrEqual(t, len(eff.Fetch), 50, "one request at a time for each")
}

func TestI20AnAnswerIsOfMessagesAndNoLongerThanWhatMayBeUnderWay(t *testing.T) {
	r := one(t)
	r.p(1).cfg.MaxMessageSize, r.p(1).cfg.MaxInflight = 200, 500
	var es []Entry
	for s := Slot(1); s <= 20; s++ {
		es = append(es, command(s, Chosen, "0123456789"))
	}
	r.ask(learnReply(2, 20, es...))
	out := r.ask(Message{Kind: Learn, From: 3, To: 1, Promised: b(2, 2), Ranges: []Range{{First: 1, Last: 20}}})
	require.Len(t, out, 3)
	next, total := Slot(1), 0
	for i, m := range out {
		size := 0
		for i := range m.Entries {
			require.Equal(t, next, m.Entries[i].Index)
			size += m.Entries[i].Size()
			next++
		}
		require.LessOrEqual(t, size, 200)
		total += size
		if i < 2 {
			require.Equal(t, next, m.Next, "the answer goes on")
		}
	}
	require.Zero(t, out[2].Next)
	require.LessOrEqual(t, total, 500)
	require.Greater(t, total, 400)
}

func TestL8WhatIsProposedCountsUntilItIsDurableHere(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	n := r.find(1)
	n.p.cfg.MaxUncommitted = 150
	n.hold = true
	r.propose(1, "a")
	r.propose(1, "b")
	r.settle()
	require.Equal(t, Slot(2), n.p.commit, "the others have chosen both")
	_, err := n.p.Propose(consensus.Proposal{From: 1, ID: 9, Data: []byte("c")})
	require.ErrorIs(t, err, consensus.ErrBusy)
	r.persist(n)
	r.pump(n)
	require.Zero(t, n.p.Status().Uncommitted)
	require.Equal(t, []string{"a", "b"}, n.applied)
}

func TestAProposalThatIsLearnedByValueCountsNoLonger(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.propose(1, "a")
	p := r.p(1)
	e := *p.log.at(1).e
	writes := p.seq
	r.ask(learnReply(2, 1, chosen(&e)))
	require.Equal(t, Slot(1), p.commit)
	require.Zero(t, p.Status().Uncommitted)
	require.Equal(t, writes, p.seq, "it is on disk already")
}
