package paxos

import "github.com/consensus-go/consensus"

// Acceptor: what it promises and votes is durable before anybody hears of it (rules A1 to A4).
// Learners keep the same state by the same rules; their votes are counted by nobody, and with the
// next epoch, in which they may count, it is gone.

// acts reports whether the ballot b of our epoch may be followed at all: the reserved one is that of
// the first leader alone (rule S4).
func (p *Paxos) acts(b Ballot) bool {
	return roundOf(b) > reservedRound || roundOf(b) == reservedRound && nodeOf(b) == p.epoch().initial
}

// onPrepare is phase 1b. A repeated Prepare is answered again; one that goes on gets the next chunk.
func (p *Paxos) onPrepare(m *Message) {
	if !p.votes || p.peer(m.From) == nil {
		return
	}
	switch {
	case m.Term < p.promised:
		p.refuse(m, refusedBallot)
		return
	case m.Term > p.promised && p.leased(m):
		p.refuse(m, refusedLease)
		return
	}
	p.raise(m.Term, reasonBallot)
	p.promise(m)
}

// leased reports whether a lease stands against a Prepare.
func (p *Paxos) leased(m *Message) bool {
	handover := Ballot(0)
	if m.Flags&consensus.FlagTransfer != 0 {
		handover = m.Leader
	}
	return p.pledged(m.From, handover)
}

// pledged reports whether a lease that we granted, or may have granted in an earlier life, forbids us to
// promise id anything, be it ourselves (rules G2, G3, G4). A leader who hands over has given its own lease
// up; but not that of somebody who was elected since, which a Prepare that was delayed may meet.
func (p *Paxos) pledged(id NodeID, handover Ballot) bool {
	switch {
	case p.members().Lease == 0 || nodeOf(p.leaseTo) == id:
		return false
	case handover != 0 && handover == p.leaseTo:
		return false
	}
	return p.now < p.leaseEnd || p.phase == leading && p.clock() < p.leaseUntil()
}

// grant gives the leader of b a lease, when it says that it reaches a quorum (rule G1).
func (p *Paxos) grant(m *Message) {
	if lease := p.members().Lease; lease > 0 && m.Flags&consensus.FlagHappy != 0 {
		p.leaseTo, p.leaseEnd = m.Term, max(p.leaseEnd, p.now+Instant(lease))
	}
}

// refuse answers a ballot that we do not follow with the one that we do.
func (p *Paxos) refuse(m *Message, why verdict) {
	p.refused = refusal{to: m.From, ballot: m.Term, why: why}
	a := p.reply(Nack, m.From)
	a.Term, a.Reject = m.Term, true
}

// promise queues one chunk of what we have voted for and learned, from m.Next on: every slot that is
// not under our snapshot, those that are chosen too. "I applied it and dropped it" is not "I never
// voted": with the floor the candidate knows what it must learn first (Paxi loses agreement here). A
// slot whose vote was damaged is reported as unknown.
func (p *Paxos) promise(m *Message) {
	a := p.reply(Promise, m.From)
	a.Index, a.Context, a.Floor, a.Last = m.Index, uint64(m.Next), p.log.base, p.log.last
	a.Ranges = append(a.Ranges, p.unknown...)
	size := 0
	for s := max(m.Index, m.Next, p.log.base+1); s <= p.log.last; s++ {
		c := p.log.at(s)
		if c.e == nil {
			continue
		}
		if size += c.e.Size(); len(a.Entries) > 0 && size > p.cfg.MaxMessageSize {
			a.Next = s
			return
		}
		e := *c.e
		if c.learned {
			e.Term = Chosen
		}
		a.Entries = append(a.Entries, e)
	}
}

// onAccept is phase 2b, for any slots in any order.
func (p *Paxos) onAccept(m *Message) {
	if !p.obey(m) {
		return
	}
	for i := range m.Entries {
		p.accept(&m.Entries[i], m.From)
	}
	p.chosenUpTo(m.Commit)
}

// obey follows the ballot of an Accept or a Lead, which raises our promise as a Prepare would
// ("The Bug in Paxos Made Simple": with a lower promise we could vote below this vote).
func (p *Paxos) obey(m *Message) bool {
	switch {
	case !p.acts(m.Term):
		p.ignored++
		return false
	case m.Term < p.promised:
		p.refuse(m, refusedBallot)
		return false
	}
	p.raise(m.Term, reasonBallot)
	p.leader = m.From
	p.trimTo = max(p.trimTo, m.Floor)
	return true
}

// accept votes for e, whose ballot we follow. A slot that is known to be chosen needs no vote: the
// proposer, which may be an old one that proposes something else, is told so.
func (p *Paxos) accept(e *Entry, to NodeID) {
	s := e.Index
	c := p.log.at(s)
	switch {
	case s <= p.log.base:
		p.acknowledge(AlreadyChosen, to, s)
	case s > p.commit+window || p.stopAt != 0 && s > p.stopAt:
		return // rule L8; rule S3
	case e.Kind == consensus.EntryMembers && !p.ends(e):
		p.contradictions++
	case c.e != nil && c.e.Term == e.Term:
		if !same(c.e, e) { // one value per ballot
			p.contradictions++
			return
		}
		p.acknowledge(Accepted, to, s)
	case c.e != nil && c.learned:
		p.acknowledge(AlreadyChosen, to, s)
	default:
		p.vote(e)
		p.acknowledge(Accepted, to, s)
	}
}

// vote makes e what we voted for last in its slot. Whatever we had voted there and lost to damage
// was of a lower ballot, and matters no more.
func (p *Paxos) vote(e *Entry) cell {
	c := p.log.put(e)
	if len(p.unknown) > 0 {
		p.recovered(e.Index)
	}
	if e.Index <= p.watermark { // the leader said that it is chosen before we had it
		p.learned(c)
	}
	return c
}

// recovered takes slot s out of those that are unknown.
func (p *Paxos) recovered(s Slot) {
	for i, r := range p.unknown {
		if s < r.First || s > r.Last {
			continue
		}
		rest := append([]Range(nil), p.unknown[i+1:]...)
		p.unknown = p.unknown[:i]
		if r.First < s {
			p.unknown = append(p.unknown, Range{First: r.First, Last: s - 1})
		}
		if s < r.Last {
			p.unknown = append(p.unknown, Range{First: s + 1, Last: r.Last})
		}
		p.unknown = append(p.unknown, rest...)
		return
	}
}

// acknowledge adds slot s to the answer of that kind, in explicit ranges: there may be holes. One
// answer serves for all that arrived since the last write.
func (p *Paxos) acknowledge(kind consensus.Kind, to NodeID, s Slot) {
	for i := range p.replies {
		a := &p.replies[i]
		if a.Kind != kind || a.To != to || a.Term != p.promised {
			continue
		}
		if last := &a.Ranges[len(a.Ranges)-1]; s == last.Last+1 {
			last.Last = s
			return
		} else if s > last.Last {
			a.Ranges = append(a.Ranges, Range{First: s, Last: s})
			return
		}
	}
	a := p.reply(kind, to)
	a.Floor, a.Ranges = p.snapshot.Index, p.log.carveRange(Range{First: s, Last: s})
}
