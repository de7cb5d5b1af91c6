package sim

import "github.com/consensus-go/consensus"

// checkCovered: a snapshot covers only what is chosen, and does not go back (I14).
func (w *World) checkCovered(n *node, wr *consensus.Write) {
	s := wr.Snapshot
	if s.Index < n.base.Index {
		w.fail("snapshots", "node %d adopts the snapshot at %d after one at %d", n.id, s.Index, n.base.Index)
	}
	for i := n.base.Index + 1; i <= s.Index; i++ {
		if w.ghost.decided(i) == nil {
			w.fail("snapshots", "node %d adopts a snapshot at %d, which covers slot %d, where nothing is chosen", n.id, s.Index, i)
			return
		}
	}
	if s.Term != 0 {
		w.fail("snapshots", "node %d adopts a snapshot at %d with the term %d, which differs between replicas", n.id, s.Index, s.Term)
	}
	if n.slot.received && n.slot.index == s.Index {
		w.mark(MarkSnapshotInstalled)
	}
}

// checkEntered: an epoch is entered after the one before, with everything up to its stop-sign
// learned, in the same write (S4); but for a snapshot, which may skip epochs.
func (w *World) checkEntered(n *node, wr *consensus.Write) {
	x := w.ghost.era(epochOf(wr.State.Term))
	kept := wr.Truncate == 0 || x != nil && wr.Truncate > max(x.begin, n.base.Index, wr.State.Commit)+1
	switch {
	case x == nil:
		w.fail("epochs", "node %d enters epoch %d, which has not begun", n.id, epochOf(wr.State.Term))
	case wr.State.Commit < x.begin:
		w.fail("epochs", "node %d enters epoch %d, which begins after slot %d, and has learned only up to %d (S4)", n.id, epochOf(wr.State.Term), x.begin, wr.State.Commit)
	case kept && n.log.end() > wr.State.Commit+1:
		w.fail("epochs", "node %d enters epoch %d and keeps votes above slot %d (S4)", n.id, epochOf(wr.State.Term), x.begin)
	}
}

// checkLearned: what a node takes for chosen is chosen, and is what it has there (I10).
func (w *World) checkLearned(n *node, old, st *consensus.Status) {
	for i := old.Commit + 1; i <= st.Commit; i++ {
		d := w.ghost.decided(i)
		if d == nil {
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

// checkApplySlots: what is applied is chosen, and durable here (I12; rule 3 of Effects).
func (w *World) checkApplySlots(n *node, es []consensus.Entry) bool {
	for i := range es {
		e := &es[i]
		d := w.ghost.decided(e.Index)
		stored := n.disk.log.at(e.Index)
		switch {
		case d == nil || d.hash != entryHash(e):
			w.fail("state machine safety", "node %d applies at %d what is not chosen there", n.id, e.Index)
			return false
		case e.Index > n.disk.snapshot.Index && (stored == nil || stored.Index != e.Index || entryHash(stored) != d.hash):
			w.fail("durable before applied", "node %d applies %d before it is durable there", n.id, e.Index)
			return false
		}
	}
	return true
}

// checkMembers: a membership is the founding one, or one that a stop-sign names which is chosen.
func (w *World) checkMembers(n *node, st *consensus.Status) {
	if len(st.Members.Voters) == 0 || st.MembersIndex == n.status.MembersIndex && n.status.Term != 0 {
		return // it has joined, and knows nothing yet; or nothing new
	}
	for i := len(w.ghost.eras) - 1; i >= 0; i-- {
		if w.ghost.eras[i].members.Equal(&st.Members) {
			return
		}
	}
	w.fail("epochs", "node %d goes by the membership set at %d, of voters %v witnesses %v, which no stop-sign names", n.id, st.MembersIndex, st.Members.Voters, st.Members.Witnesses)
}
