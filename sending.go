package consensus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// sendSnapshot streams our newest snapshot after the header m.
func (g *Group) sendSnapshot(m Message) {
	g.work.Go(func() {
		err := g.stream(m)
		if err == nil {
			addTo(&g.loop.metrics.SnapshotsSent, 1)
			g.log(slog.LevelInfo, "snapshot sent", slog.Uint64("to", uint64(m.To)))
		} else {
			addTo(&g.loop.metrics.SnapshotsUnsent, 1)
			g.log(slog.LevelWarn, "snapshot not sent", slog.Uint64("to", uint64(m.To)), errAttr(err))
		}
		g.call(func() { g.replica.SnapshotSent(m.To, err) })
	})
}

// stream sends what storage has or, if that is without the user's bytes, what the Machine is now.
func (g *Group) stream(m Message) error {
	open := g.host.cfg.Storage.Open
	if g.applier.machine.durable() != nil {
		open = g.openLive
	}
	meta, r, err := open(g.id)
	if err != nil {
		return err
	}
	defer r.Close()
	m.Index, m.LogTerm, m.Data = meta.Index, meta.Term, meta.Config
	return g.host.cfg.Transport.SendSnapshot(g.ctx, m, meta, r)
}

// openLive takes a snapshot of the Machine, to be read while it is written. The log that follows it is in
// memory, like that of the older one in storage.
func (g *Group) openLive(GroupID) (SnapshotMeta, io.ReadCloser, error) {
	r, w := io.Pipe()
	taken := make(chan SnapshotMeta, 1)
	g.applier.do(func() error {
		meta, view, err := g.applier.machine.Snapshot()
		if err != nil {
			return fmt.Errorf("taking a snapshot: %w", err)
		}
		taken <- meta
		g.run(func() { g.writeLive(view, w) })
		return nil
	})
	select {
	case meta := <-taken:
		return meta, r, nil
	case <-g.ctx.Done():
		r.Close() // the view may yet be taken, and Close waits for its writer
		return SnapshotMeta{}, nil, context.Cause(g.ctx)
	}
}

// writeLive writes view until nobody reads it any more. An error that is not the reader's is the state
// machine's own, and stops the group.
func (g *Group) writeLive(view io.WriterTo, w *io.PipeWriter) {
	defer w.CloseWithError(errGoexit) // unless it was closed before
	out := &notingWriter{Writer: w}
	_, err := view.WriteTo(out)
	if err != nil && out.err == nil {
		g.fail(err)
	}
	w.CloseWithError(err)
}

// A notingWriter remembers why it failed: what a state machine makes of that error may not show it any more.
type notingWriter struct {
	io.Writer
	err error
}

func (w *notingWriter) Write(p []byte) (n int, err error) {
	n, w.err = w.Writer.Write(p)
	return n, w.err
}
