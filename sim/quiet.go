package sim

import (
	"time"

	"github.com/consensus-go/consensus"
)

// A node whose replica is quiet does not tick it, exactly as a Host: see consensus.Detector. Its own ticks
// drive the detector alone, and whatever is to be told to the replica wakes it first.
type sleep struct {
	detector consensus.Detector
	quiet    bool
	leader   consensus.NodeID // of the quiet replica, whose host is watched; 0: it leads itself
	out      []consensus.Message
	lost     []consensus.NodeID
	asked    int64 // when the node last spoke of quiet: as a leader, when it asked
}

// rest notes that the replica needs no tick any more, if that is so.
func (n *node) rest() {
	s := &n.sleep
	if s.quiet || n.w.failed() || !n.replica.Rest() {
		return
	}
	s.quiet, s.leader = true, 0
	if n.status.Role == consensus.Leader {
		n.w.mark(MarkQuiet)
		n.w.checkQuiet(n)
	} else {
		s.leader = n.status.Leader
		s.detector.Watch(s.leader, n.w.plan.heartbeat, n.w.plan.election, n.Now())
	}
	if n.w.trace.on() {
		n.w.trace.say(n.w, n, "is quiet")
	}
}

// wake has the replica go on.
func (n *node) wake() {
	s := &n.sleep
	if !s.quiet {
		return
	}
	s.quiet = false
	heard := n.Now()
	if s.leader != 0 {
		heard = s.detector.Heard(s.leader)
		s.detector.Unwatch(s.leader)
	}
	if n.w.trace.on() {
		n.w.trace.say(n.w, n, "wakes")
	}
	n.replica.Wake(n.Now(), heard)
}

// watch is the detector's tick. It wakes the replica if the leader's host is lost.
func (n *node) watch() {
	s := &n.sleep
	s.out = s.detector.Tick(n.Now(), s.out[:0])
	n.sendOut()
	if s.lost = s.detector.Lost(n.Now(), s.lost[:0]); len(s.lost) > 0 {
		if n.Now()-s.detector.Heard(s.leader) >= consensus.Instant(n.w.plan.election) {
			n.w.mark(MarkWokenByLoss)
		}
		n.touch()
	}
}

// hear takes a message between hosts.
func (n *node) hear(m *consensus.Message) {
	n.sleep.out = n.sleep.detector.Deliver(m, n.Now(), n.sleep.out[:0])
	n.sendOut()
}

func (n *node) sendOut() {
	for i := range n.sleep.out {
		n.w.send(n, &n.sleep.out[i])
	}
}

// checkQuiet: a leader that goes quiet leaves nobody behind. Every member has on its disk all that is in the
// leader's log, as far as that has not been lost since the leader asked.
func (w *World) checkQuiet(n *node) {
	m := &n.status.Members
	m.All(func(id consensus.NodeID) {
		o, last := w.node(id), n.status.Last
		if bound := m.Incarnation(id); bound != 0 && bound != o.disk.incarnation || o.unsure != 0 || o.disk.snapshot.Index >= last || o.lost.at >= n.sleep.asked && o.lost.reached(last) {
			return
		}
		if e := o.disk.log.at(last); e == nil || e.Index != last {
			w.fail("quiet", "node %d is quiet with a log up to %d, which node %d lacks", n.id, last, id)
		}
	})
}

// A lull is a time in which no client begins anything, so that the group comes to rest while the nemesis
// goes on. It lasts for some election timeouts.
func (w *World) lull() time.Duration {
	if !w.dice.chance(ChooseClient, w.plan.lull) {
		return 0
	}
	return w.dice.between(ChooseDelay, 2*w.plan.election, 8*w.plan.election)
}
