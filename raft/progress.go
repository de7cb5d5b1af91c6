package raft

import "github.com/consensus-go/consensus"

// A peer is what we know of another member, or a guest: as a candidate its vote, as a leader its log.
type peer struct {
	id          NodeID
	incarnation uint64  // of the store that it spoke for last; 0: it has not spoken
	counted     bool    // that is the store which was admitted: see admitted
	guest       bool    // it is no member: see guest.go
	granted     bool    // it gave us its vote in this attempt
	active      Instant // when it spoke last
	refused     refusal // the last vote that it did not get from us

	mode      mode
	match     Index   // its log is durable and matches ours up to here; match < next
	next      Index   // the next entry to send it
	session   uint64  // of replication: what answers another one is stale
	round     uint64  // the last heartbeat round that it acknowledged
	agreed    uint64  // the last round in which it agreed to be quiet
	store     uint64  // the incarnation that has answered the latest round, whatever arrived since, and
	answered  uint64  // that round
	toldOf    Index   // the commit index that it was told last
	movedAt   Instant // when match last grew, or this mode began
	inflight  window  // what was sent in this session and is not acknowledged
	waiting   bool    // probe: the message is out. fetch: storage reads. snapshot: the stream goes on
	fetched   []Entry // entries from storage for it, consecutive
	before    Index   // the entry before those, if it is known, and
	prevTerm  Term    // its term
	installed Index   // the snapshot that was sent, until our own newest is behind what it holds; 0: none
	floor     Index   // how far it has compacted
}

// A mode is how a leader brings a peer's log up to date.
type mode uint8

const (
	probe     mode = iota // one message at a time, until we know where the logs meet
	replicate             // one after another, as many bytes as the window holds
	fetch                 // what it needs is no longer in memory: storage reads it
	snapshot              // nor in storage: it gets a snapshot
)

func (m mode) String() string { return [...]string{"probe", "replicate", "fetch", "snapshot"}[m] }

// peer returns the other member id, or the guest, or nil.
func (r *Raft) peer(id NodeID) *peer {
	for i := range r.peers {
		if r.peers[i].id == id {
			return &r.peers[i]
		}
	}
	return nil
}

// meet notes which store speaks for a member. If it is another one than before, what we knew of
// that member's log is void (etcd-io/etcd#13509: "tocommit is out of range").
func (r *Raft) meet(m *Message) {
	p := r.peer(m.From)
	if p == nil {
		r.welcome(m)
		return
	}
	p.active = r.now
	if p.incarnation != m.Incarnation {
		if p.incarnation != 0 && r.role == consensus.Leader {
			r.begin(p)
		}
		p.incarnation = m.Incarnation
		p.granted, p.round = false, 0
		p.counted = r.admitted(p)
	}
}

// admitted reports whether p may be counted in a quorum: it speaks for the store that the
// configuration admitted, or is a founder that is not bound yet.
func (r *Raft) admitted(p *peer) bool {
	x := r.config().incarnation(p.id)
	return x == 0 || x == p.incarnation
}

// isStranger reports whether this store is not the one that was admitted under our id.
func (r *Raft) isStranger() bool {
	x := r.config().incarnation(r.cfg.ID)
	return x != 0 && x != r.incarnation
}

// begin starts a replication session with p from nothing: we know nothing of its log, so assume
// that it is ours. match must not survive from an earlier session, or of an earlier term.
func (r *Raft) begin(p *peer) {
	p.match, p.toldOf, p.installed = 0, 0, 0
	r.probeFrom(p, r.log.last+1)
}

// probeFrom starts a session that tries where p's log meets ours, below next.
func (r *Raft) probeFrom(p *peer, next Index) {
	r.session++
	p.session = r.session
	p.next = max(next, p.match+1)
	p.fetched, p.before, p.prevTerm = nil, 0, 0
	p.inflight.reset()
	r.turn(p, probe)
}

// turn changes p's mode.
func (r *Raft) turn(p *peer, m mode) {
	p.mode, p.waiting, p.movedAt = m, false, r.now
}

// acknowledged notes that p holds our log up to i, durably.
func (r *Raft) acknowledged(p *peer, i Index) {
	if i <= p.match {
		return
	}
	p.match = i
	p.next = max(p.next, i+1)
	p.movedAt = r.now
	p.inflight.free(i)
}

// stalled reports whether p should have acknowledged something by now: messages were lost.
func (r *Raft) stalled(p *peer) bool {
	return r.now-p.movedAt >= 2*Instant(r.cfg.HeartbeatInterval)
}

// A window is what was sent and not acknowledged: for each message the index it ends with and its
// bytes, oldest first.
type window struct {
	sent  []sent
	bytes int
}

type sent struct {
	last  Index
	bytes int
}

func (w *window) reset() { w.sent, w.bytes = w.sent[:0], 0 }

func (w *window) add(last Index, bytes int) {
	w.sent = append(w.sent, sent{last, bytes})
	w.bytes += bytes
}

// free takes out what ends at or before i.
func (w *window) free(i Index) {
	k := 0
	for k < len(w.sent) && w.sent[k].last <= i {
		w.bytes -= w.sent[k].bytes
		k++
	}
	w.sent = w.sent[:copy(w.sent, w.sent[k:])]
}

// keepFrom is the first entry that must stay in memory, though a snapshot covers it: what follows the
// snapshot that an active peer is installing, so that it need not get a second one, as long as that
// does not take more than what may be uncommitted.
func (r *Raft) keepFrom() Index {
	keep := r.snapshot.Index
	if r.role != consensus.Leader || r.log.bytes > r.cfg.MaxUncommitted {
		return keep
	}
	for i := range r.peers {
		p := &r.peers[i]
		if p.installed > 0 && r.now-p.active < r.timeout() {
			keep = min(keep, max(p.installed, p.match))
		}
	}
	return keep
}
