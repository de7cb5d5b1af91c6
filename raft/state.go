package raft

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// CloneInto makes dst, a *Raft, a copy of r. They share only what neither changes: entries, full
// pages of the log, memberships.
func (r *Raft) CloneInto(dst consensus.Engine) {
	d := dst.(*Raft)
	old := *d
	*d = *r
	d.log = old.log
	r.log.cloneInto(&d.log)
	d.configs = append(old.configs[:0:0], r.configs...)
	d.peers = append(old.peers[:0], r.peers...)
	for i := range d.peers {
		d.peers[i].inflight.sent = slices.Clone(d.peers[i].inflight.sent)
	}
	d.rounds = old.rounds
	r.rounds.CloneInto(&d.rounds)
	d.replies = append(old.replies[:0], r.replies...)
	d.granted = append(old.granted[:0], r.granted...)
	d.fetch = append(old.fetch[:0], r.fetch...)
	d.snapshots = append(old.snapshots[:0], r.snapshots...)
}

// AppendState appends all that decides what r does next. Of an instant only whether it has come
// matters, as time may pass at any pace.
func (r *Raft) AppendState(b []byte) []byte {
	e := encoder{consensus.StateEncoder{B: b}}
	e.Put(uint64(r.cfg.ID), uint64(r.term), uint64(r.vote), uint64(r.commit), uint64(r.handed), uint64(r.verified),
		uint64(r.role), uint64(r.leader), uint64(r.snapshot.Index), uint64(r.snapshot.Term), uint64(r.unsure), uint64(r.lostTerm), uint64(r.trimTo))
	e.Flag(r.ticked, r.now >= r.deadline, r.now-r.heard < r.timeout(), r.handover, r.asked, r.voted, r.dirty, r.adopt != nil, r.quiet, r.calling)
	e.Put(r.voteSeq, r.seq, r.durableSeq, r.attempt, uint64(r.written.Term), uint64(r.written.Vote))
	e.log(&r.log)
	for i := range r.configs {
		e.Bytes(r.configs[i].encode())
	}
	if r.role == consensus.Leader {
		e.Put(uint64(r.termStart), r.session, uint64(r.transfer.to), uint64(r.offered))
		e.Flag(r.beat, r.noLease, r.transfer.sent, r.now >= r.nextBeat, r.now >= r.transfer.deadline,
			r.rounds.Silent(r.now) >= r.timeout(), r.clock() < r.leaseEnd(), r.now-r.writeBegan >= r.timeout(),
			r.now-r.busyAt >= r.timeout(), r.askedQuiet == r.rounds.Last)
	}
	for i := range r.peers {
		e.peer(r, &r.peers[i])
	}
	e.B = r.rounds.AppendState(e.B)
	e.Effects(r.granted, r.fetch, r.replies, r.snapshots)
	return e.B
}

type encoder struct{ consensus.StateEncoder }

func (e *encoder) entries(es []Entry) {
	e.Put(uint64(len(es)))
	for i := range es {
		e.Entry(&es[i])
	}
}

func (e *encoder) log(l *log) {
	e.Put(uint64(l.base), uint64(l.baseTerm), uint64(l.last), uint64(l.issued), uint64(l.cut), uint64(l.finished))
	for _, p := range l.pages {
		e.entries(p)
	}
	e.Put(uint64(len(l.pending)))
	for _, m := range l.pending {
		e.Put(m.seq, uint64(m.last))
	}
}

func (e *encoder) peer(r *Raft, p *peer) {
	e.Put(uint64(p.id), p.incarnation)
	e.Flag(p.granted, p.guest)
	if r.role != consensus.Leader {
		return
	}
	e.Put(uint64(p.mode), uint64(p.match), uint64(p.next), p.session, p.round, p.store, p.answered, uint64(p.toldOf), uint64(p.installed), uint64(p.floor), uint64(p.before), uint64(p.prevTerm))
	e.Flag(p.agreed == r.rounds.Last, p.waiting, r.stalled(p), r.now-p.active < r.timeout())
	e.entries(p.fetched)
	e.Put(uint64(len(p.inflight.sent)))
	for _, s := range p.inflight.sent {
		e.Put(uint64(s.last), uint64(s.bytes))
	}
}
