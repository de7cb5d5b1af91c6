package raft

import "github.com/consensus-go/consensus"

// A read waits for an index at which it is linearizable (thesis §6.4).
type read struct {
	id    uint64
	index Index   // what was committed when its round began; 0: it has no round yet
	round uint64  // the first heartbeat round that began after it
	until Instant // the end of the lease that answers it; 0: none
	lost  bool    // leadership was, so there is no answer
}

// Read queues a read. It is parked until we have committed an entry of our own term, as before that
// our commit index may lag behind what an earlier leader told a client (§8).
func (r *Raft) Read(id uint64) error {
	if r.role != consensus.Leader {
		return &consensus.NotLeaderError{Leader: r.leader}
	}
	r.dirty = true
	r.reads = append(r.reads, read{id: id})
	return nil
}

// beginReads gives each new read the index committed now and the next heartbeat round, which is begun
// at once: only a round that begins after the read can confirm that nobody else led before it
// (etcd-io/etcd#20418). All reads that came since the last Ready share one round. While the lease
// holds, no round is needed.
func (r *Raft) beginReads() {
	if r.commit < r.termStart || len(r.reads) == 0 || r.reads[len(r.reads)-1].round != 0 {
		return
	}
	until := r.leaseEnd()
	leased := r.now < until
	if !leased && len(r.rounds) == maxRounds {
		return
	}
	for i := range r.reads {
		x := &r.reads[i]
		if x.round != 0 {
			continue
		}
		x.index, x.round = r.commit, r.round+1
		if leased {
			x.until, x.round = until, r.confirmed
		} else {
			r.beat = true
		}
	}
}

// confirm counts who has acknowledged which round. The last round that a quorum has acknowledged
// proves that we led when it began: its members had not voted for a later term.
func (r *Raft) confirm() {
	if len(r.rounds) == 0 && len(r.reads) == 0 {
		return
	}
	c := r.config()
	at := func(id NodeID) uint64 {
		if id == r.cfg.ID {
			return r.round
		}
		if p := r.peer(id); p.counted {
			return p.round
		}
		return 0
	}
	quorum := min(consensus.Agreed(&c.now, at), consensus.Agreed(&c.was, at))
	for len(r.rounds) > 0 && r.rounds[0].number <= quorum {
		r.confirmed, r.quorumAt = r.rounds[0].number, r.rounds[0].began
		r.rounds = r.rounds[:copy(r.rounds, r.rounds[1:])]
	}
	k := 0
	for k < len(r.reads) && r.reads[k].index != 0 && r.reads[k].round <= r.confirmed {
		r.granted = append(r.granted, r.reads[k])
		k++
	}
	r.reads = r.reads[:copy(r.reads, r.reads[k:])]
}

// leaseEnd is until when reads need no round (thesis §6.4.1), or 0. A quorum followed us at
// quorumAt and gives no vote for an election timeout after it heard us, which was not earlier; the
// lease is no longer than that, less an eighth for clocks that run apart. A transfer ends it for the
// whole term: its target may be elected at any moment from then on, however late the message arrives.
func (r *Raft) leaseEnd() Instant {
	c := r.config()
	lease := c.now.Lease
	if c.joint() {
		lease = min(lease, c.was.Lease)
	}
	if lease == 0 || r.noLease || r.confirmed == 0 {
		return 0
	}
	return r.quorumAt + Instant(lease-lease/8)
}
