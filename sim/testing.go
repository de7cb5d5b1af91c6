package sim

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/consensus-go/consensus"
)

var (
	seedFlag  = flag.Uint64("sim.seed", 0, "run only this seed of a simulation")
	traceFlag = flag.Bool("sim.trace", false, "with -sim.seed: print every transition to standard error")
)

// A workload is what a test says of its own state machine.
type workload struct {
	command  func(choose func(n int) int) []byte
	answered func(command []byte, r consensus.Result)
	finally  []func(consensus.StateMachine) error
}

// Commands sets what the clients propose: each command is made by f, which draws with choose a
// number from 0 to n-1. Default: 8 random bytes.
func (w *World) Commands(f func(choose func(n int) int) []byte) { w.user.command = f }

// Answered has f called with every command that a client knows to be applied, and its result.
func (w *World) Answered(f func(command []byte, r consensus.Result)) { w.user.answered = f }

// Finally has f called at the end of a run, after all faults, with each full member's state machine.
// An error is a violation.
func (w *World) Finally(f func(consensus.StateMachine) error) {
	w.user.finally = append(w.user.finally, f)
}

// Run simulates o.Seeds clusters of the state machine that o.StateMachine makes, as a test. For each
// seed, setup is called first, to say what the clients propose and what must hold; it may be nil.
// A failure prints the command that runs its seed again, with every transition.
func Run(t *testing.T, o Options, setup func(w *World)) {
	t.Helper()
	only := uint64(0)
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "sim.seed" {
			o.Seed, o.Seeds, only = *seedFlag, 1, 1
		}
	})
	if only == 1 && *traceFlag {
		o.Trace = os.Stderr
	}
	o.command = fmt.Sprintf("go test -run '^%s$' -sim.trace -sim.seed=", t.Name())
	o.setup, o.FirstOnly = setup, true
	r, err := Campaign(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Fatalf("seed %d violates %s %s\nto see it again: %s", v.Seed, v.Property, v.Detail, v.Replay)
	}
}

// checkUser checks what a test demands of its state machine at the end.
func (w *World) checkUser() {
	l := w.leader()
	for i := range w.nodes {
		n := &w.nodes[i]
		if w.failed() || n.state == nil || n.status.Refused || l.status.Members.Kind(n.id) == consensus.NotMember {
			continue
		}
		for _, f := range w.user.finally {
			if err := f(n.state.machine); err != nil {
				w.fail("finally", "node %d: %v", n.id, err)
			}
		}
	}
}
