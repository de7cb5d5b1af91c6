package paxos

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// Quiet: consensus.Detector says how a group comes to rest, and why that is safe. Here is what a leader
// must see before it asks for quiet, what the others must see before they agree, and how all wake.

// atRest reports whether nothing of ours is under way: all that we know of is learned, durable and given
// out, and we neither lack nor serve anything.
func (p *Paxos) atRest() bool {
	for i := range p.services {
		if p.services[i].reading != 0 || p.services[i].sending {
			return false
		}
	}
	return p.commit == p.log.last && p.handed == p.commit && len(p.log.unwritten) == 0 && p.truncate == 0 && p.adopt == nil &&
		p.durable == p.seq && p.written.Term == p.promised && len(p.unknown) == 0 && p.settled() &&
		p.askAt == 0 && max(p.heard, p.missing()) <= p.commit
}

// groupAtRest reports whether, as far as the leader knows, no member lacks anything, and nobody waits for
// anything.
func (p *Paxos) groupAtRest() bool {
	if !p.atRest() || p.commit < p.barrier || p.next != p.commit+1 || p.stop != 0 || p.founding || len(p.members().Joining) > 0 || p.transfer.to != 0 {
		return false
	}
	for i := range p.peers {
		if q := &p.peers[i]; !q.counted && p.members().Votes(q.id) || q.held < p.commit || len(q.flow.sent) > 0 {
			return false
		}
	}
	reads, _ := p.rounds.Waiting()
	return reads == 0
}

// restless notes that something happens: the group is to stay awake for a while, and who has agreed to be
// quiet is woken by it.
func (p *Paxos) restless() { p.busyAt, p.askedQuiet = p.now, 0 }

// wantQuiet reports whether the round of heartbeats that begins now asks for quiet.
func (p *Paxos) wantQuiet() bool {
	if !p.groupAtRest() {
		p.restless()
	}
	return p.now-p.busyAt >= p.timeout()
}

// patience is how long we wait for the answers to a round that asks for quiet before we ask again. They may take
// longer than a heartbeat interval, and count for the last round alone: another one in the meantime would void them.
func (p *Paxos) patience() Instant { return p.timeout() / 3 }

// agree is a follower's part: it agrees with a leader that asks for quiet if it has learned the same, and
// is content with it, and has nothing to do; and once the election is hushed, whose messages would wake it.
func (p *Paxos) agree(m *Message) bool {
	p.quiet = m.Flags&consensus.FlagQuiet != 0 && p.phase == idle && m.Commit == p.commit && (p.election.happy || !p.votes) && p.atRest()
	if p.quiet {
		p.hush()
		p.quiet = p.hushed(m.From)
	}
	return p.quiet
}

// hush puts the next round of the election off, for as long as the leader goes on asking for quiet: it would wake
// those who are quiet already.
func (p *Paxos) hush() { p.election.end = max(p.election.end, p.now+p.patience()*3/2) }

// hushed reports whether nobody but the leader has spoken for a while.
func (p *Paxos) hushed(leader NodeID) bool {
	return !slices.ContainsFunc(p.peers, func(q peer) bool { return q.id != leader && p.now-q.active < p.patience()/2 })
}

// isQuiet reports whether we need no Tick.
func (p *Paxos) isQuiet() bool {
	if p.phase == idle {
		return p.quiet
	}
	if p.beat || p.askedQuiet == 0 || p.askedQuiet != p.rounds.Last || !p.rounds.Idle() {
		return false
	}
	for i := range p.peers {
		if p.peers[i].flow.agreed != p.askedQuiet {
			return false
		}
	}
	return p.groupAtRest()
}

// release gives back the memory that a quiet replica can make again.
func (p *Paxos) release() {
	p.replies, p.early, p.committed, p.granted, p.fetch, p.snapshots, p.services = nil, nil, nil, nil, nil, nil, nil
	p.rounds.Release()
	p.log.release()
	for i := range p.peers {
		p.peers[i].flow.sent = nil
	}
}

// Wake goes on after quiet. A leader sends heartbeats at once and has an election timeout to hear from a
// quorum. The election begins a round in which nothing counts that was said before; whoever knows that
// the leader's host is lost is not content with it any more.
func (p *Paxos) Wake(now, heard Instant) {
	p.now = max(p.now, now-p.lag)
	p.quiet, p.dirty = false, true
	p.restless()
	if p.phase == leading {
		p.rounds.Resume(p.now)
		p.beat = true
	} else {
		p.calling = true
		p.election.happy = p.election.happy && p.clock()-heard < p.timeout()
	}
	p.election.round++
	p.nextRound()
}

// callLeader has our leader know that we were woken, unless it is about to hear from us anyway. That it
// has spoken is no reason not to: the message may be an old one.
func (p *Paxos) callLeader() {
	if !p.calling {
		return
	}
	p.calling = false
	if p.peer(p.leader) != nil && !slices.ContainsFunc(p.replies, func(m Message) bool { return m.To == p.leader }) {
		a := p.reply(LeadReply, p.leader)
		a.Floor, a.Last = p.snapshot.Index, p.log.last
	}
}

// callAll asks all others to speak, if we have no part in the election and have heard nobody for an
// election timeout: they may be quiet.
func (p *Paxos) callAll() {
	if p.kind == consensus.NotMember {
		return
	}
	for i := range p.peers {
		if p.now-p.peers[i].active < p.timeout() {
			return
		}
	}
	for i := range p.peers {
		p.reply(Elect, p.peers[i].id)
	}
}
