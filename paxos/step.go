package paxos

import "github.com/consensus-go/consensus"

// Step delivers a message. Epochs first, then one case a kind.
func (p *Paxos) Step(m *Message) {
	if !p.wellFormed(m) {
		p.ignored++
		return
	}
	p.quiet, p.dirty = false, p.dirty || m.Kind != Accepted // see onAccepted
	if epochOf(m.Promised) > epochOf(p.promised) {
		p.advance() // what came before m, perhaps in the same batch, may have been the way there
	}
	p.meet(m)
	switch m.Kind {
	case Learn:
		p.onLearn(m)
		return
	case LearnReply:
		p.onLearnReply(m)
		return
	case EpochSnapshot:
		p.onSnapshot(m)
		return
	}
	of, ours := m.Promised, epochOf(p.promised)
	if about(m.Kind) {
		of = m.Term
	}
	switch e := epochOf(of); {
	case e > ours || m.Kind == EpochSealed: // rule S9: nothing of it concerns us before we have entered it
		if epochOf(m.Promised) > ours {
			p.follow(m)
		}
	case e < ours:
		p.onStale(m)
	case p.settled():
		p.dispatch(m)
	default: // what is damaged here is what lies between us and our epoch: whoever acts in it can teach us
		p.follow(m)
	}
}

// about reports whether messages of kind k are about the ballot in Term.
func about(k consensus.Kind) bool {
	switch k {
	case Prepare, Promise, Nack, Accept, Accepted, AlreadyChosen, Lead, LeadReply, TakeOver:
		return true
	}
	return false
}

// dispatch handles a message of our epoch.
func (p *Paxos) dispatch(m *Message) {
	switch m.Kind {
	case Prepare:
		p.onPrepare(m)
	case Promise:
		p.onPromise(m)
	case Nack:
		p.onNack(m)
	case Accept:
		p.onAccept(m)
	case Accepted:
		p.onAccepted(m)
	case AlreadyChosen:
		p.onAlreadyChosen(m)
	case Lead:
		p.onLead(m)
	case LeadReply:
		p.onLeadReply(m)
	case Elect:
		p.onElect(m)
	case ElectReply:
		p.onElectReply(m)
	case TakeOver:
		p.onTakeOver(m)
	}
}

// onStale answers whoever acts in an epoch that has ended: it must learn of the next one (rule S3).
// Its acceptors are no acceptors any more.
func (p *Paxos) onStale(m *Message) {
	switch m.Kind {
	case Prepare, Accept, Lead, Elect:
		p.reply(EpochSealed, m.From)
	}
}

// wellFormed is the gate: behind it a message can be trusted to be one that a Paxos of some state
// may have sent. Numbers near the end of their range are no group's, and would wrap around.
func (p *Paxos) wellFormed(m *Message) bool {
	const limit = 1 << 62
	if m.To != p.cfg.ID || m.From == 0 || m.From == p.cfg.ID || m.From > maxNode || m.Group != p.cfg.Group || !p.ticked ||
		m.Index >= limit || m.Last >= limit || m.Next >= limit || m.Commit >= limit || m.Floor >= limit ||
		epochOf(m.Term) > maxEpoch || epochOf(m.Promised) > maxEpoch || epochOf(m.Leader) > maxEpoch {
		return false
	}
	if about(m.Kind) && (roundOf(m.Term) == 0 || nodeOf(m.Term) == 0) {
		return false // the ballot (e, 0, 0) is nobody's
	}
	switch m.Kind {
	case Prepare:
		return nodeOf(m.Term) == m.From && roundOf(m.Term) > reservedRound && len(m.Entries) == 0
	case Lead, TakeOver:
		return nodeOf(m.Term) == m.From && len(m.Entries) == 0
	case Promise:
		return nodeOf(m.Term) == p.cfg.ID && p.orderly(m)
	case Nack, Accepted, AlreadyChosen, LeadReply:
		return nodeOf(m.Term) == p.cfg.ID && len(m.Entries) == 0 && ordered(m.Ranges)
	case Accept:
		if nodeOf(m.Term) != m.From {
			return false
		}
		for i := range m.Entries {
			if m.Entries[i].Term != m.Term {
				return false
			}
		}
		return p.orderly(m)
	case Elect, ElectReply, EpochSealed:
		return len(m.Entries) == 0
	case Learn:
		return len(m.Entries) == 0 && ordered(m.Ranges)
	case LearnReply:
		for i := range m.Entries {
			if m.Entries[i].Term != Chosen {
				return false
			}
		}
		return p.orderly(m)
	case EpochSnapshot:
		if m.Index == 0 || len(m.Entries) > 0 {
			return false
		}
		if len(m.Data) == 0 { // of the founding epoch
			return true
		}
		x, err := decodeEpoch(m.Data)
		return err == nil && x.index <= m.Index
	}
	return false
}

// orderly reports whether the entries increase, and their stop-signs are what they should be.
func (p *Paxos) orderly(m *Message) bool {
	previous := Slot(0)
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Index <= previous || e.Index >= 1<<62 || e.Term == 0 {
			return false
		}
		if e.Kind == consensus.EntryMembers {
			if x, err := decodeEpoch(e.Data); err != nil || x.index != e.Index {
				return false
			}
		}
		previous = e.Index
	}
	return ordered(m.Ranges)
}

// ordered reports whether ranges increase and are not empty.
func ordered(rs []Range) bool {
	previous := Slot(0)
	for _, r := range rs {
		if r.First <= previous || r.Last < r.First || r.Last >= 1<<62 {
			return false
		}
		previous = r.Last
	}
	return true
}

// meet notes what every message tells of its sender: its store, and how much it has learned. Of
// another store than before we know nothing. An Accept, a Lead or a Learn may be ahead of its sender's disk, and
// their Floor is not about the sender.
func (p *Paxos) meet(m *Message) {
	q := p.peer(m.From)
	if q == nil {
		return
	}
	q.active = p.now
	if q.incarnation != m.Incarnation {
		f := flow{next: p.from, store: q.flow.store, answered: q.flow.answered}
		*q = peer{id: q.id, kind: q.kind, incarnation: m.Incarnation, active: p.now, flow: f}
		q.counted = p.members().Votes(q.id) && p.admits(q.id, m.Incarnation)
	}
	if !q.entered && epochOf(m.Promised) == epochOf(p.promised) {
		q.entered, q.flow.missed, p.dirty = true, true, true
	}
	q.commit, p.heard = max(q.commit, m.Commit), max(p.heard, m.Commit)
	p.dirty = p.dirty || p.heard > p.commit
	if m.Kind != Accept && m.Kind != Lead && m.Kind != Learn {
		q.held, q.floor = max(q.held, m.Commit), max(q.floor, m.Floor)
	}
}

// voter returns the sender of m if its vote counts, else nil.
func (p *Paxos) voter(m *Message) *peer {
	if q := p.peer(m.From); q != nil && q.counted {
		return q
	}
	return nil
}
