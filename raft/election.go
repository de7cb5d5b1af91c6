package raft

import (
	"github.com/consensus-go/consensus"
)

// mayLead reports whether we may campaign: we have a vote, under the store that it was given to,
// and nothing that we may have acknowledged is missing.
func (r *Raft) mayLead() bool {
	return r.isElector() && !r.isStranger() && !r.isUnsure()
}

// isWitness reports whether we lead only to help another: the membership says so, or we have no
// state machine.
func (r *Raft) isWitness() bool { return r.kind == consensus.Witness || r.cfg.Witness }

// isElector reports whether we have a vote in the configuration in effect, or in one before it that
// may yet turn out to be: a node that holds the entry which removes it may be the only one that
// the others can elect, until that entry is committed (thesis §4.2.2).
func (r *Raft) isElector() bool {
	for k := len(r.configs) - 1; ; k-- {
		c := &r.configs[k]
		if c.votes(r.cfg.ID) {
			return true
		}
		if k == 0 || c.index <= r.commit {
			return false
		}
	}
}

// setOut begins an attempt with a pre-vote: could we win? Only then is our term raised, so that a
// node which was cut off does not disturb the others when it returns (thesis §9.6).
func (r *Raft) setOut() {
	r.dirty, r.quiet = true, false
	if !r.mayLead() {
		r.callAll()
		return
	}
	r.role, r.leader, r.handover = consensus.PreCandidate, 0, false
	r.canvass()
	if r.won() {
		r.campaign()
	}
}

// campaign begins an election (§5.2): a new term, our own vote, and, once both are durable,
// requests for the votes of the others.
func (r *Raft) campaign() {
	handover := r.handover
	r.follow(r.term+1, 0, reasonTerm)
	r.role, r.vote, r.handover = consensus.Candidate, r.cfg.ID, handover
	r.canvass()
}

// canvass forgets the votes of an earlier attempt and has new ones requested.
func (r *Raft) canvass() {
	for i := range r.peers {
		r.peers[i].granted = false
	}
	r.asked, r.voted, r.voteSeq = false, r.role == consensus.PreCandidate, 0
}

// won reports whether enough have granted us their vote. Votes are a set of members: a duplicate
// adds nothing, and neither does a member who is not the one admitted.
func (r *Raft) won() bool {
	return r.config().electing(func(id NodeID) bool {
		if id == r.cfg.ID {
			return r.voted
		}
		p := r.peer(id)
		return p.granted && p.counted
	})
}

// requestVotes is the only place that asks for votes. The requests wait for the disk: they claim
// that our log ends where it does and that our vote is spent, and a crash may make either false. A
// candidate whose request overtook its write has overwritten a committed entry (see the script
// request_vote_overtakes_fsync).
func (r *Raft) requestVotes(eff *consensus.Effects) {
	if r.asked || r.role != consensus.PreCandidate && r.role != consensus.Candidate {
		return
	}
	r.asked = true
	kind, term := RequestVote, r.term
	if r.role == consensus.PreCandidate {
		kind, term = PreVote, r.term+1
	}
	for i := range r.peers {
		if id := r.peers[i].id; r.config().votes(id) {
			m := r.compose(&eff.Messages, kind, id)
			m.Term, m.Index, m.LogTerm, m.Context = term, r.log.last, r.log.lastTerm, r.attempt
			if r.handover {
				m.Flags = consensus.FlagTransfer
			}
		}
	}
}

// sticky reports whether a vote must be refused because we heard from a leader less than an
// election timeout ago (thesis §4.2.3), whatever has become of it since: its lease may rest on
// us. A leader's own wish overrides it.
func (r *Raft) sticky(m *Message) bool {
	return m.Flags&consensus.FlagTransfer == 0 && (r.role == consensus.Leader || r.now-r.heard < r.timeout())
}

// upToDate reports whether the sender's log holds every entry that may be committed: its last
// term is later than ours, or the same and its log is not shorter (§5.4.1).
func (r *Raft) upToDate(m *Message) bool {
	if m.LogTerm != r.log.lastTerm {
		return m.LogTerm > r.log.lastTerm
	}
	return m.Index >= r.log.last
}

// why returns the reason to refuse the vote that m asks for, or granted. Our own configuration is none:
// it may be older than the candidate's, and its winning may need us (thesis §4.2.2). Whose vote
// counts, under which store, is for the candidate to know.
func (r *Raft) why(m *Message) verdict {
	switch {
	case r.isUnsure():
		return refusedUnsure
	case r.sticky(m):
		return refusedSticky
	case !r.upToDate(m):
		return refusedLog
	}
	return granted
}

// onPreVote answers whether we would vote for the sender in the term that it proposes. It changes
// nothing here: a pre-vote is a question, not a vote.
func (r *Raft) onPreVote(m *Message) {
	v := r.why(m)
	if v == granted && m.Term <= r.term {
		v = refusedTerm
	}
	r.note(m, v)
	a := r.reply(PreVoteReply, m.From)
	a.Context, a.Reject = m.Context, v != granted
	if v == granted {
		a.Term = m.Term
	}
}

func (r *Raft) onPreVoteReply(m *Message) {
	if r.role != consensus.PreCandidate || m.Reject || m.Term != r.term+1 || m.Context != r.attempt {
		return
	}
	if p := r.peer(m.From); p != nil {
		p.granted = true
	}
	if r.won() {
		r.campaign()
	}
}

// onRequestVote gives our vote to the first candidate of the term whose log is up to date (§5.2,
// §5.4.1). The answer waits until the vote is durable.
func (r *Raft) onRequestVote(m *Message) {
	v := r.why(m)
	if v == granted {
		switch {
		case r.vote != 0 && r.vote != m.From:
			v = refusedVoted
		case r.leader != 0:
			v = refusedLeader
		}
	}
	r.note(m, v)
	if v == granted {
		r.vote = m.From
		r.rearm()
	}
	if m.Term == r.term { // otherwise it was refused without entering its term
		a := r.reply(RequestVoteReply, m.From)
		a.Context, a.Reject = m.Context, v != granted
	}
}

func (r *Raft) onRequestVoteReply(m *Message) {
	if r.role != consensus.Candidate || m.Reject {
		return
	}
	if p := r.peer(m.From); p != nil {
		p.granted = true
	}
	r.tally()
}

// tally makes a candidate the leader if it has won.
func (r *Raft) tally() {
	if r.role == consensus.Candidate && r.won() {
		r.lead()
	}
}

// lead makes us the leader of our term. Its first entry is of that term, as nothing earlier can be
// committed before one that is (§5.4.2, §8): a no-op or, from the first leader of all, the
// configuration that binds the founders to the stores which elected it.
func (r *Raft) lead() {
	r.role, r.leader = consensus.Leader, r.cfg.ID
	r.termStart = r.log.last + 1
	r.uncommitted, r.settled = 0, r.log.last
	r.rounds.Reset(r.now)
	r.nextBeat, r.beat, r.noLease, r.offered = r.now, true, false, 0
	r.restless()
	for i := range r.peers {
		p := &r.peers[i]
		p.round, p.agreed, p.store, p.answered = 0, 0, 0, 0
		r.begin(&r.peers[i])
	}
	if c := r.config(); c.now.Unbound() {
		r.appendConfig(configuration{now: r.bind(c.now)}, 0, 0)
	} else {
		r.appendEntry(consensus.EntryNoop, 0, 0, nil)
	}
}

// onTimeoutNow campaigns at once, without a pre-vote: the leader asks us to (thesis §3.10).
func (r *Raft) onTimeoutNow(m *Message) {
	if r.role == consensus.Leader || !r.mayLead() {
		return
	}
	r.handover = true
	r.draw()
	r.campaign()
}

// Transfer hands leadership to another voter: it is brought up to date, told to campaign, and
// nothing is proposed meanwhile. A witness cannot be asked for.
func (r *Raft) Transfer(to NodeID) error {
	r.dirty = true
	if r.role != consensus.Leader {
		return &consensus.NotLeaderError{Leader: r.leader}
	}
	if to == r.cfg.ID {
		return nil
	}
	if r.config().now.Kind(to) != consensus.Voter {
		return &consensus.ConfigError{Field: "Transfer", Value: r.config().now.Kind(to).String(), Reason: "only a voter can take over"}
	}
	if r.transfer.to != 0 {
		return consensus.ErrTransferring
	}
	r.transfer = transfer{to: to, deadline: r.now + r.timeout()}
	r.noLease = true
	return nil
}

// handOver tells the target of a transfer to campaign, once it has the whole log.
func (r *Raft) handOver() {
	if r.isWitness() && r.transfer.to == 0 {
		if p := r.fullest(); p != nil {
			r.Transfer(p.id)
			r.offered = p.id
		}
	}
	if r.transfer.to == 0 || r.transfer.sent {
		return
	}
	if p := r.peer(r.transfer.to); p.match == r.log.last {
		r.transfer.sent = true
		r.reply(TimeoutNow, p.id)
	}
}
