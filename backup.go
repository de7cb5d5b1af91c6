package consensus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// A BackupMeta says what a backup is of.
type BackupMeta struct {
	Group GroupID
	Index Index // the state machine has applied everything up to here
	// Members are those of the time, to be told: a restored group has the members that it is founded with.
	Members Members
}

// Backup writes a backup of the group to w: the state machine and the clients' sessions, as of an index
// at which they show everything that was acknowledged anywhere before Backup was called. The
// group goes on meanwhile. Of this member it takes what a snapshot takes, so that a follower is a good choice; a
// witness has nothing to back up.
//
// With an error, what w has been given is no backup, and is refused by whoever reads it.
func (g *Group) Backup(ctx context.Context, w io.Writer) (BackupMeta, error) {
	if g.witness {
		return BackupMeta{}, &ConfigError{Field: "StateMachine", Value: "nil", Reason: "a witness keeps no state"}
	}
	if err := g.Read(ctx); err != nil {
		return BackupMeta{}, err
	}
	meta := BackupMeta{Group: g.id, Members: g.Status().Members}
	// The state machine writes to a pipe and not to w, so that Close need not wait for w.
	r, pipe := io.Pipe()
	defer r.Close()
	defer context.AfterFunc(g.ctx, func() { pipe.CloseWithError(context.Cause(g.ctx)) })()
	defer context.AfterFunc(ctx, func() { pipe.CloseWithError(context.Cause(ctx)) })()
	taken := make(chan Index, 1)
	g.applier.do(func() error {
		index, view, err := g.applier.machine.backup()
		if err != nil {
			return fmt.Errorf("taking a backup: %w", err)
		}
		taken <- index
		g.run(func() { g.writeLive(view, pipe) })
		return nil
	})
	select {
	case meta.Index = <-taken:
	case <-g.ctx.Done():
		return BackupMeta{}, context.Cause(g.ctx)
	case <-ctx.Done():
		return BackupMeta{}, context.Cause(ctx)
	}
	err := writeBackup(w, meta, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	if err != nil {
		g.log(slog.LevelWarn, "backup not written", indexAttr(meta.Index), errAttr(err))
		return BackupMeta{}, err
	}
	g.log(slog.LevelInfo, "backup written", indexAttr(meta.Index))
	return meta, nil
}

// backup returns a view of what the Machine is now, as the beginning of another group: a snapshot
// without term and configuration. A DurableStateMachine may be ahead of the log that was left of it: the other
// group must not pass over its own commands up to there.
func (m *Machine) backup() (Index, io.WriterTo, error) {
	copied := *m
	copied.last = SnapshotMeta{Index: max(m.last.Index, m.executed)}
	meta, view, err := copied.Snapshot()
	return meta.Index, view, err
}

// Restore makes a backup of the group the beginning of a new one in s, where nothing of the group may
// be. All founders restore the same backup, and then call Host.Create with the same Members. A founder
// that is a witness has nothing to restore; others may be spared it, and are sent the state once there is a leader.
//
// The new group has nothing in common with the one that the backup is of but its state machine
// and sessions, and its id: its founders must have stores of their own, and a cluster id that is new
// (see NewClusterID), so that members of the other group cannot be heard in this one.
//
// A backup that is damaged, cut short, or of an unknown version is an ErrMalformed, one of another group
// a *ConfigError. Nothing is restored then. Restore reads r up to the end of the backup and no further.
func Restore(s Storage, group GroupID, r io.Reader) (BackupMeta, error) {
	rec, err := s.Recover(group)
	if err == nil && !rec.Empty() {
		err = ErrGroupExists
	}
	if err != nil {
		return BackupMeta{}, fmt.Errorf("group %d: %w", group, err)
	}
	meta, state, err := readBackup(r)
	if err == nil && meta.Group != group {
		err = &ConfigError{Field: "Group", Value: fmt.Sprint(group), Reason: "the backup is of group " + fmt.Sprint(meta.Group)}
	}
	if err != nil {
		return BackupMeta{}, err
	}
	snapshot := SnapshotMeta{Index: meta.Index}
	w, err := s.Create(group, snapshot)
	if err != nil {
		return BackupMeta{}, err
	}
	if _, err := io.Copy(w, state); err != nil {
		w.Abort()
		return BackupMeta{}, fmt.Errorf("restoring a backup of group %d: %w", group, err)
	}
	if err := w.Commit(); err != nil {
		return BackupMeta{}, err
	}
	return meta, s.Append([]Write{{Group: group, Seq: 1, Snapshot: &snapshot}})
}

// restored reports whether the group was restored from a backup, and has not begun since.
func (r *Recovered) restored() bool {
	s := &r.Snapshot
	return r.State == (State{}) && s.Index > 0 && s.Term == 0 && len(s.Config) == 0 && len(r.Entries)+len(r.Damaged) == 0
}

// CheckBackup reads a backup to its end. The error is an ErrMalformed if it is damaged, cut short, or of an
// unknown version.
func CheckBackup(r io.Reader) (BackupMeta, error) {
	meta, state, err := readBackup(r)
	if err == nil {
		_, err = io.Copy(io.Discard, state)
	}
	if err != nil {
		return BackupMeta{}, err
	}
	return meta, nil
}

// NewClusterID returns a random id for a new cluster, not 0: for the configuration of the transport, and of
// stores that keep it.
func NewClusterID() uint64 {
	for {
		if id := random(); id != 0 {
			return id
		}
	}
}
