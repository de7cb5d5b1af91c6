package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/consensus-go/consensus"
)

// recovery is how many election timeouts a healed group has to elect a leader, commit something new,
// have it applied by every member, and answer everybody.
const recovery = 20

// heal ends all faults. Timing is restored too: with slow links no election need ever succeed.
func (w *World) heal() {
	if w.failed() {
		return
	}
	w.nemesis.active = false
	w.clients.close(w)
	for len(w.nemesis.undo) > 0 {
		w.nemesis.end(w.nemesis.undo[0].id)
	}
	net := &w.net
	net.loss, net.twice, net.late = 0, 0, 0
	net.near, net.wide = min(net.near, time.Millisecond), min(net.wide, w.plan.election/100)
	w.plan.fsync, w.plan.apply = min(w.plan.fsync, time.Millisecond), min(w.plan.apply, time.Millisecond)
	w.releaseAll()
	calm := w.now
	for i := range w.nodes {
		n := &w.nodes[i]
		n.restart()
		n.disk.stuckUntil, n.disk.slow, n.slow = 0, 0, 0
		calm = max(calm, n.pausedUntil, n.disk.doneAt)
	}
	if w.trace.on() {
		w.trace.say(w, nil, "the faults are over")
	}
	w.loop(calm)
}

// A probe is the proposal that a healed group must apply everywhere.
type probe struct {
	asked bool
	index consensus.Index // committed by then; 0: not done yet
}

// recover demands progress: "all servers eventually apply all committed entries" is not to be had
// from an asynchronous network, but from one that has healed it is (§5.6).
func (w *World) recover() {
	end := w.now + recovery*int64(w.plan.election)
	for w.probe = (probe{}); !w.failed(); {
		if w.recovered() {
			return
		}
		if w.now >= end {
			w.stuck()
			return
		}
		if !w.probe.asked {
			w.askProbe()
		}
		w.loop(w.now + int64(w.plan.election)/8)
	}
}

// askProbe proposes an empty session, which changes nothing, to the leader or to whoever is to find one.
func (w *World) askProbe() {
	n := w.leader()
	if n == nil {
		if n = w.anyNode(); n.status.Kind != consensus.Voter || n.status.Refused {
			return
		}
	}
	w.probe.asked = true
	w.demand(n, askProbe, func(id uint64) {
		n.replica.Propose(id, consensus.EntrySessionOpen, nil)
	})
}

func (w *World) probed(n *node, err error) {
	w.probe.asked = false
	if err == nil && w.probe.index == 0 {
		w.probe.asked, w.probe.index = true, max(n.replica.AppliedIndex(), 1)
	}
}

// recovered reports whether everything is as it should be.
func (w *World) recovered() bool {
	l := w.leader()
	if l == nil || w.probe.index == 0 || !w.clients.settled() {
		return false
	}
	behind := false
	l.status.Members.All(func(id consensus.NodeID) {
		behind = behind || w.behind(id, &l.status.Members)
	})
	for i := range w.nodes {
		behind = behind || w.nodes[i].unaware(l)
	}
	return !behind
}

// behind reports whether a member whose store is the one that counts has not applied the probe.
func (w *World) behind(id consensus.NodeID, m *consensus.Members) bool {
	n := w.node(id)
	if bound := m.Incarnation(id); bound != 0 && bound != n.disk.incarnation {
		return false
	}
	return n.replica.AppliedIndex() < w.probe.index
}

// unaware reports whether n takes itself for a member, which it is not, though it knows the leader l as one to ask for a vote.
// A Raft of a later term would depose l by its answer.
func (n *node) unaware(l *node) bool {
	mine, now := &n.status, &l.status
	if mine.Kind == consensus.NotMember || now.Members.Kind(n.id) != consensus.NotMember || now.Outgoing.Kind(n.id) != consensus.NotMember {
		return false
	}
	return mine.Term <= now.Term && (mine.Members.Votes(l.id) || mine.Outgoing.Votes(l.id))
}

// stuck reports what did not recover, with the nodes' own explanations.
func (w *World) stuck() {
	var b strings.Builder
	l := w.leader()
	if l == nil {
		b.WriteString("; nobody leads")
	} else if w.probe.index == 0 {
		fmt.Fprintf(&b, "; node %d leads, and commits nothing new", l.id)
	} else if !w.clients.settled() {
		b.WriteString("; clients wait for answers")
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		st := &n.status
		fmt.Fprintf(&b, "\n  node %d: %v, %v in term %d, commit %d, last %d, durable %d, applied %d", n.id, st.Kind, st.Role, st.Term, st.Commit, st.Last, st.Durable, n.replica.AppliedIndex())
		switch {
		case l == nil:
			fmt.Fprintf(&b, "\n    %s", n.engine.Explain(consensus.Question{Topic: consensus.WhyNotLeader, Node: n.id}))
		case n == l:
			fmt.Fprintf(&b, "\n    %s", n.engine.Explain(consensus.Question{Topic: consensus.WhyNotCommitted, Index: st.Commit + 1}))
		case n.unaware(l):
			b.WriteString("; it has not heard that it was removed")
		case w.behind(n.id, &l.status.Members):
			fmt.Fprintf(&b, "\n    %s", l.engine.Explain(consensus.Question{Topic: consensus.WhyNotReplicated, Node: n.id}))
		}
	}
	w.fail("liveness", "%d election timeouts after all faults ended the group has not recovered%s", recovery, b.String())
}
