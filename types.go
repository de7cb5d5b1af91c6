package consensus

import (
	"fmt"
	"math"
)

type (
	// A NodeID names a machine for ever, whatever its address. 0 is no node.
	NodeID uint32
	// A GroupID names a replicated log. One host runs many.
	GroupID uint64
	// A Term is a leadership epoch: Raft's term, Paxos's ballot. 0 is before the first.
	Term uint64
	// An Index is a position of the log, from 1: Raft's index, Paxos's slot. 0 is before the first.
	Index uint64
	// An Instant is a reading of one host's monotonic clock, in nanoseconds. It is an
	// input: an engine compares the instants it is told, and never reads a clock.
	Instant int64
)

// Chosen is the Term of an entry that is known to be chosen and was learned by value (Paxos).
// It is above every ballot, and is no ballot.
const Chosen Term = math.MaxUint64

// An EntryKind says what the Data of an Entry is.
type EntryKind uint8

const (
	// EntryCommand holds a command of the user's, applied at least once: a caller who was
	// told "unknown" and tries again may see it applied twice.
	EntryCommand EntryKind = iota
	// EntryNoop holds nothing. Raft's leader begins its term with one (thesis §6.4), Paxos
	// fills a gap with one.
	EntryNoop
	// EntryMembers holds a configuration, in the encoding of its engine.
	EntryMembers
	// EntrySessionOpen opens a client session, named by the entry's own index.
	EntrySessionOpen
	// EntrySessionCommand holds a command under a session and a sequence number: applied at
	// most once. See SessionCommand for the encoding.
	EntrySessionCommand
	// EntrySessionClose ends the session that its Data names.
	EntrySessionClose

	entryKinds // how many there are
)

var entryKindNames = [entryKinds]string{"command", "noop", "members", "session-open", "session-command", "session-close"}

// ofSession reports whether a session proposes such entries, and may propose one again whatever became of it.
func (k EntryKind) ofSession() bool { return k >= EntrySessionOpen && k <= EntrySessionClose }

func (k EntryKind) String() string {
	if k < entryKinds {
		return entryKindNames[k]
	}
	return fmt.Sprintf("EntryKind(%d)", uint8(k))
}

// An Entry is one position of the replicated log. An Entry, and the bytes that its Data
// points to, never change once made: whoever holds one may keep it, and nobody may write to it.
type Entry struct {
	Index Index
	Term  Term   // Raft: the term that created it, or 0 (see Write). Paxos: the ballot it was last accepted in, or Chosen; once committed, 0.
	From  NodeID // the replica that took the proposal in, and
	ID    uint64 // its number there: a random number of that replica's life <<32 | a counter; 0 if none
	Kind  EntryKind
	Data  []byte
}

// entryOverhead is what an entry weighs beside its data, in every budget in bytes: about
// what the struct takes in memory.
const entryOverhead = 64

// Size is what the entry counts for in budgets: its bytes in memory, nearly.
func (e *Entry) Size() int { return entryOverhead + len(e.Data) }

// A Range is the positions First to Last, both included.
type Range struct{ First, Last Index }

// State is what a replica must never forget, apart from its log.
type State struct {
	Term   Term   // Raft: currentTerm. Paxos: the highest ballot promised.
	Vote   NodeID // Raft: votedFor. Paxos: unused, as a ballot names its owner.
	Commit Index  // a hint that saves work after a restart; it may be stale
}

// SnapshotMeta describes a snapshot: the last entry that it covers (Paxos leaves Term 0) and
// the data of the last configuration entry at or below it.
type SnapshotMeta struct {
	Index  Index
	Term   Term
	Config []byte
}

// A Write is one unit of durable work of one group, and one record: a crash leaves all of it
// or nothing. No write is made for State.Commit alone: it rides along with others.
type Write struct {
	Group GroupID
	Seq   uint64 // from 1, increasing by 1 within one life of the replica; 0: there is nothing to write

	// Snapshot, if not nil, adopts the snapshot of that index as the newest: one that was
	// created and committed in storage, our own or received, or, at a witness, which keeps no
	// state, an empty one that nobody created. Entries above its index stay, unless Truncate
	// says otherwise.
	Snapshot *SnapshotMeta
	Truncate Index // if not 0, forget every entry at and after it, before storing Entries
	// Entries are to be stored, by increasing index, replacing any with the same index. One of term 0
	// beyond the others is Raft's note to itself that it lost what was there: to Storage it is one like any other.
	Entries []Entry
	State   State // always the whole current state
}

// Recovered is what a replica has after a restart.
type Recovered struct {
	Incarnation uint64 // of the store: random, not 0, the same for its whole life
	State       State
	Snapshot    SnapshotMeta
	Entries     []Entry // above Snapshot.Index, by increasing index
	Damaged     []Range // positions that were written and cannot be read: unknown, not absent
}

// Empty reports whether the group was never written.
func (r *Recovered) Empty() bool {
	return r.State == (State{}) && r.Snapshot.Index == 0 && len(r.Entries) == 0 && len(r.Damaged) == 0
}
