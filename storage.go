package consensus

import "io"

// Storage keeps what a host must never forget, for all its groups. Its methods block; whoever
// calls them is the one that does it in the background. They are safe for concurrent use.
//
// The log that a replica may still need is in memory, in its engine; storage is read only to
// recover, to send a snapshot, and to fetch entries for a slow follower. Package storagetest is
// this comment as a test suite, for any implementation.
type Storage interface {
	// Recover returns what survived of a group. A group never written has a zero Recovered but
	// for the Incarnation. A log cut short by a crash ends before the cut. Entries at or below the
	// adopted snapshot are left out, later ones never. Entries that were written and cannot be
	// read are in Damaged; a State that cannot be read is an error.
	Recover(GroupID) (Recovered, error)
	// Append makes writes durable, all of them and in order, before it returns nil. It keeps
	// nothing of its argument but the entries. After an error, what is durable is unknown and
	// Storage must not be written again; snapshots in the making are aborted.
	Append(writes []Write) error
	// Create starts a snapshot. Once Commit has returned nil it is durable, and becomes the
	// newest with the Write that adopts it; until then it is invisible, and a later Create of the
	// same group may replace it.
	Create(GroupID, SnapshotMeta) (SnapshotWriter, error)
	// Open reads the newest adopted snapshot. It stays readable until closed, even if replaced.
	// Without one the error is an fs.ErrNotExist.
	Open(GroupID) (SnapshotMeta, io.ReadCloser, error)
	// Fetch returns consecutive entries from lo on, up to hi at most, at least one and then at
	// most maxBytes of them, if they are still retained; otherwise the error is ErrCompacted.
	// Adopting a received snapshot forgets all retained entries at or below its index: they may
	// never have been chosen. A snapshot counts as received unless, before the Write that adopts
	// it, the log held the entry that it ends with, of its term, or State.Commit had reached it.
	Fetch(group GroupID, lo, hi Index, maxBytes int) ([]Entry, error)
	Close() error
}

// A SnapshotWriter is a snapshot in the making. Exactly one of Commit and Abort ends it; after a Write that
// failed, Abort.
type SnapshotWriter interface {
	io.Writer
	// Commit makes the snapshot durable. If a Write has failed, so does it.
	Commit() error
	// Abort forgets it.
	Abort()
}
