package sim_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim"
)

// A bank is somebody's state machine: accounts, between which commands move money.
type bank [4]uint64

func (b *bank) Apply(c consensus.Command) consensus.Result {
	from, to, amount := &b[c.Data[0]%4], &b[c.Data[1]%4], uint64(c.Data[2])
	if *from < amount {
		return consensus.Result{}
	}
	*from -= amount
	*to += amount
	return consensus.Result{Value: 1}
}

func (b *bank) total() (sum uint64) {
	for _, balance := range b {
		sum += balance
	}
	return sum
}

func (b *bank) Snapshot() io.WriterTo { c := *b; return &c }

func (b *bank) WriteTo(w io.Writer) (int64, error) {
	return 32, binary.Write(w, binary.BigEndian, b[:])
}

func (b *bank) Restore(r io.Reader) error { return binary.Read(r, binary.BigEndian, b[:]) }

// TestBank is how a test simulates a state machine of one's own.
func TestBank(t *testing.T) {
	sim.Run(t, sim.Options{
		Protocol:     raft.New,
		Seed:         1,
		Seeds:        20,
		StateMachine: func() consensus.StateMachine { return &bank{100, 100, 100, 100} },
	}, func(w *sim.World) {
		moved := uint64(0)
		w.Commands(func(choose func(n int) int) []byte {
			return []byte{byte(choose(4)), byte(choose(4)), byte(choose(50))}
		})
		w.Answered(func(_ []byte, r consensus.Result) { moved += r.Value })
		w.Finally(func(sm consensus.StateMachine) error {
			if sum := sm.(*bank).total(); sum != 400 {
				return fmt.Errorf("the accounts hold %d, and not 400", sum)
			}
			if moved == 0 {
				return fmt.Errorf("nobody moved anything")
			}
			return nil
		})
	})
}
