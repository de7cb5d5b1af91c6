package raft

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/consensus-go/consensus"
)

// A configuration is what an EntryMembers of Raft holds: the membership and, while a change is
// under way, the one before it. It takes effect when it is appended (thesis §4.1), is undone when
// it is truncated, and in its joint form every decision needs a quorum of both halves (§4.3).
type configuration struct {
	index Index    // of its entry; 0 for the founding one
	now   Members  // C_new
	was   *Members // C_old, in a joint configuration; otherwise nil
	from  NodeID   // who asked for the change that is under way, and
	id    uint64   // under which number
}

func (c *configuration) joint() bool { return c.was != nil }

// old is C_old, and without one C_new: a quorum of both is a quorum of that.
func (c *configuration) old() *Members {
	if c.was == nil {
		return &c.now
	}
	return c.was
}

// outgoing is C_old, and without one no members.
func (c *configuration) outgoing() Members {
	if c.was == nil {
		return Members{}
	}
	return *c.was
}

// electing reports whether has holds for enough members to elect a leader: a quorum of both halves,
// in a joint configuration, and every founder, as long as they are not bound to their stores.
func (c *configuration) electing(has func(NodeID) bool) bool {
	return c.now.IsElectionQuorum(has) && c.old().IsElectionQuorum(has)
}

// votes reports whether id has a vote in either half.
func (c *configuration) votes(id NodeID) bool { return c.now.Votes(id) || c.old().Votes(id) }

// incarnation is the store that id is bound to, or 0.
func (c *configuration) incarnation(id NodeID) uint64 {
	if x := c.now.Incarnation(id); x != 0 {
		return x
	}
	return c.old().Incarnation(id)
}

// kind is the part that id plays, in C_new or else in C_old.
func (c *configuration) kind(id NodeID) consensus.MemberKind {
	if k := c.now.Kind(id); k != consensus.NotMember {
		return k
	}
	return c.old().Kind(id)
}

// encode is the Data of the entry:
//
//	configuration := index:uvarint now:members was:members from:uvarint id:uvarint
func (c *configuration) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(c.index))
	b = c.now.AppendTo(b)
	was := c.outgoing()
	b = was.AppendTo(b)
	b = binary.AppendUvarint(b, uint64(c.from))
	return binary.AppendUvarint(b, c.id)
}

func decodeConfiguration(b []byte) (c configuration, err error) {
	bad := fmt.Errorf("%w: configuration", consensus.ErrMalformed)
	index, n := binary.Uvarint(b)
	if n <= 0 {
		return c, bad
	}
	c.index = Index(index)
	if c.now, b, err = consensus.DecodeMembers(b[n:]); err != nil {
		return c, err
	}
	was, b, err := consensus.DecodeMembers(b)
	if err != nil {
		return c, err
	}
	from, n := binary.Uvarint(b)
	if n <= 0 {
		return c, bad
	}
	id, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) || from > uint64(^NodeID(0)) {
		return c, bad
	}
	c.from, c.id = NodeID(from), id
	if err = c.now.Validate(); err == nil && !was.Equal(&Members{}) {
		c.was = &was
		err = was.Validate()
	}
	return c, err
}

// configured is the configuration that a snapshot ends with. One that was restored from a backup, of term 0, has
// none: like an empty log it is followed by the founding one.
func (r *Raft) configured(meta consensus.SnapshotMeta) (configuration, error) {
	if meta.Term == 0 && len(meta.Config) == 0 {
		m, _, err := consensus.DecodeMembers([]byte(r.founding))
		return configuration{now: m}, err
	}
	return decodeConfiguration(meta.Config)
}

// config is the configuration in effect: the last one in the log, committed or not.
func (r *Raft) config() *configuration { return &r.configs[len(r.configs)-1] }

// configAt is the configuration that the entries up to i set.
func (r *Raft) configAt(i Index) *configuration {
	k := len(r.configs) - 1
	for k > 0 && r.configs[k].index > i {
		k--
	}
	return &r.configs[k]
}

// adoptConfig makes the configuration in the entry's data the one in effect.
func (r *Raft) adoptConfig(c configuration) {
	r.configs = append(r.configs, c)
	r.seatPeers()
}

// undoConfigs returns to the configuration in effect before i: the entries from there on are truncated.
func (r *Raft) undoConfigs(i Index) {
	n := len(r.configs)
	for n > 1 && r.configs[n-1].index >= i {
		n--
	}
	if n < len(r.configs) {
		clear(r.configs[n:])
		r.configs = r.configs[:n]
		r.seatPeers()
	}
}

// seatPeers makes r.peers the other members of the configuration in effect, in order of id, and guests. Those
// who stay keep what is known of them; a leader begins a replication session with those who come.
func (r *Raft) seatPeers() {
	c := r.config()
	r.kind = c.kind(r.cfg.ID)
	old := r.peers
	n := 0
	c.now.All(func(id NodeID) { n++ })
	c.old().All(func(id NodeID) {
		if c.now.Kind(id) == consensus.NotMember {
			n++
		}
	})
	if c.kind(r.cfg.ID) != consensus.NotMember {
		n--
	}
	r.peers = make([]peer, 0, n)
	seat := func(id NodeID) {
		if id == r.cfg.ID || r.peer(id) != nil {
			return
		}
		for i := range old {
			if old[i].id == id && !old[i].guest {
				r.peers = append(r.peers, old[i])
				return
			}
		}
		r.peers = append(r.peers, peer{id: id})
		if r.role == consensus.Leader {
			r.begin(&r.peers[len(r.peers)-1])
		}
	}
	c.now.All(seat)
	c.old().All(seat)
	for i := range r.peers {
		r.peers[i].counted = r.admitted(&r.peers[i])
	}
	slices.SortFunc(r.peers, func(a, b peer) int { return int(a.id) - int(b.id) })
	if r.role == consensus.Leader {
		r.retain(old)
	}
}

// Change asks for a new membership. Electors that stay keep their store's incarnation, those that come must
// be learners that we have heard from, so that theirs is known. If the electors change, the first entry
// is the joint configuration (thesis §4.3), and completeChange appends the second once it is committed.
func (r *Raft) Change(p consensus.Proposal, m Members, expect Index) (Index, error) {
	r.dirty = true
	c := r.config()
	switch {
	case r.role != consensus.Leader:
		return 0, &consensus.NotLeaderError{Leader: r.leader}
	case r.transfer.to != 0:
		return 0, consensus.ErrTransferring
	case expect != c.index:
		return 0, consensus.ErrConfigIndex
	case r.commit < r.termStart || c.index > r.commit || c.joint():
		// A change may begin only after an entry of the leader's own term is committed, or two
		// disjoint majorities could decide (Ongaro's bug report of 2015), and one at a time.
		return 0, consensus.ErrChanging
	}
	if err := r.admissible(&m); err != nil {
		return 0, err
	}
	next := configuration{now: r.bind(m)}
	if !sameElectors(&c.now, &next.now) {
		was := c.now
		next.was, next.from, next.id = &was, p.From, p.ID
	}
	return r.appendConfig(next, p.From, p.ID), nil
}

// admissible returns the *ConfigError of a membership that cannot follow the current one.
func (r *Raft) admissible(m *Members) error {
	if err := fits(m); err != nil {
		return err
	}
	if m.Lease > r.cfg.ElectionTimeout {
		return &consensus.ConfigError{Field: "Members.Lease", Value: m.Lease.String(), Reason: "must not exceed the election timeout " + r.cfg.ElectionTimeout.String()}
	}
	for _, id := range r.config().now.Witnesses {
		if k := m.Kind(id); k != consensus.Witness && k != consensus.NotMember {
			return &consensus.ConfigError{Field: "Members", Value: fmt.Sprint(id), Reason: "a witness keeps no state: it must leave, and come back with an empty store"}
		}
	}
	for _, ids := range [...][]NodeID{m.Voters, m.Witnesses} {
		for _, id := range ids {
			if id == r.cfg.ID || r.config().now.Votes(id) {
				continue
			}
			if p := r.peer(id); p == nil || p.guest || !p.isKnown() {
				return &consensus.ConfigError{Field: "Members.Voters", Value: fmt.Sprint(id), Reason: "a new voter must be a learner first, and have been heard from"}
			}
		}
	}
	if len(m.Witnesses)+len(r.config().now.Witnesses) > 0 && !r.keepsState(m) {
		return &consensus.ConfigError{Field: "Members.Voters", Value: fmt.Sprint(m.Voters), Reason: "with a witness, every quorum needs a voter that has caught up"}
	}
	return nil
}

// fits returns the *ConfigError of a membership that Raft cannot have. A term has no owner, so two
// elections in one term must have a voter in common, whatever a commit takes.
func fits(m *Members) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if q := m.ElectionQuorum; q != 0 && 2*q <= m.TotalWeight() {
		return &consensus.ConfigError{Field: "Members.ElectionQuorum", Value: fmt.Sprint(q), Reason: fmt.Sprintf("two elections of Raft must meet: it must exceed half of %d", m.TotalWeight())}
	}
	return nil
}

// keepsState reports whether every election quorum of m has a voter that holds all that is committed.
// A witness may have trimmed what such voters held in the membership before (see floor), so that those
// who come must have it before they take their place.
func (r *Raft) keepsState(m *Members) bool {
	return consensus.Unavoidable(m, func(id NodeID) Index {
		switch p := r.peer(id); {
		case m.Kind(id) == consensus.Witness:
			return 0
		case id == r.cfg.ID:
			return r.log.durable()
		default:
			return p.match
		}
	}) >= r.commit
}

// isKnown reports whether we know which store is p's: the one that spoke last has also answered our latest
// heartbeat. Of two that have spoken either may be the one that is there no more: it was wiped, or a message of
// its was late. A voter bound to that one could not vote.
func (p *peer) isKnown() bool { return p.store != 0 && p.store == p.incarnation }

// bind returns m with every elector bound to its store: the one it was bound to before or, if it is new, the one
// that is known. Founders have voted.
func (r *Raft) bind(m Members) Members {
	return m.Bind(&r.config().now, func(id NodeID) uint64 {
		switch p := r.peer(id); {
		case id == r.cfg.ID:
			return r.incarnation
		case p != nil:
			return cmp.Or(p.store, p.incarnation)
		}
		return 0
	})
}

// appendConfig appends c. The entry is named by whoever waits for it only if it ends the change.
func (r *Raft) appendConfig(c configuration, from NodeID, id uint64) Index {
	c.index = r.log.last + 1
	if c.joint() {
		from, id = 0, 0
	}
	r.appendEntry(consensus.EntryMembers, from, id, c.encode())
	r.adoptConfig(c)
	return c.index
}

// completeChange is the leader's part of a change after its beginning. Once the joint configuration
// is committed, C_new alone may follow (thesis §4.3); once that is, a leader that is not in it steps
// down (§4.2.2), and hands over to whoever has the whole log. Without a change under way, a
// joining learner that has caught up becomes a voter.
func (r *Raft) completeChange() {
	c := r.config()
	if c.index > r.commit || r.commit < r.termStart {
		return
	}
	if c.joint() {
		r.appendConfig(configuration{now: c.now}, c.from, c.id)
		return
	}
	if !c.now.Votes(r.cfg.ID) {
		if p := r.fullest(); p != nil {
			r.reply(TimeoutNow, p.id)
		}
		r.follow(r.term, 0, reasonRemoved)
		return
	}
	if r.transfer.to != 0 {
		return
	}
	for _, id := range c.now.Joining {
		if p := r.peer(id); p.isKnown() && p.match >= r.commit {
			m := c.now.Clone()
			m.Joining = slices.DeleteFunc(m.Joining, func(x NodeID) bool { return x == id })
			m.Voters = append(m.Voters, id)
			slices.Sort(m.Voters)
			if fits(&m) != nil {
				continue // with one more voter, quorums of fixed sizes need not meet
			}
			was := c.now
			r.appendConfig(configuration{now: r.bind(m), was: &was}, 0, 0)
			return
		}
	}
}

// fullest returns a voter that holds our whole log, or nil: of several the one after the one that
// leadership was offered to last, and not taken by. That one may be unsure of its log.
func (r *Raft) fullest() (first *peer) {
	for i := range r.peers {
		p := &r.peers[i]
		if p.match != r.log.last || !slices.Contains(r.config().now.Voters, p.id) || !p.counted {
			continue
		}
		if p.id > r.offered {
			return p
		}
		if first == nil {
			first = p
		}
	}
	return first
}

func sameElectors(a, b *Members) bool {
	in := func(x, y *Members) bool {
		for _, ids := range [...][]NodeID{x.Voters, x.Witnesses} {
			for _, id := range ids {
				if !y.Votes(id) {
					return false
				}
			}
		}
		return true
	}
	return in(a, b) && in(b, a)
}
