package raft

import "github.com/consensus-go/consensus"

// Step delivers a message. Terms first (§5.1), then one case a kind.
func (r *Raft) Step(m *Message) {
	if !r.wellFormed(m) {
		r.ignored++
		return
	}
	r.dirty, r.quiet = true, false
	r.meet(m)
	switch {
	case m.Kind == PreVote: // a pure query, whatever its term
		r.onPreVote(m)
		return
	case m.Kind == InstallSnapshot && m.Term < r.term: // it holds only chosen entries, whoever sends it
		r.onInstallSnapshot(m)
		return
	case m.Term > r.term:
		if m.Kind == RequestVote && r.sticky(m) || m.Kind == PreVoteReply && !m.Reject {
			break // neither speaks for a term that has begun
		}
		r.follow(m.Term, 0, reasonTerm)
	case m.Term < r.term:
		r.onStale(m)
		return
	}
	switch m.Kind {
	case RequestVote:
		r.onRequestVote(m)
	case RequestVoteReply:
		r.onRequestVoteReply(m)
	case PreVoteReply:
		r.onPreVoteReply(m)
	case AppendEntries:
		r.onAppendEntries(m)
	case AppendEntriesReply:
		r.onAppendEntriesReply(m)
	case Heartbeat:
		r.onHeartbeat(m)
	case HeartbeatReply:
		r.onHeartbeatReply(m)
	case InstallSnapshot:
		r.onInstallSnapshot(m)
	case TimeoutNow:
		r.onTimeoutNow(m)
	}
}

// wellFormed is the gate: behind it a message can be trusted to be one that a Raft of some state
// may have sent. Numbers near the end of their range are no group's, and would wrap around.
func (r *Raft) wellFormed(m *Message) bool {
	const limit = 1 << 62
	if m.To != r.cfg.ID || m.From == 0 || m.From == r.cfg.ID || m.Group != r.cfg.Group || !r.ticked ||
		m.Term == 0 || m.Term >= limit || m.Index >= limit || m.Last >= limit || m.LogTerm > m.Term {
		return false
	}
	switch m.Kind {
	case RequestVote, RequestVoteReply, PreVote, PreVoteReply, AppendEntriesReply, Heartbeat, HeartbeatReply, TimeoutNow:
		return len(m.Entries) == 0
	case InstallSnapshot:
		c, err := r.configured(consensus.SnapshotMeta{Term: m.LogTerm, Config: m.Data})
		return err == nil && m.Index > 0 && (m.LogTerm > 0 || len(m.Data) == 0) && c.index <= m.Index && len(m.Entries) == 0
	case AppendEntries:
		index, term := m.Index, m.LogTerm
		for i := range m.Entries {
			e := &m.Entries[i]
			if e.Index != index+1 || e.Term < term || e.Term > m.Term || e.Term == 0 {
				return false
			}
			if e.Kind == consensus.EntryMembers {
				if c, err := decodeConfiguration(e.Data); err != nil || c.index != e.Index {
					return false
				}
			}
			index, term = e.Index, e.Term
		}
		return true
	}
	return false
}

// onStale answers a message of an earlier term with ours, so that its sender does not go on
// without hope; a reply of an earlier term tells nothing any more (§5.1).
func (r *Raft) onStale(m *Message) {
	switch m.Kind {
	case AppendEntries:
		a := r.reply(AppendEntriesReply, m.From)
		a.Reject, a.Index, a.Session = true, m.Index, m.Session
	case Heartbeat:
		a := r.reply(HeartbeatReply, m.From)
		a.Reject, a.Context = true, m.Context
	case RequestVote:
		r.reply(RequestVoteReply, m.From).Reject = true
	}
}

// follow makes us a follower of leader, which is 0 if unknown, in term. The vote is cleared only when
// the term grows: forgetting it in the same term lets two leaders be elected (etcd-io/etcd#2461).
func (r *Raft) follow(term Term, leader NodeID, why reason) {
	r.dirty = true
	if term > r.term {
		r.term, r.vote = term, 0
		// What was queued in the old term and has not left must not: with the next write, its claims
		// about our log may no longer hold.
		r.replies = r.replies[:0]
		r.verified = r.commit
	}
	if r.role == consensus.Leader {
		r.steppedDown = why
		r.abdicate()
	}
	if r.role != consensus.Follower {
		r.role = consensus.Follower
		r.dismiss()
		r.draw()
	}
	r.leader = leader
}

// abdicate ends what only a leader does.
func (r *Raft) abdicate() {
	r.granted = r.rounds.End(r.granted)
	r.transfer, r.beat = transfer{}, false
	r.fetch, r.snapshots = r.fetch[:0], r.snapshots[:0]
}

// hear notes that leader spoke for our term. There is one leader in a term (Election Safety, §5.2):
// a message of a second one contradicts that, and has no effect.
func (r *Raft) hear(leader NodeID) bool {
	if r.role == consensus.Leader || r.leader != 0 && r.leader != leader {
		r.contradictions++
		return false
	}
	r.follow(r.term, leader, reasonTerm)
	r.heard = r.now
	r.rearm()
	return true
}

// reply queues a message that waits for the disk, as all do but a leader's entries and heartbeats.
// The caller fills in the rest of it at once.
func (r *Raft) reply(kind consensus.Kind, to NodeID) *Message {
	return r.compose(&r.replies, kind, to)
}

// compose appends a message to a list, with what every message carries. It is filled in where it lies.
func (r *Raft) compose(list *[]Message, kind consensus.Kind, to NodeID) *Message {
	*list = append(*list, Message{})
	m := &(*list)[len(*list)-1]
	m.Kind, m.To, m.Term = kind, to, r.term
	m.From, m.Group, m.Incarnation = r.cfg.ID, r.cfg.Group, r.incarnation
	return m
}
