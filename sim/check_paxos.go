package sim

import "github.com/consensus-go/consensus"

// What Paxos's writes and messages promise. The ghost knows every vote that became durable and
// every promise that left a node, and decides by itself what is chosen: a slot is chosen at a ballot
// as soon as a commit quorum of that ballot's epoch has made a vote for it durable. No engine's word
// is taken for it.

// paxosHoards are the sets of kinds that a hoarder of Paxos's messages holds back.
var paxosHoards = [...]uint64{
	1 << consensus.KindPromise,
	1<<consensus.KindPromise | 1<<consensus.KindPrepare,
	1 << consensus.KindAccepted,
	1 << consensus.KindAccept,
	1<<consensus.KindAccept | 1<<consensus.KindAccepted | 1<<consensus.KindPromise,
	1<<consensus.KindLeadReply | 1<<consensus.KindReadIndexReply | 1<<consensus.KindLearnReply | 1<<consensus.KindEpochSealed,
}

func epochOf(b consensus.Term) uint64 { return uint64(b) >> 48 }

func ownerOf(b consensus.Term) consensus.NodeID { return consensus.NodeID(b & (1<<24 - 1)) }

// noteEpoch remembers the members of the epoch that n is in. There is one membership in an epoch.
func (w *World) noteEpoch(n *node, st *consensus.Status) {
	if st.Kind == consensus.NotMember && st.MembersIndex == 0 && len(st.Members.Voters) == 0 {
		return // it has joined, and knows nothing yet
	}
	e := epochOf(st.Term)
	known, ok := w.ghost.epochs[e]
	if !ok {
		w.ghost.epochs[e] = st.Members
	} else if st.Term != n.status.Term && !known.Equal(&st.Members) {
		w.fail("epochs", "node %d has in epoch %d the members %v, another one had %v", n.id, e, st.Members, known)
	}
}

// noteVote is when an entry has become durable at n. With it a slot may be chosen.
//
// I1: no slot is chosen with two values. I15: votes are those of acceptors of the ballot's epoch.
func (w *World) noteVote(n *node, e *consensus.Entry) {
	if w.options.Rules != PaxosRules || e.Term == consensus.Chosen {
		return
	}
	v := w.ghost.version(e.Index, e.Term)
	m, ok := w.ghost.epochs[epochOf(e.Term)]
	if v == nil || !ok || !m.Votes(n.id) || m.Incarnation(n.id) != 0 && m.Incarnation(n.id) != n.disk.incarnation {
		return
	}
	v.voters |= 1 << n.index
	if !m.IsCommitQuorum(func(id consensus.NodeID) bool { o := w.node(id); return o != nil && v.voters>>o.index&1 == 1 }) {
		return
	}
	d := w.ghost.chosen.at(e.Index)
	switch {
	case d == nil || d.by == 0:
		if below := w.ghost.chosen.at(e.Index - 1); e.Index > 1 && (below == nil || below.by == 0) {
			w.mark(MarkChosenOutOfOrder)
		}
		*w.ghost.chosen.put(e.Index) = decision{term: e.Term, by: e.Term, hash: v.hash}
		w.result.Commits++
		w.checkOnce(n, e.Index, v)
	case d.hash != v.hash:
		w.fail("agreement", "slot %d is chosen with one value at ballot %d and with another at %d", e.Index, d.term, e.Term)
	}
}

// checkSlots follows the slots of n, as they are once wr is durable.
//
// I3: one value for each slot and ballot. I4, I5, I6: promises and votes do not go back, and no vote
// is above the promise. I7 (P2c): no vote is for another value once one is chosen at a lower ballot.
func (w *World) checkSlots(n *node, wr *consensus.Write) {
	if wr.State.Term < n.issued.Term {
		w.fail("promise", "node %d writes the promise %d after %d", n.id, wr.State.Term, n.issued.Term)
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
		n.log.cut(wr.Truncate)
		n.values.cut(wr.Truncate)
	}
	for i := range wr.Entries {
		w.checkSlot(n, wr, &wr.Entries[i])
	}
}

func (w *World) checkSlot(n *node, wr *consensus.Write, e *consensus.Entry) {
	g := &w.ghost
	switch old := n.log.at(e.Index); {
	case old == nil || *old == 0:
	case *old > e.Term:
		w.fail("votes", "node %d replaces its vote %d in slot %d by one of %d", n.id, *old, e.Index, e.Term)
	case e.Term != consensus.Chosen:
		w.mark(MarkValueAdopted)
	}
	*n.log.put(e.Index) = e.Term
	*n.values.put(e.Index) = entryHash(e)
	d := g.chosen.at(e.Index)
	if d != nil && d.by == 0 {
		d = nil
	}
	if e.Kind == consensus.EntryNoop && ownerOf(e.Term) == n.id {
		w.mark(MarkGapFilled)
	}
	if e.Term == consensus.Chosen {
		w.mark(MarkLearnedByValue)
		if d == nil || d.hash != entryHash(e) {
			w.fail("learned is chosen", "node %d learns in slot %d what is not chosen there", n.id, e.Index)
		}
		return
	}
	if e.Term > wr.State.Term {
		w.fail("promise", "node %d votes in slot %d at %d, above its promise %d", n.id, e.Index, e.Term, wr.State.Term)
	}
	if d != nil && d.term < e.Term && d.hash != entryHash(e) {
		w.fail("value adoption", "node %d votes in slot %d at %d for another value than was chosen at %d", n.id, e.Index, e.Term, d.term)
	}
	switch v := g.version(e.Index, e.Term); {
	case v == nil:
		g.add(e.Index, version{term: e.Term, hash: entryHash(e), id: e.ID})
	case v.hash != entryHash(e):
		w.fail("one value per ballot", "node %d votes in slot %d at %d for another value than somebody else", n.id, e.Index, e.Term)
	}
}

// checkCovered: a snapshot covers only what is chosen, and does not go back (I14).
func (w *World) checkCovered(n *node, wr *consensus.Write) {
	s := wr.Snapshot
	if s.Index < n.base.Index {
		w.fail("snapshots", "node %d adopts the snapshot at %d after one at %d", n.id, s.Index, n.base.Index)
	}
	if d := w.ghost.chosen.at(s.Index); d == nil || d.by == 0 || s.Term != 0 {
		w.fail("snapshots", "node %d adopts a snapshot at %d of term %d, where nothing is chosen", n.id, s.Index, s.Term)
	}
	if n.slot.received && n.slot.index == s.Index {
		w.mark(MarkSnapshotInstalled)
	}
}

// checkLearned: what a node takes for chosen is chosen, and is what it has there (I10, I11).
func (w *World) checkLearned(n *node, old, st *consensus.Status) {
	for i := old.Commit + 1; i <= st.Commit; i++ {
		d := w.ghost.chosen.at(i)
		if d == nil || d.by == 0 {
			w.fail("learned is chosen", "node %d takes slot %d for chosen, which it is not", n.id, i)
			return
		}
		if v := n.values.at(i); i > n.base.Index && (v == nil || *v != d.hash) {
			w.fail("learned is chosen", "node %d takes slot %d for chosen with another value than the one chosen at %d", n.id, i, d.term)
			return
		}
	}
	w.hunt(n)
}

// checkApplySlots: what is applied is chosen, and durable here (rule 3 of Effects).
func (w *World) checkApplySlots(n *node, es []consensus.Entry) bool {
	for i := range es {
		e := &es[i]
		d := w.ghost.chosen.at(e.Index)
		stored := n.disk.log.at(e.Index)
		switch {
		case d == nil || d.by == 0 || d.hash != entryHash(e):
			w.fail("state machine safety", "node %d applies at %d what is not chosen there", n.id, e.Index)
			return false
		case e.Index > n.disk.snapshot.Index && (stored == nil || stored.Index != e.Index || entryHash(stored) != d.hash):
			w.fail("durable before applied", "node %d applies %d before it is durable there", n.id, e.Index)
			return false
		}
	}
	return true
}

// checkClaim checks a message that leaves n: what it claims of the disk is on the disk.
func (w *World) checkClaim(n *node, m *consensus.Message) {
	switch m.Kind {
	case consensus.KindPrepare, consensus.KindAccept, consensus.KindLead:
		w.checkOwn(n, m)
	case consensus.KindPromise:
		w.checkPromised(n, m)
		if n.witness {
			w.mark(MarkWitnessVoted)
		}
	case consensus.KindAccepted:
		w.checkPromised(n, m)
		w.checkVoted(n, m)
	case consensus.KindLeadReply:
		w.checkPromised(n, m)
	case consensus.KindLearnReply:
		w.checkTaught(n, m)
	case consensus.KindNack:
		w.mark(MarkBallotRefused)
	case consensus.KindEpochSealed:
		w.mark(MarkEpochSealed)
	}
}

// checkOwn: a ballot belongs to one node in one life, and its owner has promised it durably before
// anybody hears of it (I13, I8).
func (w *World) checkOwn(n *node, m *consensus.Message) {
	if ownerOf(m.Term) != n.id || n.disk.state.Term < m.Term {
		w.fail("ballots", "node %d uses the ballot %d, but its disk says %d", n.id, m.Term, n.disk.state.Term)
	}
	if r, ok := w.ghost.ballots[m.Term]; ok && r != (reign{n.id, n.life}) {
		w.fail("ballots", "node %d uses the ballot %d in a second life", n.id, m.Term)
	}
	w.ghost.ballots[m.Term] = reign{n.id, n.life}
	w.rememberPromise(n, m.Term)
}

// checkPromised: a promise is durable before anybody hears of it.
func (w *World) checkPromised(n *node, m *consensus.Message) {
	if n.disk.state.Term < m.Term {
		w.fail("durable promise", "node %d answers ballot %d, but its disk says %d", n.id, m.Term, n.disk.state.Term)
	}
	w.rememberPromise(n, m.Term)
}

func (w *World) rememberPromise(n *node, b consensus.Term) {
	s := store{n.id, n.disk.incarnation}
	w.ghost.promises[s] = max(w.ghost.promises[s], b)
}

// checkPromiseKept: a store that comes back remembers every promise that it has told of (I4).
func (w *World) checkPromiseKept(n *node, rec *consensus.Recovered) {
	if b := w.ghost.promises[store{n.id, rec.Incarnation}]; w.options.Rules == PaxosRules && rec.State.Term < b {
		w.fail("durable promise", "node %d comes back with the promise %d, but had told of %d", n.id, rec.State.Term, b)
	}
}

// checkVoted: every vote that is acknowledged was durable (I9).
func (w *World) checkVoted(n *node, m *consensus.Message) {
	for _, r := range m.Ranges {
		for s := r.First; s <= r.Last; s++ {
			stored := n.disk.log.at(s)
			switch v := w.ghost.version(s, m.Term); {
			case v == nil:
				w.fail("durable vote", "node %d acknowledges slot %d at %d, where nobody voted", n.id, s, m.Term)
				return
			case v.voters>>n.index&1 == 1 || s <= n.disk.snapshot.Index || stored != nil && stored.Index == s && stored.Term >= m.Term:
			default:
				w.fail("durable vote", "node %d acknowledges slot %d at %d, which is not durable", n.id, s, m.Term)
				return
			}
		}
	}
}

// checkTaught: what is taught by value is chosen (C1).
func (w *World) checkTaught(n *node, m *consensus.Message) {
	for i := range m.Entries {
		e := &m.Entries[i]
		if d := w.ghost.chosen.at(e.Index); d == nil || d.by == 0 || d.hash != entryHash(e) {
			w.fail("learned is chosen", "node %d teaches in slot %d what is not chosen there", n.id, e.Index)
			return
		}
	}
}
