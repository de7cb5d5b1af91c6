package raft

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// A guest is a peer that is no member: a change has removed it, and it may not know. A leader has it follow until it has the
// configuration that it is not in. Else it would ask for votes, and wake a group at rest, for ever (thesis §4.2.3); or, being
// a learner at rest itself, take itself for a member as long as the leader's host lives. Guests come last in r.peers.

// retain makes guests of those peers of before that are members no longer.
func (r *Raft) retain(before []peer) {
	for i := range before {
		if p := &before[i]; r.peer(p.id) == nil {
			if !p.guest {
				p.guest, p.active = true, r.now
			}
			r.peers = append(r.peers, *p)
		}
	}
}

// welcome makes a guest of whoever asks us, who lead, for a vote or for a leader, and is no member: one at a time, as others
// ask again. One of a later term would not follow us, but depose us.
func (r *Raft) welcome(m *Message) {
	asks := m.Kind == PreVote && m.Term <= r.term+1 || m.Kind == HeartbeatReply && m.Context == 0 && m.Term <= r.term
	if !asks || r.role != consensus.Leader || r.config().index > r.commit || r.hasGuests() {
		return
	}
	r.peers = append(r.peers, peer{id: m.From, incarnation: m.Incarnation, active: r.now, guest: true})
	r.begin(&r.peers[len(r.peers)-1])
}

func (r *Raft) hasGuests() bool {
	n := len(r.peers)
	return n > 0 && r.peers[n-1].guest
}

// dismiss forgets the guests that were told or have fallen silent; all of them, if we lead no longer.
func (r *Raft) dismiss() {
	if !r.hasGuests() {
		return
	}
	r.peers = slices.DeleteFunc(r.peers, func(p peer) bool {
		told := min(p.match, p.toldOf) >= r.config().index
		return p.guest && (told || r.now-p.active >= r.timeout() || r.role != consensus.Leader)
	})
}
