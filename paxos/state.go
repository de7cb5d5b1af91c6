package paxos

import (
	"encoding/binary"
	"slices"

	"github.com/consensus-go/consensus"
)

// CloneInto makes dst, a *Paxos, a copy of p. They share only what neither changes: the bytes of
// entries, memberships.
func (p *Paxos) CloneInto(dst consensus.Engine) {
	d := dst.(*Paxos)
	old := *d
	*d = *p
	d.log, d.best = old.log, old.best
	p.log.cloneInto(&d.log)
	p.best.cloneInto(&d.best)
	d.unknown = append(old.unknown[:0], p.unknown...)
	d.epochs = append(old.epochs[:0:0], p.epochs...)
	d.peers = append(old.peers[:0], p.peers...)
	for i := range d.peers {
		d.peers[i].flow.sent = slices.Clone(d.peers[i].flow.sent)
	}
	d.services = append(old.services[:0], p.services...)
	d.rounds = old.rounds
	p.rounds.CloneInto(&d.rounds)
	d.committed = nil
	d.granted = append(old.granted[:0], p.granted...)
	d.fetch = append(old.fetch[:0], p.fetch...)
	d.replies = cloneMessages(old.replies, p.replies)
	d.early = cloneMessages(old.early, p.early)
	d.snapshots = cloneMessages(old.snapshots, p.snapshots)
}

// cloneMessages copies queued messages, whose ranges grow as long as they are queued.
func cloneMessages(dst, src []Message) []Message {
	dst = append(dst[:0], src...)
	for i := range dst {
		dst[i].Ranges = slices.Clone(dst[i].Ranges)
	}
	return dst
}

// AppendState appends all that decides what p does next. Of an instant only whether it has come
// matters, as time may pass at any pace.
func (p *Paxos) AppendState(b []byte) []byte {
	e := encoder{b}
	e.put(uint64(p.cfg.ID), p.incarnation, uint64(p.promised), uint64(p.commit), uint64(p.handed), uint64(p.watermark), uint64(p.stopAt),
		uint64(p.snapshot.Index), uint64(p.truncate), uint64(p.written.Term), p.seq, p.durable, p.draws, p.asks, uint64(p.trimTo), uint64(p.heard))
	e.put(uint64(p.phase), uint64(p.leader), uint64(p.leaseTo), uint64(p.hint.id), uint64(p.hint.commit))
	e.flag(p.ticked, p.dirty, p.adopt != nil, p.received, p.adoptSeq > p.durable, p.stuck(), p.now < p.leaseEnd, p.askAt != 0, p.now >= p.askAt)
	e.ranges(p.unknown)
	for i := range p.epochs {
		e.bytes(p.epochs[i].encode())
	}
	e.log(p, &p.log)
	e.election(p)
	e.proposer(p)
	for i := range p.peers {
		e.peer(p, &p.peers[i])
	}
	for _, x := range p.services {
		e.put(uint64(x.to), x.epoch)
		e.flag(x.fetching, x.sending)
	}
	e.put(uint64(len(p.granted)))
	for _, x := range p.granted {
		e.put(x.ID, uint64(x.Index))
		e.flag(x.Err != nil, x.Until != 0)
	}
	for _, queue := range [...][]Message{p.replies, p.early, p.snapshots} {
		e.put(uint64(len(queue)))
		for i := range queue {
			e.b = queue[i].AppendTo(e.b)
		}
	}
	e.put(uint64(len(p.fetch)))
	for _, f := range p.fetch {
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

func (e *encoder) bytes(b []byte) {
	e.put(uint64(len(b)))
	e.b = append(e.b, b...)
}

func (e *encoder) ranges(rs []Range) {
	e.put(uint64(len(rs)))
	for _, r := range rs {
		e.put(uint64(r.First), uint64(r.Last))
	}
}

// log appends every slot that holds something. What it is in matters as long as that write has not
// finished.
func (e *encoder) log(p *Paxos, l *log) {
	e.put(uint64(l.base), uint64(l.last))
	for s := l.base + 1; s <= l.last; s++ {
		c := l.at(s)
		if c.e == nil {
			continue
		}
		x := c.e
		e.put(uint64(s), uint64(x.Term), uint64(x.From), x.ID, uint64(x.Kind))
		e.bytes(x.Data)
		e.flag(c.learned, c.seq > p.durable, c.seq == unissued)
		if x.Term == p.campaigned {
			e.put(c.acks)
		}
	}
}

func (e *encoder) election(p *Paxos) {
	x := &p.election
	e.put(uint64(x.ballot), uint64(x.leader), uint64(x.seen), x.round, x.beaten)
	e.flag(x.happy, p.now >= x.end)
}

func (e *encoder) proposer(p *Paxos) {
	e.put(uint64(p.campaigned), uint64(p.next), uint64(p.counted))
	if p.phase == idle {
		return
	}
	e.put(uint64(p.from), uint64(p.reported), uint64(p.below), p.promiseSeq, uint64(p.barrier), uint64(p.stop),
		uint64(p.uncommitted), uint64(p.handover), uint64(p.transfer.to))
	e.flag(p.own, p.ask, p.beat, p.noLease, p.transfer.sent, p.now >= p.transfer.deadline, p.now >= p.nextBeat,
		p.now-p.rounds.QuorumAt >= p.timeout(), p.now < p.leaseUntil())
	e.log(p, &p.best)
	e.b = p.rounds.AppendState(e.b)
}

func (e *encoder) peer(p *Paxos, q *peer) {
	e.put(uint64(q.id), q.incarnation, uint64(q.commit), uint64(q.held), uint64(q.floor))
	e.put(q.reply.round, uint64(q.reply.ballot), uint64(q.reply.leader), uint64(q.reply.promised))
	e.flag(q.reply.happy, q.promise.done)
	e.put(uint64(q.promise.next), uint64(q.promise.unknown))
	if p.phase != leading {
		return
	}
	f := &q.flow
	e.put(uint64(f.next), f.round, uint64(f.toldOf), uint64(len(f.sent)))
	for _, x := range f.sent {
		e.put(uint64(x.first), uint64(x.last), uint64(x.bytes))
		e.flag(p.overdue(&x))
	}
	e.flag(f.late)
}
