package paxos

import "github.com/consensus-go/consensus"

// Catching up: a replica that knows that others have learned more asks for it, of one at a time.

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
			p.vain++
			p.credit = 0
		}
		p.credit = min(max(2*p.credit, p.cfg.MaxMessageSize), p.cfg.MaxInflight)
		p.askFor(p.source(), wanted)
		p.askAt, p.askedSeq, p.answerEnd = p.now+2*p.interval(), p.seq, unanswered
	}
}

// unanswered is above every slot.
const unanswered = 1 << 62

// isAnswered reports whether we have learned all that our last question was answered with. The messages of
// an answer may change places.
func (p *Paxos) isAnswered() bool { return p.commit >= p.answerEnd }

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
	turn := p.vain % (n + 1)
	if turn == n && len(p.peers) > 0 {
		return p.peers[p.vain/(n+1)%uint64(len(p.peers))].id
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

// missing is a slot that is chosen, or will be, and that nobody will tell us of. Whoever was removed asks whether its
// successors have opened their epoch, and need it no longer (rule S7). Who has lost, to damage, the stop-sign before its own
// epoch does not know whether it is a member of that, and if it is none, nobody who is will speak to it.
func (p *Paxos) missing() Slot {
	switch {
	case !p.settled():
		return p.commit + 1
	case p.kind == consensus.NotMember:
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
		p.askAt = p.now // go on at once, with whoever helps
	default:
		p.askAt = p.now + 2*p.interval() // the rest of the answer is on the way
	}
	if p.commit < m.Commit && p.commit > before {
		p.hint = source{id: m.From, commit: m.Commit}
		p.heard = max(p.heard, m.Commit)
	}
}
