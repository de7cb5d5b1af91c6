package sim

import (
	"time"

	"github.com/consensus-go/consensus"
)

// A fault is something that the nemesis does.
type fault uint8

const (
	faultCrash    fault = iota // one node, for a while
	faultCrashAll              // all at once
	faultPause                 // a process stands still, its clock does not
	faultSlowNode
	faultSlowDisk
	faultStuckDisk
	faultPartition // of any shape: see partition.go
	faultSlowLink
	faultClock // a clock changes its rate
	faultHoard // messages are held back until a later election
	faultTransfer
	faultChange // of the membership
	faultWipe   // a node loses its disk, or gets an old one back
	faultDamage // some of a log cannot be read any more
	faultDisk   // a write fails
	faultLease  // a leader loses touch by and by: see squeeze
	faults
)

// mixtures are how likely the faults are in each profile, relative to one another.
var mixtures = [profiles][faults]int{
	Swarm:    {faultCrash: 6, faultCrashAll: 1, faultPause: 3, faultSlowNode: 2, faultSlowDisk: 2, faultStuckDisk: 2, faultPartition: 8, faultSlowLink: 3, faultClock: 1, faultHoard: 4, faultTransfer: 3, faultChange: 5, faultWipe: 2, faultDamage: 3, faultDisk: 2, faultLease: 2},
	Calm:     {faultTransfer: 1},
	Cuts:     {faultPartition: 10, faultSlowLink: 3, faultTransfer: 1},
	Hoarder:  {faultCrash: 3, faultPartition: 3, faultHoard: 10, faultStuckDisk: 1, faultPause: 1},
	Crashes:  {faultCrash: 10, faultCrashAll: 2, faultPause: 2, faultStuckDisk: 3, faultSlowDisk: 3, faultPartition: 2, faultDamage: 3, faultDisk: 4},
	Churn:    {faultCrash: 2, faultPartition: 2, faultStuckDisk: 1, faultTransfer: 2, faultChange: 12, faultWipe: 4, faultDamage: 2},
	Storm:    {faultCrash: 10, faultCrashAll: 1, faultPartition: 6, faultHoard: 8, faultStuckDisk: 2, faultPause: 2, faultDisk: 2},
	Leases:   {faultLease: 10, faultPartition: 1, faultPause: 1, faultClock: 2, faultTransfer: 1, faultCrash: 1},
	Upheaval: {faultCrash: 6, faultPartition: 6, faultHoard: 4, faultChange: 10, faultPause: 1, faultStuckDisk: 2, faultTransfer: 1},
}

// mixture draws how likely each fault is in one seed. The swarm leaves about half of them out, and
// differently each time: faults hide one another (Groce et al., Swarm Testing, 2012).
func (d dice) mixture(p Profile) [faults]int {
	m := mixtures[p]
	if p != Swarm {
		return m
	}
	for f := range m {
		if d.chance(ChooseOptions, 512) {
			m[f] = 0
		}
	}
	if m == [faults]int{} {
		m = mixtures[Swarm]
	}
	return m
}

// A nemesis does harm, and undoes it.
type nemesis struct {
	active    bool
	undo      []undo                  // harm that is to be undone
	count     int                     // of faults
	unsettled map[consensus.Index]int // changes of the membership set at an index that may yet be made
}

// An undo ends one fault. It happens once: when the time comes, or when the world heals.
type undo struct {
	id int
	do func()
}

func (m *nemesis) reset() {
	*m = nemesis{undo: m.undo[:0], unsettled: make(map[consensus.Index]int)}
}

// begin lets the nemesis loose, once the group has had time to be founded: the first election
// needs all founders. Sometimes it does not wait.
func (m *nemesis) begin(w *World) {
	m.active = true
	wait := 4 * w.plan.election
	if w.dice.chance(ChooseFault, 100) {
		wait = w.plan.election / 4
	}
	w.call(wait, w.strike)
}

// strike does some harm, and comes again.
func (w *World) strike() {
	if !w.nemesis.active {
		return
	}
	w.call(w.dice.about(ChooseFault, w.plan.faultEvery), w.strike)
	f := fault(w.dice.weighted(ChooseFault, w.plan.faults[:]))
	n := w.anyNode()
	if w.dice.chance(ChooseFault, 300) {
		if l := w.leader(); l != nil {
			n = l
		}
	}
	w.harm(f, n)
}

func (w *World) harm(f fault, n *node) {
	dwell := w.dice.about(ChooseDwell, w.plan.dwell) + w.plan.tick
	switch f {
	case faultCrash:
		w.crashFor(n, dwell)
	case faultCrashAll:
		for i := range w.nodes {
			w.crashFor(&w.nodes[i], w.dice.about(ChooseDwell, w.plan.dwell/4))
		}
	case faultPause:
		w.pause(n, dwell)
	case faultSlowNode:
		slow := w.dice.between(ChooseFault, time.Millisecond, w.plan.election/8)
		n.slow += slow
		w.fault(n, dwell, "is slow", func() { n.slow = max(0, n.slow-slow) })
	case faultSlowDisk:
		slow := w.dice.between(ChooseFault, time.Millisecond, w.plan.election/4)
		n.disk.slow += slow
		w.fault(n, dwell, "has a slow disk", func() { n.disk.slow = max(0, n.disk.slow-slow) })
	case faultStuckDisk:
		n.disk.stuckUntil = max(n.disk.stuckUntil, w.now+int64(dwell))
		w.fault(n, dwell, "has a stuck disk", func() {})
	case faultPartition:
		w.partition(n, dwell)
	case faultSlowLink:
		w.slowLink(n, dwell)
	case faultClock:
		n.clock.set(w.now, w.rate())
		w.fault(n, 0, "has a clock of another rate", func() {})
	case faultHoard:
		w.hoardFor(4 * dwell)
	case faultTransfer:
		w.transferAway()
	case faultChange:
		w.changeMembers()
	case faultWipe:
		w.wipeOne(n)
	case faultDamage:
		w.damageOne(n)
	case faultDisk:
		w.failDisk(n, dwell)
	case faultLease:
		w.squeeze(dwell)
	}
}

// fault notes harm to n, or to nobody in particular, and has it undone later.
func (w *World) fault(n *node, dwell time.Duration, what string, do func()) {
	w.result.Events++
	if w.trace.on() {
		w.trace.say(w, n, "%s for %v", what, dwell)
	}
	w.nemesis.count++
	id := w.nemesis.count
	w.nemesis.undo = append(w.nemesis.undo, undo{id, do})
	w.call(dwell, func() { w.nemesis.end(id) })
}

// end undoes the fault of that id, if that has not been done.
func (m *nemesis) end(id int) {
	for i := range m.undo {
		if m.undo[i].id == id {
			do := m.undo[i].do
			m.undo = append(m.undo[:i], m.undo[i+1:]...)
			do()
			return
		}
	}
}

func (w *World) crashFor(n *node, dwell time.Duration) {
	if n.up {
		n.crash()
		w.fault(n, dwell, "is down", n.restart)
	}
}

func (w *World) pause(n *node, dwell time.Duration) {
	if n.up {
		n.pausedUntil = max(n.pausedUntil, w.now+int64(dwell))
		w.fault(n, dwell, "pauses", func() {})
	}
}

// hoardFor has somebody hold back messages of some kinds.
func (w *World) hoardFor(dwell time.Duration) {
	h := &w.net.hoard
	sets := []uint64{
		1 << consensus.KindRequestVoteReply,
		1<<consensus.KindRequestVoteReply | 1<<consensus.KindRequestVote,
		1 << consensus.KindAppendEntriesReply,
		1 << consensus.KindAppendEntries,
		1<<consensus.KindAppendEntries | 1<<consensus.KindAppendEntriesReply | 1<<consensus.KindRequestVoteReply,
		1<<consensus.KindHeartbeatReply | 1<<consensus.KindReadIndexReply | 1<<consensus.KindForward | 1<<consensus.KindForwardReply,
	}
	if w.options.Rules == PaxosRules {
		sets = paxosHoards
	}
	h.kinds, h.share = sets[w.dice.Choose(ChooseFault, len(sets))], w.plan.hold
	w.fault(nil, dwell, "messages are held back", func() { h.kinds = 0 })
	w.call(dwell+w.dice.between(ChooseDwell, 0, 8*w.plan.election), w.releaseAll)
}

func (w *World) anyNode() *node { return &w.nodes[w.dice.Choose(ChooseFault, len(w.nodes))] }

// leader is the node that leads in the highest term, or nil.
func (w *World) leader() *node {
	var leader *node
	for i := range w.nodes {
		n := &w.nodes[i]
		if n.up && n.status.Role == consensus.Leader && (leader == nil || n.status.Term > leader.status.Term) {
			leader = n
		}
	}
	return leader
}

// meddle asks a leader that has just been elected, sometimes, for another membership: before it has
// committed anything it must not agree.
func (w *World) meddle() {
	if w.nemesis.active && w.plan.faults[faultChange] > 0 && w.dice.chance(ChooseFault, w.plan.meddle) {
		w.call(w.dice.between(ChooseDelay, 0, 2*w.net.wide), w.changeMembers)
	}
}

// hunt strikes the leader n, sometimes, at a moment when that may hurt: within the time of a
// message or two.
func (w *World) hunt(n *node) {
	if !w.nemesis.active || !w.dice.chance(ChooseFault, w.plan.hunt) {
		return
	}
	life := n.life
	w.call(w.dice.between(ChooseDelay, 0, 3*w.net.wide), func() {
		if n.life != life || !w.nemesis.active {
			return
		}
		dwell := w.dice.about(ChooseDwell, w.plan.election*2)
		switch w.dice.Choose(ChooseFault, 4) {
		case 0, 1:
			w.crashFor(n, dwell)
		case 2:
			w.pause(n, dwell)
		default:
			w.partition(n, dwell)
		}
	})
}
