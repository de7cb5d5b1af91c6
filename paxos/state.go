package paxos

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// CloneInto makes dst, a *Paxos, a copy of p. They share only what neither changes: the bytes of
// entries, memberships.
func (p *Paxos) CloneInto(dst consensus.Engine) {
	d := dst.(*Paxos)
	old := *d
	*d = *p
	d.log = old.log
	p.log.cloneInto(&d.log)
	if p.best != nil {
		d.best = new(log)
		p.best.cloneInto(d.best)
	}
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
	e := encoder{consensus.StateEncoder{B: b}}
	e.Put(uint64(p.cfg.ID), p.incarnation, uint64(p.promised), uint64(p.commit), uint64(p.handed), uint64(p.watermark), uint64(p.stopAt),
		uint64(p.snapshot.Index), uint64(p.truncate), uint64(p.written.Term), p.seq, p.durable, p.draws, p.vain, uint64(p.credit), uint64(p.answerEnd), uint64(p.trimTo), uint64(p.heard))
	e.Put(uint64(p.phase), uint64(p.leader), uint64(p.leaseTo), uint64(p.hint.id), uint64(p.hint.commit))
	e.Flag(p.quiet, p.calling, p.ticked, p.dirty, p.adopt != nil, p.received, p.adoptSeq > p.durable, p.enterSeq > p.durable, p.askedSeq > p.durable, p.stuck(), p.now < p.leaseEnd, p.askAt != 0, p.now >= p.askAt)
	e.ranges(p.unknown)
	for i := range p.epochs {
		e.Bytes(p.epochs[i].encode())
	}
	e.log(p, &p.log)
	e.election(p)
	e.proposer(p)
	for i := range p.peers {
		e.peer(p, &p.peers[i])
	}
	for _, x := range p.services {
		e.Put(uint64(x.to), x.incarnation, x.epoch, uint64(x.reading), uint64(x.left))
		e.Flag(x.sending)
	}
	e.Effects(p.granted, p.fetch, p.replies, p.early, p.snapshots)
	return e.B
}

type encoder struct{ consensus.StateEncoder }

func (e *encoder) ranges(rs []Range) {
	e.Put(uint64(len(rs)))
	for _, r := range rs {
		e.Put(uint64(r.First), uint64(r.Last))
	}
}

// log appends every slot that holds something. What it is in matters as long as that write has not
// finished.
func (e *encoder) log(p *Paxos, l *log) {
	e.Put(uint64(l.base), uint64(l.last))
	for s := l.base + 1; s <= l.last; s++ {
		c := l.at(s)
		if c.e == nil {
			continue
		}
		e.Entry(c.e)
		e.Flag(c.learned, c.seq > p.durable, c.seq == unissued)
		if c.e.Term == p.campaigned {
			e.Put(c.acks)
		}
	}
}

func (e *encoder) election(p *Paxos) {
	x := &p.election
	e.Put(uint64(x.ballot), uint64(x.leader), uint64(x.seen), x.round, x.beaten)
	e.Flag(x.happy, p.now >= x.end)
}

func (e *encoder) proposer(p *Paxos) {
	e.Put(uint64(p.campaigned), uint64(p.next), uint64(p.counted))
	if p.phase == idle {
		return
	}
	e.Put(uint64(p.from), uint64(p.reported), uint64(p.below), p.promiseSeq, uint64(p.barrier), uint64(p.stop),
		uint64(p.uncommitted), uint64(p.handover), uint64(p.transfer.to))
	e.Flag(p.own, p.ask, p.beat, p.noLease, p.transfer.sent, p.now >= p.transfer.deadline, p.now >= p.nextBeat,
		p.rounds.Silent(p.now) >= p.timeout(), p.clock() < p.leaseUntil(), p.now-p.busyAt >= p.timeout(), p.askedQuiet == p.rounds.Last)
	if p.best != nil {
		e.log(p, p.best)
	}
	e.B = p.rounds.AppendState(e.B)
}

func (e *encoder) peer(p *Paxos, q *peer) {
	e.Put(uint64(q.id), q.incarnation, uint64(q.commit), uint64(q.held), uint64(q.floor))
	e.Put(q.reply.round, uint64(q.reply.ballot), uint64(q.reply.leader), uint64(q.reply.promised))
	e.Flag(q.entered, q.reply.happy, q.promise.done)
	e.Put(uint64(q.promise.next), uint64(q.promise.unknown))
	if p.phase != leading {
		return
	}
	f := &q.flow
	e.Put(uint64(f.next), f.round, f.store, f.answered, uint64(f.toldOf), uint64(len(f.sent)))
	for _, x := range f.sent {
		e.Put(uint64(x.first), uint64(x.last), uint64(x.bytes))
		e.Flag(p.overdue(&x))
	}
	e.Flag(f.late, f.missed, f.agreed == p.rounds.Last)
}
