package paxos

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/consensus-go/consensus"
)

// Change ends the epoch with a stop-sign that names the members of the next one (rules S1, S6, S8).
// Any change will do, of electors, of quorums, of weights: nothing spans two epochs.
func (p *Paxos) Change(r consensus.Proposal, m Members, expect Slot) (Slot, error) {
	p.dirty = true
	switch {
	case p.phase != leading:
		return 0, p.notLeader()
	case p.transfer.to != 0:
		return 0, consensus.ErrTransferring
	case expect != p.epoch().opening():
		return 0, consensus.ErrConfigIndex
	case p.stop != 0 || p.commit < p.barrier:
		return 0, consensus.ErrChanging
	}
	if err := p.admissible(&m); err != nil {
		return 0, err
	}
	return p.seal(m, r.From, r.ID), nil
}

// admissible returns the *ConfigError of a membership that cannot follow the current one.
func (p *Paxos) admissible(m *Members) error {
	if err := fits(m); err != nil {
		return err
	}
	if m.Lease > p.cfg.ElectionTimeout {
		return &consensus.ConfigError{Field: "Members.Lease", Value: m.Lease.String(), Reason: "must not exceed the election timeout " + p.cfg.ElectionTimeout.String()}
	}
	if p.epoch().number == maxEpoch {
		return &consensus.ConfigError{Field: "Members", Value: fmt.Sprint(maxEpoch), Reason: "this is the last epoch that a ballot has room for"}
	}
	for _, id := range p.members().Witnesses {
		if k := m.Kind(id); k != consensus.Witness && k != consensus.NotMember {
			return &consensus.ConfigError{Field: "Members", Value: fmt.Sprint(id), Reason: "a witness keeps no state: it must leave, and come back with an empty store"}
		}
	}
	for _, ids := range [...][]NodeID{m.Voters, m.Witnesses} {
		for _, id := range ids {
			if id == p.cfg.ID || p.members().Votes(id) {
				continue
			}
			if q := p.peer(id); q == nil || !q.isKnown() {
				return &consensus.ConfigError{Field: "Members.Voters", Value: fmt.Sprint(id), Reason: "a new voter must be a learner first, and have been heard from"}
			}
		}
	}
	if len(m.Witnesses)+len(p.members().Witnesses) > 0 && !p.keepsState(m) {
		return &consensus.ConfigError{Field: "Members.Voters", Value: fmt.Sprint(m.Voters), Reason: "with a witness, every election quorum needs a voter that has caught up"}
	}
	return nil
}

// keepsState reports whether every election quorum of m has a voter that has learned, durably, all that
// a witness may have trimmed in this epoch or before (see floor): otherwise a witness and newcomers
// could be a quorum that knows of the end of this epoch from nobody but those who have been removed.
func (p *Paxos) keepsState(m *Members) bool {
	trimmed := max(p.epoch().index, p.snapshot.Index)
	for i := range p.peers {
		trimmed = max(trimmed, p.peers[i].floor)
	}
	return consensus.Unavoidable(m, func(id NodeID) Slot {
		switch q := p.peer(id); {
		case m.Kind(id) == consensus.Witness:
			return 0
		case id == p.cfg.ID:
			return p.handed
		case q != nil:
			return q.held
		}
		return 0
	}) >= trimmed
}

// seal proposes the stop-sign above everything that was proposed. Nothing is proposed above it at
// this ballot, not even a no-op (rule S1); reads and the lease end here too (rule H3). Whoever asked for
// the change is answered by the entry that opens the next epoch.
func (p *Paxos) seal(m Members, from NodeID, id uint64) Slot {
	m = p.bind(m)
	x := epoch{number: p.epoch().number + 1, index: p.next, members: m, initial: p.heir(&m), from: from, id: id}
	p.stop = p.propose(consensus.EntryMembers, 0, 0, x.encode())
	return p.stop
}

// heir is who begins to lead the epoch of m: we ourselves, or the voter that has learned most.
func (p *Paxos) heir(m *Members) NodeID {
	if slices.Contains(m.Voters, p.cfg.ID) {
		return p.cfg.ID
	}
	best, most := m.Voters[0], Slot(0)
	for i := range p.peers {
		if q := &p.peers[i]; slices.Contains(m.Voters, q.id) && q.counted && q.commit > most {
			best, most = q.id, q.commit
		}
	}
	return best
}

// isKnown reports whether we know which store is q's: the one that spoke last has also answered our latest
// heartbeat. Of two that have spoken either may be the one that is there no more: it was wiped, or a message of
// its was late. A voter bound to that one could not vote.
func (q *peer) isKnown() bool { return q.flow.store != 0 && q.flow.store == q.incarnation }

// bind returns m with every elector bound to its store: the one it was bound to before or, if it is new, the one
// that is known. Founders have promised.
func (p *Paxos) bind(m Members) Members {
	return m.Bind(p.members(), func(id NodeID) uint64 {
		switch q := p.peer(id); {
		case id == p.cfg.ID:
			return p.incarnation
		case q != nil:
			return cmp.Or(q.flow.store, q.incarnation)
		}
		return 0
	})
}

// amend changes the membership when nobody asked. It ends the founding epoch: every founder has
// promised, so the store of each is known. And it makes a joining learner that has caught up a voter.
// Both need a leader that knows the log of its epoch.
func (p *Paxos) amend() {
	if p.stop != 0 || p.commit < p.barrier || p.transfer.to != 0 {
		return
	}
	m := p.members()
	if p.founding {
		p.seal(*m, 0, 0)
		return
	}
	for _, id := range m.Joining {
		if p.peer(id).commit >= p.commit {
			next := m.Clone()
			next.Joining = slices.DeleteFunc(next.Joining, func(x NodeID) bool { return x == id })
			next.Voters = append(next.Voters, id)
			slices.Sort(next.Voters)
			if p.admissible(&next) == nil { // with one more voter, quorums of fixed sizes need not meet
				p.seal(next, 0, 0)
				return
			}
		}
	}
}
