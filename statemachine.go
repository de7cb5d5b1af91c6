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

// A DurableStateMachine keeps its state on disk itself, as an embedded database does. The log is
// trimmed without copying that state, and a member that starts again goes on with what is there.
//
// With the effect of each command it stores the command's index, in one transaction. So a crash, at
// any time, leaves the state that some command left, and the index of that command. Commands need
// not be durable when Apply returns; Sync is for that. Restore replaces all of the state, its index
// included, in one transaction as well: the index is then the one of the state that was restored.
//
// After a restart, commands up to Durable are not applied again. One of a session among them that is
// proposed once more is answered ErrStaleSequence: it was applied once, and its result is not kept. Nor
// are results of more than MaxDurableAnswer bytes. Either all members of a group have one, or none.
type DurableStateMachine interface {
	StateMachine
	// Durable is the index of the last command whose effect is on disk, together with those of all
	// before it. 0: there is none.
	Durable() Index
	// Sync returns once the effects of all commands that were applied before the call are on disk.
	// It runs while further commands are applied, or a Restore replaces them. An error stops the group.
	Sync() error
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
