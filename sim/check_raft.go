package sim

import "github.com/consensus-go/consensus"

// What Raft's messages promise. A message speaks for the disk of its sender, for ever: whoever
// receives it relies on that, even after the sender has crashed. The checks know nothing of when
// a message may leave; they know only what must be durable once it has.

// checkSent checks a message that leaves n. Of Raft's kinds four speak for the disk.
func (w *World) checkSent(n *node, m *consensus.Message) {
	if w.options.Rules == PaxosRules {
		w.checkClaim(n, m)
		return
	}
	switch m.Kind {
	case consensus.KindRequestVoteReply:
		if !m.Reject {
			w.checkGrant(n, m)
		}
	case consensus.KindRequestVote:
		w.checkCandidacy(n, m)
	case consensus.KindAppendEntriesReply, consensus.KindHeartbeatReply:
		if !m.Reject {
			w.checkAcknowledged(n, m)
		}
	case consensus.KindPreVoteReply:
		if m.Reject {
			w.mark(MarkPreVoteRefused)
		}
	}
}

// checkGrant: "Each server will vote for at most one candidate in a given term" (§5.2), and "if a
// server [...] granted a vote [...] it must be persisted before responding" (figure 2).
func (w *World) checkGrant(n *node, m *consensus.Message) {
	s := &n.disk.state
	if s.Term < m.Term || s.Term == m.Term && s.Vote != m.To {
		w.fail("durable vote", "node %d grants %d its vote in term %d, but its disk says term %d, vote %d", n.id, m.To, m.Term, s.Term, s.Vote)
	}
	w.checkVote(n, m.Term, m.To)
	if n.witness {
		w.mark(MarkWitnessVoted)
	}
}

// checkVote remembers a vote that has left.
func (w *World) checkVote(n *node, term consensus.Term, candidate consensus.NodeID) {
	b := ballot{n.id, n.disk.incarnation, term}
	if earlier, ok := w.ghost.votes[b]; ok && earlier != candidate {
		w.fail("one vote", "node %d votes for %d in term %d, in which it voted for %d", n.id, candidate, term, earlier)
	}
	w.ghost.votes[b] = candidate
}

// checkCandidacy: a request for votes says that the candidate has voted for itself, and where its
// log ends. Were that not durable, it could campaign again in the same term after a crash, with a
// shorter log and the votes that the longer one got. One that has given the election up since cannot
// win it any more, and may have cut its log.
func (w *World) checkCandidacy(n *node, m *consensus.Message) {
	s := &n.disk.state
	if s.Term < m.Term || s.Term == m.Term && s.Vote != n.id {
		w.fail("durable vote", "node %d campaigns in term %d, but its disk says term %d, vote %d", n.id, m.Term, s.Term, s.Vote)
	}
	st := n.replica.Status()
	if st.Role == consensus.Candidate && st.Term == m.Term && !n.disk.holds(m.Index, m.LogTerm) {
		w.fail("durable candidacy", "node %d campaigns in term %d with a log that ends with term %d at %d, which is not durable", n.id, m.Term, m.LogTerm, m.Index)
	}
	w.checkVote(n, m.Term, n.id)
}

// checkAcknowledged: an acknowledgement says that everything up to Index is durable, and is what the
// leader of that term has.
func (w *World) checkAcknowledged(n *node, m *consensus.Message) {
	if m.Index > n.disk.last() {
		w.fail("durable acknowledgement", "node %d acknowledges %d to %d, but its disk ends at %d", n.id, m.Index, m.To, n.disk.last())
		return
	}
	leader := w.node(m.To)
	if !leader.up || w.ghost.leaders[m.Term] != (reign{leader.id, leader.life}) || leader.status.Term != m.Term {
		return
	}
	if t := leader.termAt(m.Index); t != 0 && !n.disk.holds(m.Index, t) {
		w.fail("acknowledgement", "node %d acknowledges %d to the leader %d, whose entry there is of term %d, but has another one", n.id, m.Index, m.To, t)
	}
}

// checkIssued: the term does not go back, and within one term a vote is not taken back.
func (w *World) checkIssued(n *node, wr *consensus.Write) {
	s, old := wr.State, n.issued
	if s.Term < old.Term || s.Term == old.Term && old.Vote != 0 && s.Vote != old.Vote {
		w.fail("one vote", "node %d writes term %d, vote %d after term %d, vote %d", n.id, s.Term, s.Vote, old.Term, old.Vote)
	}
	n.issued = s
}
