package consensus

import (
	"fmt"
	"io"
)

// A DurableStateMachine under the log. Three things are on disk, which become durable each in its own
// time: the log, the state machine's state as of the command Durable, and a checkpoint: a snapshot
// without the user's bytes, which only says what the sessions and the membership were at its index.
//
// A checkpoint at index i is stored only after a Sync, so that every command that it covers is in the
// state on disk: Durable >= executed, the last such command. What happens before a crash in between is
// harmless: Durable is then beyond the older checkpoint, and the commands from there on, which are
// still in the log, pass by the state machine and count for the sessions alone.
//
// A snapshot that another member sent is whole, and storage keeps it until the next checkpoint. If
// the state on disk is not that far yet, because a crash came before or within Restore, it is restored
// once more.

// passes reports whether the command at index i was executed before the Machine was made.
func (m *Machine) passes(i Index) bool {
	if i > m.ahead {
		return false
	}
	m.executed = i
	return true
}

// surpasses reports whether a DurableStateMachine, which has executed commands up to was in this life,
// has on disk everything that the head just read covers. Then it keeps what it has.
func (m *Machine) surpasses(was Index) bool {
	d := m.durable.Durable()
	m.ahead = max(m.ahead, was, d)
	return d >= m.executed
}

// Checkpoint returns what a log is trimmed with, to be stored here: a Snapshot, but without the user's
// bytes if those are a DurableStateMachine's. Its WriteTo then calls Sync first.
func (m *Machine) Checkpoint() (SnapshotMeta, io.WriterTo, error) {
	if m.durable == nil {
		return m.Snapshot()
	}
	sm, executed := m.durable, m.executed
	return m.last, &view{head: m.appendHead(nil, false), sync: func() error { return syncTo(sm, executed) }}, nil
}

// syncTo makes what sm has executed durable, the command at index i at least.
func syncTo(sm DurableStateMachine, i Index) (err error) {
	defer recovered("Sync", &err)
	if err := sm.Sync(); err != nil {
		return fmt.Errorf("StateMachine.Sync: %w", err)
	}
	if d := sm.Durable(); d < i {
		return fmt.Errorf("StateMachine.Durable is %d after a Sync, and command %d was applied before it", d, i)
	}
	return nil
}
