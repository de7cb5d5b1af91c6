package paxos

import "github.com/consensus-go/consensus"

// Learner: how a replica comes to know what is chosen (rules F1, F2, C1 to C3). From the leader's
// watermark it learns the slots in which it voted at the leader's own ballot, and no others: a vote at
// a lower ballot may be for another value. All else is learned by value, from anybody who knows.

// learned notes that what c holds is chosen.
func (p *Paxos) learned(c cell) {
	c.learned, p.dirty = true, true
	if p.phase == claiming || p.phase == leading && c.e.Index >= p.next { // more is chosen than we can have proposed
		p.stepDown(reasonBallot)
	}
	if c.e.Kind == consensus.EntryMembers && (p.stopAt == 0 || c.e.Index < p.stopAt) {
		p.stopAt = c.e.Index
		if p.phase == leading {
			p.stop = c.e.Index // rule S3: we propose nothing above it
		}
	}
}

// nextStop is the lowest stop-sign that is learned above commit, or 0.
func (p *Paxos) nextStop() Slot {
	for s := p.commit + 1; s <= p.log.last; s++ {
		if c := p.log.at(s); c.e != nil && c.learned && c.e.Kind == consensus.EntryMembers {
			return s
		}
	}
	return 0
}

// learnValue takes in an entry that is chosen. Unless it is what we voted for, it is written with the ballot
// Chosen, in a write that says Commit no earlier: were it learned in memory alone, a crash could leave
// another vote under a Commit that covers it.
func (p *Paxos) learnValue(e Entry) {
	s := e.Index
	if s <= p.commit || s > p.commit+window {
		return
	}
	switch c := p.log.at(s); {
	case e.Kind == consensus.EntryMembers && !p.ends(&e):
		return // of a later epoch
	case c.e == nil:
	case same(c.e, &e): // our vote was for the right value, and is written already or will be
		if !c.learned {
			p.learned(c)
		}
		return
	case c.learned:
		p.contradictions++
		return
	case p.phase == leading && c.e.Term == p.promised:
		// A higher ballot chose it. Were we to go on, our watermark would cover this slot, and whoever voted
		// here for our own value would take that for chosen.
		p.stepDown(reasonBallot)
	}
	e.Term = Chosen
	c := p.log.put(&e)
	p.recovered(s)
	p.learned(c)
}

// chosenUpTo is the leader's word that all is chosen up to slot s (rule F1). It is said of the
// leader's ballot, which is our promise: a slot that we voted in at that ballot is chosen with what
// we voted for. It is forgotten when the promise is raised (rule F2).
func (p *Paxos) chosenUpTo(s Slot) {
	for i := max(p.watermark, p.commit) + 1; i <= min(s, p.log.last); i++ {
		if c := p.log.at(i); c.e != nil && c.e.Term == p.promised && !c.learned {
			p.learned(c)
		}
	}
	p.watermark = max(p.watermark, s)
}

// onLead follows the leader's heartbeat.
func (p *Paxos) onLead(m *Message) {
	if !p.obey(m) {
		return
	}
	p.grant(m)
	p.chosenUpTo(m.Commit)
	if m.Context != 0 {
		a := p.reply(LeadReply, m.From)
		a.Context, a.Floor, a.Last = m.Context, p.snapshot.Index, p.log.last
		if p.agree(m) {
			a.Flags = consensus.FlagQuiet
		}
	}
}
