package raft

import "github.com/consensus-go/consensus"

// Read queues a read. It is parked until we have committed an entry of our own term, as before that
// our commit index may lag behind what an earlier leader told a client (§8).
func (r *Raft) Read(id uint64) error {
	if r.role != consensus.Leader {
		return &consensus.NotLeaderError{Leader: r.leader}
	}
	r.dirty = true
	r.restless()
	r.rounds.Ask(id)
	return nil
}

// beginReads gives each new read the index committed now, and begins the heartbeat round that it needs
// at once.
func (r *Raft) beginReads() {
	if r.commit >= r.termStart && r.rounds.Assign(r.commit, r.clock(), r.leaseEnd()) {
		r.beat = true
	}
}

// confirm counts who has acknowledged which round. The last round that a quorum has acknowledged
// proves that we led when it began: its members had not voted for a later term.
func (r *Raft) confirm() {
	if r.rounds.Idle() {
		return
	}
	c := r.config()
	at := func(id NodeID) uint64 {
		if id == r.cfg.ID {
			return r.rounds.Last
		}
		if p := r.peer(id); p.counted {
			return p.round
		}
		return 0
	}
	r.granted = r.rounds.Confirm(min(consensus.Agreed(&c.now, at), consensus.Agreed(c.old(), at)), r.now, r.granted)
}

// leaseEnd is until when reads need no round (thesis §6.4.1), or 0. Who followed us gives no vote for an
// election timeout after it heard us, and the lease is no longer than that. A transfer ends it for the
// whole term: its target may be elected at any moment from then on, however late the message arrives.
func (r *Raft) leaseEnd() Instant {
	c := r.config()
	lease := c.now.Lease
	if c.joint() {
		lease = min(lease, c.was.Lease)
	}
	if r.noLease {
		return 0
	}
	return r.rounds.Lease(lease)
}
