package raft

import (
	"fmt"

	"github.com/consensus-go/consensus"
)

// fetchFor asks storage for what p needs next and memory no longer holds, beginning one entry
// early if the term of what precedes it is not known.
func (r *Raft) fetchFor(p *peer) {
	lo := p.next
	if p.before != lo-1 {
		lo--
	}
	r.turn(p, fetch)
	p.waiting, p.fetched = true, nil
	r.fetch = append(r.fetch, consensus.Fetch{To: p.id, Lo: lo, Hi: r.log.base, MaxBytes: r.cfg.MaxMessageSize})
}

// Fetched takes what storage read for a follower. It may have moved on meanwhile: what no longer
// fits is asked for again. If storage has nothing any more, the follower gets a snapshot.
func (r *Raft) Fetched(f consensus.Fetch, es []Entry, err error) {
	r.dirty = true
	p := r.peer(f.To)
	if r.role != consensus.Leader || p == nil || p.mode != fetch {
		return
	}
	if err != nil || len(es) == 0 {
		r.sendSnapshot(p)
		return
	}
	p.fetched = es
	if p.match+1 == p.next || len(p.inflight.sent) > 0 { // we know where the logs meet
		r.turn(p, replicate)
	} else {
		r.turn(p, probe)
	}
}

// covered is how far a snapshot of ours reaches that another node could use: a witness's are empty.
func (r *Raft) covered() Index {
	if r.cfg.Witness {
		return 0
	}
	return r.snapshot.Index
}

// sendSnapshot has our newest snapshot streamed to p. A witness has none that anybody could use.
func (r *Raft) sendSnapshot(p *peer) {
	if r.covered() == 0 {
		r.probeFrom(p, r.log.last+1)
		p.waiting = true // tried again when it answers a heartbeat
		return
	}
	r.probeFrom(p, r.log.last+1) // a session of its own
	r.turn(p, snapshot)
	p.waiting, p.installed = true, r.snapshot.Index
	m := r.compose(&r.snapshots, InstallSnapshot, p.id)
	m.Session, m.Index, m.LogTerm, m.Data = p.session, r.snapshot.Index, r.snapshot.Term, r.snapshot.Config
}

// SnapshotSent learns that the stream has ended. That the snapshot was adopted is p's to
// acknowledge, as with entries.
func (r *Raft) SnapshotSent(to NodeID, err error) {
	r.dirty = true
	p := r.peer(to)
	if r.role != consensus.Leader || p == nil || p.mode != snapshot || !p.waiting {
		return
	}
	if err != nil {
		r.probeFrom(p, r.log.last+1)
		p.waiting = true // tried again when it answers a heartbeat
		return
	}
	p.waiting, p.movedAt = false, r.now
}

// onInstallSnapshot adopts a snapshot that is in storage already, if it goes further than what we
// know to be committed (§7). If our log holds the entry that it ends with, what follows is kept;
// otherwise the log conflicts with it, and all of it goes.
func (r *Raft) onInstallSnapshot(m *Message) {
	if m.Term == r.term && !r.hear(m.From) {
		return
	}
	if t, ok := r.log.term(m.Index); m.Index > r.commit && (m.Index <= r.verified || r.role == consensus.Leader) && (!ok || t != m.LogTerm) {
		r.contradictions++ // our log is a leader's up to there, and so holds all that is committed (§5.4.3)
		return
	}
	if m.Index > r.commit {
		r.adoptSnapshot(consensus.SnapshotMeta{Index: m.Index, Term: m.LogTerm, Config: m.Data})
	}
	r.verified = max(r.verified, m.Index)
	r.acknowledge(m, m.Index)
}

// adoptSnapshot makes a received snapshot ours.
func (r *Raft) adoptSnapshot(meta consensus.SnapshotMeta) {
	if t, ok := r.log.term(meta.Index); ok && t == meta.Term {
		r.log.compact(meta.Index)
	} else {
		r.log.restart(meta.Index, meta.Term)
		r.configs = r.configs[:1]
	}
	c, _ := r.configured(meta) // checked at the gate
	r.rebase(c)
	r.commit, r.handed = meta.Index, meta.Index
	r.snapshot, r.adopt = meta, &meta
}

// rebase makes c the configuration from which the later ones follow.
func (r *Raft) rebase(c configuration) {
	k := 0
	for k < len(r.configs) && r.configs[k].index <= c.index {
		k++
	}
	r.configs = append([]configuration{c}, r.configs[k:]...)
	r.seatPeers()
}

// Compacted adopts a snapshot that was taken here. A witness takes none: see trim.
func (r *Raft) Compacted(meta consensus.SnapshotMeta) {
	if meta.Index <= r.snapshot.Index || meta.Index > r.handed || r.cfg.Witness {
		return
	}
	c, err := decodeConfiguration(meta.Config)
	if err != nil {
		panic(fmt.Sprintf("raft: our snapshot at %d holds no configuration: %v", meta.Index, err))
	}
	r.dirty = true
	r.rebase(c)
	r.snapshot, r.adopt = meta, &meta
	r.log.compact(r.keepFrom())
}

// trim makes a witness forget the log up to where the leader allows, under a snapshot of nothing.
func (r *Raft) trim() {
	to := min(r.trimTo, r.handed)
	if !r.cfg.Witness || to <= r.snapshot.Index {
		return
	}
	term, _ := r.log.term(to)
	c := *r.configAt(to)
	r.rebase(c)
	r.snapshot = consensus.SnapshotMeta{Index: to, Term: term, Config: c.encode()}
	meta := r.snapshot
	r.adopt = &meta
	r.log.compact(to)
}
