package paxos

import "github.com/consensus-go/consensus"

// Ready turns what the handlers changed into effects: what follows from the state, and then what to
// send, write, and give out.
func (p *Paxos) Ready(eff *consensus.Effects) bool {
	if !p.dirty {
		return false
	}
	p.dirty = false
	before := volume(eff)
	p.advance()
	p.lead(eff)
	p.trim()
	p.catchUp()
	p.callLeader()
	eff.Early = append(eff.Early, p.early...)
	clear(p.early)
	p.early = p.early[:0]
	p.flushWrite(eff)
	p.sendPrepare(eff)
	p.flushReplies(eff)
	p.deliver(eff)
	if p.isQuiet() && len(eff.Committed) == 0 {
		p.release()
	}
	return volume(eff) > before
}

// flushReplies sends what the handlers answered, once this write is durable. Messages are large: if nothing
// else is sent, the two lists trade places.
func (p *Paxos) flushReplies(eff *consensus.Effects) {
	if len(eff.Messages) == 0 {
		eff.Messages, p.replies = p.replies, eff.Messages
		return
	}
	eff.Messages = append(eff.Messages, p.replies...)
	clear(p.replies)
	p.replies = p.replies[:0]
}

// lead does what only a leader does.
func (p *Paxos) lead(eff *consensus.Effects) {
	if p.phase != leading {
		return
	}
	p.amend()
	p.handOver()
	p.beginReads()
	p.beatRound(eff)
	p.confirm()
	p.sendAccepts(eff)
}

// volume is how much is in eff.
func volume(eff *consensus.Effects) int {
	n := len(eff.Early) + len(eff.Messages) + len(eff.Committed) + len(eff.Reads) + len(eff.Snapshots) + len(eff.Fetch)
	if eff.Write.Seq != 0 {
		n++
	}
	return n
}

// flushWrite is the only place that writes. One write holds all that changed since the last: the
// promise, votes and learned values, the end of an epoch. That the values are in it which Commit
// covers is what makes Commit true after a restart.
func (p *Paxos) flushWrite(eff *consensus.Effects) {
	state := consensus.State{Term: p.promised, Commit: p.commit}
	if len(p.log.unwritten) == 0 && p.truncate == 0 && p.adopt == nil && state.Term == p.written.Term {
		return
	}
	if p.durable == p.seq {
		p.began = p.now
	}
	adopt := p.adopt
	if adopt != nil && !p.received && p.written.Commit < adopt.Index {
		adopt, p.dirty = nil, true // the next write: storage keeps what is under it for learners only if this one says it is chosen
	} else {
		p.adopt = nil
	}
	p.seq++
	eff.Write = consensus.Write{Group: p.cfg.Group, Seq: p.seq, Snapshot: adopt, Truncate: p.truncate, Entries: p.log.take(p.seq), State: state}
	if adopt != nil {
		p.adoptSeq = p.seq
	}
	p.truncate, p.written = 0, state
	if p.phase != idle && p.promiseSeq == 0 {
		p.promiseSeq = p.seq
	}
}

// Persisted notes what has become durable: our promise, and our votes.
func (p *Paxos) Persisted(seq uint64) {
	p.durable, p.began = seq, p.now
	p.dirty = p.dirty || p.handed < p.commit
	if p.promiseSeq != 0 && seq >= p.promiseSeq && !p.own {
		p.own = true
		switch p.phase {
		case claiming:
			p.adoptValues()
		case preparing:
			p.complete()
		}
	}
	p.countOwn()
}

// deliver gives out what is chosen and durable here, without its ballot: that differs between
// replicas, and what is made of it must not. And what can be read, and what is asked of storage.
func (p *Paxos) deliver(eff *consensus.Effects) {
	if p.handed < p.commit && len(eff.Committed) == 0 {
		p.hand()
		eff.Committed = p.committed
	}
	for _, x := range p.granted {
		if x.Err != nil {
			x.Err = p.notLeader() // who leads now
		}
		eff.Reads = append(eff.Reads, x)
	}
	eff.Fetch = append(eff.Fetch, p.fetch...)
	eff.Snapshots = append(eff.Snapshots, p.snapshots...)
	p.granted, p.fetch, p.snapshots = p.granted[:0], p.fetch[:0], p.snapshots[:0]
}

// hand makes p.committed what follows the last that was given out, as far as it is chosen and durable here.
func (p *Paxos) hand() {
	if p.committed = p.committed[:0]; cap(p.committed) > mostInOne {
		p.committed = nil // it keeps what it held last alive
	}
	for p.handed < p.commit {
		es, marks := p.log.stretch(p.handed+1, p.commit)
		for i := range es {
			if marks[i].seq > p.durable {
				return
			}
			if p.phase == leading && es[i].Term == p.promised {
				p.uncommitted -= es[i].Size()
			}
			p.committed = append(p.committed, es[i])
			p.committed[len(p.committed)-1].Term = 0
			p.handed++
		}
	}
}

// Status describes the replica.
func (p *Paxos) Status() consensus.Status {
	x := p.epoch()
	durable := p.commit
	for durable > p.log.base && p.log.at(durable).seq > p.durable {
		durable--
	}
	return consensus.Status{
		ID: p.cfg.ID, Kind: p.kind, Role: p.role(), Term: p.promised, Leader: p.leader,
		Commit: p.commit, Last: p.log.last, Durable: durable, Snapshot: p.snapshot.Index,
		Members: x.members, MembersIndex: x.opening(), Changing: p.stop != 0 || p.stopAt != 0 || p.commit < x.opening() || p.founding,
		Transferring: p.transfer.to, Uncommitted: p.uncommitted, LogBytes: p.log.bytes,
		Contradictions: p.contradictions, Ignored: p.ignored, Refused: p.isStranger(), Damaged: p.isDamaged(), Quiet: p.isQuiet(),
	}
}
