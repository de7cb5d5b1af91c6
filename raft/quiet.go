package raft

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// Quiet: consensus.Detector says how a group comes to rest, and why that is safe. Here is what a leader
// must see before it asks for quiet, what a follower must see before it agrees, and how both wake.

// atRest reports whether nothing of ours is under way: our log is durable, committed and given out.
func (r *Raft) atRest() bool {
	return r.commit == r.log.last && r.handed == r.commit && r.log.durable() == r.log.last && r.log.cut == 0 && r.adopt == nil &&
		r.durableSeq == r.seq && r.written.Term == r.term && r.written.Vote == r.vote && r.unsure == 0
}

// groupAtRest reports whether, as far as the leader knows, no member lacks anything, and nobody waits for
// anything.
func (r *Raft) groupAtRest() bool {
	c := r.config()
	if !r.atRest() || r.commit < r.termStart || c.joint() || len(c.now.Joining) > 0 || !c.votes(r.cfg.ID) || r.isWitness() || r.transfer.to != 0 {
		return false
	}
	for i := range r.peers {
		if p := &r.peers[i]; !p.counted || p.mode != replicate || p.match != r.log.last || len(p.inflight.sent) > 0 {
			return false
		}
	}
	reads, _ := r.rounds.Waiting()
	return reads == 0
}

// restless notes that something happens: the group is to stay awake for a while, and who has agreed to be
// quiet is woken by it.
func (r *Raft) restless() { r.busyAt, r.askedQuiet = r.now, 0 }

// wantQuiet reports whether the round of heartbeats that begins now asks for quiet.
func (r *Raft) wantQuiet() bool {
	if !r.groupAtRest() {
		r.restless()
	}
	return r.now-r.busyAt >= r.timeout()
}

// patience is how long we wait for the answers to a round that asks for quiet before we ask again. They may take
// longer than a heartbeat interval, and count for the last round alone: another one in the meantime would void them.
func (r *Raft) patience() Instant { return r.timeout() / 3 }

// agree is a follower's part: it agrees with a leader that asks for quiet if it has the same log and the
// same view of it, and nothing to do.
func (r *Raft) agree(m *Message) bool {
	r.quiet = m.Flags&consensus.FlagQuiet != 0 && m.Context != 0 && m.Commit == r.log.last && r.verified == r.log.last && r.atRest()
	return r.quiet
}

// isQuiet reports whether we need no Tick.
func (r *Raft) isQuiet() bool {
	if r.role != consensus.Leader {
		return r.quiet
	}
	if r.beat || r.askedQuiet == 0 || r.askedQuiet != r.rounds.Last || !r.rounds.Idle() {
		return false
	}
	for i := range r.peers {
		if r.peers[i].agreed != r.askedQuiet {
			return false
		}
	}
	return r.groupAtRest()
}

// release gives back the memory that a quiet replica can make again. Of the configurations only a witness, which
// trims its own log, needs more than the one in effect.
func (r *Raft) release() {
	r.replies, r.granted, r.fetch, r.snapshots, r.log.pending = nil, nil, nil, nil, nil
	r.rounds.Release()
	for i := range r.peers {
		r.peers[i].inflight.sent = nil
	}
	if len(r.configs) > 1 && !r.cfg.Witness {
		r.configs = []configuration{*r.config()}
	}
}

// Wake goes on after quiet. A leader sends heartbeats at once and has an election timeout to hear from a
// quorum. A follower goes on as if it had heard its leader when that one's host was heard, and no later than it
// did hear it; yet it campaigns at a random time from now on, within one timeout at the earliest if
// the leader's host is lost.
func (r *Raft) Wake(now, heard Instant) {
	r.now = max(r.now, now-r.lag)
	r.quiet, r.dirty = false, true
	r.restless()
	if r.role == consensus.Leader {
		r.rounds.Resume(r.now)
		r.beat = true
		return
	}
	r.heard = max(r.heard, min(heard-r.lag, r.now))
	r.deadline = max(r.heard, r.now-r.timeout()) + r.wait
	r.calling = true
}

// callLeader has our leader know that we were woken, unless it is about to hear from us anyway. That it
// has spoken is no reason not to: the message may be an old one.
func (r *Raft) callLeader() {
	if !r.calling {
		return
	}
	r.calling = false
	if r.peer(r.leader) != nil && !slices.ContainsFunc(r.replies, func(m Message) bool { return m.To == r.leader }) {
		r.call(r.leader)
	}
}

// callAll has all others know that we wait for a leader, if we cannot be elected ourselves: whoever leads
// may be quiet.
func (r *Raft) callAll() {
	if r.term == 0 || r.kind == consensus.NotMember {
		return
	}
	for i := range r.peers {
		r.call(r.peers[i].id)
	}
}

func (r *Raft) call(to NodeID) {
	a := r.reply(HeartbeatReply, to)
	a.Index, a.Floor = r.verified, r.covered()
}
