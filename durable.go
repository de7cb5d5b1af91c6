package consensus

import (
	"fmt"
	"io"
)

// A DurableStateMachine under the log. Three things are on disk, which become durable each in its own
// time: the log, the state machine's state as of the command Durable, and a checkpoint: a snapshot
// without the user's bytes, which only says what the sessions and the membership were at its index.
//
// A Machine passes over commands up to executed, which its state has already: they count for the sessions
// alone. In one life executed follows the log. After a restart it begins at Durable, and the log at the
// checkpoint, which may be far behind; and the state may be ahead of what this life knows to be
// committed. A snapshot that is sent says how far its state is, so whoever restores it passes over
// the same commands. A state that is ahead is harmless: all of it was committed in the earlier life.
//
// A checkpoint is stored only after a Sync, so that its executed, and every command that it covers, is
// in the state on disk. A crash between the two leaves an older checkpoint, from which the log goes on.
//
// A snapshot that another member sent is whole, and storage keeps it until the next checkpoint. If
// the state on disk is not that far yet, because a crash came before or within Restore, it is restored
// once more.

// Checkpoint returns what a log is trimmed with, to be stored here: a Snapshot, but without the user's
// bytes if those are a DurableStateMachine's. Its WriteTo then calls Sync first.
func (m *Machine) Checkpoint() (SnapshotMeta, io.WriterTo, error) {
	sm, executed := m.durable(), m.executed
	if sm == nil {
		return m.Snapshot()
	}
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
