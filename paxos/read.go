package paxos

import "github.com/consensus-go/consensus"

// A read waits for an index at which it is linearizable.
type read struct {
	id    uint64
	index Slot    // what was learned when its round began; 0: it has no round yet
	round uint64  // the first round that began after it
	until Instant // the end of the lease that answers it; 0: none
	lost  bool    // leadership was, so there is no answer
	begun bool
}

// A round is one broadcast of heartbeats.
type round struct {
	number uint64
	began  Instant
}

// maxRounds is how many rounds may be under way. A read waits rather than begin one more.
const maxRounds = 64

// Read queues a read.
func (p *Paxos) Read(id uint64) error {
	if p.phase != leading {
		return p.notLeader()
	}
	p.dirty = true
	p.reads = append(p.reads, read{id: id})
	return nil
}

// beginReads gives each new read what is learned now and the next round. It waits for the barrier (rule
// Q0): before everything that phase 1 found is chosen we may lack what an earlier leader told a client.
// Once we have proposed a stop-sign no read begins: acceptors who do not know it to be chosen would
// confirm it while the next epoch already chooses.
func (p *Paxos) beginReads() {
	if p.commit < p.barrier || p.stop != 0 || len(p.reads) == 0 || p.reads[len(p.reads)-1].begun {
		return
	}
	until := p.leaseUntil()
	leased := p.now < until
	if !leased && len(p.rounds) == maxRounds {
		return
	}
	for i := range p.reads {
		x := &p.reads[i]
		if x.begun {
			continue
		}
		x.begun, x.index, x.round = true, p.commit, p.round+1
		if leased {
			x.until, x.round = until, p.confirmed
		} else {
			p.beat = true
		}
	}
}

// beatRound begins a round of heartbeats if one is due. An answer names its round, and so confirms our
// leadership as of the beginning of that round and no later. The heartbeat says whether we reach a
// quorum: without that it earns no lease, and so keeps nobody from electing another.
func (p *Paxos) beatRound(eff *consensus.Effects) {
	if !p.beat {
		return
	}
	p.beat = false
	p.nextBeat = p.now + p.interval()
	p.round++
	if len(p.rounds) == maxRounds {
		p.rounds = p.rounds[:copy(p.rounds, p.rounds[1:])]
	}
	p.rounds = append(p.rounds, round{p.round, p.now})
	for i := range p.peers {
		m := p.compose(&eff.Early, Lead, p.peers[i].id)
		m.Context, m.Floor = p.round, p.floor()
		if p.stop == 0 && !p.noLease {
			m.Flags = consensus.FlagHappy
		}
		p.peers[i].flow.toldOf = p.commit
	}
}

// onLeadReply confirms a round, and finds out what was lost: to a member that answers and has
// not acknowledged for two intervals what it was sent, that is sent again.
func (p *Paxos) onLeadReply(m *Message) {
	q := p.peer(m.From)
	if p.phase != leading || m.Term != p.promised || q == nil || m.Context > p.round {
		return
	}
	f := &q.flow
	f.round = max(f.round, m.Context)
	p.progress(q, m)
	f.late = len(f.sent) > 0 && p.overdue(&f.sent[0])
}

// confirm counts who has acknowledged which round. The last round that a commit quorum has acknowledged
// proves that we led when it began: it meets every election quorum, so nobody can have been elected
// without one of them, who had promised nothing above our ballot. It also shows that we can commit: a
// leader who cannot must let others lead.
func (p *Paxos) confirm() {
	if len(p.rounds) == 0 && len(p.reads) == 0 {
		return
	}
	agreed := consensus.Agreed(p.members(), func(id NodeID) uint64 {
		if id == p.cfg.ID {
			return p.round
		}
		if q := p.peer(id); q.counted {
			return q.flow.round
		}
		return 0
	})
	for len(p.rounds) > 0 && p.rounds[0].number <= agreed {
		p.confirmed, p.quorumAt = p.rounds[0].number, p.rounds[0].began
		p.rounds = p.rounds[:copy(p.rounds, p.rounds[1:])]
	}
	k := 0
	for k < len(p.reads) && p.reads[k].begun && p.reads[k].round <= p.confirmed {
		p.granted = append(p.granted, p.reads[k])
		k++
	}
	p.reads = p.reads[:copy(p.reads, p.reads[k:])]
}

// leaseUntil is until when reads need no round (rules H1 to H4), or 0. Those who confirmed the last
// round promise nobody else anything for the lease's time after they heard it, which was not before
// it began; less an eighth, for clocks that run apart.
func (p *Paxos) leaseUntil() Instant {
	lease := p.members().Lease
	if lease == 0 || p.noLease || p.stop != 0 || p.confirmed == 0 {
		return 0
	}
	return p.quorumAt + Instant(lease-lease/8)
}
