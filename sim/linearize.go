package sim

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// An operation is one that a client began, with the instants of its call and return, which are
// positions in the order of all calls and returns.
type operation struct {
	client   int
	kind     operationKind
	key      uint8
	arg, old uint64
	call     int64
	end      int64 // 0: it never returned
	answer   uint64
	never    bool // it is known not to have happened
}

func (o *operation) String() string {
	s := fmt.Sprintf("client %d, %d to %d: %v key %d", o.client, o.call, o.end, o.kind, o.key)
	switch o.kind {
	case opWrite:
		s += fmt.Sprintf(" := %d", o.arg)
	case opSwap:
		s += fmt.Sprintf(" := %d if %d", o.arg, o.old)
	}
	if o.end == 0 {
		return s + " → unknown"
	}
	return s + fmt.Sprintf(" → %d", o.answer)
}

// linearizable says, to porcupine, how one key behaves.
var linearizable = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, _ any) (bool, any) {
		o, now := input.(*operation), state.(uint64)
		fits := o.end == 0 || o.answer == now
		if o.kind == opWrite || o.kind == opSwap && o.old == now {
			return fits, o.arg
		}
		return fits, state
	},
}

// unanswered is after every return.
const unanswered = int64(1) << 62

// checkHistory checks that what the clients were told is linearizable: that each operation took
// effect at one instant between its call and its return (Herlihy and Wing, 1990). Keys are
// independent, and so are checked one by one.
func (w *World) checkHistory() {
	if w.failed() || w.options.StateMachine != nil {
		return
	}
	c := &w.clients
	for key := range w.plan.keys {
		history := history(c.operations, uint8(key))
		if !porcupine.CheckOperations(linearizable, history) {
			w.fail("linearizability", "key %d has a history that no order explains:\n%s", key, describe(history))
			return
		}
	}
}

// history is what porcupine is to check of one key. What never happened is left out, and so is a
// change without an answer whose value nobody saw: it can always be said to come last.
func history(all []operation, key uint8) []porcupine.Operation {
	seen := func(value uint64) bool {
		for i := range all {
			if o := &all[i]; o.end != 0 && o.key == key && o.answer == value {
				return true
			}
		}
		return false
	}
	var ops []porcupine.Operation
	for i := range all {
		o := &all[i]
		if o.key != key || o.never || o.end == 0 && (o.kind == opRead || !seen(o.arg)) {
			continue
		}
		end := o.end
		if end == 0 {
			end = unanswered
		}
		ops = append(ops, porcupine.Operation{ClientId: i, Input: o, Call: o.call, Return: end})
	}
	return ops
}

func describe(history []porcupine.Operation) string {
	var b strings.Builder
	for _, o := range history {
		fmt.Fprintf(&b, "  %v\n", o.Input)
	}
	return b.String()
}
