package sim

import (
	"bytes"

	"github.com/consensus-go/consensus"
)

// A shelf is the disk of a durable state machine: what it was when it was synced last.
type shelf struct {
	index consensus.Index // of the last command
	bytes []byte
}

// A keeper is an audit that keeps its state on the shelf of its node: a consensus.DurableStateMachine.
type keeper struct{ *audit }

// newKeeper is what has been on the shelf since an earlier life.
func newKeeper(a *audit) (keeper, error) {
	if s := &a.node.shelf; s.bytes != nil {
		return keeper{a}, a.Restore(bytes.NewReader(s.bytes))
	}
	return keeper{a}, nil
}

func (k keeper) Durable() consensus.Index { return k.node.shelf.index }

func (k keeper) Sync() error {
	var b bytes.Buffer
	if _, err := k.Snapshot().WriteTo(&b); err != nil {
		return err
	}
	k.node.shelf = shelf{k.index, b.Bytes()}
	return nil
}

// syncInTime has the state reach the disk before a crash, at times, though nobody asked for it.
func (n *node) syncInTime() {
	if n.w.options.Durable && n.state != nil && n.w.dice.chance(ChooseCrash, 512) {
		keeper{n.state}.Sync()
	}
}

// toSend is the snapshot that is sent to others: the newest in storage or, if that is without the state
// of a durable state machine, one of the Machine as it is.
func (n *node) toSend() (consensus.SnapshotMeta, []byte) {
	if !n.w.options.Durable || n.witness {
		return n.disk.snapshot, n.image()
	}
	var b bytes.Buffer
	meta, view, err := n.machine.Snapshot()
	if err == nil {
		_, err = view.WriteTo(&b)
	}
	if err != nil {
		n.w.fail("snapshots", "node %d cannot send a snapshot: %v", n.id, err)
	}
	return meta, b.Bytes()
}
