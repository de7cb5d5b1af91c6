package sim

import (
	"fmt"
	"time"

	"github.com/consensus-go/consensus"
)

// A World is one simulated cluster: its nodes, what is between them, who uses it, who spoils it,
// and what the checks remember of it. It is used again from seed to seed, to keep its memory.
type World struct {
	options Options
	plan    plan
	dice    dice
	result  Result
	trace   tracer

	now    int64 // world time, in nanoseconds
	queue  queue
	calls  []func() // of events of kind eventCall
	unused []uint32 // indexes of calls

	lives   uint32 // of all nodes, that have begun
	nodes   []node
	net     network
	nemesis nemesis
	clients crowd
	ghost   ghost
	user    workload // of a test of somebody else's state machine
	budget  budget
	probe   probe
	double  consensus.Engine // to try on what an engine would do

	message consensus.Message   // decoded, for the event at hand
	applied []consensus.Applied // likewise
}

const group = consensus.GroupID(1)

// reset begins the world of a seed.
func (w *World) reset(o Options) {
	chooser := o.Chooser
	if chooser == nil {
		chooser = NewSeeded(o.Seed)
	}
	w.options, w.dice = o, dice{chooser}
	w.result = Result{Seed: o.Seed}
	w.trace = tracer{out: o.Trace}
	w.now, w.queue.events, w.queue.seq = 0, w.queue.events[:0], 0
	clear(w.calls)
	w.calls, w.unused = w.calls[:0], w.unused[:0]
	w.plan = w.dice.draw(&o)
	w.net.reset(&w.plan)
	w.nemesis.reset()
	w.clients.reset()
	w.ghost.reset()
	w.user = workload{}
	w.lives = 0
	w.budget = budget{}

	total := w.plan.founders + w.plan.spares
	if len(w.nodes) == 0 {
		w.nodes = make([]node, maxNodes)
	}
	w.nodes = w.nodes[:maxNodes]
	for i := range w.nodes {
		w.nodes[i].reset(w, i)
	}
	w.nodes = w.nodes[:total]
	w.double = nil
	w.ghost.eras = append(w.ghost.eras, era{members: w.founding()})
}

// founding is the membership that the group begins with.
func (w *World) founding() consensus.Members {
	m := consensus.Members{Lease: w.plan.lease}
	if q := w.plan.commitQuorum; q != 0 {
		m.CommitQuorum, m.ElectionQuorum = q, w.plan.founders+1-q
	}
	for i := range w.plan.founders {
		if n := &w.nodes[i]; n.witness {
			m.Witnesses = append(m.Witnesses, n.id)
		} else {
			m.Voters = append(m.Voters, n.id)
		}
	}
	return m
}

// node is the node of that id, or nil if there is none.
func (w *World) node(id consensus.NodeID) *node {
	if id == 0 || int(id) > len(w.nodes) {
		return nil
	}
	return &w.nodes[id-1]
}

// after has an event happen d from now.
func (w *World) after(d time.Duration, e event) {
	e.at = w.now + int64(d)
	w.queue.push(e)
}

// call has f called d from now. It is for what is rare: it allocates.
func (w *World) call(d time.Duration, f func()) { w.callAt(d, f, noNode, 0) }

// callFor has f called d from now, unless n has died before.
func (w *World) callFor(n *node, d time.Duration, f func()) { w.callAt(d, f, n.index, n.life) }

func (w *World) callAt(d time.Duration, f func(), node uint8, life uint32) {
	var i uint32
	if last := len(w.unused) - 1; last >= 0 {
		i, w.unused = w.unused[last], w.unused[:last]
		w.calls[i] = f
	} else {
		i = uint32(len(w.calls))
		w.calls = append(w.calls, f)
	}
	w.after(d, event{kind: eventCall, node: node, life: life, arg: i})
}

// fail reports a violation. The first one of an event counts; it ends the run.
func (w *World) fail(property, format string, args ...any) {
	if w.failed() {
		return
	}
	w.result.Violations = append(w.result.Violations, Violation{
		Seed:     w.options.Seed,
		Property: property,
		Detail:   fmt.Sprintf("at %v: ", time.Duration(w.now)) + fmt.Sprintf(format, args...),
		Replay:   w.options.Replay(w.options.Seed),
	})
	if w.trace.on() {
		w.trace.say(w, nil, "VIOLATION of %s: %s", property, w.result.Violations[0].Detail)
	}
}

func (w *World) failed() bool { return len(w.result.Violations) > 0 }

func (w *World) mark(m Mark) { w.result.Marks[m]++ }

// digest mixes what happens into the digest of the run.
func (w *World) digest(x uint64) { w.result.Digest = mix(w.result.Digest ^ x) }

// A budget bounds how much may happen in one simulated second: a protocol whose messages breed
// messages never ends, and hangs whoever simulates it.
type budget struct {
	second int64
	spent  int
}

const eventsPerSecond = 100_000

func (w *World) spend() {
	if s := w.now / int64(time.Second); s != w.budget.second {
		w.budget = budget{second: s}
	}
	if w.budget.spent++; w.budget.spent > eventsPerSecond {
		w.fail("amplification", "more than %d events in one second", eventsPerSecond)
	}
}
