package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

func TestAnEngineKeepsItsPromisesWhateverItIsSent(t *testing.T) {
	enginetest.KeepsItsPromises(t, &speaker)
}

func TestAnEngineIsDeterministic(t *testing.T) { enginetest.IsDeterministic(t, &speaker) }

func TestACloneIsTheSameAndSharesNothing(t *testing.T) { enginetest.Clones(t, &speaker) }

// The encoding of the state of an engine tells two states apart that differ in what they may do.
func TestTheStateTellsDifferencesApart(t *testing.T) {
	base := func() *rig {
		r := newRig(t, bound(3))
		r.elect(1)
		r.settle()
		r.cut = func(NodeID, NodeID) bool { return true }
		r.propose(1, "first")
		r.drop()
		return r
	}
	ask := func(m Message) func(*rig) {
		return func(r *rig) {
			m := m
			m.To = 1
			if m.Term == 0 {
				m.Term = r.p(1).promised
			}
			r.ask(m)
		}
	}
	tick := func(d Instant) func(*rig) {
		return func(r *rig) {
			r.now += d
			r.tick(1)
		}
	}
	seen := map[string]string{string(base().p(1).AppendState(nil)): "nothing"}
	for name, act := range map[string]func(*rig){
		"a proposal":       func(r *rig) { r.propose(1, "a") },
		"another proposal": func(r *rig) { r.propose(1, "b") },
		"a slow disk":      func(r *rig) { r.find(1).hold = true; r.propose(1, "a") },
		"a read":           func(r *rig) { r.read(1, 1) },
		"another read":     func(r *rig) { r.read(1, 2) },
		"a read not begun": func(r *rig) { _ = r.p(1).Read(1) },
		"a transfer":       func(r *rig) { _ = r.p(1).Transfer(2) },
		"another transfer": func(r *rig) { _ = r.p(1).Transfer(3) },
		"a change":         func(r *rig) { r.change(1, Members{Voters: ids(2)}) },
		"a vote":           ask(Message{Kind: Accepted, From: 2, Ranges: []Range{{First: 1, Last: 1}}}),
		"a round": func(r *rig) {
			r.read(1, 1)
			r.ask(Message{Kind: LeadReply, From: 2, To: 1, Term: r.p(1).promised, Context: 2})
		},
		"a floor":             ask(Message{Kind: LeadReply, From: 2, Context: 1, Floor: 1}),
		"a higher ballot":     ask(Message{Kind: Prepare, From: 2, Term: b(9, 2), Index: 1}),
		"another's":           ask(Message{Kind: Prepare, From: 3, Term: b(9, 3), Index: 1}),
		"a leader":            ask(Message{Kind: Lead, From: 2, Term: b(9, 2)}),
		"its watermark":       ask(Message{Kind: Lead, From: 2, Term: b(9, 2), Commit: 4}),
		"its floor":           ask(Message{Kind: Lead, From: 2, Term: b(9, 2), Floor: 4}),
		"a lower ballot":      ask(Message{Kind: Nack, From: 2, Promised: b(9, 2), Reject: true}),
		"a value learned":     ask(Message{Kind: LearnReply, From: 2, Entries: []Entry{command(3, Chosen, "x")}, Commit: 3}),
		"another one":         ask(Message{Kind: LearnReply, From: 2, Entries: []Entry{command(3, Chosen, "y")}, Commit: 3}),
		"a question":          ask(Message{Kind: Elect, From: 2, Context: 1, Commit: 3}),
		"an answer":           func(r *rig) { r.answer(said{2, 0, 0, false}, r.p(1).election.round) },
		"a happy answer":      func(r *rig) { r.answer(said{2, 0, 0, true}, r.p(1).election.round) },
		"a later epoch":       ask(Message{Kind: EpochSealed, From: 2, Promised: pack(1, 1, 2), Commit: 3}),
		"a due heartbeat":     tick(Instant(second / 10)),
		"a lost quorum":       tick(Instant(second)),
		"a snapshot":          func(r *rig) { r.ask(accept(2, b(9, 2), 1, command(1, b(9, 2), "z"))); r.compact(1) },
		"a snapshot not kept": func(r *rig) { r.ask(accept(2, b(9, 2), 1, command(1, b(9, 2), "z"))) },
		"a waiting adoption": func(r *rig) {
			r.ask(accept(2, b(9, 2), 1, command(1, b(9, 2), "z")))
			r.p(1).Compacted(consensus.SnapshotMeta{Index: 1})
		},
	} {
		r := base()
		act(r)
		state := string(r.p(1).AppendState(nil))
		require.Empty(t, seen[state], "%s looks like %s", name, seen[state])
		seen[state] = name
	}
}

// Damage is state: what was voted for in a slot is unknown, and not nothing.
func TestTheStateTellsDamage(t *testing.T) {
	r := newRig(t, bound(3))
	rec := consensus.Recovered{Incarnation: store(1), State: consensus.State{Term: b(2, 2)}}
	whole := r.start(1, rec).p.AppendState(nil)
	rec.Damaged = []Range{{First: 1, Last: 1}}
	require.NotEqual(t, whole, r.start(1, rec).p.AppendState(nil))
}

// Clock readings are no state: what matters is whether a timer is due.
func TestTheStateHoldsNoClock(t *testing.T) {
	states := map[string]bool{}
	for _, later := range []Instant{0, Instant(5 * second)} {
		r := newRig(t, bound(3))
		r.now += later
		n := r.start(1, consensus.Recovered{Incarnation: store(1)})
		r.pump(n)
		r.ask(Message{Kind: Lead, From: 2, To: 1, Term: b(2, 2), Context: 1})
		states[string(n.p.AppendState(nil))] = true
	}
	require.Len(t, states, 1)
}
