package paxos

import (
	"github.com/consensus-go/consensus"
)

// Proposer: phase 1 (rules L1 to L4). Any node may lead; what it does not know it learns here.

// A proposer is what a replica keeps of its own ballot, which is promised as long as phase is not idle.
type proposer struct {
	campaigned Ballot // the last ballot that we took
	handover   Ballot // the leader of that ballot asked us to: nobody need wait out its lease

	// Phase 1.
	from       Slot   // what we have not learned begins here
	best       *log   // for each slot the vote of the highest ballot that was reported; nil once we lead
	reported   Slot   // the highest slot at which anything was reported
	below      Slot   // some acceptor has compacted up to here: it must be learned first
	promiseSeq uint64 // the write that makes our own promise durable; 0: not issued yet
	own        bool   // it is durable
	ask        bool   // send Prepare to those who have not answered all

	// Phase 2: leader.go.
	beat        bool // begin a round of heartbeats now
	noLease     bool // a transfer began: whoever it was meant for may be elected at any time
	next        Slot // the next slot to propose in
	barrier     Slot // everything that earlier ballots may have chosen is at or below it
	stop        Slot // we have proposed a stop-sign here, and nothing above; 0: none
	counted     Slot // our own votes are counted up to here
	uncommitted int  // bytes proposed and not given out yet: chosen, and durable here
	nextBeat    Instant
	busyAt      Instant          // when the group was not at rest, last
	askedQuiet  uint64           // the last round that asked for quiet
	rounds      consensus.Rounds // of heartbeats, begun and confirmed, and the reads that wait for them
	transfer    transfer
}

// A promise is how much one acceptor has reported to our Prepare.
type promise struct {
	next    Slot // what comes next; 0: the first chunk has not come
	done    bool // it has reported everything
	unknown Slot // its highest damaged slot
}

// campaign takes ballot b, which is our own and above our promise (rule L1). Our promise is made
// durable before Prepare leaves: so a ballot is never used by two lives of a node, and our own
// promise counts like any other.
func (p *Paxos) campaign(b, handover Ballot) {
	p.raise(b, reasonBallot)
	p.begin(preparing)
	p.handover, p.ask, p.reported = handover, true, p.log.last
	for i := range p.peers {
		p.peers[i].promise = promise{}
	}
}

// begin makes our promise our own ballot.
func (p *Paxos) begin(with phase) {
	p.proposer = proposer{campaigned: p.promised, from: p.commit + 1, best: newLog(p.commit), rounds: p.rounds}
	p.phase, p.dirty = with, true
}

// sendPrepare is the only place that asks for promises: of whoever has not reported everything.
func (p *Paxos) sendPrepare(eff *consensus.Effects) {
	if p.phase != preparing || !p.ask {
		return
	}
	p.ask = false
	p.nextBeat = p.now + p.interval()
	for i := range p.peers {
		if q := &p.peers[i]; p.members().Votes(q.id) && !q.promise.done {
			p.sendPrepareTo(q, &eff.Messages)
		}
	}
}

func (p *Paxos) sendPrepareTo(q *peer, list *[]Message) {
	m := p.compose(list, Prepare, q.id)
	m.Index, m.Next = p.from, q.promise.next
	if p.handover != 0 {
		m.Flags, m.Leader = consensus.FlagTransfer, p.handover
	}
}

// onPromise takes one chunk of what an acceptor has voted for (rule L2). Only that one which
// continues what it has reported; and only in answer to this ballot, from this slot on.
func (p *Paxos) onPromise(m *Message) {
	q := p.voter(m)
	if p.phase != preparing || m.Term != p.promised || m.Index != p.from || q == nil || q.promise.done || Slot(m.Context) != q.promise.next {
		return
	}
	for i := range m.Entries {
		if e := &m.Entries[i]; e.Term != Chosen && e.Term > m.Term {
			p.contradictions++
			return
		}
	}
	if highest(m) > p.commit+window {
		// We have no room for all that it reports, and must drop nothing: it may be chosen. We learn it first, as others
		// know more than we do, and take another ballot then.
		p.stepDown(reasonBallot)
		return
	}
	for i := range m.Entries {
		p.weigh(&m.Entries[i])
	}
	p.reported = max(p.reported, m.Last, m.Commit)
	p.below = max(p.below, m.Floor)
	if n := len(m.Ranges); n > 0 {
		q.promise.unknown = m.Ranges[n-1].Last
		p.reported = max(p.reported, q.promise.unknown)
	}
	q.promise.next, q.promise.done = m.Next, m.Next == 0
	if !q.promise.done {
		p.sendPrepareTo(q, &p.replies)
		return
	}
	p.complete()
}

// highest is the highest slot of which a promise tells anything.
func highest(m *Message) Slot {
	top := max(m.Last, m.Commit, m.Floor)
	if n := len(m.Entries); n > 0 {
		top = max(top, m.Entries[n-1].Index)
	}
	if n := len(m.Ranges); n > 0 {
		top = max(top, m.Ranges[n-1].Last)
	}
	return top
}

// weigh keeps e if nothing of a higher ballot was reported in its slot. Chosen is above them all.
func (p *Paxos) weigh(e *Entry) {
	if e.Index <= p.best.base {
		return
	}
	if c := p.best.at(e.Index); c.e == nil || c.e.Term < e.Term {
		p.best.put(e)
	}
}

// promisedBy reports whether id has promised, and what it cannot report is known otherwise: as
// long as a damaged slot of its is not known to be chosen, it counts for nothing.
func (p *Paxos) promisedBy(id NodeID) bool {
	if id == p.cfg.ID {
		return p.own && p.votes && !p.isDamaged()
	}
	q := p.peer(id)
	return q.counted && q.promise.done && q.promise.unknown <= p.commit
}

// isDamaged reports whether what we may have voted for, and cannot read, may not be chosen.
func (p *Paxos) isDamaged() bool {
	n := len(p.unknown)
	return n > 0 && p.unknown[n-1].Last > p.commit
}

// complete ends phase 1 once a quorum has promised and reported, and everything is learned that one
// of them no longer has (rule L3).
func (p *Paxos) complete() {
	if p.phase != preparing || p.commit < p.below || !p.members().IsElectionQuorum(p.promisedBy) {
		return
	}
	for s := p.from; s <= p.log.last; s++ {
		if c := p.log.at(s); c.e != nil {
			e := *c.e
			if c.learned {
				e.Term = Chosen
			}
			p.weigh(&e)
		}
	}
	p.best.unwritten = p.best.unwritten[:0]
	p.adoptValues()
}

// adoptValues begins phase 2 with what phase 1 found (rules L4, L5, S2): in each slot the vote of the
// highest ballot, and a no-op where there is none.
func (p *Paxos) adoptValues() {
	top := max(p.reported, p.best.last, p.commit, p.epoch().opening())
	end := p.lastStop(top)
	if end != 0 {
		top = end
	}
	p.startLeading(top)
	for s := p.commit + 1; s <= top; s++ {
		c := p.best.at(s)
		switch {
		case c.e == nil:
			p.fill(s)
		case c.e.Term == Chosen:
			p.learnValue(*c.e)
		case c.e.Kind == consensus.EntryMembers && s != end:
			p.fill(s) // voided: see lastStop
		default:
			e := *c.e
			e.Term = p.promised
			p.voteOwn(&e)
		}
	}
	p.stop, p.best = end, nil
}

// fill proposes a no-op in slot s, where nothing can be chosen. The one that opens the epoch answers
// whoever asked for the change.
func (p *Paxos) fill(s Slot) {
	e := Entry{Index: s, Term: p.promised, Kind: consensus.EntryNoop}
	if x := p.epoch(); s == x.opening() {
		e.From, e.ID = x.from, x.id
	}
	p.voteOwn(&e)
}

// lastStop finds the stop-sign that may be chosen (rule S2), scanning upward: the one that is
// known to be, or the first one such that nothing above it was voted for at a higher ballot. Had one
// been chosen at ballot b, every later leader would have found it, and proposed nothing above it; so
// a vote above it at a higher ballot proves that it was not. What is above the one found is ignored.
func (p *Paxos) lastStop(top Slot) Slot {
	for s := p.commit + 1; s <= top; s++ {
		c := p.best.at(s)
		if c.e == nil || c.e.Kind != consensus.EntryMembers {
			continue
		}
		if c.e.Term == Chosen || !p.votedAbove(s, c.e.Term, top) {
			return s
		}
	}
	return 0
}

// votedAbove reports whether anything above slot s was reported with a ballot above b.
func (p *Paxos) votedAbove(s Slot, b Ballot, top Slot) bool {
	for k := s + 1; k <= top; k++ {
		if c := p.best.at(k); c.e != nil && c.e.Term > b {
			return true
		}
	}
	return false
}

// onNack ends our ballot if somebody promised a higher one (rule L7). What we proposed may yet be
// adopted and chosen. An acceptor that honours a lease is asked again.
func (p *Paxos) onNack(m *Message) {
	if m.Term != p.promised || p.phase == idle || m.Promised <= p.promised {
		return
	}
	p.election.seen = max(p.election.seen, m.Promised)
	p.stepDown(reasonBallot)
}
