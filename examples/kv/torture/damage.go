package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// damage changes a byte of the log of a node that is down: of an old file, as damage to what was written
// last cannot be told from what a crash leaves. The node gets from others what it cannot read; or
// it says that it cannot run, and is admitted anew with an empty disk.
func (n *nemesis) damage(ctx context.Context) {
	id, which, where := n.victim(), n.random.Float64(), n.random.Float64()
	n.kill(id)
	n.counts.kills.Add(1)
	files, err := filepath.Glob(filepath.Join(n.data(id), "*.log"))
	if files = files[:max(0, len(files)-2)]; len(files) > 0 && err == nil {
		name := files[int(which*float64(len(files)))]
		n.log("damage %s", name)
		err = flip(name, where)
		n.counts.damages.Add(1)
	}
	if err == nil {
		err = n.try(id, false)
	}
	if err != nil {
		n.report("damaging the disk of node %d: %v", id, err)
		return
	}
	if n.endsAtOnce(ctx, id) {
		n.log("node %d cannot run any more", id)
		n.readmit(ctx, id, false)
		return
	}
	n.awaitRepair(ctx, id)
	n.health.setDown(false, id)
}

// awaitRepair returns when a node has everything again. Until then others must not lose anything.
func (n *nemesis) awaitRepair(ctx context.Context, id int) {
	for end := time.Now().Add(patience); time.Now().Before(end); sleep(ctx, 50*time.Millisecond) {
		if n.status(id, "log_damaged") == "false" || ctx.Err() != nil {
			return
		}
	}
	n.report("node %d has not been repaired since %v: see %s", id, patience, n.logFile(id))
}

// flip changes a byte of a file.
func flip(name string, where float64) error {
	b, err := os.ReadFile(name)
	if err == nil && len(b) > 0 {
		b[int(where*float64(len(b)))] ^= 0xff
		err = os.WriteFile(name, b, 0o644)
	}
	return err
}

// endsAtOnce reports whether a node that was tried ends before it answers. If it does not, it is wanted.
func (n *nemesis) endsAtOnce(ctx context.Context, id int) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers, exited := make(chan struct{}), n.nodes[id].exited
	go func() {
		defer close(answers)
		n.await(ctx, id, "PING")
	}()
	select {
	case <-exited:
		return true
	case <-answers:
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[id].wanted = true
	return false
}
