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
	cfg         consensus.EngineSettings
	founding    string // the EngineConfig's Members, encoded
	incarnation uint64 // of our store

	// What is durable, once the writes that are under way have finished (§5.1, Figure 2).
	term   Term
	vote   NodeID // whom we voted for in term; 0: nobody yet
	log    log
	commit Index // committed, as we know it; commit ≤ log.last

	snapshot consensus.SnapshotMeta // the newest we have; snapshot.Index ≤ commit
	configs  []configuration        // by index; the last one is in effect, the first is committed

	// Volatile, on all.
	kind     consensus.MemberKind // our own part in the configuration in effect
	role     consensus.Role
	leader   NodeID
	handed   Index   // given out in Effects.Committed; handed ≤ commit
	verified Index   // our log is known to match the leader's up to here, in this term
	now      Instant // by our timers, and
	lag      Instant // how far the host's clock is ahead: see Tick
	heard    Instant // when a leader last spoke to us, or we began
	wait     Instant // how long without hearing from one until we campaign
	deadline Instant // when that is over, unless we hear from a leader or give a vote
	attempt  uint64  // how many times wait was drawn
	ticked   bool    // Tick has told the time
	quiet    bool    // our leader has asked for quiet, and we have agreed
	calling  bool    // we were woken, and our leader may not know
	trimTo   Index   // a witness may trim its log up to here, says the leader
	unsure   Index   // if not 0, entries up to here may have been acknowledged and then damaged: see damage.go
	lostTerm Term    // in that case, the term that we recovered with

	peers []peer // the other members, by id, and then guests

	// Candidates.
	handover bool   // the leader asked us to: voters need not wait out its lease
	voted    bool   // our own vote counts
	asked    bool   // votes were requested in this attempt
	voteSeq  uint64 // the write that makes our own vote durable; 0: not issued yet

	// Leaders.
	termStart   Index            // our first entry of this term
	session     uint64           // the last replication session begun
	uncommitted int              // bytes in our log above settled
	settled     Index            // committed, and durable here; only entries of this term count
	nextBeat    Instant          // when the next heartbeat is due
	busyAt      Instant          // when the group was not at rest, last
	askedQuiet  uint64           // the last round that asked for quiet
	rounds      consensus.Rounds // of heartbeats, and the reads that wait for them
	transfer    transfer         // of leadership
	offered     NodeID           // a witness has asked this one to take over, last
	beat        bool             // begin a heartbeat round now
	noLease     bool             // a transfer began in this term: whoever it was meant for may be elected at any time
	steppedDown reason           // why we led no longer, last time

	// What Ready has to do.
	dirty      bool
	replies    []Message        // queued by handlers, all of this term
	granted    []consensus.Read // reads that can be answered
	fetch      []consensus.Fetch
	snapshots  []Message
	adopt      *consensus.SnapshotMeta // to be adopted by the next write
	written    consensus.State         // as of the last write
	seq        uint64                  // the last write issued
	durableSeq uint64                  // the last write finished
	writeBegan Instant                 // when the oldest unfinished write was issued, or the last one finished

	contradictions, ignored uint64
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
	if len(cfg.Members.Voters) > 0 {
		if err := fits(&cfg.Members); err != nil {
			return nil, err
		}
	}
	r := &Raft{cfg: cfg.Settings(), founding: string(cfg.Members.AppendTo(nil)), incarnation: rec.Incarnation, term: rec.State.Term, vote: rec.State.Vote, snapshot: rec.Snapshot, written: rec.State}
	r.configs = []configuration{{now: cfg.Members}}
	if rec.Snapshot.Index > 0 {
		c, err := r.configured(rec.Snapshot)
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
	for _, e := range intact(&rec) {
		r.log.append(&e)
		if e.Kind == consensus.EntryMembers {
			c, err := decodeConfiguration(e.Data)
			if err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
			r.configs = append(r.configs, c)
		}
	}
	r.log.issued, r.log.finished = r.log.last, r.log.last
	end := r.log.last
	if n := len(rec.Entries); n > 0 {
		end = max(end, rec.Entries[n-1].Index)
	}
	if n := len(rec.Damaged); n > 0 {
		end = max(end, rec.Damaged[n-1].Last)
	}
	if end > r.log.last || len(rec.Damaged) > 0 {
		r.doubt(end)
	}
	r.commit = max(rec.Snapshot.Index, min(rec.State.Commit, r.log.last))
	r.handed, r.verified = rec.Snapshot.Index, r.commit
	return nil
}
