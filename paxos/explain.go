package paxos

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/consensus-go/consensus"
)

// A reason is why we led no longer, the last time.
type reason uint8

const (
	reasonNone reason = iota
	reasonBallot
	reasonNoQuorum
	reasonDisk
	reasonEpoch
)

var reasons = [...]string{
	reasonNone:     "it has not stepped down in this life",
	reasonBallot:   "it stepped down because somebody promised a higher ballot, or because more is chosen than it proposed",
	reasonNoQuorum: "it stepped down because for an election timeout no quorum answered",
	reasonDisk:     "it stepped down because for an election timeout its disk finished nothing",
	reasonEpoch:    "its epoch ended",
}

// A verdict is why we refused a ballot.
type verdict uint8

const (
	noVerdict verdict = iota
	refusedBallot
	refusedLease
)

// A refusal is the last ballot that we refused.
type refusal struct {
	to     NodeID
	ballot Ballot
	why    verdict
}

// Explain answers a question about this state in sentences.
func (p *Paxos) Explain(q consensus.Question) string {
	switch q.Topic {
	case consensus.WhyNotCommitted:
		return p.explainSlot(q.Index)
	case consensus.WhyNoVote:
		return p.explainVote(q.Node)
	case consensus.WhyNotLeader:
		return p.explainRole()
	case consensus.WhyNotReplicated:
		return p.explainPeer(q.Node)
	case consensus.WhyNoRead:
		return p.explainRead()
	}
	return "There is no such topic."
}

// show is a ballot in words.
func show(b Ballot) string {
	if b == Chosen {
		return "chosen"
	}
	return fmt.Sprintf("%d.%d.%d", epochOf(b), roundOf(b), nodeOf(b))
}

// explainSlot tells why a slot is not chosen yet, or why it holds what it holds: a no-op, a value
// that had to be adopted, one that was learned.
func (p *Paxos) explainSlot(s Slot) string {
	c := p.log.at(s)
	switch {
	case s <= p.log.base:
		return fmt.Sprintf("Slot %d is chosen, applied, and under the snapshot at %d.", s, p.snapshot.Index)
	case c.e == nil && p.isUnknown(s):
		return fmt.Sprintf("Slot %d was written here and cannot be read: what we voted for there is unknown, until it is learned.", s)
	case c.e == nil && p.stop != 0 && s > p.stop:
		return fmt.Sprintf("Slot %d is above the stop-sign at %d: it belongs to the next epoch (rule S1).", s, p.stop)
	case c.e == nil:
		return fmt.Sprintf("Slot %d is empty here; everything is learned up to %d.", s, p.commit)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Slot %d holds %s, at ballot %s. ", s, p.describe(c.e), show(c.e.Term))
	switch {
	case c.learned && s <= p.commit:
		b.WriteString("It is chosen.")
	case c.learned:
		fmt.Fprintf(&b, "It is chosen, but slot %d is not learned yet, and slots are applied in order.", p.commit+1)
	case p.phase != leading:
		fmt.Fprintf(&b, "It is our vote, and proves nothing: a leader says what is chosen, at ballot %s up to %d.", show(p.promised), p.watermark)
	case c.e.Term != p.promised:
		b.WriteString("It is an old vote above our stop-sign, and is never proposed again.")
	default:
		p.explainVotes(&b, s, c)
	}
	return b.String()
}

// describe tells what an entry is and, of what no client asked for, why it is there.
func (p *Paxos) describe(e *Entry) string {
	switch {
	case e.Kind == consensus.EntryMembers:
		return "a stop-sign, the end of an epoch"
	case e.Kind == consensus.EntryNoop && e.Index == p.epoch().opening():
		return fmt.Sprintf("the no-op that opens epoch %d", p.epoch().number)
	case e.Kind == consensus.EntryNoop:
		return "a no-op (a leader found no vote there in phase 1, or a stop-sign that cannot have been chosen)"
	}
	return fmt.Sprintf("a %v", e.Kind)
}

func (p *Paxos) isUnknown(s Slot) bool { return covers(p.unknown, s, s) }

// explainVotes tells who has voted for our proposal in c.
func (p *Paxos) explainVotes(b *strings.Builder, s Slot, c cell) {
	b.WriteString("It has the votes of")
	if c.acks&ownSeat != 0 {
		fmt.Fprintf(b, " %d (this node)", p.cfg.ID)
	}
	for i := range p.peers {
		if id := p.peers[i].id; c.acks&p.seat(id) != 0 {
			fmt.Fprintf(b, " %d", id)
		}
	}
	if c.acks == 0 {
		b.WriteString(" nobody")
	}
	fmt.Fprintf(b, ", of %v.", *p.members())
	if s <= p.barrier && c.e.Kind != consensus.EntryNoop {
		b.WriteString(" Its value was adopted in phase 1: an earlier ballot may have chosen it.")
	}
}

func (p *Paxos) explainVote(id NodeID) string {
	s := fmt.Sprintf("We have promised to vote for nothing below ballot %s.", show(p.promised))
	if p.refused.to == id && id != 0 {
		s += fmt.Sprintf(" The ballot %s of node %d was refused: ", show(p.refused.ballot), id)
		if p.refused.why == refusedLease {
			s += fmt.Sprintf("a lease was granted to the leader of %s.", show(p.leaseTo))
		} else {
			s += "it was below our promise then."
		}
	}
	if !p.votes {
		s += fmt.Sprintf(" We are no acceptor: %v.", p.kind)
	}
	return s
}

func (p *Paxos) explainRole() string {
	x := &p.election
	s := fmt.Sprintf("Node %d is a %v at ballot %s", p.cfg.ID, p.role(), show(p.promised))
	switch {
	case p.phase == leading:
		return s + "."
	case p.isStranger():
		s += "; its store is not the one admitted under its id: change the membership to make it a learner, then a voter again"
	case !p.settled():
		s += "; the stop-sign that began its epoch is damaged, and it must learn it first"
	case p.kind != consensus.Voter:
		s += fmt.Sprintf("; it is %v in epoch %d, and only voters lead", p.kind, p.epoch().number)
	case p.stuck():
		s += "; its disk has finished nothing for an election timeout"
	case p.phase == preparing && p.commit < p.below:
		s += fmt.Sprintf("; an acceptor has compacted up to %d, which it must learn first: it knows %d", p.below, p.commit)
	case p.phase == preparing:
		s += "; it has the promises of"
		for i := range p.peers {
			if q := &p.peers[i]; q.promise.done {
				s += fmt.Sprintf(" %d", q.id)
				if !p.promisedBy(q.id) {
					s += fmt.Sprintf(" (which counts once slot %d, which it cannot read, is learned)", q.promise.unknown)
				}
			}
		}
		switch {
		case !p.own:
			s += "; its own is not durable yet"
		case !p.promisedBy(p.cfg.ID):
			s += fmt.Sprintf("; its own counts once slot %d, which it cannot read, is learned", p.unknown[len(p.unknown)-1].Last)
		}
		if p.founding {
			s += "; the founders are not bound to their stores yet, so it needs all of them"
		}
	case x.happy && x.leader == x.ballot:
		s += "; its own ballot came to nothing, and it waits for the end of this round of the election"
	case x.happy:
		s += fmt.Sprintf("; it is content with the leader of ballot %s", show(x.leader))
	default:
		s += "; it is unhappy, and takes a ballot when all that it reaches are unhappy, too, and are a quorum. In its last round it reached"
		reached := ""
		for i := range p.peers {
			if q := &p.peers[i]; p.answered(q) {
				reached += fmt.Sprintf(" %d (happy: %t)", q.id, q.reply.happy)
			}
		}
		s += cmp.Or(reached, " nobody")
	}
	return s + ". As a leader: " + reasons[p.steppedDown] + "."
}

func (p *Paxos) explainPeer(id NodeID) string {
	q := p.peer(id)
	if q == nil {
		return fmt.Sprintf("Node %d is no member of epoch %d.", id, p.epoch().number)
	}
	s := fmt.Sprintf("Node %d has learned everything up to %d, as far as we know; we ourselves know %d", id, q.commit, p.commit)
	if p.phase == leading {
		s += fmt.Sprintf("; it was sent what is below %d, of which %d bytes are not acknowledged", q.flow.next, q.flow.bytes)
	}
	switch {
	case q.incarnation == 0:
		s += ". It has not been heard from"
	case !q.counted && p.members().Votes(id):
		s += ". Its vote is not counted: its store is not the one admitted under its id"
	}
	return s + "."
}

func (p *Paxos) explainRead() string {
	switch {
	case p.phase != leading:
		return fmt.Sprintf("Node %d is a %v; node %d leads (0: nobody known).", p.cfg.ID, p.role(), p.leader)
	case p.stop != 0:
		return fmt.Sprintf("The leader has proposed a stop-sign at %d: reads wait for the next epoch.", p.stop)
	case p.commit < p.barrier:
		return fmt.Sprintf("What phase 1 found is not all chosen yet: it goes up to %d, and %d is learned.", p.barrier, p.commit)
	}
	if n, round := p.rounds.Waiting(); n > 0 {
		return fmt.Sprintf("%d reads wait for round %d; %d is confirmed.", n, round, p.rounds.Confirmed)
	}
	return "No read waits."
}
