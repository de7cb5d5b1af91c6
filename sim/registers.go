package sim

import (
	"encoding/binary"
	"io"

	"github.com/consensus-go/consensus"
)

// registers are the simulator's own state machine: a map of a few keys to numbers. Writing and
// comparing both answer what was there before, so that a history says as much as it can.
type registers [maxKeys]uint64

const maxKeys = 8

// An operationKind is what a client does with a key.
type operationKind uint8

const (
	opRead operationKind = iota
	opWrite
	opSwap // set to arg if it is old
)

func (k operationKind) String() string { return [...]string{"read", "write", "swap"}[k] }

// command encodes an operation that changes something, with bytes of padding.
//
//	command := kind:byte key:byte arg:8 bytes old:8 bytes padding
func command(kind operationKind, key uint8, arg, old uint64, padding int) []byte {
	b := make([]byte, 18+padding)
	b[0], b[1] = byte(kind), key
	binary.LittleEndian.PutUint64(b[2:], arg)
	binary.LittleEndian.PutUint64(b[10:], old)
	return b
}

func (s *registers) Apply(c consensus.Command) consensus.Result {
	kind, key := operationKind(c.Data[0]), c.Data[1]
	arg, old := binary.LittleEndian.Uint64(c.Data[2:]), binary.LittleEndian.Uint64(c.Data[10:])
	before := s[key]
	if kind == opWrite || before == old {
		s[key] = arg
	}
	return consensus.Result{Value: before}
}

func (s *registers) Snapshot() io.WriterTo {
	view := *s
	return &view
}

func (s *registers) WriteTo(w io.Writer) (int64, error) {
	var b [8 * maxKeys]byte
	for i, v := range s {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	n, err := w.Write(b[:])
	return int64(n), err
}

func (s *registers) Restore(r io.Reader) error {
	var b [8 * maxKeys]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return nil
}
