package raft

import "github.com/consensus-go/consensus"

// Tick takes the time, and does what has become due. Who was not run for a while cannot tell whether others were
// silent, and may have their messages yet: of that time timers count an interval at most. Else the groups of a
// host with too much to do would depose their leaders, and have even more to do.
func (r *Raft) Tick(now Instant) {
	if !r.ticked { // voters honour a lease that they may have granted in an earlier life
		r.ticked, r.now, r.heard, r.writeBegan = true, now, now, now
		r.draw()
	}
	r.lag += max(0, now-r.clock()-Instant(r.cfg.HeartbeatInterval))
	r.now = max(r.now, now-r.lag)
	if r.role == consensus.Leader {
		r.tickLeader()
	} else if r.now >= r.deadline {
		r.draw()
		r.setOut()
	}
}

// tickLeader sends heartbeats, gives up a transfer, and steps down if no quorum has followed for an
// election timeout (thesis §6.2), or if the disk has finished nothing for as long: a leader that cannot
// write must let another one lead (hashicorp/raft#503).
func (r *Raft) tickLeader() {
	if r.rounds.Silent(r.now) >= r.timeout() {
		r.follow(r.term, 0, reasonNoQuorum)
		return
	}
	if r.durableSeq < r.seq && r.now-r.writeBegan >= r.timeout() {
		r.follow(r.term, 0, reasonDisk)
		return
	}
	if r.now >= r.nextBeat {
		r.beat, r.dirty = true, true
	}
	if r.transfer.to != 0 && r.now >= r.transfer.deadline {
		r.transfer, r.dirty = transfer{}, true
	}
}

// clock is the host's clock, which leases count by.
func (r *Raft) clock() Instant { return r.now + r.lag }

func (r *Raft) timeout() Instant { return Instant(r.cfg.ElectionTimeout) }

// rearm sets the time of the next campaign to one or two election timeouts from now (§5.2: randomised
// timeouts). How long is drawn anew when a term or an attempt begins.
func (r *Raft) rearm() { r.deadline = r.now + r.wait }

// draw chooses how long to wait for a leader, by a hash of all that tells two attempts apart. A
// witness waits twice as long, so that it leads only if no voter can.
func (r *Raft) draw() {
	r.attempt++
	h := mix(r.cfg.Seed ^ mix(uint64(r.cfg.ID)^mix(uint64(r.term)^mix(r.attempt))))
	r.wait = r.timeout() + Instant(h%uint64(r.timeout()))
	if r.isWitness() {
		r.wait *= 2
	}
	r.rearm()
}

// mix is the finaliser of splitmix64 (Steele et al. 2014): every bit of x changes half of its result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
