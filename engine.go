package consensus

import "time"

// An Engine is a consensus protocol as a deterministic state machine. It has no goroutines, clock,
// randomness of its own, or I/O: the same calls in the same order always have the same results.
// An Engine is not safe for concurrent use.
//
// Inputs change only the engine's memory. What should happen because of them is collected by
// Ready, so that a caller who feeds many inputs between two calls of Ready gets one write and one
// message per follower for all of them.
//
// The smallest correct host, but for snapshots and errors:
//
//	for engine.Ready(&eff) {
//		send(eff.Early)
//		if eff.Write.Seq != 0 {
//			storage.Append([]consensus.Write{eff.Write}) // durable when it returns
//			engine.Persisted(eff.Write.Seq)
//		}
//		send(eff.Messages)
//		apply(eff.Committed)
//		eff.Reset()
//	}
type Engine interface {
	// Tick tells the engine what time it is: the host's monotonic clock, read after the messages
	// of this round arrived. All timers run on it, and fire only here. It never goes back. Of the time since
	// the last call timers count a heartbeat interval at most, so a host calls it at least that often; leases
	// count all of it.
	Tick(now Instant)
	// Wake tells the time after a while in which there was no Tick, because Status.Quiet allowed that. heard
	// is when the leader's host was last known to be alive. No timer counts the time slept as a silence.
	Wake(now, heard Instant)
	// Step delivers a message from another node. The engine may keep m.Entries and m.Data, not m.
	// A malformed message has no effect. One that contradicts what is known to be chosen has none
	// either, and is counted in Status: in a simulation a count above zero is a violation.
	Step(m *Message)
	// Propose asks the leader to append an entry and returns its index. It takes ownership of
	// p.Data. An error is an ErrNotApplied. If another proposal is chosen at that index, this one
	// never will be; otherwise the outcome is unknown.
	Propose(p Proposal) (Index, error)
	// Read asks the leader for an index that is safe to read at; the answer is in Effects.Reads.
	// An error means that there will be none.
	Read(id uint64) error
	// Change asks the leader for a new membership, if the current one was set at index expect.
	// It returns the index of the first entry of the change. The entry that completes it carries
	// p.From and p.ID; whatever else of p is set is ignored. An error is an ErrNotApplied.
	Change(p Proposal, m Members, expect Index) (Index, error)
	// Transfer asks the leader to hand over to another voter. That it ended shows in Status:
	// another leads, or Transferring is 0 again.
	Transfer(to NodeID) error
	// Persisted reports that the write numbered seq, and every one before it, is durable.
	Persisted(seq uint64)
	// Compacted reports that a snapshot taken here is committed in storage. The engine answers
	// with a Write.Snapshot that adopts it, or ignores it if it has one at or above that index.
	Compacted(meta SnapshotMeta)
	// Fetched answers an Effects.Fetch. The entries begin with f.Lo and are consecutive.
	Fetched(f Fetch, es []Entry, err error)
	// SnapshotSent reports that the stream of an Effects.Snapshots has ended, and how.
	SnapshotSent(to NodeID, err error)
	// Ready reports whether anything is to be done and, if so, adds it to eff.
	Ready(eff *Effects) bool
	// Status describes the engine as it is now. Its slices are immutable.
	Status() Status

	// Explain answers a question about this state in sentences.
	Explain(q Question) string
	// CloneInto copies the engine into dst, an engine of the same type, reusing its memory.
	// The two share nothing mutable.
	CloneInto(dst Engine)
	// AppendState appends a canonical encoding of all state that affects behaviour, clock readings
	// aside (a timer is due or not): two engines with equal encodings may do the same things.
	AppendState(b []byte) []byte
	// Check returns the first of the engine's own invariants that does not hold.
	Check() error
}

// NewEngine is the type of raft.New and paxos.New. The error is a *ConfigError.
type NewEngine func(EngineConfig, Recovered) (Engine, error)

// An EngineConfig is what an engine is told once. Zero values take the default.
type EngineConfig struct {
	ID    NodeID
	Group GroupID
	// Members found the group: they hold until a configuration is in the log, and must be the
	// same at every founder. A node that joins an existing group has none.
	Members Members
	// Witness says that this node keeps no state machine, for as long as its store lives: it takes
	// no snapshot, trims its log where others have one, and leads only to help another.
	Witness bool

	ElectionTimeout   time.Duration // a follower campaigns after 1 to 2 of it without a leader; default 1s
	HeartbeatInterval time.Duration // at most half of ElectionTimeout; default a tenth of it
	MaxMessageSize    int           // bytes of entries in one message (one entry may exceed it); default 256 KiB
	MaxInflight       int           // bytes sent to one follower and not acknowledged; default 4 MiB
	MaxUncommitted    int           // bytes proposed and not yet committed and durable here: above, ErrBusy; default 64 MiB
	Seed              uint64        // of the randomised timeouts; the same seed gives the same run
}

// EngineSettings are an EngineConfig without its Members, which an engine keeps elsewhere and which take much
// memory: a part that engines are built with.
type EngineSettings struct {
	ID                NodeID
	Witness           bool
	Group             GroupID
	ElectionTimeout   time.Duration
	HeartbeatInterval time.Duration
	MaxMessageSize    int
	MaxInflight       int
	MaxUncommitted    int
	Seed              uint64
}

// Settings are those of c.
func (c *EngineConfig) Settings() EngineSettings {
	return EngineSettings{c.ID, c.Witness, c.Group, c.ElectionTimeout, c.HeartbeatInterval, c.MaxMessageSize, c.MaxInflight, c.MaxUncommitted, c.Seed}
}

// WithDefaults returns c with defaults for what is zero, or the *ConfigError of what is wrong.
func (c EngineConfig) WithDefaults() (EngineConfig, error) {
	if c.ID == 0 {
		return c, &ConfigError{Field: "ID", Value: "0", Reason: "0 is no node"}
	}
	if c.ElectionTimeout == 0 {
		c.ElectionTimeout = time.Second
	}
	if c.HeartbeatInterval == 0 {
		c.HeartbeatInterval = c.ElectionTimeout / 10
	}
	for _, x := range []struct {
		field string
		value *int
		fill  int
	}{{"MaxMessageSize", &c.MaxMessageSize, 256 << 10}, {"MaxInflight", &c.MaxInflight, 4 << 20}, {"MaxUncommitted", &c.MaxUncommitted, 64 << 20}} {
		if *x.value < 0 {
			return c, configInt(x.field, *x.value, "a size cannot be negative")
		}
		if *x.value == 0 {
			*x.value = x.fill
		}
	}
	switch {
	case c.ElectionTimeout < 0:
		return c, &ConfigError{Field: "ElectionTimeout", Value: c.ElectionTimeout.String(), Reason: "a duration cannot be negative"}
	case c.HeartbeatInterval <= 0 || 2*c.HeartbeatInterval > c.ElectionTimeout:
		return c, &ConfigError{Field: "HeartbeatInterval", Value: c.HeartbeatInterval.String(), Reason: "must be above 0 and at most half of the election timeout " + c.ElectionTimeout.String()}
	case c.Members.Lease > c.ElectionTimeout:
		return c, &ConfigError{Field: "Members.Lease", Value: c.Members.Lease.String(), Reason: "must not exceed the election timeout " + c.ElectionTimeout.String()}
	}
	if len(c.Members.Voters) > 0 || len(c.Members.Witnesses)+len(c.Members.Learners)+len(c.Members.Joining) > 0 {
		return c, c.Members.Validate()
	}
	return c, nil
}

// A Proposal is what Propose is asked to append.
type Proposal struct {
	From NodeID // the replica that took it in, and
	ID   uint64 // its number there
	Kind EntryKind
	Data []byte
}

// Effects is what an engine wants done. A caller reuses one Effects for ever: Reset keeps its memory.
//
// The rules, which are all that a host must keep:
//
//  1. A message in Messages may leave only when every write issued so far, Write included, is
//     durable. One in Early may leave at once.
//  2. Writes become durable in order of Seq.
//  3. Committed is applied in order. It is already durable here. A received snapshot, once the
//     Write that adopts it is durable, is restored into the state machine before anything more
//     is applied.
//  4. Messages may be lost, delayed, duplicated and reordered. Writes may not.
type Effects struct {
	Early     []Message
	Write     Write // nothing to write if Seq is 0
	Messages  []Message
	Committed []Entry // not to be changed, and good until the next Ready
	Reads     []Read
	Snapshots []Message // each the header of a stream: our newest snapshot follows it
	Fetch     []Fetch   // ranges of old entries to read from storage, for slow followers
}

// Reset empties e and keeps its memory for the next round, without what that memory points to.
func (e *Effects) Reset() {
	clear(e.Early)
	clear(e.Messages)
	clear(e.Snapshots)
	e.Early, e.Messages, e.Snapshots = e.Early[:0], e.Messages[:0], e.Snapshots[:0]
	e.Reads, e.Fetch = e.Reads[:0], e.Fetch[:0]
	e.Write, e.Committed = Write{}, nil
}

// A Read answers Engine.Read.
type Read struct {
	ID    uint64
	Index Index // the state machine may be read once this is applied
	// Until, if not 0, is the end of the lease that the answer rests on: it is good only if a
	// fresh reading of the clock, after the read began, is below it. Otherwise ask again.
	Until Instant
	Err   error // if not nil there is no answer: leadership was lost. An ErrNotApplied.
}

// A Fetch asks for retained entries from Lo on, for To, at most up to Hi and to MaxBytes bytes.
type Fetch struct {
	To       NodeID
	Lo, Hi   Index
	MaxBytes int
}

// A Role is what a replica is doing now.
type Role uint8

const (
	Follower     Role = iota
	PreCandidate      // asking whether an election could be won (Raft: pre-vote)
	Candidate         // Paxos: preparing
	Leader
)

func (r Role) String() string {
	return [...]string{"follower", "pre-candidate", "candidate", "leader"}[r]
}

// Status is what an engine says of itself.
type Status struct {
	ID     NodeID
	Kind   MemberKind // in the current membership
	Role   Role
	Term   Term
	Leader NodeID // 0 if unknown

	Commit   Index // known to be chosen
	Last     Index // the last position with an entry
	Durable  Index // Raft: everything up to here is durable. Paxos: likewise, holes aside
	Snapshot Index // of the newest adopted snapshot

	Members      Members
	Outgoing     Members // Raft: the old half of a joint configuration; no voters if there is none
	MembersIndex Index   // where the configuration was set; 0: it is the founding one
	Changing     bool    // a change is not complete yet

	Transferring   NodeID // the leader hands over to this one
	Uncommitted    int    // bytes proposed and not yet committed and durable here
	LogBytes       int    // bytes of log in memory
	Contradictions uint64 // messages dropped because they contradict what is known to be chosen
	Ignored        uint64 // messages dropped because they were malformed
	Refused        bool   // this store is not the one that the membership is bound to: see Members.Bound
	Damaged        bool   // what was acknowledged here cannot be read, and is not repaired yet
	// Quiet: the group has come to rest, and this replica needs no Tick until it is woken. Whoever stops
	// calling Tick calls Wake before the next call of a method that changes it, and when the host of the
	// leader is lost or has begun another life. See Detector.
	Quiet bool
}

// A Question is what Explain is asked.
type Question struct {
	Topic Topic
	Index Index  // of which position
	Node  NodeID // about which node
}

// A Topic is what a Question is about.
type Topic uint8

const (
	// WhyNotCommitted: why is the entry at Index not committed?
	WhyNotCommitted Topic = iota
	// WhyNoVote: why did Node not get our vote when it asked last?
	WhyNoVote
	// WhyNotLeader: why does this node not lead? If it did: why did it step down?
	WhyNotLeader
	// WhyNotReplicated: why is Node behind?
	WhyNotReplicated
	// WhyNoRead: why can't a read be answered?
	WhyNoRead
)

// Topics are all topics, and their names on a command line.
var Topics = [...]string{WhyNotCommitted: "commit", WhyNoVote: "vote", WhyNotLeader: "leader", WhyNotReplicated: "replicate", WhyNoRead: "read"}
