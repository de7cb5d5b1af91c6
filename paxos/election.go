package paxos

import "github.com/consensus-go/consensus"

// Ballot Leader Election (Ng, Haridi, Carbone: Omni-Paxos, EuroSys 2023; rules B1 to B6): it elects
// who reaches a quorum directly, whatever that one has learned. In rounds of heartbeats each elector tells the
// others its own ballot, the ballot that it believes to lead, and whether it is happy: it reaches a
// quorum as the leader, or a leader who does. Only if it and everybody that it reaches are unhappy,
// and they are a quorum, it takes a higher ballot. A ballot heard of at second hand never makes it do so:
// that would let two nodes that do not reach each other depose each other for ever through a third.

// An election is our part in it.
type election struct {
	ballot Ballot // our own; 0 after a restart: an old one must not be led with again
	leader Ballot // the highest that we believe to lead
	happy  bool
	round  uint64
	end    Instant // of this round
	seen   Ballot  // the highest in a refusal: the next one of our own must be above
	beaten uint64  // the round in which we were preempted last
}

// A ballotReply is what an elector said in a round.
type ballotReply struct {
	round          uint64
	ballot, leader Ballot
	promised       Ballot
	happy          bool
}

// resetElection begins the election of an epoch: its first leader is named in advance.
func (p *Paxos) resetElection() {
	x := p.epoch()
	first := pack(x.number, reservedRound, x.initial)
	p.election = election{leader: first, happy: true, round: p.election.round, end: p.election.end}
	if x.initial == p.cfg.ID && !p.isStranger() {
		p.election.ballot = first
	}
}

// mayLead reports whether we may take a ballot: a voter, of the store that was admitted, whose disk
// works. A witness leads nobody, and neither does a voter without a state machine.
func (p *Paxos) mayLead() bool {
	return p.kind == consensus.Voter && !p.cfg.Witness && p.votes && !p.stuck()
}

// nextRound begins a round. Rounds of different nodes drift apart, so that two of them seldom take
// ballots at the same time.
func (p *Paxos) nextRound() {
	third := p.timeout() / 3
	p.election.end = p.now + third + p.draw(third/4)
	if !p.votes {
		return
	}
	p.election.round++
	for i := range p.peers {
		if q := &p.peers[i]; p.members().Votes(q.id) {
			p.reply(Elect, q.id).Context = p.election.round
		}
	}
}

func (p *Paxos) onElect(m *Message) {
	if q := p.peer(m.From); q == nil || !p.votes {
		return
	}
	a := p.reply(ElectReply, m.From)
	a.Context, a.Term, a.Leader = m.Context, p.election.ballot, p.election.leader
	if p.election.happy && !p.stuck() {
		a.Flags = consensus.FlagHappy
	}
}

func (p *Paxos) onElectReply(m *Message) {
	if q := p.voter(m); q != nil && m.Context == p.election.round && (m.Term == 0 || nodeOf(m.Term) == q.id) {
		q.reply = ballotReply{round: m.Context, ballot: m.Term, leader: m.Leader, promised: m.Promised, happy: m.Flags&consensus.FlagHappy != 0}
	}
}

// answered reports whether q answered in this round or the one before: one message may be lost.
func (p *Paxos) answered(q *peer) bool {
	return q.counted && q.reply.round != 0 && q.reply.round+1 >= p.election.round
}

// endRound draws the conclusions of a round.
func (p *Paxos) endRound() {
	defer p.nextRound()
	if !p.votes {
		p.callAll()
		return
	}
	x := &p.election
	p.dirty = true
	for i := range p.peers { // B1
		if q := &p.peers[i]; p.answered(q) {
			x.leader = max(x.leader, q.reply.ballot)
		}
	}
	followed := p.judge()
	switch {
	case p.promised > x.leader: // B4: we follow it, and shall see in the next round whether we hear it
		x.leader, x.happy = p.promised, true
	case !p.mayLead():
	case !x.happy && p.allUnhappy(): // B3
		p.takeOver(0)
	case x.leader == x.ballot && p.phase == idle && followed && p.members().IsElectionQuorum(p.free):
		// Somebody whom we do not hear has taken a promise for a higher ballot, so that ours failed; yet a
		// quorum follows us, and no happy leader above us is known to any of them.
		p.takeOver(0)
	}
}

// judge decides whether we are happy (B2), and whether a quorum follows us with nobody above.
func (p *Paxos) judge() (followed bool) {
	x := &p.election
	follows := func(id NodeID) bool {
		if id == p.cfg.ID {
			return true
		}
		q := p.peer(id)
		return p.answered(q) && q.reply.leader <= x.ballot
	}
	x.happy = false
	above := false
	for i := range p.peers {
		q := &p.peers[i]
		if !p.answered(q) || !q.reply.happy {
			continue
		}
		if x.leader == x.ballot {
			above = above || q.reply.leader > x.ballot
		} else {
			x.happy = x.happy || q.reply.ballot == x.leader
		}
	}
	if x.leader != x.ballot || x.ballot == 0 {
		return false
	}
	// A sitting leader has its own, stricter, measure of who follows it: see tickLeader.
	followed = p.phase == leading || p.members().IsElectionQuorum(follows)
	x.happy = (followed || above) && !p.stuck()
	return followed && !above
}

// free reports whether id has promised nothing above our ballot, as far as it was asked since we were preempted. One that has,
// and says that it follows us, has ended no round since: it is about to follow the other. Were we to take its word, two who
// do not hear each other would depose each other for ever through it.
func (p *Paxos) free(id NodeID) bool {
	if id == p.cfg.ID {
		return true
	}
	q := p.peer(id)
	return p.answered(q) && q.reply.round > p.election.beaten && q.reply.promised <= p.election.ballot
}

// allUnhappy reports whether those that we reach are an election quorum with us, and none is happy.
func (p *Paxos) allUnhappy() bool {
	for i := range p.peers {
		if q := &p.peers[i]; p.answered(q) && q.reply.happy {
			return false
		}
	}
	return p.members().IsElectionQuorum(func(id NodeID) bool {
		if id == p.cfg.ID {
			return true
		}
		return p.answered(p.peer(id))
	})
}

// takeOver takes a ballot above all that we know of (B3, B5).
func (p *Paxos) takeOver(handover Ballot) {
	if p.pledged(p.cfg.ID, handover) {
		return // our own acceptor honours the lease, too: we try again when it is over
	}
	x := &p.election
	round := uint64(reservedRound)
	for _, b := range [...]Ballot{x.leader, x.seen, p.promised} {
		if epochOf(b) == p.epoch().number {
			round = max(round, roundOf(b))
		}
	}
	round++
	if round > maxRound {
		return // sixteen million elections in one epoch: only a change of membership helps
	}
	x.ballot = pack(p.epoch().number, round, p.cfg.ID)
	x.leader, x.happy = x.ballot, true
	p.campaign(x.ballot, handover)
}

// onTakeOver campaigns at once: the leader that we follow asks us to.
func (p *Paxos) onTakeOver(m *Message) {
	if m.Term == p.promised && p.phase == idle && p.mayLead() {
		p.takeOver(m.Term)
	}
}
