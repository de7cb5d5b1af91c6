package sim

import "github.com/consensus-go/consensus"

// What Paxos's writes do. The ghost knows every vote that became durable and every promise that left a
// node, and decides by itself what is chosen: a slot is chosen at a ballot as soon as a commit quorum of
// that ballot's epoch has made a vote for it durable. No engine's word is taken for it.
//
// The invariants have numbers. Here and in the files beside:
//
//	I1  agreement: no slot is chosen with two values        I9  a quorum's votes are durable (I10 rests on it)
//	I2  validity: what is chosen was proposed by somebody   I10 what is learned is chosen
//	I3  one value for each slot and ballot                  I11 what is learned stays
//	I4  promises never go back, crashes included            I12 all apply the same
//	I5  no vote is above the promise                        I13 a ballot is used by one node, in one life
//	I6  votes never go back                                 I14 what is trimmed is chosen, and in a snapshot
//	I7  P2c: no other value after one is chosen             I15 only electors' votes count
//	I8  a leader was promised by an election quorum         I16 nothing is chosen above a stop-sign
//
// I17, leases, is in check_reads.go; I18, what clients see, in linearize.go; I19, progress, in liveness.go
// and trial.go; I20, bounds, in bounds.go.

// paxosHoards are the sets of kinds that a hoarder of Paxos's messages holds back.
var paxosHoards = []uint64{
	1 << consensus.KindPromise,
	1<<consensus.KindPromise | 1<<consensus.KindPrepare,
	1 << consensus.KindAccepted,
	1 << consensus.KindAccept,
	1<<consensus.KindAccept | 1<<consensus.KindAccepted | 1<<consensus.KindPromise,
	1 << consensus.KindLearnReply,
	1<<consensus.KindLeadReply | 1<<consensus.KindReadIndexReply | 1<<consensus.KindLearnReply | 1<<consensus.KindEpochSealed,
}

// noteVote is when an entry has become durable at n. With it a slot may be chosen (I1, I15).
func (w *World) noteVote(n *node, e *consensus.Entry) {
	if w.options.Rules != PaxosRules || e.Term == consensus.Chosen {
		return
	}
	g := &w.ghost
	v, x := g.version(e.Index, e.Term), g.era(epochOf(e.Term))
	if v == nil || x == nil {
		w.fail("epochs", "node %d votes in slot %d at %d, of an epoch that has not begun", n.id, e.Index, e.Term)
		return
	}
	v.stored |= 1 << n.index
	if !n.mayVote(&x.members) {
		return
	}
	v.voters |= 1 << n.index
	if !commits(&x.members, w.those(v.voters)) {
		return
	}
	d := g.decided(e.Index)
	switch {
	case d == nil:
		w.choose(n, e, v, x)
	case d.hash != v.hash:
		w.fail("agreement", "slot %d is chosen with one value at ballot %d and with another at %d", e.Index, d.term, e.Term)
	}
}

// mayVote reports whether n, with the store that it has, is an acceptor of m.
func (n *node) mayVote(m *consensus.Members) bool {
	bound := m.Incarnation(n.id)
	return m.Votes(n.id) && (bound == 0 || bound == n.disk.incarnation)
}

// those are the nodes of a set.
func (w *World) those(set uint16) func(consensus.NodeID) bool {
	return func(id consensus.NodeID) bool {
		n := w.node(id)
		return n != nil && set>>n.index&1 == 1
	}
}

// choose is when e, by the vote of n, is chosen.
func (w *World) choose(n *node, e *consensus.Entry, v *version, x *era) {
	if e.Index > 1 && w.ghost.decided(e.Index-1) == nil {
		w.mark(MarkChosenOutOfOrder)
	}
	*w.ghost.chosen.put(e.Index) = decision{term: e.Term, by: e.Term, hash: v.hash}
	w.result.Commits++
	w.checkOnce(n, e.Index, v)
	w.checkLeases(e.Term)
	switch {
	case x.end != 0 && e.Index > x.end:
		w.fail("stop-sign", "slot %d is chosen at %d, above the stop-sign at %d of that epoch", e.Index, e.Term, x.end)
	case e.Kind == consensus.EntryMembers:
		w.noteStopSign(e)
	case x.begin > 0 && e.Index == x.begin+1:
		w.checkOpening(n, e, x)
	}
}

// checkOpening: the first slot of an epoch holds the no-op that answers whoever asked for the change. It is chosen
// no earlier than voters that meet every election have everything before it on disk: those whom the change removed are
// needed no longer (S7). By the vote of n it was chosen.
func (w *World) checkOpening(n *node, e *consensus.Entry, x *era) {
	if e.Kind != consensus.EntryNoop || e.From != x.from || e.ID != x.id {
		w.fail("opening", "slot %d is the first of an epoch, and holds a %v of node %d, number %x", e.Index, e.Kind, e.From, e.ID)
	}
	if !x.members.MeetsElections(func(id consensus.NodeID) bool {
		o := w.node(id)
		return o != nil && o.mayVote(&x.members) && (o.disk.state.Commit >= x.begin || o.disk.snapshot.Index >= x.begin || o == n && o.issued.Commit >= x.begin)
	}) {
		w.fail("opening", "slot %d is chosen, and a quorum of %v may lack what is before it", e.Index, x.members)
	}
}

// checkSlots follows the slots of n, as they are once wr is durable (I4, I11).
func (w *World) checkSlots(n *node, wr *consensus.Write) {
	before := n.issued
	if wr.State.Term < before.Term {
		w.fail("promise", "node %d writes the promise %d after %d", n.id, wr.State.Term, before.Term)
	}
	if epochOf(wr.State.Term) > epochOf(before.Term) {
		w.checkEntered(n, wr)
	}
	n.issued = wr.State
	if s := wr.Snapshot; s != nil {
		w.checkCovered(n, wr)
		n.base = *s
		n.log.drop(s.Index + 1)
		n.values.drop(s.Index + 1)
		n.slot.adopted = n.slot.adopted || n.slot.index == s.Index
	}
	if wr.Truncate != 0 {
		if wr.Truncate <= n.status.Commit {
			w.fail("learned stays", "node %d cuts off slot %d, which it knows to be chosen", n.id, wr.Truncate)
		}
		n.log.cut(wr.Truncate)
		n.values.cut(wr.Truncate)
	}
	for i := range wr.Entries {
		e := &wr.Entries[i]
		if e.Term != consensus.Chosen && e.Term < before.Term {
			w.fail("votes", "node %d votes in slot %d at %d, below its promise %d", n.id, e.Index, e.Term, before.Term)
		}
		w.checkSlot(n, wr, e)
	}
}

// checkSlot checks what is to be in one slot (I3, I5, I6, I7, I10, I11).
func (w *World) checkSlot(n *node, wr *consensus.Write, e *consensus.Entry) {
	g, h := &w.ghost, entryHash(e)
	switch old := n.log.at(e.Index); {
	case old == nil || *old == 0:
	case *old > e.Term:
		w.fail("votes", "node %d replaces its vote %d in slot %d by one of %d", n.id, *old, e.Index, e.Term)
	case e.Term != consensus.Chosen:
		w.mark(MarkValueAdopted)
	}
	*n.log.put(e.Index) = e.Term
	*n.values.put(e.Index) = h
	d := g.decided(e.Index)
	if e.Kind == consensus.EntryNoop && ownerOf(e.Term) == n.id {
		w.mark(MarkGapFilled)
	}
	if e.Term == consensus.Chosen {
		w.mark(MarkLearnedByValue)
		switch {
		case d == nil || d.hash != h:
			w.fail("learned is chosen", "node %d learns in slot %d what is not chosen there", n.id, e.Index)
		case epochOf(d.term) > epochOf(wr.State.Term):
			w.fail("epochs", "node %d learns slot %d, of epoch %d, before it has entered that epoch (S9)", n.id, e.Index, epochOf(d.term))
		}
		return
	}
	if e.Term > wr.State.Term {
		w.fail("promise", "node %d votes in slot %d at %d, above its promise %d", n.id, e.Index, e.Term, wr.State.Term)
	}
	if d != nil && d.term < e.Term && d.hash != h {
		w.fail("value adoption", "node %d votes in slot %d at %d for another value than was chosen at %d", n.id, e.Index, e.Term, d.term)
	}
	if e.Index <= n.status.Commit && (d == nil || d.hash != h) {
		w.fail("learned stays", "node %d votes at %d for another value in slot %d, which it knows to be chosen", n.id, e.Term, e.Index)
	}
	w.checkProposal(n, e)
	switch v := g.version(e.Index, e.Term); {
	case v == nil:
		g.add(e.Index, version{term: e.Term, hash: h, id: e.ID})
	case v.hash != h:
		w.fail("one value per ballot", "node %d votes in slot %d at %d for another value than somebody else", n.id, e.Index, e.Term)
	}
}

// checkProposal: nothing is proposed above a stop-sign of the same ballot (S1); and where a leader has
// said that all is chosen, it proposes nothing else (F1).
func (w *World) checkProposal(n *node, e *consensus.Entry) {
	r := w.ghost.round(e.Term)
	switch {
	case r.stop != 0 && e.Index > r.stop:
		w.fail("stop-sign", "slot %d is proposed at %d, above the stop-sign that was proposed at %d in that ballot", e.Index, e.Term, r.stop)
	case e.Kind == consensus.EntryMembers:
		r.stop = e.Index
	}
	if d := w.ghost.decided(e.Index); e.Index <= r.told && (d == nil || d.hash != entryHash(e)) {
		w.fail("watermark", "node %d votes at %d in slot %d, below the watermark %d, for what is not chosen there", n.id, e.Term, e.Index, r.told)
	}
}
