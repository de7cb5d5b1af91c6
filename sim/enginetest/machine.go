package enginetest

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// The state machine of a node is the list of all that it applied.

// apply does what the state machine may do now.
func (n *Node) apply() {
	for k := 0; k < len(n.queue); {
		t := n.queue[k]
		if t.restore != nil && n.hasty {
			k++
			continue
		}
		if t.restore != nil && t.seq > n.finished {
			return
		}
		n.queue = slices.Delete(n.queue, k, k+1)
		if t.restore != nil {
			n.restore(*t.restore)
		}
		for _, e := range t.entries {
			n.applyEntry(e)
		}
	}
}

func (n *Node) restore(meta consensus.SnapshotMeta) {
	blob, ok := n.Disk.Blobs[meta.Index]
	if !ok && !n.witness() {
		n.c.Violatef("%d adopted a snapshot at %d that is not in storage", n.ID(), meta.Index)
	}
	n.c.Tracef("  %d restores a snapshot at %d", n.ID(), meta.Index)
	n.Applied, n.Machine = meta.Index, slices.Clone(blob)
}

func (n *Node) applyEntry(e Entry) {
	n.c.Tracef("  %d applies %s", n.ID(), n.c.Protocol.Entry(e))
	if e.Index != n.Applied+1 {
		n.c.Violatef("%d applied %d after %d", n.ID(), e.Index, n.Applied)
	}
	if x, ok := n.Disk.Log[e.Index]; !ok || !SameValue(x, e) || e.Term != 0 && x.Term != e.Term {
		n.c.Violatef("%d applied %d, which is not durable there", n.ID(), e.Index)
	}
	n.c.chose(n, e)
	n.Applied = e.Index
	if !n.witness() {
		n.Machine = append(n.Machine, e)
	}
}

// Compact takes a snapshot of the state machine and tells the engine.
func (n *Node) Compact() {
	i := n.Applied
	if i == 0 {
		return
	}
	n.Disk.Blobs[i] = slices.Clone(n.Machine)
	meta := consensus.SnapshotMeta{Index: i, Term: n.Machine[i-1].Term, Config: n.c.Protocol.Config(n.Engine, i)}
	n.Input(func() { n.Engine.Compacted(meta) })
}
