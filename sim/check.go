package sim

import (
	"errors"

	"github.com/consensus-go/consensus"
)

// observe looks at n after each pump. Everything that may never happen in any run is checked here
// and, at the moment that it is done, in the checks of writes, messages and applied entries.
func (w *World) observe(n *node) {
	st := n.replica.Status()
	old := &n.status
	if n.active || st.Term != old.Term || st.Role != old.Role {
		if err := n.engine.Check(); err != nil {
			w.fail("engine check", "node %d: %v", n.id, err)
		}
	}
	if st.Contradictions != 0 {
		w.fail("contradiction", "node %d was sent what contradicts what it knows to be chosen", n.id)
	}
	if st.Term < old.Term {
		w.fail("terms", "the term of node %d went back from %d to %d", n.id, old.Term, st.Term)
	}
	if st.Commit < old.Commit {
		w.fail("commit", "the commit index of node %d went back from %d to %d", n.id, old.Commit, st.Commit)
	}
	leads := st.Role == consensus.Leader
	if leads && (old.Role != consensus.Leader || old.Term != st.Term) {
		w.checkLeader(n, &st)
	}
	if st.Commit > old.Commit {
		w.checkCommit(n, old, &st)
		w.ghost.learned = max(w.ghost.learned, st.Commit)
	}
	if w.options.Rules == PaxosRules {
		w.checkMembers(n, &st)
	}
	w.recogniseConfig(&st)
	if st.Role != old.Role || st.Term != old.Term || st.MembersIndex != old.MembersIndex || st.Kind != old.Kind || st.Refused != old.Refused {
		w.recognise(n, old, &st)
		w.digest(uint64(st.Term)<<16 ^ uint64(st.Role)<<8 ^ uint64(n.id))
		if w.trace.on() {
			w.trace.status(w, n, old, &st)
		}
	}
	n.healed(&st)
	n.status = st
}

// checkLeader: "Election Safety: at most one leader can be elected in a given term" (§5.2).
func (w *World) checkLeader(n *node, st *consensus.Status) {
	g := &w.ghost
	w.result.Elections++
	if r, ok := g.leaders[st.Term]; ok && r != (reign{n.id, n.life}) {
		w.fail("election safety", "nodes %d and %d both lead in term %d", r.node, n.id, st.Term)
	}
	g.leaders[st.Term] = reign{n.id, n.life}
	if w.options.Rules == RaftRules {
		w.checkComplete(n, st)
	} else {
		w.checkElected(n, st)
	}
	if st.Term > g.top {
		g.top = st.Term
		w.releaseHeld(n.index)
	}
	w.hunt(n)
	w.meddle()
}

// checkComplete: "Leader Completeness: if a log entry is committed in a given term, then that entry
// will be present in the logs of the leaders for all higher-numbered terms" (§5.4). A leader of a
// lower term, which has not heard of that one yet, need not have it.
func (w *World) checkComplete(n *node, st *consensus.Status) {
	for i := max(n.base.Index+1, 1); i <= w.ghost.committed(); i++ {
		d := w.ghost.chosen.at(i)
		if d.by < st.Term && n.termAt(i) != d.term {
			w.fail("leader completeness", "node %d leads in term %d with an entry of term %d at %d, where one of term %d was committed in term %d",
				n.id, st.Term, n.termAt(i), i, d.term, d.by)
			return
		}
	}
}

// checkCommit: "State Machine Safety: if a server has applied a log entry at a given index to its
// state machine, no other server will ever apply a different log entry for the same index" (§5.4.3);
// here for commitment, which comes before. And what is committed is durable at a quorum of each half
// of the configuration: without that a crash could lose it.
func (w *World) checkCommit(n *node, old, st *consensus.Status) {
	if w.options.Rules == PaxosRules {
		w.checkLearned(n, old, st)
		return
	}
	g := &w.ghost
	for i := old.Commit + 1; i <= st.Commit; i++ {
		term := n.termAt(i)
		if d := g.chosen.at(i); d != nil {
			if term != d.term && i > n.base.Index {
				w.fail("state machine safety", "node %d commits an entry of term %d at %d, where one of term %d was committed", n.id, term, i, d.term)
				return
			}
			continue
		}
		v := g.version(i, term)
		if v == nil {
			w.fail("commit", "node %d commits %d, where it never wrote an entry (term %d)", n.id, i, term)
			return
		}
		*g.chosen.put(i) = decision{term: term, by: st.Term, hash: v.hash}
		w.result.Commits++
		w.checkOnce(n, i, v)
		w.checkLeases(st.Term)
		if i == st.Commit {
			w.checkQuorum(n, old, st)
			w.hunt(n)
		}
	}
}

// checkOnce: one proposal is committed at one index, and at none if its caller was told "never" or if
// nobody made it.
func (w *World) checkOnce(n *node, i consensus.Index, v *version) {
	if v.id == 0 {
		return
	}
	g := &w.ghost
	if at, ok := g.ids[v.id]; ok && at != i {
		w.fail("once", "the proposal %x is committed at %d and at %d", v.id, at, i)
	}
	if g.denied[v.id] {
		w.fail("answers", "the proposal %x is committed at %d, and its caller was told that it never would be", v.id, i)
	}
	if !g.asked[v.id] {
		w.fail("validity", "the proposal %x is committed at %d, and nobody made it", v.id, i)
	}
	g.ids[v.id] = i
}

// checkQuorum: the entry at st.Commit, and so by log matching every one before it, is durable at a
// quorum of the configuration that n goes by. If that has changed in this very step, the one before
// will do.
func (w *World) checkQuorum(n *node, old, st *consensus.Status) {
	i := st.Commit
	term := n.termAt(i)
	durable := func(m *consensus.Members) bool {
		return commits(m, func(id consensus.NodeID) bool {
			o := w.node(id)
			return o != nil && o.held(m.Incarnation(id), i, term)
		})
	}
	if durable(&st.Members) && durable(&st.Outgoing) || old.Term != 0 && durable(&old.Members) && durable(&old.Outgoing) {
		return
	}
	w.fail("durable quorum", "node %d commits %d of term %d, which is durable at no quorum of voters %v witnesses %v (outgoing: voters %v witnesses %v)",
		n.id, i, term, st.Members.Voters, st.Members.Witnesses, st.Outgoing.Voters, st.Outgoing.Witnesses)
}

// checkWrite follows the log of n, as it is once w is durable.
//
// "Leader Append-Only: a leader never overwrites or deletes entries in its log; it only appends new
// entries" (§5.3).
func (w *World) checkWrite(n *node, wr *consensus.Write) {
	if w.options.Rules == PaxosRules {
		w.checkSlots(n, wr)
		return
	}
	before := n.issued.Term
	w.checkIssued(n, wr)
	if s := wr.Snapshot; s != nil {
		w.checkAdopt(n, wr)
		n.base = *s
		n.log.drop(s.Index + 1)
		n.slot.adopted = n.slot.adopted || n.slot.index == s.Index
	}
	if wr.Truncate != 0 {
		by := before
		if len(wr.Entries) > 0 && wr.Entries[0].Index == wr.Truncate {
			by = max(by, wr.Entries[0].Term)
		}
		w.checkCut(n, wr.Truncate, by)
		n.log.cut(wr.Truncate)
	}
	for i := range wr.Entries {
		e := &wr.Entries[i]
		if e.Term == 0 {
			continue // no entry of the log
		}
		if t := n.log.at(e.Index); t != nil && *t != e.Term {
			w.checkCut(n, e.Index, max(before, e.Term))
		}
		*n.log.put(e.Index) = e.Term
		w.checkMatching(n, e)
	}
}

// checkMatching: "Log Matching: if two logs contain an entry with the same index and term, then the
// logs are identical in all entries up through the given index" (§5.3). It suffices that an index and
// a term tell the entry, and the term of the one before it.
func (w *World) checkMatching(n *node, e *consensus.Entry) {
	g := &w.ghost
	previous := n.termAt(e.Index - 1)
	v := g.version(e.Index, e.Term)
	if v == nil {
		g.add(e.Index, version{term: e.Term, previous: previous, hash: entryHash(e), id: e.ID})
		return
	}
	if v.hash != entryHash(e) || v.previous != previous {
		w.fail("log matching", "node %d writes another entry at %d of term %d, after one of term %d, than was written before, after one of term %d",
			n.id, e.Index, e.Term, previous, v.previous)
	}
}

// checkCut is when n cuts its log off before index i, in the term by or a later one. What is committed it must keep, but
// for what was committed in a later term than its own: a leader of an earlier term, which may not have the entry, is
// still obeyed by those who have not heard of the later one, and they were not counted. Between two writes n may hear of
// several terms, one after the other: its own is then no earlier than it was before, and than that of what it puts there.
func (w *World) checkCut(n *node, i consensus.Index, by consensus.Term) {
	w.mark(MarkTruncation)
	st := n.replica.Status()
	if st.Role == consensus.Leader && i < n.log.end() {
		w.fail("leader append-only", "node %d cuts its log at %d while it leads in term %d", n.id, i, st.Term)
	}
	if n.unsure != 0 && i <= n.unsure {
		return // it has no use for what follows a hole, and votes for nobody before it has all of it again
	}
	for ; i < n.log.end() && i <= w.ghost.committed(); i++ {
		if d := w.ghost.chosen.at(i); d != nil && n.termAt(i) == d.term && d.by <= by && i > n.base.Index {
			w.fail("state machine safety", "node %d cuts off the entry of term %d at %d, which is committed", n.id, d.term, i)
			return
		}
	}
}

// checkAdopt: a snapshot covers only what is committed, and does not go back.
func (w *World) checkAdopt(n *node, wr *consensus.Write) {
	s := wr.Snapshot
	if s.Index < n.base.Index {
		w.fail("snapshots", "node %d adopts the snapshot at %d after one at %d", n.id, s.Index, n.base.Index)
	}
	if d := w.ghost.chosen.at(s.Index); d == nil || d.term != s.Term {
		w.fail("snapshots", "node %d adopts a snapshot at %d of term %d, where no such entry is committed", n.id, s.Index, s.Term)
	}
	if !n.slot.received || n.slot.index != s.Index {
		return
	}
	w.mark(MarkSnapshotInstalled)
	last := min(n.log.end()-1, s.Index)
	if t, d := n.log.at(last), w.ghost.chosen.at(last); t != nil && d != nil && *t != d.term {
		w.mark(MarkSnapshotDiverged)
	}
}

// checkApply: what is applied is committed, and durable here (rule 3 of Effects).
func (w *World) checkApply(n *node, es []consensus.Entry) bool {
	if w.options.Rules == PaxosRules {
		return w.checkApplySlots(n, es)
	}
	for i := range es {
		e := &es[i]
		d := w.ghost.chosen.at(e.Index)
		switch {
		case d == nil || d.term != e.Term || d.hash != entryHash(e):
			w.fail("state machine safety", "node %d applies an entry of term %d at %d that is not the one committed there", n.id, e.Term, e.Index)
			return false
		case !n.disk.holds(e.Index, e.Term):
			w.fail("durable before applied", "node %d applies %d of term %d before it is durable there", n.id, e.Index, e.Term)
			return false
		}
	}
	return true
}

// checkState: replicas that have applied the same index are in the same state, whether they applied
// every entry or restored a snapshot.
func (w *World) checkState(n *node, i consensus.Index, digest uint64) {
	known := w.ghost.states.put(i)
	if *known == 0 {
		*known = digest
	} else if *known != digest {
		w.fail("state machine safety", "the state machine of node %d after %d is not what another replica's was", n.id, i)
	}
}

// checkImage: snapshots at the same index are the same bytes, sessions included.
func (w *World) checkImage(n *node, meta *consensus.SnapshotMeta, b []byte) {
	if w.options.StateMachine != nil || w.options.Durable || n.state == nil {
		return // a user's snapshots need only restore the same state, and a witness has none
	}
	known := w.ghost.images.put(meta.Index)
	if h := hash(b); *known == 0 {
		*known = h
	} else if *known != h {
		w.fail("snapshots", "the snapshot of node %d at %d differs from another replica's", n.id, meta.Index)
	}
}

// checkDone: what a caller is told stays true: "done" is committed, and "never" never will be.
func (w *World) checkDone(n *node, r *request, err error) {
	g, id, who := &w.ghost, r.id, r.who
	switch {
	case err == nil && w.reads(who):
		w.checkRead(n, r)
	case err == nil && w.changes(who) && !g.has(id):
		w.fail("answers", "node %d says that the proposal %x is done, which is not committed", n.id, id)
	case errors.Is(err, consensus.ErrNotApplied) && !(g.has(id) && g.refused(id, err)):
		if g.has(id) {
			w.fail("answers", "node %d says %q of the proposal %x, which is committed at %d", n.id, err, id, g.ids[id])
		}
		g.denied[id] = true
		if errors.Is(err, consensus.ErrOverwritten) {
			w.mark(MarkProposalOverwritten)
		}
	}
}
