package raft

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/consensus-go/consensus"
)

// stateString is what a node says of itself.
func stateString(n *node) string {
	if n.raft == nil {
		return "down"
	}
	st := n.raft.Status()
	s := fmt.Sprintf("%v term=%d vote=%d leader=%d commit=%d last=%d/%d durable=%d", st.Role, st.Term, n.raft.vote, st.Leader, st.Commit, st.Last, n.raft.log.lastTerm, st.Durable)
	if st.Snapshot > 0 {
		s += fmt.Sprintf(" snapshot=%d base=%d", st.Snapshot, n.raft.log.base)
	}
	if st.MembersIndex > 0 {
		s += fmt.Sprintf(" members@%d=(%v)", st.MembersIndex, st.Members)
		if len(st.Outgoing.Voters) > 0 {
			s += fmt.Sprintf(" outgoing=(%v)", st.Outgoing)
		}
		if st.Changing {
			s += " changing"
		}
	}
	if st.Transferring != 0 {
		s += fmt.Sprintf(" transferring=%d", st.Transferring)
	}
	if st.Ignored > 0 {
		s += fmt.Sprintf(" ignored=%d", st.Ignored)
	}
	if st.Refused {
		s += " refused"
	}
	return s
}

// logString is the log in memory.
func logString(n *node) string {
	if n.raft == nil {
		return "down"
	}
	l := &n.raft.log
	var es []Entry
	for i := l.base + 1; i <= l.last; i++ {
		es = append(es, *l.entry(i))
	}
	s := entriesString(es)
	if l.base > 0 {
		s = fmt.Sprintf("…%d/%d, %s", l.base, l.baseTerm, s)
	}
	return s
}

// diskString is what would survive a crash now, and what may.
func diskString(n *node) string {
	d := n.disk
	var es []Entry
	for _, i := range slices.Sorted(maps.Keys(d.log)) {
		es = append(es, d.log[i])
	}
	s := fmt.Sprintf("term=%d vote=%d: %s", d.state.Term, d.state.Vote, entriesString(es))
	if d.snapshot.Index > 0 {
		s += fmt.Sprintf("; snapshot=%d/%d", d.snapshot.Index, d.snapshot.Term)
	}
	for _, w := range d.unfinished {
		s += "; under way " + writeString(w.Write)
	}
	return s
}

// appliedString is the state machine.
func appliedString(n *node) string {
	if n.raft != nil && n.raft.kind == consensus.Witness {
		return fmt.Sprintf("keeps no state, up to %d", n.applied)
	}
	return entriesString(n.machine)
}

func entriesString(es []Entry) string {
	if len(es) == 0 {
		return "nothing"
	}
	var parts []string
	for _, e := range es {
		parts = append(parts, entryString(e))
	}
	return strings.Join(parts, ", ")
}

// peersString is what a leader knows of the others.
func peersString(n *node) string {
	var parts []string
	for i := range n.raft.peers {
		p := &n.raft.peers[i]
		parts = append(parts, fmt.Sprintf("(%d %v match=%d next=%d inflight=%d waiting=%t)", p.id, p.mode, p.match, p.next, len(p.inflight.sent), p.waiting))
	}
	return strings.Join(parts, " ")
}
