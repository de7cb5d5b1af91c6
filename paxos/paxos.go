package paxos

import (
	"fmt"

	"github.com/consensus-go/consensus"
)

// The contract's vocabulary, under Paxos's own words. A ballot is in ballot.go.
type (
	Slot    = consensus.Index
	NodeID  = consensus.NodeID
	Instant = consensus.Instant
	Entry   = consensus.Entry
	Members = consensus.Members
	Message = consensus.Message
	Range   = consensus.Range
)

// Chosen is the ballot of a value that was learned from somebody who knew it to be chosen.
const Chosen = consensus.Chosen

// Paxos's messages. Package documentation says which fields each uses.
const (
	Prepare       = consensus.KindPrepare
	Promise       = consensus.KindPromise
	Nack          = consensus.KindNack
	Accept        = consensus.KindAccept
	Accepted      = consensus.KindAccepted
	AlreadyChosen = consensus.KindAlreadyChosen
	Lead          = consensus.KindLead
	LeadReply     = consensus.KindLeadReply
	Elect         = consensus.KindElect
	ElectReply    = consensus.KindElectReply
	Learn         = consensus.KindLearn
	LearnReply    = consensus.KindLearnReply
	EpochSealed   = consensus.KindEpochSealed
	TakeOver      = consensus.KindTakeOver
	EpochSnapshot = consensus.KindEpochSnapshot
)

// Paxos is one member of one group: acceptor, learner and proposer of every slot of the log. It is a
// consensus.Engine. Handlers change its state; Ready turns the state into messages and writes.
type Paxos struct {
	cfg         consensus.EngineSettings
	incarnation uint64 // of our store

	// What is durable, once the writes that are under way have finished.
	promised Ballot // we vote for nothing below it, in any slot
	log      log
	snapshot consensus.SnapshotMeta // the newest we have; snapshot.Index ≤ commit
	unknown  []Range                // votes that were damaged: we may have voted there, for anything below promised

	epochs []epoch // from that of the snapshot on, but the founding one only while it lasts; the last one is in effect

	// What is learned: learner.go. snapshot.Index ≤ handed ≤ commit ≤ log.last.
	commit    Slot // everything up to here is learned
	handed    Slot // given out in Effects.Committed
	watermark Slot // the leader of promised says that all is chosen up to here: rule F1
	stopAt    Slot // the lowest stop-sign learned above commit; 0: none
	trimTo    Slot // a witness may trim its log up to here, says the leader

	// Learning from others, and helping them.
	heard     Slot      // somebody said that it has learned everything up to here
	hint      source    // who knows more, though it may be no member
	askAt     Instant   // when to ask for what we lack; 0: we lack nothing
	vain      uint64    // how often we have asked in vain
	askedSeq  uint64    // the last write issued when we asked last
	credit    int       // how many bytes we asked for, and
	answerEnd Slot      // the last slot of the answer, or unanswered
	services  []service // those that we help from storage

	// Our own part in the epoch in effect: see seatPeers.
	kind     consensus.MemberKind
	votes    bool // we are an acceptor of it
	founding bool // its members are not bound to their stores yet

	// Who leads, and when.
	leader      NodeID   // of promised, if it has spoken
	peers       []peer   // the other members, by id
	election    election // election.go
	leaseTo     Ballot   // to which leader we granted a lease, and
	leaseEnd    Instant  // until when we honour it
	now         Instant  // by our timers, and
	lag         Instant  // how far the host's clock is ahead: see Tick
	draws       uint64   // how many random numbers were drawn
	quiet       bool     // the leader has asked for quiet, and we have agreed
	calling     bool     // we were woken, and the leader may not know
	ticked      bool     // Tick has told the time
	phase       phase    // of our own ballot
	steppedDown reason   // why we led no longer, last time

	// What Ready has to do.
	dirty     bool
	received  bool             // adopt is not our own
	replies   []Message        // they wait for the disk
	early     []Message        // they do not
	committed []Entry          // what was given out last
	granted   []consensus.Read // reads that can be answered
	fetch     []consensus.Fetch
	snapshots []Message
	truncate  Slot                    // if not 0, the next write must truncate here first
	adopt     *consensus.SnapshotMeta // to be adopted by the next write
	adoptSeq  uint64                  // the write that adopted the one before
	enterSeq  uint64                  // the write that entered the epoch in effect
	written   consensus.State         // as of the last write
	seq       uint64                  // the last write issued
	durable   uint64                  // the last write finished; durable ≤ seq
	began     Instant                 // when the oldest unfinished write was issued, or the last one finished

	proposer // of our own ballot

	refused refusal // the last ballot that we refused

	contradictions, ignored uint64
}

// A phase is how far we are with our own ballot.
type phase uint8

const (
	idle      phase = iota
	claiming        // we own the reserved ballot, and its promise is not durable yet
	preparing       // phase 1 of Paxos
	leading         // phase 2
)

// A peer is what we know of another member.
type peer struct {
	id          NodeID
	kind        consensus.MemberKind
	incarnation uint64  // of the store that it spoke for last; 0: it has not spoken
	counted     bool    // its vote counts: it is an elector, and that store was admitted
	entered     bool    // it has said that it is in our epoch
	active      Instant // when it spoke last
	commit      Slot    // it has learned everything up to here, and
	held        Slot    // has that on its disk up to here; held ≤ commit
	floor       Slot    // it has a snapshot up to here

	reply   ballotReply // election.go
	promise promise     // proposer.go
	flow    flow        // leader.go
}

// New returns a replica that goes on from what it has recovered. It follows, and needs a first Tick
// before anything else.
func New(cfg consensus.EngineConfig, rec consensus.Recovered) (consensus.Engine, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.ID > maxNode {
		return nil, &consensus.ConfigError{Field: "ID", Value: fmt.Sprint(cfg.ID), Reason: "a ballot has room for ids up to 16777215"}
	}
	if len(cfg.Members.Voters) > 0 {
		if err := fits(&cfg.Members); err != nil {
			return nil, err
		}
	}
	p := &Paxos{cfg: cfg.Settings(), incarnation: rec.Incarnation, promised: rec.State.Term, snapshot: rec.Snapshot, written: rec.State}
	p.epochs = []epoch{{members: cfg.Members}}
	if rec.Snapshot.Index > 0 && len(rec.Snapshot.Config) > 0 {
		x, err := decodeEpoch(rec.Snapshot.Config)
		if err != nil {
			return nil, fmt.Errorf("snapshot at %d: %w", rec.Snapshot.Index, err)
		}
		p.epochs[0] = x
	}
	if err := p.load(rec); err != nil {
		return nil, err
	}
	return p, nil
}

// load takes in what survived (rule R0). Slots up to State.Commit hold what was chosen there: no write
// says Commit before it, or an earlier one, holds the values. Damaged slots are unknown, not empty.
func (p *Paxos) load(rec consensus.Recovered) error {
	p.log.base, p.log.last = rec.Snapshot.Index, rec.Snapshot.Index
	p.commit, p.handed = rec.Snapshot.Index, rec.Snapshot.Index
	for i := range rec.Entries {
		e := &rec.Entries[i]
		if e.Index <= p.log.base {
			continue
		}
		if e.Kind == consensus.EntryMembers {
			if _, err := decodeEpoch(e.Data); err != nil {
				return fmt.Errorf("slot %d: %w", e.Index, err)
			}
		}
		c := p.log.put(e)
		c.seq = 0 // it is durable
		c.learned = e.Term == Chosen || e.Index <= rec.State.Commit
		if e.Term != Chosen {
			p.promised = max(p.promised, e.Term)
		}
	}
	p.log.unwritten = p.log.unwritten[:0]
	p.unknown = append(p.unknown, rec.Damaged...)
	p.seatPeers()
	p.advance()
	p.stopAt = p.nextStop()
	p.election.leader = max(p.election.leader, p.promised)
	return nil
}

// Tick takes the time, and does what has become due. Who was not run for a while cannot tell whether others were
// silent, and may have their messages yet: of that time timers count an interval at most. Else the groups of a
// host with too much to do would depose their leaders, and have even more to do.
func (p *Paxos) Tick(now Instant) {
	if !p.ticked {
		p.ticked, p.now, p.began = true, now, now
		p.leaseEnd = now + Instant(p.members().Lease) // one that we granted in an earlier life: rule G3
		p.nextRound()
	}
	p.lag += max(0, now-p.clock()-p.interval())
	p.now = max(p.now, now-p.lag)
	if p.phase == leading {
		p.tickLeader()
	}
	if p.phase == preparing && p.now >= p.nextBeat {
		p.ask, p.dirty = true, true
	}
	if p.now >= p.election.end {
		p.endRound()
	}
	if p.askAt != 0 && p.now >= p.askAt {
		p.dirty = true
	}
}

// clock is the host's clock, which a leader's lease counts by.
func (p *Paxos) clock() Instant { return p.now + p.lag }

func (p *Paxos) timeout() Instant  { return Instant(p.cfg.ElectionTimeout) }
func (p *Paxos) interval() Instant { return Instant(p.cfg.HeartbeatInterval) }

// stuck reports whether the disk has finished nothing for an election timeout though it should
// have. A replica that cannot write must let another one lead (hashicorp/raft#503).
func (p *Paxos) stuck() bool { return p.durable < p.seq && p.now-p.began >= p.timeout() }

// draw is a random number below n, by a hash of all that tells two draws apart.
func (p *Paxos) draw(n Instant) Instant {
	p.draws++
	return Instant(mix(p.cfg.Seed^mix(uint64(p.cfg.ID)^mix(p.draws))) % uint64(max(n, 1)))
}

// mix is the finaliser of splitmix64 (Steele et al. 2014): every bit of x changes half of its result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// raise moves our promise up to b. What was queued under a lower one and has not left must not: the
// next write may hold another vote where it claims one.
func (p *Paxos) raise(b Ballot, why reason) {
	if b <= p.promised {
		return
	}
	p.promised, p.leader, p.watermark, p.dirty = b, 0, p.commit, true
	clear(p.replies)
	p.replies = p.replies[:0]
	p.stepDown(why)
}

// stepDown ends our own ballot. What we proposed in it may yet be chosen.
func (p *Paxos) stepDown(why reason) {
	if p.phase == idle {
		return
	}
	p.election.beaten = p.election.round
	if p.phase == leading {
		p.steppedDown = why
		p.granted = p.rounds.End(p.granted)
	}
	if p.leader == p.cfg.ID {
		p.leader = 0
	}
	p.dirty = true
	p.phase, p.proposer = idle, proposer{campaigned: p.campaigned, next: p.next, counted: p.counted, rounds: p.rounds}
}

// role is what the contract calls our phase.
func (p *Paxos) role() consensus.Role {
	switch p.phase {
	case leading:
		return consensus.Leader
	case claiming, preparing:
		return consensus.Candidate
	}
	return consensus.Follower
}

func (p *Paxos) notLeader() error {
	if p.leader == p.cfg.ID {
		return &consensus.NotLeaderError{}
	}
	return &consensus.NotLeaderError{Leader: p.leader}
}

// reply queues a message that waits for the disk. The caller fills in the rest of it at once.
func (p *Paxos) reply(kind consensus.Kind, to NodeID) *Message {
	return p.compose(&p.replies, kind, to)
}

// compose appends a message to a list, with what every message carries. It is filled in where it lies.
func (p *Paxos) compose(list *[]Message, kind consensus.Kind, to NodeID) *Message {
	*list = append(*list, Message{})
	m := &(*list)[len(*list)-1]
	m.Kind, m.To, m.Term, m.Promised, m.Commit = kind, to, p.promised, p.promised, p.commit
	m.From, m.Group, m.Incarnation = p.cfg.ID, p.cfg.Group, p.incarnation
	p.dirty = true
	return m
}

// peer returns the other member id, or nil.
func (p *Paxos) peer(id NodeID) *peer {
	for i := range p.peers {
		if p.peers[i].id == id {
			return &p.peers[i]
		}
	}
	return nil
}
