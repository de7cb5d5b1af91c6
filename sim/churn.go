package sim

import (
	"errors"
	"slices"

	"github.com/consensus-go/consensus"
)

// Those who ask and are no clients.
const (
	askTransfer = -1 - iota
	askProbe
	askNothing // nobody needs the answer
	askChange  // and below: askChange-i for a change of the membership set at index i
)

// answer hands the answer to a request to whoever made it.
func (w *World) answer(n *node, who int, r consensus.Result, err error) {
	switch {
	case who >= 0:
		w.told(who, n, r, err)
	case who == askTransfer && err == nil:
		w.mark(MarkTransferSucceeded)
	case who == askTransfer:
		w.mark(MarkTransferFailed)
	case who == askProbe:
		w.probed(n, err)
	case who == askNothing:
	default:
		w.changed(consensus.Index(askChange-who), err)
	}
}

// demand makes a request of the administrator's, who has patience for two elections.
func (w *World) demand(n *node, who int, do func(id uint64)) {
	id := n.ask(who, do)
	w.callFor(n, 2*w.plan.election, func() {
		if slices.ContainsFunc(n.waiting, func(r request) bool { return r.id == id }) {
			n.input()
			n.replica.Cancel(id)
			n.pump()
		}
	})
}

// transferAway has the leader hand over to another voter.
func (w *World) transferAway() {
	l := w.leader()
	if l == nil || l.pausedUntil > w.now || len(l.status.Members.Voters) < 2 {
		return
	}
	voters := l.status.Members.Voters
	to := voters[w.dice.Choose(ChooseFault, len(voters))]
	if to == l.id {
		return
	}
	if w.trace.on() {
		w.trace.say(w, l, "is asked to hand over to %d", to)
	}
	if w.dice.chance(ChooseFault, 512) { // what it does not hear of it does not know
		w.deafen(l, w.dice.between(ChooseDwell, 0, w.plan.election))
	}
	w.rushTo(l, w.plan.election)
	w.demand(l, askTransfer, func(id uint64) { l.replica.Transfer(id, to) })
}

func (w *World) transferring() bool {
	return slices.ContainsFunc(w.nodes, func(n node) bool { return n.up && n.status.Transferring != 0 })
}

// changeMembers asks for another membership. As with a real group, not while a replica has damage to
// repair: the others may be no more than a quorum.
func (w *World) changeMembers() {
	l := w.leader()
	if l == nil || w.damaged() || l.pausedUntil > w.now || l.status.Changing && !w.dice.chance(ChooseFault, 300) {
		return
	}
	expect := l.status.MembersIndex
	m := l.status.Members.Clone()
	m.Bound = nil
	if !w.dropWiped(l, &m) {
		w.reshape(&m)
		if w.dice.chance(ChooseFault, 256) {
			w.reshape(&m)
		}
	}
	if m.Validate() != nil || w.sameMembers(&m, &l.status.Members) {
		return
	}
	if w.trace.on() {
		w.trace.say(w, l, "is asked for voters %v witnesses %v learners %v joining %v, in place of those set at %d", m.Voters, m.Witnesses, m.Learners, m.Joining, expect)
	}
	w.nemesis.unsettled[expect]++
	w.demand(l, askChange-int(expect), func(id uint64) { l.replica.Change(id, m, expect) })
}

func (w *World) sameMembers(a, b *consensus.Members) bool {
	for i := range w.nodes {
		if id := w.nodes[i].id; a.Kind(id) != b.Kind(id) {
			return false
		}
	}
	return true
}

// changed is the answer to a change of the membership that was set at index expect.
func (w *World) changed(expect consensus.Index, err error) {
	if err == nil || errors.Is(err, consensus.ErrNotApplied) {
		w.nemesis.unsettled[expect]--
	}
}

// dropWiped takes members whose disk was wiped out of m. Until that is done nothing else may be
// changed: they count for nothing, and the others may be no more than a quorum.
func (w *World) dropWiped(l *node, m *consensus.Members) bool {
	found := false
	for i := range w.nodes {
		n := &w.nodes[i]
		if bound := l.status.Members.Incarnation(n.id); bound != 0 && bound != n.disk.incarnation {
			remove(m, n.id)
			found = true
		}
	}
	return found
}

func remove(m *consensus.Members, id consensus.NodeID) {
	for _, ids := range [...]*[]consensus.NodeID{&m.Voters, &m.Witnesses, &m.Learners, &m.Joining} {
		*ids = slices.DeleteFunc(*ids, func(x consensus.NodeID) bool { return x == id })
	}
}

// reshape changes the part that one node plays, or swaps two nodes.
func (w *World) reshape(m *consensus.Members) {
	n := w.anyNode()
	kind := m.Kind(n.id)
	floor := min(2, w.plan.founders)
	switch {
	case kind == consensus.NotMember:
		if m.Electors() > floor && len(m.Voters) > 1 && w.dice.chance(ChooseFault, 256) { // in the same step, another one goes
			remove(m, m.Voters[w.dice.Choose(ChooseFault, len(m.Voters))])
		}
		w.enter(m, n, kind)
	case kind == consensus.Learner || kind == consensus.Joining:
		remove(m, n.id)
		if w.dice.chance(ChooseFault, 600) {
			w.enter(m, n, kind)
		}
	case m.Electors() > floor:
		remove(m, n.id)
		if kind == consensus.Voter && w.dice.chance(ChooseFault, 300) {
			m.Learners = append(m.Learners, n.id)
		}
	}
}

// enter adds n to m, in which it was of a kind before. Who is to vote must be a learner first. One that
// is down stays out: it may be down because its disk is gone, and the others no more than a quorum.
func (w *World) enter(m *consensus.Members, n *node, was consensus.MemberKind) {
	if !n.up {
		return
	}
	switch r := w.dice.Choose(ChooseFault, 8); {
	case n.witness && was == consensus.Learner:
		m.Witnesses = append(m.Witnesses, n.id)
	case n.witness:
		m.Learners = append(m.Learners, n.id)
	case r < 5:
		m.Joining = append(m.Joining, n.id)
	case r < 6:
		m.Learners = append(m.Learners, n.id)
	default:
		m.Voters = append(m.Voters, n.id)
	}
}

// wipeOne takes the disk of n away, and gives it a new one. That must never cost the group its
// quorum: n is in no membership at all, or it is the only one that is gone and everybody knows
// the same, settled membership.
func (w *World) wipeOne(n *node) {
	if !w.stranger(n) && (!w.spareable(n) || n == w.leader()) {
		return
	}
	n.crash()
	n.wipe()
	w.fault(n, w.dice.about(ChooseDwell, w.plan.dwell), "loses its disk and is down", n.restart)
}

// stranger reports whether nobody needs n: with Raft no node knows it as a member. With Paxos it is none of the
// last epoch, and that has been opened (S7); there may be others that have not heard of it.
func (w *World) stranger(n *node) bool {
	if w.options.Rules == PaxosRules {
		g := &w.ghost
		last := g.era(uint64(len(g.eras) - 1))
		return last.members.Kind(n.id) == consensus.NotMember && (last.begin == 0 || g.decided(last.begin+1) != nil)
	}
	for i := range w.nodes {
		st := &w.nodes[i].status
		if st.Members.Kind(n.id) != consensus.NotMember || st.Outgoing.Kind(n.id) != consensus.NotMember {
			return false
		}
	}
	return true
}

// spareable reports whether the group can do without n.
func (w *World) spareable(n *node) bool {
	l := w.leader()
	if l == nil || w.damaged() {
		return false
	}
	at := l.status.MembersIndex
	m := &l.status.Members
	if l.status.Changing || at > l.status.Commit || m.Unbound() || m.Electors() < 3 || w.nemesis.unsettled[at] > 0 {
		return false
	}
	others := func(id consensus.NodeID) bool { return id != n.id }
	if !elects(m, others) || !commits(m, others) {
		return false
	}
	for i := range w.nodes {
		o := &w.nodes[i]
		bound := m.Incarnation(o.id)
		if bound != 0 && (bound != o.disk.incarnation || o.status.MembersIndex != at || o.status.Changing) {
			return false
		}
	}
	return true
}
