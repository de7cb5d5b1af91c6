package consensus

import "io"

// A StateMachine is the user's code: what is replicated. The same commands in the same order
// must give the same results and the same state on every replica: no clock, no randomness, no
// map order. Its methods are called one at a time, but for a Snapshot's WriteTo, which runs
// while further commands are applied, and while a Restore replaces them. Reading it elsewhere is
// the user's to synchronise.
//
// One that panics, or ends the goroutine that calls it, stops its group, and no other.
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
// proposed the command, from whatever replica; a copy is kept for a session's retries. Data is
// handed over: the state machine keeps no part of it, and the one who gets it may change it.
type Result struct {
	Value uint64
	Data  []byte
}
