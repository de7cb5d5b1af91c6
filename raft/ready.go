package raft

import "github.com/consensus-go/consensus"

// Ready turns what the handlers changed into effects: first the leader's rules, which follow from
// its state alone, then what to send, write, and give out.
func (r *Raft) Ready(eff *consensus.Effects) bool {
	if !r.dirty {
		return false
	}
	r.dirty = false
	before := volume(eff)
	if r.role == consensus.Leader {
		r.dismiss()
		r.advanceCommit()
		r.settle()
		r.completeChange()
	}
	if r.role == consensus.Leader { // it may have stepped down
		r.handOver()
		r.beginReads()
		r.beatRound(eff)
		r.confirm()
		r.replicate(eff)
	}
	r.callLeader()
	r.trim()
	if r.flushWrite(eff) {
		r.requestVotes(eff)
		r.flushReplies(eff)
	}
	r.deliver(eff)
	if r.isQuiet() {
		r.release()
	}
	return volume(eff) > before
}

// volume is how much is in eff.
func volume(eff *consensus.Effects) int {
	n := len(eff.Early) + len(eff.Messages) + len(eff.Committed) + len(eff.Reads) + len(eff.Snapshots) + len(eff.Fetch)
	if eff.Write.Seq != 0 {
		n++
	}
	return n
}

// advanceCommit commits what a quorum has made durable. A leader counts only entries of its own
// term (§5.4.2): an older entry on a majority may still be overwritten, as in Figure 8. Entries
// before one of its own are committed with it. It counts itself like everybody else: once its own
// write has finished.
func (r *Raft) advanceCommit() {
	if r.commit == r.log.last {
		return
	}
	c := r.config()
	at := func(id NodeID) Index {
		if id == r.cfg.ID {
			return r.log.durable()
		}
		if p := r.peer(id); p.counted {
			return p.match
		}
		return 0
	}
	i := min(consensus.Agreed(&c.now, at), consensus.Agreed(c.old(), at))
	if i <= r.commit {
		return
	}
	if t, _ := r.log.term(i); t != r.term {
		return
	}
	r.commit = i
}

// settle takes what is committed, and durable here, out of the budget for proposals. Both, as a
// leader whose disk is slower than a quorum of others must not take in more than it can write.
func (r *Raft) settle() {
	for to := min(r.commit, r.log.durable()); r.settled < to; {
		r.settled++
		r.uncommitted -= r.log.entry(r.settled).Size()
	}
}

// flushWrite is the only place that writes. One write holds all that changed since the last, but for
// what lies in the next page of the log, which the next write holds. It reports whether everything is
// issued now: what speaks of our log may leave after this write, and not before the last one.
func (r *Raft) flushWrite(eff *consensus.Effects) bool {
	es := r.log.unwritten()
	last := r.log.issued + Index(len(es))
	state := consensus.State{Term: r.term, Vote: r.vote, Commit: min(r.commit, last)}
	if len(es) == 0 && r.log.cut == 0 && r.adopt == nil && state.Term == r.written.Term && state.Vote == r.written.Vote {
		return true
	}
	if r.durableSeq == r.seq {
		r.writeBegan = r.now
	}
	r.seq++
	eff.Write = consensus.Write{Group: r.cfg.Group, Seq: r.seq, Snapshot: r.adopt, Truncate: r.log.cut, Entries: es, State: state}
	r.remind(&eff.Write, last)
	r.log.wrote(r.seq, last)
	r.adopt, r.written = nil, state
	if r.role == consensus.Candidate && r.voteSeq == 0 {
		r.voteSeq = r.seq
	}
	r.dirty = r.dirty || last < r.log.last
	return last == r.log.last
}

// Persisted notes what has become durable: our log, as a leader or a follower, and our own vote.
func (r *Raft) Persisted(seq uint64) {
	r.durableSeq, r.writeBegan = seq, r.now
	r.log.persisted(seq)
	if r.role == consensus.Leader || r.handed < min(r.commit, r.log.durable()) {
		r.dirty = true // there may be something to commit, or to give out
	}
	if r.role == consensus.Candidate && r.voteSeq != 0 && seq >= r.voteSeq {
		r.voted = true
		r.tally()
	}
}

// flushReplies sends what the handlers answered, once this write is durable.
func (r *Raft) flushReplies(eff *consensus.Effects) {
	eff.Messages = append(eff.Messages, r.replies...)
	clear(r.replies)
	r.replies = r.replies[:0]
}

// deliver gives out what is committed and durable here, what can be read, and what the leader asks
// of storage.
func (r *Raft) deliver(eff *consensus.Effects) {
	if to := min(r.commit, r.log.durable()); r.handed < to && len(eff.Committed) == 0 {
		eff.Committed = r.log.slice(r.handed+1, to, 1<<62)
		r.handed += Index(len(eff.Committed))
		r.dirty = r.dirty || r.handed < to
	}
	for _, x := range r.granted {
		if x.Err != nil {
			x.Err = &consensus.NotLeaderError{Leader: r.leader} // who leads now
		}
		eff.Reads = append(eff.Reads, x)
	}
	eff.Fetch = append(eff.Fetch, r.fetch...)
	eff.Snapshots = append(eff.Snapshots, r.snapshots...)
	r.granted, r.fetch, r.snapshots = r.granted[:0], r.fetch[:0], r.snapshots[:0]
}

// Status describes the replica.
func (r *Raft) Status() consensus.Status {
	c := r.config()
	return consensus.Status{
		ID: r.cfg.ID, Kind: r.kind, Role: r.role, Term: r.term, Leader: r.leader,
		Commit: r.commit, Last: r.log.last, Durable: r.log.durable(), Snapshot: r.snapshot.Index,
		Members: c.now, Outgoing: c.outgoing(), MembersIndex: c.index, Changing: c.joint() || c.index > r.commit,
		Transferring: r.transfer.to, Uncommitted: r.uncommitted, LogBytes: r.log.bytes,
		Contradictions: r.contradictions, Ignored: r.ignored, Refused: r.isStranger(), Damaged: r.isUnsure(), Quiet: r.isQuiet(),
	}
}
