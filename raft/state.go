package raft

import (
	"encoding/binary"
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
	e := encoder{b}
	e.put(uint64(r.cfg.ID), uint64(r.term), uint64(r.vote), uint64(r.commit), uint64(r.handed), uint64(r.verified),
		uint64(r.role), uint64(r.leader), uint64(r.snapshot.Index), uint64(r.snapshot.Term), uint64(r.unsure), uint64(r.lostTerm), uint64(r.trimTo))
	e.flag(r.ticked, r.now >= r.deadline, r.now-r.heard < r.timeout(), r.handover, r.asked, r.voted, r.dirty, r.adopt != nil)
	e.put(r.voteSeq, r.seq, r.durableSeq, r.attempt, uint64(r.written.Term), uint64(r.written.Vote))
	e.log(&r.log)
	for i := range r.configs {
		c := r.configs[i].encode()
		e.put(uint64(len(c)))
		e.b = append(e.b, c...)
	}
	if r.role == consensus.Leader {
		e.put(uint64(r.termStart), r.session, uint64(r.transfer.to), uint64(r.offered))
		e.flag(r.beat, r.noLease, r.transfer.sent, r.now >= r.nextBeat, r.now >= r.transfer.deadline,
			r.now-r.rounds.QuorumAt >= r.timeout(), r.now < r.leaseEnd(), r.now-r.writeBegan >= r.timeout())
	}
	for i := range r.peers {
		e.peer(r, &r.peers[i])
	}
	e.b = r.rounds.AppendState(e.b)
	e.put(uint64(len(r.granted)))
	for _, x := range r.granted {
		e.put(x.ID, uint64(x.Index))
		e.flag(x.Err != nil, x.Until != 0)
	}
	for _, queue := range [...][]Message{r.replies, r.snapshots} {
		e.put(uint64(len(queue)))
		for i := range queue {
			e.b = queue[i].AppendTo(e.b)
		}
	}
	e.put(uint64(len(r.fetch)))
	for _, f := range r.fetch {
		e.put(uint64(f.To), uint64(f.Lo), uint64(f.Hi))
	}
	return e.b
}

type encoder struct{ b []byte }

func (e *encoder) put(vs ...uint64) {
	for _, v := range vs {
		e.b = binary.AppendUvarint(e.b, v)
	}
}

func (e *encoder) flag(vs ...bool) {
	for _, v := range vs {
		if v {
			e.b = append(e.b, 1)
		} else {
			e.b = append(e.b, 0)
		}
	}
}

func (e *encoder) entries(es []Entry) {
	e.put(uint64(len(es)))
	for i := range es {
		x := &es[i]
		e.put(uint64(x.Index), uint64(x.Term), uint64(x.From), x.ID, uint64(x.Kind), uint64(len(x.Data)))
		e.b = append(e.b, x.Data...)
	}
}

func (e *encoder) log(l *log) {
	e.put(uint64(l.base), uint64(l.baseTerm), uint64(l.last), uint64(l.issued), uint64(l.cut), uint64(l.finished))
	for _, p := range l.pages {
		e.entries(p)
	}
	e.put(uint64(len(l.pending)))
	for _, m := range l.pending {
		e.put(m.seq, uint64(m.last))
	}
}

func (e *encoder) peer(r *Raft, p *peer) {
	e.put(uint64(p.id), p.incarnation)
	e.flag(p.granted)
	if r.role != consensus.Leader {
		return
	}
	e.put(uint64(p.mode), uint64(p.match), uint64(p.next), p.session, p.round, uint64(p.toldOf), uint64(p.installed), uint64(p.floor), uint64(p.before), uint64(p.prevTerm))
	e.flag(p.waiting, r.stalled(p), r.now-p.active < r.timeout())
	e.entries(p.fetched)
	e.put(uint64(len(p.inflight.sent)))
	for _, s := range p.inflight.sent {
		e.put(uint64(s.last), uint64(s.bytes))
	}
}
