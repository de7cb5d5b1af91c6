package sim

import "github.com/consensus-go/consensus"

// What Paxos's messages claim. What a message says of its sender's disk must be on that disk when it
// leaves: whoever receives it relies on that, even after the sender has crashed.

// checkClaim checks a message that leaves n.
func (w *World) checkClaim(n *node, m *consensus.Message) {
	w.checkSpoken(n, m)
	switch m.Kind {
	case consensus.KindPrepare:
		w.checkOwn(n, m)
	case consensus.KindAccept, consensus.KindLead:
		w.checkOwn(n, m)
		for i := range m.Entries {
			w.checkProposal(n, &m.Entries[i])
		}
		w.checkWatermark(n, m)
		w.checkTrimming(n, m)
	case consensus.KindPromise:
		w.checkPromised(n, m)
		w.notePromise(n, m)
		if n.witness {
			w.mark(MarkWitnessVoted)
		}
	case consensus.KindAccepted:
		w.checkPromised(n, m)
		w.checkFloor(n, m)
		w.checkVoted(n, m)
	case consensus.KindLeadReply:
		w.checkPromised(n, m)
		w.checkFloor(n, m)
	case consensus.KindLearnReply:
		w.checkTaught(n, m)
	case consensus.KindNack:
		w.mark(MarkBallotRefused)
	case consensus.KindEpochSealed:
		w.mark(MarkEpochSealed)
	}
}

// checkSpoken: what every message tells of its sender is true of its disk: in which epoch it is, which others rely on even when it
// has crashed (S9), and up to where it holds what is chosen. That an Accept, a Lead or a Learn may say too early.
func (w *World) checkSpoken(n *node, m *consensus.Message) {
	if epochOf(m.Promised) > epochOf(n.disk.state.Term) {
		w.fail("epochs", "node %d speaks in epoch %d, but its disk is in epoch %d (S9)", n.id, epochOf(m.Promised), epochOf(n.disk.state.Term))
	}
	if m.Kind == consensus.KindAccept || m.Kind == consensus.KindLead || m.Kind == consensus.KindLearn || m.Commit <= n.disk.snapshot.Index {
		return
	}
	d, stored := w.ghost.decided(m.Commit), n.disk.log.at(m.Commit)
	if d == nil || stored == nil || stored.Index != m.Commit || entryHash(stored) != d.hash {
		w.fail("durable learning", "node %d says that it has learned up to %d, which its disk does not hold", n.id, m.Commit)
	}
}

// checkOwn: a ballot belongs to one node in one life, and its owner has promised it durably before
// anybody hears of it (I13, I8). That of round 1 is the first leader's, which has been named (S4).
func (w *World) checkOwn(n *node, m *consensus.Message) {
	r := w.ghost.round(m.Term)
	switch x := w.ghost.era(epochOf(m.Term)); {
	case ownerOf(m.Term) != n.id || n.disk.state.Term < m.Term:
		w.fail("ballots", "node %d uses the ballot %d, but its disk says %d", n.id, m.Term, n.disk.state.Term)
	case r.owner != reign{} && r.owner != reign{n.id, n.life}:
		w.fail("ballots", "node %d uses the ballot %d in a second life", n.id, m.Term)
	case x == nil || roundOf(m.Term) == 0 || roundOf(m.Term) == 1 && x.initial != n.id:
		w.fail("ballots", "node %d uses the ballot %d, which is not for it", n.id, m.Term)
	}
	r.owner = reign{n.id, n.life}
	w.rememberPromise(n, m.Term)
}

// checkWatermark: where a leader says that all is chosen, its own proposals are what is chosen: those
// who have voted for them take them for it (F1).
func (w *World) checkWatermark(n *node, m *consensus.Message) {
	g := &w.ghost
	r := g.round(m.Term)
	for i := r.told + 1; i <= m.Commit; i++ {
		d := g.decided(i)
		if v := g.version(i, m.Term); d == nil || v != nil && v.hash != d.hash {
			w.fail("watermark", "node %d says at %d that slot %d is chosen; its proposal there is not", n.id, m.Term, i)
			return
		}
	}
	r.told = max(r.told, m.Commit)
}

// checkTrimming: where a leader lets witnesses trim their logs, every election quorum has a full replica
// with a durable snapshot (I14): whoever is elected then needs nothing of it from a witness.
func (w *World) checkTrimming(n *node, m *consensus.Message) {
	x := w.ghost.era(epochOf(m.Term))
	if m.Floor == 0 || x == nil {
		return
	}
	if elects(&x.members, func(id consensus.NodeID) bool {
		o := w.node(id)
		return o.mayVote(&x.members) && (o.witness || o.disk.snapshot.Index < m.Floor)
	}) {
		w.fail("snapshots", "node %d lets witnesses trim up to %d, and an election quorum has no durable snapshot of that", n.id, m.Floor)
	}
}

// checkPromised: a promise is durable before anybody hears of it (I4).
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

// checkFloor: what is said to be compacted is in a snapshot that is durable (I14).
func (w *World) checkFloor(n *node, m *consensus.Message) {
	if m.Floor > n.disk.snapshot.Index {
		w.fail("snapshots", "node %d says that it has compacted up to %d, but its durable snapshot is at %d", n.id, m.Floor, n.disk.snapshot.Index)
	}
}

// notePromise remembers who has promised, for checkElected, and checks what is reported: every vote
// of a lower ballot, or that it is unknown (A1; damage is not absence). Only acceptors promise (I15).
func (w *World) notePromise(n *node, m *consensus.Message) {
	w.checkFloor(n, m)
	if x := w.ghost.era(epochOf(m.Term)); x == nil || !n.mayVote(&x.members) {
		w.fail("electors", "node %d, or its store, is no acceptor of the epoch of ballot %d, and promises it", n.id, m.Term)
		return
	}
	last, k := n.log.end()-1, 0
	if m.Next != 0 {
		last = min(last, m.Next-1)
	}
	for i := max(m.Index, consensus.Index(m.Context), m.Floor+1, n.log.first); i <= last; i++ {
		for k < len(m.Entries) && m.Entries[k].Index < i {
			k++
		}
		vote := n.log.at(i)
		reported := k < len(m.Entries) && m.Entries[k].Index == i && m.Entries[k].Term >= *vote
		if *vote != 0 && *vote < m.Term && !reported && !within(m.Ranges, i) {
			w.fail("honest promise", "node %d promises %d, and does not report its vote in slot %d at %d", n.id, m.Term, i, *vote)
			return
		}
	}
	if m.Next != 0 {
		return
	}
	r := w.ghost.round(m.Term)
	lacks := m.Floor
	if k := len(m.Ranges); k > 0 {
		lacks = max(lacks, m.Ranges[k-1].Last)
	}
	if r.done>>n.index&1 == 1 { // it was asked again, and may have compacted more: the first answer counts, too
		lacks = min(lacks, r.lacks[n.index])
	}
	r.done |= 1 << n.index
	r.lacks[n.index] = lacks
}

func within(rs []consensus.Range, i consensus.Index) bool {
	for _, r := range rs {
		if r.First <= i && i <= r.Last {
			return true
		}
	}
	return false
}

// checkElected: who begins to lead at a ballot has the complete promises of an election quorum for
// that very ballot, its own, durable, among them, and has learned what those can no longer report
// (I8, L2, L3). The reserved ballot needs its own alone.
func (w *World) checkElected(n *node, st *consensus.Status) {
	x, r := w.ghost.era(epochOf(st.Term)), w.ghost.round(st.Term)
	if x == nil || ownerOf(st.Term) != n.id || !n.mayVote(&x.members) || n.disk.state.Term < st.Term {
		w.fail("honest election", "node %d leads at %d, which is not its own or not durable: its disk says %d", n.id, st.Term, n.disk.state.Term)
		return
	}
	if roundOf(st.Term) == 1 && x.initial == n.id {
		return
	}
	promised := func(id consensus.NodeID) bool {
		o := w.node(id)
		return o == n && n.repaired(st.Commit) || o != nil && r.done>>o.index&1 == 1 && r.lacks[o.index] <= st.Commit
	}
	if !elects(&x.members, promised) {
		w.fail("honest election", "node %d leads at %d, having learned up to %d, without the promises of an election quorum of voters %v witnesses %v",
			n.id, st.Term, st.Commit, x.members.Voters, x.members.Witnesses)
	}
}

// checkVoted: every vote that is acknowledged was durable (I9), unless the slot is known to be chosen.
func (w *World) checkVoted(n *node, m *consensus.Message) {
	for _, r := range m.Ranges {
		for s := r.First; s <= r.Last; s++ {
			v, stored := w.ghost.version(s, m.Term), n.disk.log.at(s)
			if v == nil {
				w.fail("durable vote", "node %d acknowledges slot %d at %d, where nobody voted", n.id, s, m.Term)
				return
			}
			if v.stored>>n.index&1 == 0 && s > n.disk.snapshot.Index && (stored == nil || stored.Index != s || stored.Term != consensus.Chosen) {
				w.fail("durable vote", "node %d acknowledges slot %d at %d, which is not durable", n.id, s, m.Term)
				return
			}
		}
	}
}

// checkTaught: what is taught by value is chosen (C1, I10).
func (w *World) checkTaught(n *node, m *consensus.Message) {
	for i := range m.Entries {
		e := &m.Entries[i]
		if d := w.ghost.decided(e.Index); d == nil || d.hash != entryHash(e) {
			w.fail("learned is chosen", "node %d teaches in slot %d what is not chosen there", n.id, e.Index)
			return
		}
	}
}
