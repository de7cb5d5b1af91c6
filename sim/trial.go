package sim

import "github.com/consensus-go/consensus"

// A trial is what a healed group goes through at the end of some runs, as what it must do then is known
// exactly: the network is calm and everybody has caught up. First the link between the leader and one
// other voter is cut, which must depose nobody ("chained": whoever lacks the leader reaches others who
// have it, and must not depose it through them); then the leader crashes, and there must be another one
// soon.

// succession is how many election timeouts it may take from the crash of a leader until another one leads.
// A follower of Paxos notices within two rounds of the election, which last up to 5/12 of a timeout each,
// or when the lease that it granted is over, and takes a ballot at the end of the round after that. With Raft it takes up
// to two timeouts to notice, and two candidates may split the votes: each time with luck that is bounded
// by nothing, so that ten timeouts are a bound that no fair run has met.
var succession = [...]int64{RaftRules: 10, PaxosRules: 4}

// rest is how many election timeouts it takes until everybody has heard that everybody is content.
const rest = 2

// peace is how many election timeouts a leader has to lead on without one of its links.
const peace = 6

// putOnTrial puts the group on trial, in one run of four.
func (w *World) putOnTrial() {
	if w.failed() || !w.dice.chance(ChooseOptions, 256) {
		return
	}
	w.loop(w.now + rest*int64(w.plan.election))
	w.checkForgotten()
	w.tryCut()
	w.loop(w.now + rest*int64(w.plan.election))
	w.tryCrash()
}

// tryCut cuts one link of the leader.
func (w *World) tryCut() {
	l, o := w.leader(), w.subject()
	if o == nil || !w.enough(o) || w.handsOver() {
		return
	}
	if w.trace.on() {
		w.trace.say(w, l, "loses its link to %d", o.id)
	}
	link := []link{{l.index, o.index}, {o.index, l.index}}
	term := l.status.Term
	w.cut(link, 1)
	w.loop(w.now + peace*int64(w.plan.election))
	w.cut(link, -1)
	if now := w.leader(); !w.failed() && (now != l || l.status.Term != term) {
		w.fail("peace", "node %d has lost its link to %d, and its leadership, though it reaches a quorum", l.id, o.id)
	}
}

// handsOver reports whether somebody is yet to be told to take over, by a message that may have been under way since
// before the faults ended: it deposes a leader rightly.
func (w *World) handsOver() bool {
	for i := range w.net.packets {
		if p := &w.net.packets[i]; p.frame != nil && p.copies > 0 && (p.kind == consensus.KindTimeoutNow || p.kind == consensus.KindTakeOver) {
			return true
		}
	}
	return false
}

// tryCrash crashes the leader.
func (w *World) tryCrash() {
	l := w.leader()
	if w.failed() || l == nil || l.status.Changing || !w.enough(l) {
		return
	}
	term, began := l.status.Term, w.now
	l.crash()
	for end := began + succession[w.options.Rules]*int64(w.plan.election); w.now < end && !w.failed(); {
		w.loop(min(end, w.now+int64(w.plan.election)/16))
		if n := w.leader(); n != nil && n.status.Term > term {
			w.mark(MarkSucceeded)
			l.restart()
			return
		}
	}
	w.fail("succession", "%d election timeouts after the leader, node %d, crashed, nobody leads", succession[w.options.Rules], l.id)
}

// subject is a voter beside the leader, or nil.
func (w *World) subject() *node {
	l := w.leader()
	if l == nil || l.status.Changing || len(l.status.Members.Joining) > 0 || l.status.Members.Electors() < 3 {
		return nil
	}
	for i := range w.nodes {
		n := &w.nodes[(i+int(l.index))%len(w.nodes)]
		if n != l && l.status.Members.Kind(n.id) == consensus.Voter && n.mayVote(&l.status.Members) {
			return n
		}
	}
	return nil
}

// enough reports whether the group can do without out: all members are up, agree on the membership, and
// those that are left can elect one of them, and commit.
func (w *World) enough(out *node) bool {
	m := &w.leader().status.Members
	at, ok, heir := w.leader().status.MembersIndex, true, false
	m.All(func(id consensus.NodeID) {
		n := w.node(id)
		ok = ok && n.up && n.unsure == 0 && n.status.MembersIndex == at
		heir = heir || n != out && !n.witness && m.Kind(id) == consensus.Voter && n.mayVote(m)
	})
	others := func(id consensus.NodeID) bool {
		n := w.node(id)
		return n != out && n.mayVote(m)
	}
	return ok && heir && elects(m, others) && commits(m, others)
}
