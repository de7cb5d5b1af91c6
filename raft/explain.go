package raft

import (
	"fmt"
	"strings"

	"github.com/consensus-go/consensus"
)

// A reason is why a leader led no longer.
type reason uint8

const (
	reasonNone reason = iota
	reasonTerm
	reasonNoQuorum
	reasonDisk
	reasonRemoved
)

var reasons = [...]string{
	reasonNone:     "it has not led in this life",
	reasonTerm:     "it stepped down because it heard of a later term (§5.1)",
	reasonNoQuorum: "it stepped down because no quorum had acknowledged a heartbeat for an election timeout (thesis §6.2)",
	reasonDisk:     "it stepped down because its own disk had finished no write for an election timeout",
	reasonRemoved:  "it stepped down because the committed configuration gives it no vote (thesis §4.2.2)",
}

// A verdict is the answer to a request for a vote.
type verdict uint8

const (
	granted verdict = iota
	refusedUnsure
	refusedSticky
	refusedLog
	refusedTerm
	refusedVoted
	refusedLeader
)

var verdicts = [...]string{
	granted:       "nothing speaks against it",
	refusedUnsure: "entries that may have been acknowledged here were damaged and are not repaired yet",
	refusedSticky: "a leader was heard from, or this node restarted, less than an election timeout ago (thesis §4.2.3)",
	refusedLog:    "its log is not up to date: its last entry has an earlier term, or the same and a lower index (§5.4.1)",
	refusedTerm:   "the term it proposes is not above ours",
	refusedVoted:  "the vote of this term went to another candidate (§5.2)",
	refusedLeader: "this term has a leader",
}

// A refusal is a vote that was not given.
type refusal struct {
	term    Term
	index   Index
	logTerm Term
	why     verdict
}

// note remembers the answer to a request for a vote, if it was no.
func (r *Raft) note(m *Message, v verdict) {
	if p := r.peer(m.From); p != nil && v != granted {
		p.refused = refusal{m.Term, m.Index, m.LogTerm, v}
	}
}

// Explain answers in sentences, from the state as it is.
func (r *Raft) Explain(q consensus.Question) string {
	switch q.Topic {
	case consensus.WhyNotCommitted:
		return r.explainCommit(q.Index)
	case consensus.WhyNoVote:
		return r.explainVote(q.Node)
	case consensus.WhyNotLeader:
		return r.explainRole()
	case consensus.WhyNotReplicated:
		return r.explainPeer(q.Node)
	case consensus.WhyNoRead:
		return r.explainRead()
	}
	return "there is no such question"
}

func (r *Raft) explainCommit(i Index) string {
	t, known := r.log.term(i)
	switch {
	case i <= r.commit:
		return fmt.Sprintf("Entry %d is committed: the commit index is %d.", i, r.commit)
	case !known:
		return fmt.Sprintf("There is no entry %d here: the log ends at %d.", i, r.log.last)
	case r.role != consensus.Leader:
		return fmt.Sprintf("Node %d is a %v and learns from a leader what is committed; it knows its log to match the leader's up to %d.", r.cfg.ID, r.role, r.verified)
	}
	var b strings.Builder
	stored := r.holders(i, &b)
	switch {
	case !stored:
		b.WriteString(" That is no quorum")
		if r.config().joint() {
			b.WriteString(" of both halves of the joint configuration (thesis §4.3)")
		}
		b.WriteString(".")
	case t != r.term:
		fmt.Fprintf(&b, " That is a quorum, but the entry is of term %d and the leader of term %d: an entry of an earlier term on a majority may still be overwritten (§5.4.2, Figure 8). It will be committed with the first entry of term %d, at %d or above.", t, r.term, r.term, r.termStart)
	default:
		b.WriteString(" That is a quorum, and it will be committed at once.")
	}
	return b.String()
}

// holders says who has entry i durably, and reports whether they are a quorum.
func (r *Raft) holders(i Index, b *strings.Builder) bool {
	has := func(id NodeID) bool {
		if id == r.cfg.ID {
			return r.log.durable() >= i
		}
		p := r.peer(id)
		return p.counted && p.match >= i
	}
	fmt.Fprintf(b, "Entry %d is durable on", i)
	none := true
	for id := range r.electors() {
		if has(id) {
			fmt.Fprintf(b, " %d", id)
			none = false
		}
	}
	if none {
		b.WriteString(" nobody")
	}
	fmt.Fprintf(b, ", of %v.", r.config().now)
	return r.config().now.IsCommitQuorum(has) && r.config().old().IsCommitQuorum(has)
}

// electors are all who have a vote, in either half, in order of id.
func (r *Raft) electors() func(yield func(NodeID) bool) {
	return func(yield func(NodeID) bool) {
		mine := r.config().votes(r.cfg.ID)
		for i := range r.peers {
			id := r.peers[i].id
			if mine && id > r.cfg.ID {
				if mine = false; !yield(r.cfg.ID) {
					return
				}
			}
			if r.config().votes(id) && !yield(id) {
				return
			}
		}
		if mine {
			yield(r.cfg.ID)
		}
	}
}

func (r *Raft) explainVote(id NodeID) string {
	if p := r.peer(id); p != nil && p.refused.why != granted {
		return fmt.Sprintf("Node %d asked for a vote in term %d with a log that ends at %d/%d and was refused: %s. Ours ends at %d/%d, in term %d.",
			id, p.refused.term, p.refused.index, p.refused.logTerm, verdicts[p.refused.why], r.log.last, r.log.lastTerm, r.term)
	}
	return fmt.Sprintf("Node %d has been refused no vote here. In term %d the vote went to %d (0: nobody).", id, r.term, r.vote)
}

func (r *Raft) explainRole() string {
	s := fmt.Sprintf("Node %d is a %v in term %d", r.cfg.ID, r.role, r.term)
	switch {
	case r.role == consensus.Leader:
		return s + "."
	case r.isStranger():
		s += "; its store is not the one admitted under its id, so it may neither vote nor lead: change the membership to make it a learner, then a voter again"
	case !r.isElector():
		s += fmt.Sprintf("; it has no vote: it is %v", r.kind)
	case r.isUnsure():
		s += "; " + verdicts[refusedUnsure]
	case r.leader != 0:
		s += fmt.Sprintf("; node %d leads", r.leader)
	case r.role == consensus.Follower:
		s += "; it hears from no leader and will campaign when its election timeout ends"
	default:
		s += "; it has the votes of"
		for id := range r.electors() {
			if p := r.peer(id); id == r.cfg.ID && r.voted || p != nil && p.granted {
				s += fmt.Sprintf(" %d", id)
			}
		}
		if r.config().now.Unbound() {
			s += "; the founders are not bound to their stores yet, so it needs all of them"
		}
	}
	return s + ". As a leader: " + reasons[r.steppedDown] + "."
}

func (r *Raft) explainPeer(id NodeID) string {
	p := r.peer(id)
	switch {
	case p == nil, p.guest:
		return fmt.Sprintf("Node %d is no member.", id)
	case r.role != consensus.Leader:
		return fmt.Sprintf("Node %d is a %v and replicates to nobody.", r.cfg.ID, r.role)
	}
	s := fmt.Sprintf("Node %d holds the log durably up to %d of %d and is in mode %v; %d bytes are on their way", id, p.match, r.log.last, p.mode, p.inflight.bytes)
	if p.waiting {
		s += ", and an answer is awaited"
	}
	switch {
	case p.incarnation == 0:
		s += ". It has not been heard from"
	case !p.counted:
		s += ". It is not counted: it speaks for another store than the one admitted under its id, so its disk was wiped; it must come back as a learner"
	}
	return s + "."
}

func (r *Raft) explainRead() string {
	switch {
	case r.role != consensus.Leader:
		return fmt.Sprintf("Node %d is a %v; node %d leads (0: nobody known).", r.cfg.ID, r.role, r.leader)
	case r.commit < r.termStart:
		return fmt.Sprintf("The leader has not committed an entry of its term yet: its first is at %d, the commit index is %d (§8).", r.termStart, r.commit)
	}
	if n, round := r.rounds.Waiting(); n > 0 {
		return fmt.Sprintf("%d reads wait for heartbeat round %d; a quorum has acknowledged %d.", n, round, r.rounds.Confirmed)
	}
	return "No read waits."
}
