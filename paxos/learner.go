package paxos

import (
	"fmt"

	"github.com/consensus-go/consensus"
)

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

// A source is somebody who has learned more than we have.
type source struct {
	id     NodeID
	commit Slot
}

// follow asks the sender of a message of a later epoch for the way there.
func (p *Paxos) follow(m *Message) {
	p.hint = source{id: m.From, commit: max(m.Commit, p.commit+1)}
	p.heard = max(p.heard, p.hint.commit)
	if p.askAt == 0 {
		p.askAt = p.now
	}
}

// catchUp asks for what we lack, as long as somebody has it. What is missing may be on its way, so
// that it waits for a heartbeat interval first, and for two between questions that were in vain. Once a question is
// answered in full the next one follows at once, while the disk still writes that answer, but has written the
// one before. It asks for twice as much: so that a link that is slower than our patience is not flooded.
func (p *Paxos) catchUp() {
	wanted := max(p.heard, p.missing())
	if wanted <= p.commit { // nearly always
		p.askAt = 0
		return
	}
	if p.askAt == 0 {
		p.askAt = p.now + p.interval()
	}
	if p.now >= p.askAt && p.durable >= p.askedSeq {
		if !p.isAnswered() {
			p.credit = 0
		}
		p.credit = min(max(2*p.credit, p.cfg.MaxMessageSize), p.cfg.MaxInflight)
		p.askFor(p.source(), wanted)
		p.asks++
		p.askAt, p.askedSeq, p.answerEnd = p.now+2*p.interval(), p.seq, 0
	}
}

// isAnswered reports whether we have learned all that our last question was answered with. The messages of
// an answer may change places.
func (p *Paxos) isAnswered() bool { return p.answerEnd != 0 && p.commit >= p.answerEnd }

// source is whom to ask: by turns, all who have said that they have learned more than we have, and then, for
// one turn, anybody. Who said it may have no more than a witness has, and who has it need not have told us: a
// learner speaks to the leader alone.
func (p *Paxos) source() NodeID {
	n := uint64(0)
	for i := -1; i < len(p.peers); i++ {
		if p.knows(i).commit > p.commit {
			n++
		}
	}
	turn := p.asks % (n + 1)
	if turn == n && len(p.peers) > 0 {
		return p.peers[p.asks/(n+1)%uint64(len(p.peers))].id
	}
	for i := -1; i < len(p.peers); i++ {
		if x := p.knows(i); x.commit > p.commit {
			if turn == 0 {
				return x.id
			}
			turn--
		}
	}
	return p.hint.id
}

// knows is how much member i has learned, as far as we know; -1 is the hint.
func (p *Paxos) knows(i int) source {
	if i < 0 {
		return p.hint
	}
	return source{id: p.peers[i].id, commit: p.peers[i].commit}
}

// missing is a slot that every member will learn sooner or later, and that nobody will tell us of: whoever
// was removed asks whether its successors have opened their epoch, and need it no longer (rule S7).
func (p *Paxos) missing() Slot {
	if p.kind == consensus.NotMember {
		return p.epoch().opening()
	}
	return 0
}

// mostAsked is how many ranges a question names.
const mostAsked = 16

// askFor asks for what we lack up to wanted. That need not wait for the disk, but for our epoch: were it forgotten in
// a crash, the answer would be of a later one (rule S9).
func (p *Paxos) askFor(from NodeID, wanted Slot) {
	list := &p.early
	if p.enterSeq > p.durable {
		list = &p.replies
	}
	m := p.compose(list, Learn, from)
	m.Context = uint64(p.credit)
	for s := p.commit + 1; s <= wanted && len(m.Ranges) < mostAsked; s++ {
		c := p.log.at(s)
		if c.e != nil && c.learned {
			continue
		}
		if n := len(m.Ranges); n > 0 && m.Ranges[n-1].Last == s-1 {
			m.Ranges[n-1].Last = s
		} else {
			m.Ranges = append(m.Ranges, Range{First: s, Last: s})
		}
		if s > p.log.last {
			m.Ranges[len(m.Ranges)-1].Last = wanted
			break
		}
	}
}

// onLearn answers with what is chosen, as far as the asker's epoch goes (rule S9) and its credit: what it
// wants and we have compacted is read from storage, or it gets our snapshot.
func (p *Paxos) onLearn(m *Message) {
	if len(m.Ranges) == 0 {
		return
	}
	if first := m.Ranges[0].First; first <= p.log.base {
		p.serve(m, first)
		return
	}
	end, ok := p.endOf(epochOf(m.Promised))
	if !ok {
		return // it lacks the end of its epoch, which we no longer have: it did not ask from there
	}
	if end == 0 {
		end = p.log.last
	}
	if !p.settled() {
		end = min(end, p.commit) // what we hold above is of an epoch whose beginning is damaged here
	}
	var a *Message
	left, room := p.credits(m), 0
	for _, r := range m.Ranges {
		for s := r.First; s <= min(r.Last, end); s++ {
			c := p.log.at(s)
			if c.e == nil || !c.learned {
				continue
			}
			size := c.e.Size()
			switch {
			case a == nil:
				a, room = p.teach(m.From, m.Incarnation), p.cfg.MaxMessageSize
			case size > left:
				return
			case size > room:
				a.Next = s
				a, room = p.teach(m.From, m.Incarnation), p.cfg.MaxMessageSize
			}
			left, room = left-size, room-size
			e := *c.e
			e.Term = Chosen
			a.Entries = append(a.Entries, e)
		}
	}
}

// credits is how many bytes a question may be answered with. Any answer holds an entry.
func (p *Paxos) credits(m *Message) int { return int(min(m.Context, uint64(p.cfg.MaxInflight))) }

// teach is an answer to a store that asked.
func (p *Paxos) teach(to NodeID, incarnation uint64) *Message {
	a := p.reply(LearnReply, to)
	a.Context = incarnation
	return a
}

// onLearnReply takes in what is chosen. Nothing of an epoch that we have not entered: with it we
// would report as chosen, in the old epoch, what was chosen above a stop-sign that we do not know,
// and a candidate would void that (rule S9). So what another store asked under our id, which is gone, is not
// for us: it may have been in a later epoch.
func (p *Paxos) onLearnReply(m *Message) {
	if m.Context != p.incarnation {
		return
	}
	before := p.commit
	if n := len(m.Entries); n > 0 && m.Next == 0 {
		p.answerEnd = m.Entries[n-1].Index
	}
	for i := range m.Entries {
		e := &m.Entries[i]
		if p.stopAt != 0 && e.Index > p.stopAt {
			break
		}
		p.learnValue(*e)
	}
	p.advance()
	p.complete()
	switch {
	case p.commit == before:
	case p.isAnswered():
		p.asks--
		p.askAt = p.now // go on at once, with whoever helps
	default:
		p.askAt = p.now + 2*p.interval() // the rest of the answer is on the way
	}
	if p.commit < m.Commit && p.commit > before {
		p.hint = source{id: m.From, commit: m.Commit}
		p.heard = max(p.heard, m.Commit)
	}
}

// Fetched sends what storage had for a learner: all of it is chosen. An answer ends with the stop-sign of
// the learner's epoch.
func (p *Paxos) Fetched(f consensus.Fetch, es []Entry, err error) {
	p.dirty = true
	x := p.service(f.To)
	if x == nil || !x.fetching {
		return
	}
	x.fetching = false
	if err != nil || len(es) == 0 {
		p.sendSnapshot(x)
		return
	}
	m := p.teach(f.To, x.incarnation)
	m.Entries = make([]Entry, 0, len(es))
	for i := range es {
		e := es[i]
		e.Term = Chosen
		m.Entries = append(m.Entries, e)
		x.left -= e.Size()
		if e.Kind != consensus.EntryMembers {
			continue
		}
		s, err := decodeEpoch(e.Data)
		if err != nil {
			panic(fmt.Sprintf("paxos: storage has a malformed stop-sign at %d: %v", e.Index, err))
		}
		if s.number > x.epoch {
			return
		}
	}
	if next := es[len(es)-1].Index + 1; x.left > 0 && next <= f.Hi {
		m.Next = next
		p.fetchFor(x, next)
	}
}
