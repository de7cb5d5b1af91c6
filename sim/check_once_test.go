package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// An applier applies made-up entries, one after the other, after those of a world.
type applier struct {
	*World
	n *node
}

func (a *applier) apply(kind consensus.EntryKind, id uint64, data []byte, effect bool, r consensus.Result, err error) consensus.Index {
	e := consensus.Entry{Index: a.ghost.ledger.outcomes.end(), Kind: kind, ID: id, Data: data}
	a.again(a.n, e, effect, r, err)
	return e.Index
}

func (a *applier) again(n *node, e consensus.Entry, effect bool, r consensus.Result, err error) {
	if effect {
		n.state.effects = append(n.state.effects, e.Index)
	}
	a.applied = []consensus.Applied{{Index: e.Index, Kind: e.Kind, ID: e.ID, Result: r, Err: err}}
	a.checkOutcomes(n, []consensus.Entry{e})
}

func (a *applier) open() uint64 {
	i := a.ghost.ledger.outcomes.end()
	return uint64(a.apply(consensus.EntrySessionOpen, 0, nil, false, consensus.Result{Value: uint64(i)}, nil))
}

func (a *applier) command(session uint64, effect bool, r consensus.Result, err error) {
	c := consensus.SessionCommand{Session: session, Sequence: 1}
	a.apply(consensus.EntrySessionCommand, 0, c.AppendTo(nil), effect, r, err)
}

func (a *applier) close(session uint64) {
	a.apply(consensus.EntrySessionClose, 0, consensus.AppendSessionClose(nil, session), false, consensus.Result{}, nil)
}

func TestExactlyOnceIsChecked(t *testing.T) {
	const op = 0
	seven := consensus.Result{Value: 7}
	for name, do := range map[string]func(*applier){
		"a command of a session takes effect twice": func(a *applier) {
			s := a.open()
			a.command(s, true, seven, nil)
			a.command(s, true, seven, nil)
		},
		"a duplicate has another answer": func(a *applier) {
			s := a.open()
			a.command(s, true, seven, nil)
			a.command(s, false, consensus.Result{}, nil)
		},
		"a command takes effect after its session": func(a *applier) {
			s := a.open()
			a.close(s)
			a.command(s, true, seven, nil)
		},
		"a session is forgotten": func(a *applier) {
			a.command(a.open(), false, consensus.Result{}, consensus.ErrNoSession)
		},
		"a session outlives its place": func(a *applier) {
			s := a.open()
			for range a.plan.limits.Sessions {
				a.open()
			}
			a.command(s, true, seven, nil)
		},
		"an operation takes effect in two entries": func(a *applier) {
			a.ghost.ledger.requests[12], a.ghost.ledger.requests[13] = op, op
			delete(a.ghost.ledger.acted, op)
			a.apply(consensus.EntryCommand, 12, nil, true, seven, nil)
			a.apply(consensus.EntryCommand, 13, nil, true, seven, nil)
		},
		"replicas differ": func(a *applier) {
			i := a.apply(consensus.EntryCommand, 12, nil, true, seven, nil)
			a.again(a.leader(), consensus.Entry{Index: i, Kind: consensus.EntryCommand, ID: 12}, false, consensus.Result{}, consensus.ErrNoSession)
		},
		"a replica is ahead of all": func(a *applier) {
			a.again(a.n, consensus.Entry{Index: a.ghost.ledger.outcomes.end() + 1}, false, consensus.Result{}, nil)
		},
		"done, without an effect": func(a *applier) {
			delete(a.ghost.ledger.acted, op)
			a.checkTold(op, &seven)
		},
		"another command's answer": func(a *applier) {
			a.ghost.ledger.acted[op] = a.apply(consensus.EntryCommand, 12, nil, true, seven, nil)
			a.checkTold(op, &consensus.Result{Value: 8})
		},
		"never, and then an effect": func(a *applier) {
			a.ghost.ledger.requests[12], a.clients.operations[op].never = op, true
			delete(a.ghost.ledger.acted, op)
			a.apply(consensus.EntryCommand, 12, nil, true, seven, nil)
		},
		"an effect, and then never": func(a *applier) {
			a.ghost.ledger.acted[op], a.clients.operations[op].never = 1, true
			a.checkNever(op)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, f := worldAt(t, 20*time.Second)
			w.plan.limits = consensus.SessionLimits{Sessions: 2, Answers: consensus.MaxAnswers, SessionBytes: consensus.MaxSessionBytes}
			w.ghost.ledger.accounts = nil
			do(&applier{w, f})
			require.True(t, w.failed())
			require.Equal(t, "exactly once", w.result.Violations[0].Property, w.result.Violations[0].Detail)
		})
	}
}
