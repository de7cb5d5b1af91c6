package sim

import (
	"encoding/binary"
	"io"

	"github.com/consensus-go/consensus"
)

// An audit is a state machine around another one: it keeps a digest of every command and result
// in order, also across snapshots, so that two replicas that went different ways cannot look alike.
type audit struct {
	node     *node
	machine  consensus.StateMachine
	index    consensus.Index // of the last command
	digest   uint64
	restored consensus.Index   // likewise, in the snapshot that it was made of last
	effects  []consensus.Index // of the commands since the last check of outcomes
}

func newAudit(n *node) *audit {
	a := &audit{node: n}
	if n.w.options.StateMachine != nil {
		a.machine = n.w.options.StateMachine()
	} else {
		a.machine = new(registers)
	}
	return a
}

func (a *audit) Apply(c consensus.Command) consensus.Result {
	r := a.machine.Apply(c)
	a.index = c.Index
	a.effects = append(a.effects, c.Index)
	a.digest = mix(a.digest ^ uint64(c.Index)<<32 ^ hash(c.Data))
	a.digest = mix(a.digest ^ r.Value ^ hash(r.Data)<<1)
	a.node.w.checkState(a.node, a.index, a.digest)
	return r
}

func (a *audit) Snapshot() io.WriterTo {
	return auditView{a.index, a.digest, a.machine.Snapshot()}
}

func (a *audit) Restore(r io.Reader) error {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	a.index = consensus.Index(binary.LittleEndian.Uint64(b[:]))
	a.digest = binary.LittleEndian.Uint64(b[8:])
	a.restored = a.index
	if a.index > 0 {
		a.node.w.checkState(a.node, a.index, a.digest)
	}
	return a.machine.Restore(r)
}

// An auditView is an audit as it was.
type auditView struct {
	index  consensus.Index
	digest uint64
	view   io.WriterTo
}

func (v auditView) WriteTo(w io.Writer) (int64, error) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(v.index))
	binary.LittleEndian.PutUint64(b[8:], v.digest)
	if n, err := w.Write(b[:]); err != nil {
		return int64(n), err
	}
	n, err := v.view.WriteTo(w)
	return n + int64(len(b)), err
}
