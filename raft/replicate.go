package raft

import (
	"github.com/consensus-go/consensus"
)

// Propose appends an entry to the leader's log. Ready writes and sends it.
func (r *Raft) Propose(p consensus.Proposal) (Index, error) {
	size := (&Entry{Data: p.Data}).Size()
	switch {
	case r.role != consensus.Leader:
		return 0, &consensus.NotLeaderError{Leader: r.leader}
	case r.transfer.to != 0 || r.isWitness():
		return 0, consensus.ErrTransferring
	case p.Kind == consensus.EntryMembers || p.Kind == consensus.EntryNoop:
		return 0, &consensus.ConfigError{Field: "Proposal.Kind", Value: p.Kind.String(), Reason: "only the engine makes these"}
	case size > r.cfg.MaxInflight && len(p.Data) > r.cfg.MaxMessageSize:
		return 0, consensus.ErrTooLarge
	case r.uncommitted > 0 && r.uncommitted+size > r.cfg.MaxUncommitted:
		return 0, consensus.ErrBusy
	}
	return r.appendEntry(p.Kind, p.From, p.ID, p.Data), nil
}

// appendEntry adds an entry of our term. A leader only ever adds (Leader Append-Only, §5.3).
func (r *Raft) appendEntry(kind consensus.EntryKind, from NodeID, id uint64, data []byte) Index {
	e := Entry{Index: r.log.last + 1, Term: r.term, From: from, ID: id, Kind: kind, Data: data}
	r.log.append(&e)
	r.uncommitted += e.Size()
	r.dirty = true
	r.restless()
	return e.Index
}

// replicate is the only place that sends entries: to each peer what it lacks, as far as its window
// goes. These messages may overtake our own write: the leader counts itself only when that is done.
func (r *Raft) replicate(eff *consensus.Effects) {
	for i := range r.peers {
		p := &r.peers[i]
		for r.sendNext(p, eff) {
		}
		// What is committed rides along with entries. If none are left it goes alone, unanswered.
		if p.mode == replicate && p.toldOf < min(r.commit, p.match) {
			p.toldOf = r.commit
			m := r.compose(&eff.Early, Heartbeat, p.id)
			m.Commit, m.Floor = r.commit, r.floor()
		}
	}
}

// sendNext sends p one message, if there is one to send, and reports whether it did.
func (r *Raft) sendNext(p *peer, eff *consensus.Effects) bool {
	switch {
	case p.mode == snapshot || p.waiting:
		return false
	case p.mode == replicate && (p.next > r.log.last || p.inflight.bytes >= r.cfg.MaxInflight):
		return false
	}
	es, prevTerm, ok := r.after(p)
	if !ok {
		r.fetchFor(p)
		return false
	}
	m := r.compose(&eff.Early, AppendEntries, p.id)
	m.Session, m.Index, m.LogTerm, m.Entries = p.session, p.next-1, prevTerm, es
	m.Commit, m.Floor = r.commit, r.floor()
	p.toldOf = r.commit
	if p.mode == probe {
		p.waiting = true
		return true
	}
	if len(p.inflight.sent) == 0 {
		p.movedAt = r.now
	}
	p.next += Index(len(es))
	p.inflight.add(p.next-1, page(es).size())
	return true
}

// after returns entries for p from next on, and the term of the one before: from memory or from
// what was fetched for it. If neither has them it reports false.
func (r *Raft) after(p *peer) (es []Entry, prevTerm Term, ok bool) {
	if prevTerm, ok = r.log.term(p.next - 1); ok {
		p.fetched = nil
		if p.next <= r.log.last {
			es = r.log.slice(p.next, r.log.last, r.cfg.MaxMessageSize)
		}
		return es, prevTerm, true
	}
	for len(p.fetched) > 0 && p.fetched[0].Index < p.next {
		p.before, p.prevTerm = p.fetched[0].Index, p.fetched[0].Term
		p.fetched = p.fetched[1:]
	}
	if len(p.fetched) > 0 && p.fetched[0].Index == p.next && p.before == p.next-1 {
		return p.fetched, p.prevTerm, true
	}
	return nil, 0, false
}

// floor is how far a witness may trim its log: up to where every election quorum has a full replica
// with a snapshot. Whoever is elected then needs nothing below it from a witness. See keepsState.
func (r *Raft) floor() Index {
	c := r.config()
	if len(c.now.Witnesses)+len(c.old().Witnesses) == 0 {
		return 0
	}
	at := func(id NodeID) Index {
		switch p := r.peer(id); {
		case c.kind(id) == consensus.Witness:
			return 0
		case id == r.cfg.ID:
			return r.covered()
		case p.counted:
			return p.floor
		}
		return 0
	}
	return min(consensus.Unavoidable(&c.now, at), consensus.Unavoidable(c.old(), at))
}

// onAppendEntries makes our log like the leader's from where they meet (§5.3), or says that they
// do not meet where the leader thought.
func (r *Raft) onAppendEntries(m *Message) {
	if !r.hear(m.From) {
		return
	}
	r.trimTo = max(r.trimTo, m.Floor)
	es := m.Entries
	if m.Index < r.log.base {
		// What has been compacted here was committed, so the leader has the same (Leader
		// Completeness, §5.4.3): compare what follows it.
		known := min(len(es), int(r.log.base-m.Index))
		if known > 0 && es[known-1].Index == r.log.base && es[known-1].Term != r.log.baseTerm {
			r.contradictions++
			return
		}
		es = es[known:]
	} else if t, ok := r.log.term(m.Index); !ok || t != m.LogTerm {
		last, t := r.log.findTerm(min(m.Index, r.log.last), m.LogTerm)
		a := r.reply(AppendEntriesReply, m.From)
		a.Reject, a.Session, a.Index, a.Last, a.LogTerm = true, m.Session, m.Index, last, t
		return
	}
	if !r.merge(es) {
		r.contradictions++
		return
	}
	// What is confirmed is what this message showed to be the leader's: not our own last index, which
	// may lie in a tail that the leader has never seen.
	match := m.Index + Index(len(m.Entries))
	r.verified = max(r.verified, match)
	r.learnCommit(m.Commit)
	r.acknowledge(m, match)
}

// merge appends what of es is not in the log yet. Entries that are there stay: the message may be
// an old one, and what follows them may have been acknowledged since (§5.3: "if an existing entry
// conflicts with a new one, delete the existing entry and all that follow it", and only then). It
// reports false if that would undo what is committed.
func (r *Raft) merge(es []Entry) bool {
	for len(es) > 0 {
		if t, ok := r.log.term(es[0].Index); !ok || t != es[0].Term {
			break
		}
		es = es[1:]
	}
	if len(es) == 0 {
		return true
	}
	if i := es[0].Index; i <= r.log.last {
		if i <= r.commit {
			return false
		}
		r.log.truncate(i)
		r.undoConfigs(i)
		r.verified = min(r.verified, i-1)
	}
	for i := range es {
		r.log.append(&es[i])
		if es[i].Kind == consensus.EntryMembers {
			c, _ := decodeConfiguration(es[i].Data) // checked at the gate
			r.adoptConfig(c)
		}
	}
	return true
}

// acknowledge confirms to the leader that our log is its own up to match. The answer waits until
// that is durable, whether this message added anything or not. One answer serves for many
// messages of a session.
func (r *Raft) acknowledge(m *Message, match Index) {
	for i := range r.replies {
		if a := &r.replies[i]; a.Kind == AppendEntriesReply && a.To == m.From && a.Session == m.Session && !a.Reject {
			a.Index, a.Floor = max(a.Index, match), r.covered()
			return
		}
	}
	a := r.reply(AppendEntriesReply, m.From)
	a.Session, a.Index, a.Floor = m.Session, match, r.covered()
}

// learnCommit takes the leader's word for what is committed, as far as our log is known to be the
// leader's: min(leaderCommit, index of last new entry) in Figure 2.
func (r *Raft) learnCommit(leaders Index) {
	r.commit = max(r.commit, min(leaders, r.verified))
}

// onAppendEntriesReply moves what we know of a follower's log.
func (r *Raft) onAppendEntriesReply(m *Message) {
	p := r.peer(m.From)
	if r.role != consensus.Leader || p == nil || m.Session != p.session {
		return
	}
	if m.Reject {
		// The logs differ at m.Index. Skip, on both sides, every term that cannot be where they meet:
		// one round trip for each term in which they differ, not for each entry. A log that ends before what
		// it acknowledged was damaged since: it gets that again.
		p.match = min(p.match, m.Last)
		meet, _ := r.log.findTerm(min(m.Last, m.Index-min(m.Index, 1)), m.LogTerm)
		r.probeFrom(p, meet+1)
		return
	}
	p.floor = max(p.floor, m.Floor)
	r.progress(p, m.Index)
	if p.mode == probe {
		r.turn(p, replicate)
	}
}

// progress takes p's word that its log is ours up to i.
func (r *Raft) progress(p *peer, i Index) {
	if i > r.log.last {
		r.contradictions++
		return
	}
	r.acknowledged(p, i)
	if p.mode == snapshot && p.match >= p.installed {
		p.next = p.match + 1
		r.turn(p, replicate)
	}
	if p.installed > 0 && p.match >= r.snapshot.Index {
		p.installed = 0
		r.log.compact(r.keepFrom())
	}
}

// beatRound begins a round of heartbeats if one is due.
func (r *Raft) beatRound(eff *consensus.Effects) {
	if !r.beat {
		return
	}
	r.beat = false
	r.nextBeat = r.now + Instant(r.cfg.HeartbeatInterval)
	flags := consensus.Flags(0)
	number := r.rounds.Begin(r.clock())
	if r.wantQuiet() {
		flags, r.askedQuiet, r.nextBeat = consensus.FlagQuiet, number, r.now+r.patience()
	}
	for i := range r.peers {
		m := r.compose(&eff.Early, Heartbeat, r.peers[i].id)
		m.Context, m.Commit, m.Floor, m.Flags = number, r.commit, r.floor(), flags
	}
}

// onHeartbeat keeps us following. It is answered with how far our log is known to be the leader's, unless it
// only came to tell what is committed.
func (r *Raft) onHeartbeat(m *Message) {
	if !r.hear(m.From) {
		return
	}
	r.trimTo = max(r.trimTo, m.Floor)
	r.learnCommit(m.Commit)
	if m.Context != 0 {
		a := r.reply(HeartbeatReply, m.From)
		a.Context, a.Index, a.Floor = m.Context, r.verified, r.covered()
		if r.agree(m) {
			a.Flags = consensus.FlagQuiet
		}
	}
}

// onHeartbeatReply confirms a round, and finds out what was lost: a follower that answers and has
// not moved is sent the same again, once for each such answer.
func (r *Raft) onHeartbeatReply(m *Message) {
	p := r.peer(m.From)
	if r.role != consensus.Leader || p == nil || m.Context > r.rounds.Last {
		return
	}
	p.round = max(p.round, m.Context)
	if m.Context > 0 && m.Context >= p.answered { // of round 0 are the calls of who woke, however old
		p.store, p.answered = m.Incarnation, m.Context
	}
	if m.Flags&consensus.FlagQuiet != 0 {
		p.agreed = max(p.agreed, m.Context)
	}
	p.floor = max(p.floor, m.Floor)
	r.progress(p, m.Index)
	if !r.stalled(p) {
		return
	}
	switch {
	case p.mode == probe && p.waiting:
		r.probeFrom(p, p.next)
	case p.mode == replicate && (len(p.inflight.sent) > 0 || m.Index < p.match):
		r.probeFrom(p, p.match+1) // m.Index < p.match: it restarted, and must learn again what is verified
	case p.mode == snapshot && !p.waiting:
		r.probeFrom(p, r.log.last+1) // all of it was sent, and nothing came of it
	}
}
