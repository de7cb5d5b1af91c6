package paxos

import (
	"fmt"

	"github.com/consensus-go/consensus"
)

// Teaching: what a learner asks for is answered from memory, else from storage, else with a snapshot.

// A service is a learner that we help from storage: what it wants is no longer in memory.
type service struct {
	to          NodeID
	incarnation uint64 // of its store, and
	epoch       uint64 // of its promise, as it asked
	reading     Slot   // from here on storage reads for it; 0: it does not
	left        int    // how many bytes more it is sent before it asks again
	sending     bool   // our snapshot is on its way
}

// maxServices is how many learners are helped at once.
const maxServices = 16

func (p *Paxos) service(to NodeID) *service {
	for i := range p.services {
		if p.services[i].to == to {
			return &p.services[i]
		}
	}
	return nil
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
	p.teachFromMemory(m, end)
}

// teachFromMemory answers with what is chosen up to end, in messages that are not too large. Any answer holds a slot.
func (p *Paxos) teachFromMemory(m *Message, end Slot) {
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

// credits is how many bytes a question may be answered with.
func (p *Paxos) credits(m *Message) int { return int(min(m.Context, uint64(p.cfg.MaxInflight))) }

// teach is an answer to a store that asked.
func (p *Paxos) teach(to NodeID, incarnation uint64) *Message {
	a := p.reply(LearnReply, to)
	a.Context = incarnation
	return a
}

// serve has storage read slots from first on for the learner that sent m, one question at a time.
func (p *Paxos) serve(m *Message, first Slot) {
	x := p.service(m.From)
	if x == nil {
		if len(p.services) == maxServices {
			p.services = append(p.services[:0], p.services[1:]...)
		}
		p.services = append(p.services, service{to: m.From})
		x = &p.services[len(p.services)-1]
	}
	if x.reading != 0 || x.sending {
		return
	}
	x.incarnation, x.epoch, x.left = m.Incarnation, epochOf(m.Promised), p.credits(m)
	p.fetchFor(x, first)
}

func (p *Paxos) fetchFor(x *service, first Slot) {
	x.reading = first
	p.fetch = append(p.fetch, consensus.Fetch{To: x.to, Lo: first, Hi: p.log.base, MaxBytes: p.cfg.MaxMessageSize})
}

// Fetched sends what storage had for a learner: all of it is chosen. An answer ends with the stop-sign of
// the learner's epoch. What was read for a service that was given up meanwhile is none.
func (p *Paxos) Fetched(f consensus.Fetch, es []Entry, err error) {
	p.dirty = true
	x := p.service(f.To)
	if x == nil || x.reading != f.Lo {
		return
	}
	x.reading = 0
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

// sendSnapshot has our newest snapshot streamed. A witness has none that anybody could use.
func (p *Paxos) sendSnapshot(x *service) {
	if p.cfg.Witness || p.snapshot.Index == 0 {
		return
	}
	x.sending = true
	m := p.compose(&p.snapshots, EpochSnapshot, x.to)
	m.Index, m.Data = p.snapshot.Index, p.snapshot.Config
}

// SnapshotSent learns that the stream has ended. A learner that still lacks something asks again.
func (p *Paxos) SnapshotSent(to NodeID, err error) {
	if x := p.service(to); x != nil {
		x.sending = false
	}
}
