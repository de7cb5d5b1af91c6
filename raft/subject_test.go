package raft

import (
	"slices"
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// subject starts node 1 of n voters alone, in term and with a log of entries of these terms, so long ago that it
// gives votes. The others are down: what it tells them is returned by step and sent.
func subject(t testing.TB, n int, term Term, log ...Term) *cluster {
	c := &cluster{enginetest.New(&protocol).Watch(t)}
	m := bound(voters(n))
	m.All(func(id NodeID) { c.Add(id, consensus.EngineConfig{Members: m}) })
	d := c.Node(1).Disk
	d.State.Term = term
	for i, e := range entries(0, log...) {
		d.Log[Index(i+1)] = e
	}
	c.Node(1).Start()
	c.Patience(1)
	return c
}

// entries are entries of these terms after index prev.
func entries(prev Index, terms ...Term) (es []Entry) {
	for i, t := range terms {
		es = append(es, Entry{Index: prev + 1 + Index(i), Term: t, Data: []byte{'a' + byte(i), '0' + byte(t)}})
	}
	return es
}

// terms are the terms of the log of id.
func (c *cluster) terms(id NodeID) (ts []Term) {
	l := &c.raft(id).log
	for i := l.base + 1; i <= l.last; i++ {
		ts = append(ts, l.entry(i).Term)
	}
	return ts
}

// step delivers a message to node 1 and returns what that sends because of it.
func (c *cluster) step(m Message) []Message {
	m.To, m.Incarnation = 1, uint64(m.From)
	c.Flush()
	c.Node(1).Input(func() { c.raft(1).Step(&m) })
	return c.Flush()
}

// only keeps the messages of a kind.
func only(ms []Message, k consensus.Kind) []Message {
	return slices.DeleteFunc(slices.Clone(ms), func(m Message) bool { return m.Kind != k })
}

// candidate makes node 1 a candidate, as if others had granted it a pre-vote, and returns what it sends.
func (c *cluster) candidate() []Message {
	c.Campaign(1)
	r := c.raft(1)
	if r.role == consensus.PreCandidate {
		for _, n := range c.Nodes[1:] {
			if r.role == consensus.PreCandidate {
				m := Message{Kind: PreVoteReply, From: n.ID(), To: 1, Incarnation: uint64(n.ID()), Term: r.term + 1, Context: r.attempt}
				c.Node(1).Input(func() { r.Step(&m) })
			}
		}
	}
	return only(c.Flush(), RequestVote)
}

// win makes node 1 the leader by the votes of the others, and returns what it sends.
func (c *cluster) win() []Message {
	c.candidate()
	return c.votes(len(c.Nodes) / 2)
}

// votes gives node 1 the votes of the next n nodes.
func (c *cluster) votes(n int) (ms []Message) {
	for _, x := range c.Nodes[1 : n+1] {
		ms = append(ms, c.step(Message{Kind: RequestVoteReply, From: x.ID(), Term: c.raft(1).term})...)
	}
	return ms
}

// ack acknowledges to leader 1, for others, its log up to i.
func (c *cluster) ack(i Index, from ...NodeID) (ms []Message) {
	for _, id := range from {
		r := c.raft(1)
		ms = append(ms, c.step(Message{Kind: AppendEntriesReply, From: id, Term: r.term, Index: i, Session: r.peer(id).session})...)
	}
	return ms
}

// echo answers round with a heartbeat reply of others, to leader 1.
func (c *cluster) echo(round uint64, from ...NodeID) (ms []Message) {
	for _, id := range from {
		ms = append(ms, c.step(Message{Kind: HeartbeatReply, From: id, Term: c.raft(1).term, Context: round})...)
	}
	return ms
}
