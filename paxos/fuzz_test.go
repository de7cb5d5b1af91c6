package paxos

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// speaker makes up what the peers of a Paxos say.
var speaker = enginetest.Speaker{
	Protocol:  &protocol,
	First:     Prepare,
	Last:      EpochSnapshot,
	Deadline:  func(e consensus.Engine) Instant { return e.(*Paxos).election.end },
	Plausible: plausible,
	Granted:   hoped,
	Lead:      []byte{16, 0, 0, 1, 0, 9, 0, 16, 0, 0, 9, 0, 3, 0, 0, 9, 0, 16, 0, 0, 5, 0},
	Follow:    []byte{17, 6, 0, 0, 0x2a, 2, 2, 2, 2, 0},
}

// hoped is what the engine waits for: an unhappy voter, a promise, a vote, an answer to its heartbeat.
func hoped(g *enginetest.Rig) Message {
	p := g.Engine.(*Paxos)
	from := NodeID(g.Byte()%3 + 2)
	m := Message{Kind: ElectReply, From: from, To: 1, Incarnation: uint64(from), Promised: p.promised, Context: p.election.round}
	switch p.phase {
	case preparing:
		if !p.own {
			break // nobody was asked yet
		}
		m.Kind, m.Term, m.Index = Promise, p.promised, p.from
		if q := p.peer(from); q != nil {
			m.Context = uint64(q.promise.next)
		}
	case leading:
		m.Kind, m.Term, m.Context = LeadReply, p.promised, p.rounds.Last
		if p.next > p.commit+1 {
			m.Kind, m.Ranges = Accepted, []Range{{First: p.commit + 1, Last: p.next - 1}}
		}
	}
	return m
}

// plausible is a message that some node may have sent, some time.
func plausible(g *enginetest.Rig) Message {
	p := g.Engine.(*Paxos)
	m := Message{Kind: Prepare + consensus.Kind(g.Byte()%15), From: NodeID(g.Byte()%4 + 2), To: 1}
	m.Incarnation = uint64(m.From)
	b := g.Byte()
	m.Term = drawBallot(g, m.From)
	switch m.Kind {
	case Promise, Nack, Accepted, AlreadyChosen, LeadReply:
		if m.Term = p.campaigned; b&1 != 0 {
			m.Term = drawBallot(g, 1)
		}
	case ElectReply:
		if b&1 != 0 {
			m.Term = 0
		}
	}
	m.Promised, m.Leader = max(m.Term, p.promised), p.election.leader
	if b&2 != 0 {
		m.Promised, m.Leader = drawBallot(g, NodeID(g.Byte()%5)), drawBallot(g, m.From)
	}
	if b&4 != 0 {
		m.Flags = consensus.FlagHappy
	}
	if b&8 != 0 {
		m.Flags |= consensus.FlagTransfer
	}
	m.Index, m.Commit, m.Floor, m.Last = p.commit+1, Slot(g.Near(uint64(p.commit))), Slot(g.Near(uint64(p.snapshot.Index))), Slot(g.Near(uint64(p.log.last)))
	switch m.Kind {
	case Promise:
		m.Index = p.from
		if q := p.peer(m.From); q != nil {
			m.Context = uint64(q.promise.next)
		}
		if b&16 != 0 {
			m.Next = Slot(g.Near(uint64(p.log.last)))
		}
		m.Entries = drawVotes(g, Slot(g.Near(uint64(p.from))), 0)
	case Accept:
		m.Entries = drawVotes(g, Slot(g.Near(uint64(p.commit)+2)), m.Term)
	case LearnReply:
		m.Context = p.incarnation + uint64(g.Byte()%4/3) // another store's, now and then
		m.Entries = drawVotes(g, Slot(g.Near(uint64(p.commit)+1)), Chosen)
	case Lead, LeadReply:
		m.Context = g.Near(p.rounds.Last + 1)
	case Elect, ElectReply:
		m.Context = g.Near(p.election.round + 2)
	case EpochSnapshot:
		m.Index = Slot(g.Near(uint64(p.commit) + 3))
		m.Data = drawEpoch(g, m.Index)
	}
	switch m.Kind {
	case Accepted, AlreadyChosen, Learn:
		m.Ranges = drawRanges(g, Slot(g.Near(uint64(p.commit)+2)))
	case Promise:
		if b&32 != 0 {
			m.Ranges = drawRanges(g, p.from)
		}
	}
	if b&64 != 0 {
		m.Incarnation++
	}
	if m.Kind == Promise && !p.own {
		m.Term = 0 // nobody was asked yet
	}
	return m
}

// drawBallot is a ballot of a node near the promise, seldom of another epoch.
func drawBallot(g *enginetest.Rig, of NodeID) Ballot {
	p := g.Engine.(*Paxos)
	b := g.Byte()
	e, round := epochOf(p.promised), roundOf(p.promised)
	switch {
	case b&7 == 0 && e > 0:
		e--
	case b&7 == 1:
		e++
	}
	if b&8 != 0 {
		return pack(e, max(round, 1)+uint64(b>>4), of)
	}
	return pack(e, max(round, uint64(b>>4))-min(round, uint64(b>>4))/2, of)
}

// drawVotes are entries from a slot on, with holes: of a ballot or, if it is 0, of any. A slot has one value nearly always.
func drawVotes(g *enginetest.Rig, s Slot, ballot Ballot) (es []Entry) {
	for range g.Byte() % 5 {
		b := g.Byte()
		s += Slot(b & 1)
		e := Entry{Index: max(s, 1), Term: ballot, From: 2, ID: uint64(s), Data: make([]byte, s%40)}
		if e.Term == 0 {
			if e.Term = Chosen; b&2 != 0 {
				e.Term = drawBallot(g, NodeID(g.Byte()%4+1))
			}
		}
		switch {
		case b>>2 == 0:
			e.ID++
		case b>>2 < 4:
			e.Kind, e.Data, e.From, e.ID = consensus.EntryMembers, drawEpoch(g, e.Index), 0, 0
		case b>>2 < 8:
			e = Entry{Index: e.Index, Term: e.Term, Kind: consensus.EntryNoop}
		}
		es = append(es, e)
		s++
	}
	return es
}

// drawEpoch is the record of the next epoch, after a stop-sign at s, or nearly.
func drawEpoch(g *enginetest.Rig, s Slot) []byte {
	x := epoch{number: g.Near(g.Engine.(*Paxos).epoch().number + 3), index: s, members: g.Members()}
	if g.Byte()%2 == 0 {
		x.members = enginetest.Bound(Members{Voters: []NodeID{1, 2, 3}})
	}
	if n := len(x.members.Voters); n > 0 {
		x.initial = x.members.Voters[int(g.Byte())%n]
	}
	return x.encode()
}

func drawRanges(g *enginetest.Rig, s Slot) (rs []Range) {
	for range g.Byte()%3 + 1 {
		first := max(s, 1) + Slot(g.Byte()%3)
		s = first + Slot(g.Byte()%3)
		rs = append(rs, Range{First: first, Last: s})
		s += 2
	}
	return rs
}

// FuzzStep drives an engine by bytes: see enginetest.Fuzz.
//
//	go test ./paxos -fuzz FuzzStep
func FuzzStep(f *testing.F) { enginetest.Fuzz(f, &speaker) }

// FuzzStepMessage delivers one message, as bytes off the wire: see enginetest.FuzzMessage.
func FuzzStepMessage(f *testing.F) {
	mine, theirs := b(2, 1), b(4, 2)
	enginetest.FuzzMessage(f, &speaker,
		Message{Kind: Prepare, From: 2, To: 1, Incarnation: 2, Term: theirs, Promised: theirs, Index: 1},
		Message{Kind: Promise, From: 2, To: 1, Incarnation: 2, Term: mine, Promised: mine, Index: 1, Entries: []Entry{command(1, b(1, 3), "v")}},
		Message{Kind: Nack, From: 3, To: 1, Incarnation: 3, Term: mine, Promised: theirs, Reject: true},
		Message{Kind: Accept, From: 2, To: 1, Incarnation: 2, Term: theirs, Promised: theirs, Commit: 1, Entries: []Entry{command(1, theirs, "v"), command(3, theirs, "w")}},
		Message{Kind: Accepted, From: 2, To: 1, Incarnation: 2, Term: mine, Promised: mine, Ranges: []Range{{First: 1, Last: 1}}},
		Message{Kind: AlreadyChosen, From: 2, To: 1, Incarnation: 2, Term: mine, Promised: mine, Ranges: []Range{{First: 1, Last: 1}}, Commit: 2},
		Message{Kind: Lead, From: 2, To: 1, Incarnation: 2, Term: theirs, Promised: theirs, Context: 1, Commit: 2, Flags: consensus.FlagHappy},
		Message{Kind: ElectReply, From: 2, To: 1, Incarnation: 2, Term: theirs, Promised: theirs, Leader: theirs, Context: 1, Flags: consensus.FlagHappy},
		Message{Kind: Learn, From: 2, To: 1, Incarnation: 2, Promised: theirs, Ranges: []Range{{First: 1, Last: 9}}},
		Message{Kind: LearnReply, From: 2, To: 1, Incarnation: 2, Context: 1, Promised: theirs, Entries: []Entry{command(1, Chosen, "v"), sign(2, Chosen, 1, bound(3))}, Commit: 2},
		Message{Kind: EpochSealed, From: 2, To: 1, Incarnation: 2, Promised: pack(1, 1, 2), Commit: 3},
		Message{Kind: TakeOver, From: 2, To: 1, Incarnation: 2, Term: theirs, Promised: theirs},
		Message{Kind: EpochSnapshot, From: 2, To: 1, Incarnation: 2, Promised: pack(1, 1, 2), Index: 9, Data: sign(4, Chosen, 1, bound(3)).Data},
	)
}

func TestTheFuzzersBeginWhereTheySay(t *testing.T) { enginetest.BeginsWhere(t, &speaker) }
