package sim

import "github.com/consensus-go/consensus"

// recognise tells, from the status of n before and after a pump, which marks were reached.
func (w *World) recognise(n *node, old, st *consensus.Status) {
	g := &w.ghost
	if st.Role == consensus.Candidate && (old.Role != consensus.Candidate || old.Term != st.Term) {
		g.rivals[st.Term]++
		if _, led := g.leaders[st.Term-1]; !led && g.rivals[st.Term-1] > 1 {
			w.mark(MarkSplitVote)
		}
	}
	if old.Role == consensus.Leader && (st.Role != consensus.Leader || st.Term != old.Term) {
		w.recogniseEnd(n, old, st)
	}
	if st.MembersIndex < old.MembersIndex {
		w.mark(MarkChangeRolledBack)
	}
	if old.Kind == consensus.Joining && st.Kind == consensus.Voter {
		w.mark(MarkLearnerPromoted)
	}
	if n.wiped && st.Kind != consensus.NotMember && !st.Refused && st.Members.Incarnation(n.id) == n.disk.incarnation {
		n.wiped = false
		w.mark(MarkWipedRejoined)
	}
}

// recogniseEnd is when n has ceased to lead, without a crash.
func (w *World) recogniseEnd(n *node, old, st *consensus.Status) {
	if st.Term == old.Term && old.Transferring == 0 {
		if st.Kind == consensus.NotMember {
			w.mark(MarkRemovedLeader)
		} else {
			w.mark(MarkStepDown)
		}
	}
	w.recogniseFigure8(n, old)
}

// recogniseFigure8 is when a leadership ends with an entry of an older term on a majority that was
// not committed: the situation of figure 8, in which counting it would have been wrong (§5.4.2).
func (w *World) recogniseFigure8(n *node, old *consensus.Status) {
	if w.options.Rules == PaxosRules {
		return
	}
	i := old.Commit + 1
	term := n.termAt(i)
	if term == 0 || term >= old.Term {
		return
	}
	if old.Members.IsCommitQuorum(func(id consensus.NodeID) bool { o := w.node(id); return o != nil && o.disk.holds(i, term) }) {
		w.mark(MarkOldTermMajority)
	}
}

// recogniseCrash recognises what a crash of n interrupts.
func (w *World) recogniseCrash(n *node) {
	st := &n.status
	if st.Role == consensus.Leader {
		if st.Last > st.Commit {
			w.mark(MarkLeaderCrashTail)
		}
		w.recogniseFigure8(n, st)
	}
	if st.Changing && st.Outgoing.Electors() > 0 {
		w.mark(MarkJointCrash)
	}
}

// recogniseConfig counts memberships as they are committed.
func (w *World) recogniseConfig(st *consensus.Status) {
	if g := &w.ghost; st.MembersIndex > g.config && st.MembersIndex <= st.Commit {
		g.config = st.MembersIndex
		w.result.ConfigChanges++
	}
}
