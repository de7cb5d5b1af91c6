package consensus

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
)

// A storing is what a group needs for its snapshots, from the first one on.
type storing struct {
	slot   snapshotSlot
	stream snapshotStream
}

// storage is what g needs for its snapshots. It may be called anywhere.
func (g *Group) storage() *storing {
	if s := g.storing.Load(); s != nil {
		return s
	}
	g.storing.CompareAndSwap(nil, &storing{snapshotSlot{taken: make(chan struct{}, 1)}, snapshotStream{g: g, busy: make(chan struct{}, 1)}})
	return g.storing.Load()
}

// A snapshotSlot lets one snapshot of a group at a time be in the making: taken here, or received.
// Storage may forget one that is committed but not adopted as soon as another is created. So the
// slot is taken before Create, and free again when the snapshot is durably adopted or has turned
// out to be unwanted.
type snapshotSlot struct {
	taken chan struct{} // one slot

	// The rest is the loop's.
	offered bool   // the engine was told of a committed snapshot
	index   Index  // of it
	seq     uint64 // of the write that adopts it; 0: none does
}

// offer notes that the engine is being told of the snapshot at index.
func (s *snapshotSlot) offer(index Index) { s.offered, s.index, s.seq = true, index, 0 }

// adopted notes a write that adopts a snapshot.
func (s *snapshotSlot) adopted(w *Write) {
	if s.offered && w.Snapshot.Index == s.index {
		s.seq = w.Seq
	}
}

// pumped frees the slot if the engine did not want what it was offered.
func (s *snapshotSlot) pumped() {
	if s.offered && s.seq == 0 {
		s.free()
	}
}

// persisted frees the slot if the write that adopts the snapshot is durable.
func (s *snapshotSlot) persisted(seq uint64) {
	if s.offered && s.seq != 0 && s.seq <= seq {
		s.free()
	}
}

func (s *snapshotSlot) free() {
	s.offered = false
	<-s.taken
}

// takeSnapshot has a view taken between two entries, and written in the background.
func (g *Group) takeSnapshot() {
	g.applier.do(func() error {
		meta, view, err := g.applier.machine.Checkpoint()
		if err != nil {
			return fmt.Errorf("taking a snapshot: %w", err)
		}
		g.run(func() {
			if err := g.storeSnapshot(meta, view); err != nil {
				err = fmt.Errorf("storing a snapshot: %w", err) // what it says is the user's code, and not for the loop
				g.call(func() {
					addTo(&g.loop.metrics.SnapshotsFailed, 1)
					g.log(slog.LevelWarn, "storage cannot take a snapshot", indexAttr(meta.Index), errAttr(err))
					g.failure = err
					g.replica.Compacted(meta, err)
				})
			}
		})
		return nil
	})
}

func (g *Group) storeSnapshot(meta SnapshotMeta, view io.WriterTo) error {
	select {
	case g.storage().slot.taken <- struct{}{}:
	case <-g.ctx.Done():
		return context.Cause(g.ctx)
	}
	err := g.create(meta, func(w *snapshotStream) error {
		_, err := view.WriteTo(w)
		if err != nil && w.err == nil {
			g.fail(err) // it is the state machine's own
		}
		return err
	})
	if err != nil {
		<-g.storage().slot.taken
		return err
	}
	addTo(&g.loop.metrics.SnapshotsTaken, 1)
	g.log(slog.LevelInfo, "snapshot taken", indexAttr(meta.Index))
	g.call(func() {
		g.failure = nil
		g.storage().slot.offer(meta.Index)
		g.replica.Compacted(meta, nil)
	})
	return nil
}

// create makes a snapshot in storage out of what fill writes.
func (g *Group) create(meta SnapshotMeta, fill func(*snapshotStream) error) error {
	s := &g.storage().stream
	defer s.abort()
	err := s.begin(meta)
	if err == nil {
		err = fill(s)
	}
	if err == nil {
		err = s.commit()
	}
	return err
}

// receive stores a snapshot that another node streams, and then tells the engine.
func (g *Group) receive(m Message, meta SnapshotMeta, r io.Reader) error {
	err := g.store(m, meta, r)
	if err != nil {
		addTo(&g.loop.metrics.SnapshotsUnreceived, 1)
		g.log(slog.LevelWarn, "snapshot not received", slog.Uint64("from", uint64(m.From)), indexAttr(m.Index), errAttr(err))
		return err
	}
	addTo(&g.loop.metrics.SnapshotsReceived, 1)
	g.log(slog.LevelInfo, "snapshot received", slog.Uint64("from", uint64(m.From)), indexAttr(m.Index))
	g.call(func() {
		g.storage().slot.offer(meta.Index)
		g.replica.DeliverSnapshot(&m)
	})
	return nil
}

// store refuses a snapshot while another one is in the making, and the sender tries again later.
func (g *Group) store(m Message, meta SnapshotMeta, r io.Reader) error {
	if m.Index != meta.Index || m.LogTerm != meta.Term {
		return fmt.Errorf("%w: header of %d/%d for a snapshot of %d/%d", ErrMalformed, m.Index, m.LogTerm, meta.Index, meta.Term)
	}
	select {
	case g.storage().slot.taken <- struct{}{}:
	default:
		return fmt.Errorf("%w: another snapshot is in the making", ErrBusy)
	}
	err := g.create(meta, func(w *snapshotStream) error { _, err := io.Copy(w, r); return err })
	if err != nil {
		<-g.storage().slot.taken
	}
	return err
}

// restore puts the newest adopted snapshot into the Machine, before anything later is applied.
func (g *Group) restore(meta SnapshotMeta) {
	g.applier.do(func() error {
		found, err := loadSnapshot(g.ctx, g.host.cfg.Storage, g.id, meta, g.applier.machine)
		if err != nil {
			return err
		}
		addTo(&g.loop.metrics.SnapshotsRestored, 1)
		g.log(slog.LevelInfo, "snapshot restored", indexAttr(found.Index))
		g.call(func() { g.replica.Restored(found) })
		return nil
	})
}

// loadSnapshot makes m what the newest adopted snapshot says, which is that of meta or a later one.
func loadSnapshot(ctx context.Context, s Storage, group GroupID, meta SnapshotMeta, m *Machine) (SnapshotMeta, error) {
	found, r, err := s.Open(group)
	if err == nil {
		defer r.Close()
		if found.Index < meta.Index {
			err = fmt.Errorf("%w: storage has one at %d", ErrMalformed, found.Index)
		} else {
			err = m.Restore(found, stoppableReader{ctx, r})
		}
	}
	if err != nil {
		return found, fmt.Errorf("restoring the snapshot at %d: %w", meta.Index, err)
	}
	return found, nil
}

// fetch reads entries that are no longer in memory.
func (g *Group) fetch(f Fetch) {
	g.work.Go(func() {
		es, err := g.host.cfg.Storage.Fetch(g.id, f.Lo, f.Hi, f.MaxBytes)
		g.call(func() { g.replica.Fetched(f, es, err) })
	})
}

// A snapshotStream is a snapshot on its way into storage, one of its group at a time. Storage is
// called in turn, and once a Write has failed, or the group or the host has stopped, nothing is stored any
// more: whoever fills the stream gets the reason. What is not committed by then Close aborts, and so it need not
// wait for a peer that stalls.
type snapshotStream struct {
	g    *Group
	busy chan struct{}  // one slot: storage is being called
	w    SnapshotWriter // nil: nothing to commit or abort
	err  error          // why a Write failed: a state machine may not look at that
}

// storing calls storage, unless it must not be written any more.
func (s *snapshotStream) storing(f func() error) error {
	s.busy <- struct{}{}
	defer func() { <-s.busy }()
	if err := cmp.Or(s.err, context.Cause(s.g.host.ctx), context.Cause(s.g.ctx)); err != nil {
		return err
	}
	return f()
}

func (s *snapshotStream) begin(meta SnapshotMeta) error {
	s.err = nil
	return s.storing(func() error {
		w, err := s.g.host.cfg.Storage.Create(s.g.id, meta)
		if err == nil {
			s.w = w
		}
		return err
	})
}

func (s *snapshotStream) Write(b []byte) (n int, err error) {
	s.err = s.storing(func() (err error) {
		n, err = s.w.Write(b)
		return err
	})
	return n, s.err
}

func (s *snapshotStream) commit() error {
	return s.storing(func() error {
		w := s.w
		s.w = nil
		return w.Commit()
	})
}

// abort forgets what was begun and not committed, if anything.
func (s *snapshotStream) abort() {
	s.busy <- struct{}{}
	defer func() { <-s.busy }()
	if s.w != nil {
		s.w.Abort()
		s.w = nil
	}
}

// A stoppableReader breaks off when ctx is done.
type stoppableReader struct {
	ctx context.Context
	r   io.Reader
}

func (s stoppableReader) Read(b []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(b)
}
