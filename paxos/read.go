package paxos

import "github.com/consensus-go/consensus"

// Read queues a read.
func (p *Paxos) Read(id uint64) error {
	if p.phase != leading {
		return p.notLeader()
	}
	p.dirty = true
	p.restless()
	p.rounds.Ask(id)
	return nil
}

// beginReads gives each new read what is learned now and the next round. It waits for the barrier (rule
// Q0): before everything that phase 1 found is chosen we may lack what an earlier leader told a client.
// Once we have proposed a stop-sign no read begins: acceptors who do not know it to be chosen would
// confirm it while the next epoch already chooses.
func (p *Paxos) beginReads() {
	if p.commit >= p.barrier && p.stop == 0 && p.rounds.Assign(p.commit, p.clock(), p.leaseUntil()) {
		p.beat = true
	}
}

// beatRound begins a round of heartbeats if one is due. The heartbeat says whether we reach a quorum:
// without that it earns no lease, and so keeps nobody from electing another.
func (p *Paxos) beatRound(eff *consensus.Effects) {
	if !p.beat {
		return
	}
	p.beat = false
	p.nextBeat = p.now + p.interval()
	number, quiet := p.rounds.Begin(p.clock()), p.wantQuiet()
	if quiet {
		p.askedQuiet, p.nextBeat = number, p.now+p.patience()
		p.hush()
	}
	for i := range p.peers {
		m := p.compose(&eff.Early, Lead, p.peers[i].id)
		m.Context, m.Floor = number, p.floor()
		if p.stop == 0 && !p.noLease {
			m.Flags = consensus.FlagHappy
		}
		if quiet {
			m.Flags |= consensus.FlagQuiet
		}
		p.peers[i].flow.toldOf = p.commit
	}
}

// onLeadReply confirms a round, and finds out what was lost: to a member that answers and has
// not acknowledged for two intervals what it was sent, that is sent again.
func (p *Paxos) onLeadReply(m *Message) {
	q := p.peer(m.From)
	if p.phase != leading || m.Term != p.promised || q == nil || m.Context > p.rounds.Last {
		return
	}
	f := &q.flow
	f.round = max(f.round, m.Context)
	if m.Context >= f.answered {
		f.store, f.answered = m.Incarnation, m.Context
	}
	if m.Flags&consensus.FlagQuiet != 0 {
		f.agreed = max(f.agreed, m.Context)
	}
	p.progress(q, m)
	f.late = len(f.sent) > 0 && p.overdue(&f.sent[0])
}

// confirm counts who has acknowledged which round. The last round that a commit quorum has acknowledged
// proves that we led when it began: it meets every election quorum, so nobody can have been elected
// without one of them, who had promised nothing above our ballot. It also shows that we can commit: a
// leader who cannot must let others lead.
func (p *Paxos) confirm() {
	if p.rounds.Idle() {
		return
	}
	p.granted = p.rounds.Confirm(consensus.Agreed(p.members(), func(id NodeID) uint64 {
		if id == p.cfg.ID {
			return p.rounds.Last
		}
		if q := p.peer(id); q.counted {
			return q.flow.round
		}
		return 0
	}), p.now, p.granted)
}

// leaseUntil is until when reads need no round (rules H1 to H4), or 0. A transfer ends the lease for the
// whole ballot, and so does a stop-sign.
func (p *Paxos) leaseUntil() Instant {
	if p.noLease || p.stop != 0 {
		return 0
	}
	return p.rounds.Lease(p.members().Lease)
}
