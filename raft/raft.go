package raft

import (
	"fmt"

	"github.com/consensus-go/consensus"
)

// The contract's vocabulary, under Raft's own words.
type (
	Index   = consensus.Index
	Term    = consensus.Term
	NodeID  = consensus.NodeID
	Instant = consensus.Instant
	Entry   = consensus.Entry
	Members = consensus.Members
	Message = consensus.Message
)

// Raft's messages. Package documentation says which fields each uses.
const (
	AppendEntries      = consensus.KindAppendEntries
	AppendEntriesReply = consensus.KindAppendEntriesReply
	Heartbeat          = consensus.KindHeartbeat
	HeartbeatReply     = consensus.KindHeartbeatReply
	RequestVote        = consensus.KindRequestVote
	RequestVoteReply   = consensus.KindRequestVoteReply
	PreVote            = consensus.KindPreVote
	PreVoteReply       = consensus.KindPreVoteReply
	InstallSnapshot    = consensus.KindInstallSnapshot
	TimeoutNow         = consensus.KindTimeoutNow
)

// Raft is one member of one group: a consensus.Engine. Handlers change its state; Ready turns
// the state into messages and writes.
type Raft struct {
	cfg         consensus.EngineConfig
	incarnation uint64 // of our store

	// What is durable, once the writes that are under way have finished (§5.1, Figure 2).
	term   Term
	vote   NodeID // whom we voted for in term; 0: nobody yet
	log    log
	commit Index // committed, as we know it; commit ≤ log.last

	snapshot consensus.SnapshotMeta // the newest we have; snapshot.Index ≤ commit
	configs  []configuration        // by index; the last one is in effect, the first is committed
	kind     consensus.MemberKind   // our own part in it

	// Volatile, on all.
	role     consensus.Role
	leader   NodeID
	handed   Index   // given out in Effects.Committed; handed ≤ commit
	verified Index   // our log is known to match the leader's up to here, in this term
	ticked   bool    // Tick has told the time
	now      Instant // as it told it last
	heard    Instant // when a leader last spoke to us, or we began
	wait     Instant // how long without hearing from one until we campaign
	deadline Instant // when that is over, unless we hear from a leader or give a vote
	attempt  uint64  // how many times wait was drawn
	trimTo   Index   // a witness may trim its log up to here, says the leader
	unsure   Index   // entries up to here may have been acknowledged and then damaged: no votes before we have them again

	peers []peer // the other members, by id

	// Candidates.
	handover bool   // the leader asked us to: voters need not wait out its lease
	asked    bool   // votes were requested in this attempt
	voteSeq  uint64 // the write that makes our own vote durable; 0: not issued yet
	voted    bool   // our own vote counts

	// Leaders.
	termStart   Index    // our first entry of this term
	session     uint64   // the last replication session begun
	uncommitted int      // bytes in our log above commit
	nextBeat    Instant  // when the next heartbeat is due
	beat        bool     // begin a heartbeat round now
	rounds      []round  // begun and not confirmed by a quorum, oldest first
	round       uint64   // the last one begun
	confirmed   uint64   // the last one that a quorum has acknowledged
	quorumAt    Instant  // when that one began: a quorum followed us then
	reads       []read   // waiting for a commit of this term, and then for a round
	transfer    transfer // of leadership
	noLease     bool     // a transfer began in this term: whoever it was meant for may be elected at any time

	// What Ready has to do.
	dirty       bool
	replies     []Message // queued by handlers, all of this term
	granted     []read    // reads that can be answered
	fetch       []consensus.Fetch
	snapshots   []Message
	adopt       *consensus.SnapshotMeta // to be adopted by the next write
	written     consensus.State         // as of the last write
	seq         uint64                  // the last write issued
	durableSeq  uint64                  // the last write finished
	writeBegan  Instant                 // when the oldest unfinished write was issued, or the last one finished
	steppedDown reason                  // why we led no longer, last time
	refused     refusal                 // the last vote that we refused

	contradictions, ignored uint64
}

// round is one broadcast of heartbeats.
type round struct {
	number uint64
	began  Instant
}

type transfer struct {
	to       NodeID // 0: none under way
	deadline Instant
	sent     bool // TimeoutNow has left
}

// New returns a replica that goes on from what it has recovered. It is a follower, and needs a
// first Tick before anything else.
func New(cfg consensus.EngineConfig, rec consensus.Recovered) (consensus.Engine, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	r := &Raft{cfg: cfg, incarnation: rec.Incarnation, term: rec.State.Term, vote: rec.State.Vote, snapshot: rec.Snapshot, written: rec.State}
	r.configs = []configuration{{now: cfg.Members}}
	if rec.Snapshot.Index > 0 {
		c, err := decodeConfiguration(rec.Snapshot.Config)
		if err != nil {
			return nil, fmt.Errorf("snapshot at %d: %w", rec.Snapshot.Index, err)
		}
		r.configs[0] = c
	}
	if err := r.load(rec); err != nil {
		return nil, err
	}
	r.seatPeers()
	return r, nil
}

// load fills the log with what survived. Entries beyond a damaged one are of no use to Raft,
// whose log has no holes; all that may have been acknowledged counts as unsure.
func (r *Raft) load(rec consensus.Recovered) error {
	r.log.base, r.log.baseTerm = rec.Snapshot.Index, rec.Snapshot.Term
	r.log.last, r.log.lastTerm = r.log.base, r.log.baseTerm
	for _, e := range rec.Entries {
		if e.Index != r.log.last+1 {
			break // a hole: it is in Damaged
		}
		r.log.append(e)
		if e.Kind == consensus.EntryMembers {
			c, err := decodeConfiguration(e.Data)
			if err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
			r.configs = append(r.configs, c)
		}
	}
	r.log.issued, r.log.finished = r.log.last, r.log.last
	if n := len(rec.Damaged); n > 0 {
		r.unsure = rec.Damaged[n-1].Last
		if n := len(rec.Entries); n > 0 {
			r.unsure = max(r.unsure, rec.Entries[n-1].Index)
		}
		r.log.cut = r.log.last + 1
	}
	r.commit = max(rec.Snapshot.Index, min(rec.State.Commit, r.log.last))
	r.handed, r.verified = rec.Snapshot.Index, r.commit
	return nil
}

// Tick takes the time, and does what has become due.
func (r *Raft) Tick(now Instant) {
	if !r.ticked { // voters honour a lease that they may have granted in an earlier life
		r.ticked, r.now, r.heard, r.writeBegan = true, now, now, now
		r.draw()
	}
	r.now = max(r.now, now)
	if r.role == consensus.Leader {
		r.tickLeader()
	} else if r.now >= r.deadline {
		r.draw()
		r.setOut()
	}
}

// tickLeader sends heartbeats, gives up a transfer, and steps down if no quorum has followed for an
// election timeout (thesis §6.2), or if the disk has finished nothing for as long: a leader that cannot
// write must let another one lead (hashicorp/raft#503).
func (r *Raft) tickLeader() {
	if r.now-r.quorumAt >= r.timeout() {
		r.follow(r.term, 0, reasonNoQuorum)
		return
	}
	if r.durableSeq < r.seq && r.now-r.writeBegan >= r.timeout() {
		r.follow(r.term, 0, reasonDisk)
		return
	}
	if r.now >= r.nextBeat {
		r.beat, r.dirty = true, true
	}
	if r.transfer.to != 0 && r.now >= r.transfer.deadline {
		r.transfer, r.dirty = transfer{}, true
	}
}

func (r *Raft) timeout() Instant { return Instant(r.cfg.ElectionTimeout) }

// rearm sets the time of the next campaign to one or two election timeouts from now (§5.2: randomised
// timeouts). How long is drawn anew when a term or an attempt begins.
func (r *Raft) rearm() { r.deadline = r.now + r.wait }

// draw chooses how long to wait for a leader, by a hash of all that tells two attempts apart. A
// witness waits twice as long, so that it leads only if no voter can.
func (r *Raft) draw() {
	r.attempt++
	h := mix(r.cfg.Seed ^ mix(uint64(r.cfg.ID)^mix(uint64(r.term)^mix(r.attempt))))
	r.wait = r.timeout() + Instant(h%uint64(r.timeout()))
	if r.kind == consensus.Witness {
		r.wait *= 2
	}
	r.rearm()
}

// mix is the finaliser of splitmix64 (Steele et al. 2014): every bit of x changes half of its result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Step delivers a message. Terms first (§5.1), then one case a kind.
func (r *Raft) Step(m *Message) {
	if !r.wellFormed(m) {
		r.ignored++
		return
	}
	r.dirty = true
	r.meet(m)
	switch {
	case m.Kind == PreVote: // a pure query, whatever its term
		r.onPreVote(m)
		return
	case m.Kind == InstallSnapshot && m.Term < r.term: // it holds only chosen entries, whoever sends it
		r.onInstallSnapshot(m)
		return
	case m.Term > r.term:
		if m.Kind == RequestVote && r.sticky(m) || m.Kind == PreVoteReply && !m.Reject {
			break // neither speaks for a term that has begun
		}
		r.follow(m.Term, 0, reasonTerm)
	case m.Term < r.term:
		r.onStale(m)
		return
	}
	switch m.Kind {
	case RequestVote:
		r.onRequestVote(m)
	case RequestVoteReply:
		r.onRequestVoteReply(m)
	case PreVoteReply:
		r.onPreVoteReply(m)
	case AppendEntries:
		r.onAppendEntries(m)
	case AppendEntriesReply:
		r.onAppendEntriesReply(m)
	case Heartbeat:
		r.onHeartbeat(m)
	case HeartbeatReply:
		r.onHeartbeatReply(m)
	case InstallSnapshot:
		r.onInstallSnapshot(m)
	case TimeoutNow:
		r.onTimeoutNow(m)
	}
}

// wellFormed is the gate: behind it a message can be trusted to be one that a Raft of some state
// may have sent. Numbers near the end of their range are no group's, and would wrap around.
func (r *Raft) wellFormed(m *Message) bool {
	const limit = 1 << 62
	if m.To != r.cfg.ID || m.From == 0 || m.From == r.cfg.ID || m.Group != r.cfg.Group || !r.ticked ||
		m.Term == 0 || m.Term >= limit || m.Index >= limit || m.Last >= limit || m.LogTerm > m.Term {
		return false
	}
	switch m.Kind {
	case RequestVote, RequestVoteReply, PreVote, PreVoteReply, AppendEntriesReply, Heartbeat, HeartbeatReply, TimeoutNow:
		return len(m.Entries) == 0
	case InstallSnapshot:
		c, err := decodeConfiguration(m.Data)
		return err == nil && m.Index > 0 && m.LogTerm > 0 && c.index <= m.Index && len(m.Entries) == 0
	case AppendEntries:
		index, term := m.Index, m.LogTerm
		for i := range m.Entries {
			e := &m.Entries[i]
			if e.Index != index+1 || e.Term < term || e.Term > m.Term || e.Term == 0 {
				return false
			}
			if e.Kind == consensus.EntryMembers {
				if c, err := decodeConfiguration(e.Data); err != nil || c.index != e.Index {
					return false
				}
			}
			index, term = e.Index, e.Term
		}
		return true
	}
	return false
}

// onStale answers a message of an earlier term with ours, so that its sender does not go on
// without hope; a reply of an earlier term tells nothing any more (§5.1).
func (r *Raft) onStale(m *Message) {
	switch m.Kind {
	case AppendEntries:
		a := r.reply(AppendEntriesReply, m.From)
		a.Reject, a.Index, a.Session = true, m.Index, m.Session
	case Heartbeat:
		a := r.reply(HeartbeatReply, m.From)
		a.Reject, a.Context = true, m.Context
	case RequestVote:
		r.reply(RequestVoteReply, m.From).Reject = true
	}
}

// follow makes us a follower of leader, which is 0 if unknown, in term. The vote is cleared only when
// the term grows: forgetting it in the same term lets two leaders be elected (etcd-io/etcd#2461).
func (r *Raft) follow(term Term, leader NodeID, why reason) {
	r.dirty = true
	if term > r.term {
		r.term, r.vote = term, 0
		// What was queued in the old term and has not left must not: with the next write, its claims
		// about our log may no longer hold.
		r.replies = r.replies[:0]
		r.verified = r.commit
	}
	if r.role == consensus.Leader {
		r.steppedDown = why
		r.abdicate()
	}
	if r.role != consensus.Follower {
		r.role = consensus.Follower
		r.draw()
	}
	r.leader = leader
}

// abdicate ends what only a leader does.
func (r *Raft) abdicate() {
	for _, x := range r.reads {
		r.granted = append(r.granted, read{id: x.id, lost: true})
	}
	r.reads, r.rounds = r.reads[:0], r.rounds[:0]
	r.transfer, r.beat = transfer{}, false
	r.fetch, r.snapshots = r.fetch[:0], r.snapshots[:0]
}

// hear notes that leader spoke for our term. There is one leader in a term (Election Safety, §5.2):
// a message of a second one contradicts that, and has no effect.
func (r *Raft) hear(leader NodeID) bool {
	if r.role == consensus.Leader || r.leader != 0 && r.leader != leader {
		r.contradictions++
		return false
	}
	r.follow(r.term, leader, reasonTerm)
	r.heard = r.now
	r.rearm()
	return true
}

// reply queues a message that waits for the disk, as all do but a leader's entries and heartbeats.
// The caller fills in the rest of it at once.
func (r *Raft) reply(kind consensus.Kind, to NodeID) *Message {
	return r.compose(&r.replies, kind, to)
}

// compose appends a message to a list, with what every message carries. It is filled in where it lies.
func (r *Raft) compose(list *[]Message, kind consensus.Kind, to NodeID) *Message {
	*list = append(*list, Message{})
	m := &(*list)[len(*list)-1]
	m.Kind, m.To, m.Term = kind, to, r.term
	m.From, m.Group, m.Incarnation = r.cfg.ID, r.cfg.Group, r.incarnation
	return m
}

// peer returns the other member id, or nil.
func (r *Raft) peer(id NodeID) *peer {
	for i := range r.peers {
		if r.peers[i].id == id {
			return &r.peers[i]
		}
	}
	return nil
}

// meet notes which store speaks for a member. If it is another one than before, what we knew of
// that member's log is void (etcd-io/etcd#13509: "tocommit is out of range").
func (r *Raft) meet(m *Message) {
	p := r.peer(m.From)
	if p == nil {
		return
	}
	p.active = r.now
	if p.incarnation != m.Incarnation {
		if p.incarnation != 0 && r.role == consensus.Leader {
			r.begin(p)
		}
		p.incarnation = m.Incarnation
		p.granted, p.round = false, 0
		p.counted = r.admitted(p)
	}
}

// admitted reports whether p may be counted in a quorum: it speaks for the store that the
// configuration admitted, or is a founder that is not bound yet.
func (r *Raft) admitted(p *peer) bool {
	x := r.config().incarnation(p.id)
	return x == 0 || x == p.incarnation
}

// isStranger reports whether this store is not the one that was admitted under our id.
func (r *Raft) isStranger() bool {
	x := r.config().incarnation(r.cfg.ID)
	return x != 0 && x != r.incarnation
}
