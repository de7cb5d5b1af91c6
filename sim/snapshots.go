package sim

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/consensus-go/consensus"
)

// A slot is the one snapshot that a node makes or receives at a time, as with a Host: storage may
// forget one that was created and not adopted as soon as another one is created.
type slot struct {
	taken    bool
	index    consensus.Index
	received bool
	adopted  bool // a write that adopts it was issued
}

var (
	errBusy   = errors.New("another snapshot is in the making")
	errStream = errors.New("the stream broke")
)

// takeSnapshot takes a view of the Machine as it is now. It is written while the Machine goes on.
func (n *node) takeSnapshot() {
	meta, view, err := n.machine.Checkpoint()
	if err != nil {
		n.w.fail("snapshots", "node %d cannot take a snapshot: %v", n.id, err)
		return
	}
	n.w.callFor(n, 2*n.w.diskDelay(n), func() { n.storeSnapshot(meta, view) })
}

func (n *node) storeSnapshot(meta consensus.SnapshotMeta, view io.WriterTo) {
	w := n.w
	if n.slot.taken {
		w.callFor(n, w.plan.tick, func() { n.storeSnapshot(meta, view) })
		return
	}
	var b bytes.Buffer
	if _, err := view.WriteTo(&b); err != nil {
		w.fail("snapshots", "node %d cannot write the snapshot at %d: %v", n.id, meta.Index, err)
		return
	}
	w.checkImage(n, &meta, b.Bytes())
	w.mark(MarkSnapshotTaken)
	w.result.Snapshots++
	if w.trace.on() {
		w.trace.say(w, n, "took a snapshot at %d, %d bytes", meta.Index, b.Len())
	}
	n.created(meta, b.Bytes(), false)
	n.input()
	n.replica.Compacted(meta, nil)
	n.pump()
	n.unlessAdopted()
}

// created puts a snapshot into storage, where nobody sees it until a write adopts it.
func (n *node) created(meta consensus.SnapshotMeta, b []byte, received bool) {
	n.slot = slot{taken: true, index: meta.Index, received: received}
	if n.real != nil {
		n.real.create(meta, b)
	}
	n.disk.created = append(n.disk.created[:0], image{meta: meta, bytes: b, received: received})
}

// unlessAdopted frees the slot if the engine, having been told, did not want the snapshot.
func (n *node) unlessAdopted() {
	if n.slot.taken && !n.slot.adopted {
		n.slot = slot{}
	}
}

// A stream is a snapshot on its way from one life of a node to another node.
type stream struct {
	from, to *node
	life     uint32 // of from
	meta     consensus.SnapshotMeta
	bytes    []byte
	frame    []byte        // the header
	slow     time.Duration // what each part of it takes
}

// stream sends the newest snapshot of n after the header m. It takes a while, in which anything
// may happen to either end.
func (w *World) stream(n *node, m consensus.Message) {
	s := &stream{from: n, to: w.node(m.To), life: n.life}
	s.meta, s.bytes = n.toSend()
	if s.to == nil || s.to == n {
		w.fail("messages", "node %d sends a snapshot to %d", n.id, m.To)
		return
	}
	s.slow = 3*w.delay(n, s.to) + w.dice.about(ChooseDelay, w.plan.near)
	if s.meta.Index == 0 || w.net.cut[n.index][s.to.index] > 0 || w.dice.chance(ChooseFate, w.net.loss) {
		s.end(w, errStream)
		return
	}
	m.Index, m.LogTerm, m.Data = s.meta.Index, s.meta.Term, s.meta.Config
	if w.trace.on() {
		w.trace.say(w, n, "streams %v", &m)
	}
	w.result.Messages++
	s.frame = m.AppendTo(nil)
	w.callAt(s.slow, func() { s.arrive(w) }, s.to.index, 0)
}

// end tells the sender, a little later, how the stream ended.
func (s *stream) end(w *World, err error) {
	w.callAt(s.slow, func() {
		s.from.input()
		s.from.replica.SnapshotSent(s.to.id, err)
		s.from.pump()
	}, s.from.index, s.life)
}

// arrive is when the receiver has all of it, and begins to store it.
func (s *stream) arrive(w *World) {
	to := s.to
	switch {
	case !to.up || w.net.cut[s.from.index][to.index] > 0:
		s.end(w, errStream)
	case to.slot.taken:
		s.end(w, errBusy)
	default:
		to.slot = slot{taken: true, index: s.meta.Index, received: true}
		life := to.life
		w.callAt(2*w.diskDelay(to), func() { s.stored(w, life) }, to.index, 0)
	}
}

// stored is when it is in the receiver's storage: now its engine hears of it.
func (s *stream) stored(w *World, life uint32) {
	to := s.to
	if to.life != life {
		s.end(w, errStream)
		return
	}
	var m consensus.Message
	if err := m.DecodeFrom(s.frame); err != nil {
		w.fail("codec", "the header of a snapshot does not decode: %v", err)
		return
	}
	if w.trace.on() {
		w.trace.say(w, to, "received %v", &m)
	}
	to.created(s.meta, s.bytes, true)
	to.input()
	to.replica.DeliverSnapshot(&m)
	to.pump()
	to.unlessAdopted()
	s.end(w, nil)
}
