package paxos

import (
	"math/bits"

	"github.com/consensus-go/consensus"
)

// Leader: phase 2 (rules L5, L6, L8). Slots are independent: they are proposed, acknowledged and
// chosen in any order.

// A flow is how a leader's Accepts run to one member.
type flow struct {
	next   Slot   // the next slot to send
	sent   []sent // what is not acknowledged
	bytes  int    // of it
	round  uint64 // the last round that it confirmed
	agreed uint64 // the last one in which it agreed to be quiet
	toldOf Slot   // how much it was told to be chosen
	late   bool   // it answers, and something should have been acknowledged long ago
	missed bool   // it has just said that it is in our epoch: what it was sent before it may have ignored

	store    uint64 // the incarnation that has answered the latest round, whatever arrived since, and
	answered uint64 // that round
}

// sent is one Accept: its slots, the bytes of its entries, and when it left.
type sent struct {
	first, last Slot
	bytes       int
	at          Instant
}

// startLeading makes us the leader of our ballot. What earlier ballots may have chosen is in the
// slots up to top.
func (p *Paxos) startLeading(top Slot) {
	p.phase, p.leader = leading, p.cfg.ID
	p.barrier, p.next, p.counted = top, top+1, p.commit
	p.rounds.Reset(p.now)
	p.nextBeat, p.beat = p.now, true
	p.restless()
	for i := range p.peers {
		p.peers[i].flow = flow{next: p.commit + 1}
	}
	p.dirty = true
}

// voteOwn votes for e, our own proposal.
func (p *Paxos) voteOwn(e *Entry) {
	if c := p.log.at(e.Index); c.e != nil && c.learned {
		return
	}
	p.vote(e)
	p.uncommitted += e.Size()
}

// Propose proposes an entry in the next slot, without a further Prepare.
func (p *Paxos) Propose(r consensus.Proposal) (Slot, error) {
	size := (&Entry{Data: r.Data}).Size()
	switch {
	case p.phase != leading:
		return 0, p.notLeader()
	case p.transfer.to != 0 || p.stop != 0:
		return 0, consensus.ErrTransferring
	case r.Kind == consensus.EntryMembers || r.Kind == consensus.EntryNoop:
		return 0, &consensus.ConfigError{Field: "Proposal.Kind", Value: r.Kind.String(), Reason: "only the engine makes these"}
	case size > p.cfg.MaxInflight && len(r.Data) > p.cfg.MaxMessageSize:
		return 0, consensus.ErrTooLarge
	case p.uncommitted > 0 && p.uncommitted+size > p.cfg.MaxUncommitted || p.next > p.commit+window:
		return 0, consensus.ErrBusy
	}
	return p.propose(r.Kind, r.From, r.ID, r.Data), nil
}

func (p *Paxos) propose(kind consensus.EntryKind, from NodeID, id uint64, data []byte) Slot {
	e := Entry{Index: p.next, Term: p.promised, From: from, ID: id, Kind: kind, Data: data}
	p.next++
	p.voteOwn(&e)
	p.dirty = true
	p.restless()
	return e.Index
}

// countOwn counts our own votes, which are votes once they are durable.
func (p *Paxos) countOwn() {
	for p.counted+1 < p.next {
		c := p.log.at(p.counted + 1)
		if c.e != nil && c.seq > p.durable {
			return
		}
		p.counted++
		if c.e != nil {
			p.count(c, 0)
		}
	}
}

// count adds a vote, and our own as soon as that is durable, for what we proposed in c. As a quorum has
// voted for it, it is chosen.
func (p *Paxos) count(c cell, seat uint64) {
	if c.learned || c.e.Term != p.campaigned {
		return
	}
	if c.acks |= seat; c.seq <= p.durable && p.votes {
		c.acks |= ownSeat
	}
	if p.chosenBy(c.acks) {
		p.learned(c)
	}
}

// chosenBy reports whether these votes are a commit quorum. They are all of electors; without sizes and
// weights it is enough to count them.
func (p *Paxos) chosenBy(acks uint64) bool {
	m := p.members()
	if m.CommitQuorum == 0 && len(m.Weights) == 0 {
		return bits.OnesCount64(acks) > m.Electors()/2
	}
	return m.IsCommitQuorum(func(id NodeID) bool { return acks&p.seat(id) != 0 })
}

// ownSeat is the bit that stands for ourselves in a cell's acks.
const ownSeat = 1

// seat is the bit that stands for id.
func (p *Paxos) seat(id NodeID) uint64 {
	if id == p.cfg.ID {
		return ownSeat
	}
	for i := range p.peers {
		if p.peers[i].id == id {
			return ownSeat << (i + 1)
		}
	}
	return 0
}

// onAccepted counts votes (rule L6): of our ballot, of an acceptor of the epoch, each once. They count
// when we have been preempted, too: what a quorum has voted for is chosen, whoever leads since.
func (p *Paxos) onAccepted(m *Message) {
	q := p.peer(m.From)
	if m.Term != p.campaigned || q == nil {
		return
	}
	if p.phase == leading {
		for _, r := range m.Ranges {
			if r.Last >= p.next {
				p.contradictions++ // we never proposed that
				return
			}
		}
		p.progress(q, m)
		p.dirty = p.dirty || q.flow.next < p.next // its window may be open again
	}
	if !q.counted {
		return
	}
	seat := p.seat(q.id)
	for _, r := range m.Ranges {
		for s := max(r.First, p.commit+1); s <= min(r.Last, p.log.last); s++ {
			if c := p.log.at(s); c.e != nil {
				p.count(c, seat)
			}
		}
	}
}

// onAlreadyChosen learns that others know more than we do: we ask them.
func (p *Paxos) onAlreadyChosen(m *Message) {
	q := p.peer(m.From)
	if p.phase != leading || m.Term != p.promised || q == nil {
		return
	}
	p.progress(q, m)
	for _, r := range m.Ranges {
		if s := max(r.First, p.commit+1); s <= r.Last {
			a := p.reply(Learn, m.From)
			a.Context, a.Ranges = uint64(p.cfg.MaxMessageSize), []Range{{First: s, Last: r.Last}}
			return
		}
	}
}

// progress frees what q has acknowledged whole: of the slots of one Accept some may be voted in, and others be
// chosen already, which are two answers, and one of them may be lost.
func (p *Paxos) progress(q *peer, m *Message) {
	f := &q.flow
	kept := f.sent[:0]
	for _, x := range f.sent {
		if x.last <= m.Commit || covers(m.Ranges, x.first, x.last) {
			f.bytes -= x.bytes
		} else {
			kept = append(kept, x)
		}
	}
	f.sent = kept
}

// covers reports whether one of rs holds the slots from first to last.
func covers(rs []Range, first, last Slot) bool {
	for _, r := range rs {
		if r.First <= first && last <= r.Last {
			return true
		}
	}
	return false
}

// sendAccepts is the only place that sends proposals: to each member what it was not sent, as far as
// its window goes. They may overtake our own write, as our own vote counts only when that is done.
func (p *Paxos) sendAccepts(eff *consensus.Effects) {
	for i := range p.peers {
		q := &p.peers[i]
		f := &q.flow
		p.sendAgain(q, eff)
		f.next = max(f.next, p.log.base+1)
		for f.next < p.next && f.bytes < p.cfg.MaxInflight {
			var run []Entry
			if run, f.next = p.gather(f.next); len(run) == 0 {
				break
			}
			m := p.compose(&eff.Early, Accept, q.id)
			m.Entries, m.Floor = run, p.floor()
			f.toldOf = p.commit
			x := sent{first: run[0].Index, last: run[len(run)-1].Index, at: p.now}
			for k := range run {
				x.bytes += run[k].Size()
			}
			f.sent = append(f.sent, x)
			f.bytes += x.bytes
		}
		if f.toldOf < p.commit && f.next >= p.next && q.commit < p.commit {
			f.toldOf = p.commit
			m := p.compose(&eff.Early, Lead, q.id)
			m.Floor = p.floor()
		}
	}
}

// sendAgain sends what was never acknowledged, and was sent long ago or in vain: of each Accept only those
// slots that are not chosen, and that q has not voted in. What is chosen q asks for itself.
//
// Whoever has not entered our epoch ignores our Accepts (rule S9). We send them all the same, as most members enter
// in time; so what left before q said that it is in our epoch may have been in vain. Nothing that leaves later is: q
// says it of its disk, and never goes back. So when q first says it all of that is sent again, once an epoch, and
// only what the network loses waits for two intervals.
func (p *Paxos) sendAgain(q *peer, eff *consensus.Effects) {
	f := &q.flow
	if !f.late && !f.missed {
		return
	}
	all := f.missed
	f.late, f.missed = false, false
	seat := p.seat(q.id)
	kept := f.sent[:0]
	for _, x := range f.sent {
		if !all && !p.overdue(&x) {
			kept = append(kept, x)
			continue
		}
		var es []Entry
		for s := max(x.first, p.log.base+1); s <= x.last; s++ {
			if c := p.log.at(s); c.e != nil && c.e.Term == p.promised && !c.learned && (c.acks&seat == 0 || !q.counted) {
				es = append(es, *c.e)
			}
		}
		if len(es) == 0 {
			f.bytes -= x.bytes
			continue
		}
		m := p.compose(&eff.Early, Accept, q.id)
		m.Entries, m.Floor = es, p.floor()
		x.at = p.now
		kept = append(kept, x)
	}
	f.sent = kept
}

// overdue reports whether x should have been acknowledged by now.
func (p *Paxos) overdue(x *sent) bool { return p.now-x.at >= 2*p.interval() }

// gather returns our proposals from slot s on, as many as follow one another and fit into a message, and
// where to go on. Slots that are chosen by another ballot are left out: they are learned by value.
func (p *Paxos) gather(s Slot) (run []Entry, next Slot) {
	for c := p.log.at(s); c.e == nil || c.e.Term != p.promised; c = p.log.at(s) {
		if s++; s >= p.next {
			return nil, s
		}
	}
	run, _ = p.log.stretch(s, p.next-1)
	n, size := 0, 0
	for n < len(run) && run[n].Term == p.promised {
		if size += run[n].Size(); n > 0 && size > p.cfg.MaxMessageSize {
			break
		}
		n++
	}
	p.log.lend(s)
	return run[:n:n], s + Slot(n)
}

// tickLeader sends heartbeats, gives up a transfer, and steps down if no quorum has followed for an
// election timeout, or if the disk is stuck.
func (p *Paxos) tickLeader() {
	switch {
	case p.rounds.Silent(p.now) >= p.timeout():
		p.stepDown(reasonNoQuorum)
		return
	case p.stuck():
		p.stepDown(reasonDisk)
		return
	}
	if p.now >= p.nextBeat {
		p.beat, p.dirty = true, true
	}
	if p.transfer.to != 0 && p.now >= p.transfer.deadline {
		p.transfer, p.dirty = transfer{}, true
	}
}

// floor is how far a witness may trim its log: up to where full replicas that meet every election
// quorum hold snapshots. Whoever is elected then needs nothing below it from a witness. While the epoch
// ends it may trim nothing more, as the next members may have other full replicas. See keepsState.
func (p *Paxos) floor() Slot {
	m := p.members()
	if len(m.Witnesses) == 0 || p.stop != 0 {
		return 0
	}
	return consensus.Unavoidable(m, func(id NodeID) Slot {
		switch q := p.peer(id); {
		case m.Kind(id) == consensus.Witness:
			return 0
		case id == p.cfg.ID:
			if p.adopt != nil || p.adoptSeq > p.durable {
				return 0 // a crash may lose it: then nobody could teach what is under it, and a witness has trimmed
			}
			return p.snapshot.Index
		case q.counted:
			return q.floor
		}
		return 0
	})
}

type transfer struct {
	to       NodeID // 0: none under way
	deadline Instant
	sent     bool
}

// Transfer hands leadership to another voter, which may have learned as little as it likes.
// Nothing is proposed meanwhile, and the lease is over for good (rule H3).
func (p *Paxos) Transfer(to NodeID) error {
	p.dirty = true
	switch {
	case p.phase != leading:
		return p.notLeader()
	case to == p.cfg.ID:
		return nil
	case p.members().Kind(to) != consensus.Voter:
		return &consensus.ConfigError{Field: "Transfer", Value: p.members().Kind(to).String(), Reason: "only a voter can take over"}
	case p.transfer.to != 0 || p.stop != 0:
		return consensus.ErrTransferring
	}
	p.transfer = transfer{to: to, deadline: p.now + p.timeout()}
	p.noLease = true
	return nil
}

// handOver tells the target of a transfer to campaign.
func (p *Paxos) handOver() {
	if p.transfer.to != 0 && !p.transfer.sent {
		p.transfer.sent = true
		p.reply(TakeOver, p.transfer.to)
	}
}
