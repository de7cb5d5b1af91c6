package consensus

import "time"

// Rounds are a leader's rounds of heartbeats, and the reads that they make safe: a part that engines
// are built with.
//
// A read is safe at what was committed when it came, once a quorum has said after it came that it still
// follows this leader (thesis §6.4). So rounds are numbered, and an answer names its round: it
// confirms that we led when that round began, and no later (etcd-io/etcd#20418). All reads that come
// between two calls of Assign share a round.
type Rounds struct {
	Last      uint64  // the round begun last; 0: none
	Confirmed uint64  // the last one that a quorum has acknowledged
	QuorumAt  Instant // when that one began, by the host's clock: a quorum followed us then
	followed  Instant // when it was confirmed, or when we began to ask, by our timers

	open  []openRound // begun and not confirmed, oldest first
	reads []openRead  // the oldest first
}

type openRound struct {
	number uint64
	began  Instant
}

type openRead struct {
	id    uint64
	index Index
	round uint64  // the first that began after it; 0: it has none yet
	until Instant // the end of the lease that answers it; 0: none
}

// maxRounds is how many rounds may be open. The oldest is given up for one more, but no read asks for
// that: it waits.
const maxRounds = 64

// Reset begins a leadership, at the time now by our timers.
func (r *Rounds) Reset(now Instant) {
	*r = Rounds{followed: now, open: r.open[:0], reads: r.reads[:0]}
}

// End ends it: the reads that wait are appended to done, with an error.
func (r *Rounds) End(done []Read) []Read {
	for i := range r.reads {
		done = append(done, Read{ID: r.reads[i].id, Err: ErrNotLeader})
	}
	r.open, r.reads = r.open[:0], r.reads[:0]
	return done
}

// Ask adds a read.
func (r *Rounds) Ask(id uint64) { r.reads = append(r.reads, openRead{id: id}) }

// Assign gives the reads that are new the index commit and the next round, and reports whether that is
// to begin now. While a lease lasts, until the instant lease, they need none. Both are of the host's clock.
func (r *Rounds) Assign(commit Index, now, lease Instant) (begin bool) {
	k := len(r.reads)
	for k > 0 && r.reads[k-1].round == 0 {
		k--
	}
	leased := now < lease
	if k == len(r.reads) || !leased && len(r.open) == maxRounds {
		return false
	}
	for i := range r.reads[k:] {
		x := &r.reads[k+i]
		if x.index, x.round = commit, r.Last+1; leased {
			x.until, x.round = lease, r.Confirmed
		}
	}
	return !leased
}

// Begin begins a round, at the time now by the host's clock, and returns its number.
func (r *Rounds) Begin(now Instant) uint64 {
	r.Last++
	if len(r.open) == maxRounds {
		r.open = r.open[:copy(r.open, r.open[1:])]
	}
	r.open = append(r.open, openRound{r.Last, now})
	return r.Last
}

// Release gives back the memory of rounds and reads. There must be none: see Idle.
func (r *Rounds) Release() { r.open, r.reads = nil, nil }

// Resume goes on after quiet, at the time now by our timers. A leader that has asked nobody for a while must not
// step down because nobody answered. But that it slept confirms nothing: a lease lasts from QuorumAt on, as before.
func (r *Rounds) Resume(now Instant) { r.followed = now }

// Silent is for how long a quorum could have answered, and has not, at the time now by our timers.
func (r *Rounds) Silent(now Instant) Instant { return now - r.followed }

// Idle reports whether there is nothing that Confirm could do.
func (r *Rounds) Idle() bool { return len(r.open) == 0 && len(r.reads) == 0 }

// Confirm notes that a quorum has acknowledged the rounds up to number, at the time now by our timers, and appends
// the reads that are safe now to done.
func (r *Rounds) Confirm(number uint64, now Instant, done []Read) []Read {
	k := 0
	for ; k < len(r.open) && r.open[k].number <= number; k++ {
		r.Confirmed, r.QuorumAt, r.followed = r.open[k].number, r.open[k].began, now
	}
	r.open = r.open[:copy(r.open, r.open[k:])]
	for k = 0; k < len(r.reads) && r.reads[k].round != 0 && r.reads[k].round <= r.Confirmed; k++ {
		x := &r.reads[k]
		done = append(done, Read{ID: x.id, Index: x.index, Until: x.until})
	}
	r.reads = r.reads[:copy(r.reads, r.reads[k:])]
	return done
}

// Lease is until when a lease of that length lasts, or 0. Those who confirmed the last round let nobody
// else lead for the lease's time after they heard of it, which was not before it began (thesis §6.4.1);
// less an eighth, for clocks that run apart.
func (r *Rounds) Lease(length time.Duration) Instant {
	if length == 0 || r.Confirmed == 0 {
		return 0
	}
	return r.QuorumAt + Instant(length-length/8)
}

// Waiting is how many reads wait, and for which round the first of them.
func (r *Rounds) Waiting() (reads int, round uint64) {
	if len(r.reads) == 0 {
		return 0, 0
	}
	return len(r.reads), r.reads[0].round
}

// CloneInto copies r into dst. They share nothing.
func (r *Rounds) CloneInto(dst *Rounds) {
	open, reads := append(dst.open[:0], r.open...), append(dst.reads[:0], r.reads...)
	*dst = *r
	dst.open, dst.reads = open, reads
}

// AppendState appends all that decides what r does next: see Engine.AppendState.
func (r *Rounds) AppendState(b []byte) []byte {
	e := StateEncoder{b}
	e.Put(r.Last, r.Confirmed, uint64(len(r.open)))
	for i := range r.open {
		e.Put(r.open[i].number)
	}
	e.Put(uint64(len(r.reads)))
	for i := range r.reads {
		x := &r.reads[i]
		e.Put(x.id, uint64(x.index), x.round)
		e.Flag(x.until != 0)
	}
	return e.B
}
