package consensus

import "io"

// A StateMachine is the user's code: what is replicated. The same commands in the same order
// must give the same results and the same state on every replica: no clock, no randomness, no
// map order. Its methods are called one at a time, but for a Snapshot's WriteTo, which runs
// while further commands are applied. Reading it elsewhere is the user's to synchronise.
//
// One that panics stops its group, and no other.
type StateMachine interface {
	// Apply executes a command and returns its result. It may keep c.Data, and not change it.
	Apply(c Command) Result
	// Snapshot returns a view of the state as it is now, which later commands do not change.
	// WriteTo is called once, or never.
	Snapshot() io.WriterTo
	// Restore replaces the whole state by the one that a snapshot wrote.
	Restore(r io.Reader) error
}

// A Command is one committed command.
type Command struct {
	Index Index // its position in the log: increasing, with gaps
	Data  []byte
}

// A Result is what a state machine answers: a number, bytes, or both. It goes to whoever
// proposed the command, from whatever replica, and is kept for a session's retries.
type Result struct {
	Value uint64
	Data  []byte
}
