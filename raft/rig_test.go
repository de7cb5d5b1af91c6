package raft

import (
	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// speaker makes up what the peers of a Raft say.
var speaker = enginetest.Speaker{
	Protocol:  &protocol,
	First:     AppendEntries,
	Last:      TimeoutNow,
	Deadline:  func(e consensus.Engine) Instant { return e.(*Raft).deadline },
	Plausible: plausible,
	Granted:   vote,
	Lead:      []byte{1, 0, 16, 0, 0, 16, 1, 0, 9, 0, 16, 0, 0, 9, 0, 3, 0, 0, 9, 0, 5, 0},
	Follow:    []byte{17, 2, 0, 0, 2, 2, 2, 2, 2, 2, 0},
}

// vote answers what a candidate asked, so that it gets on.
func vote(g *enginetest.Rig) Message {
	r := g.Engine.(*Raft)
	m := Message{Kind: RequestVoteReply, From: NodeID(g.Byte()%3 + 2), To: 1, Term: r.term, Context: r.attempt}
	m.Incarnation = uint64(m.From)
	if r.role == consensus.PreCandidate {
		m.Kind, m.Term = PreVoteReply, r.term+1
	}
	return m
}

// plausible is a message that some node may have sent, some time.
func plausible(g *enginetest.Rig) Message {
	r := g.Engine.(*Raft)
	m := Message{Kind: AppendEntries + consensus.Kind(g.Byte()%10), From: NodeID(g.Byte()%4 + 2), To: 1}
	m.Incarnation = uint64(m.From)
	b := g.Byte()
	m.Reject = b&1 != 0
	m.Flags = consensus.Flags(b >> 1 & 1)
	m.Term = Term(g.Near(uint64(r.term) + 1))
	m.Index = Index(g.Near(uint64(r.log.last)))
	if b&4 != 0 {
		m.Index = Index(g.Near(uint64(r.commit)))
	}
	if t, ok := r.log.term(m.Index); ok {
		m.LogTerm = t
	}
	if b&8 != 0 {
		m.LogTerm = min(m.Term, Term(g.Near(uint64(m.LogTerm))))
	}
	m.Commit, m.Floor, m.Last = Index(g.Near(uint64(r.log.last))), Index(g.Near(uint64(r.commit))), Index(g.Near(uint64(m.Index)))
	m.Context = r.attempt
	if m.Kind == Heartbeat || m.Kind == HeartbeatReply {
		m.Context = g.Near(r.rounds.Last)
	}
	if p := r.peer(m.From); p != nil && b&16 == 0 {
		m.Session = p.session
	}
	switch m.Kind {
	case AppendEntries:
		m.Entries = drawEntries(g, m)
	case InstallSnapshot:
		c := configuration{index: m.Index / 2, now: g.Members()}
		m.Data = c.encode()
	}
	if b&32 != 0 {
		m.Incarnation++
	}
	return m
}

func drawEntries(g *enginetest.Rig, m Message) (es []Entry) {
	term := max(m.LogTerm, 1)
	for k := range g.Byte() % 5 {
		e := Entry{Index: m.Index + 1 + Index(k), Term: term, Data: make([]byte, g.Byte()%40)}
		if b := g.Byte(); b%8 == 0 {
			c := configuration{index: e.Index, now: g.Members()}
			e.Kind, e.Data = consensus.EntryMembers, c.encode()
		} else if b%8 == 1 {
			term++
			e.Term = term
		}
		es = append(es, e)
	}
	return es
}
