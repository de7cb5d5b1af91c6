package consensus

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Members says who takes part in a group, and how. It is always the whole membership, never
// a difference. Addresses are not membership: they belong to the transport. A Members that
// has been handed over is immutable; Clone it to change it.
type Members struct {
	Voters    []NodeID // vote, keep the state machine, may lead
	Witnesses []NodeID // vote and store the log, keep no state machine, lead only to help another
	Learners  []NodeID // store the log and keep the state machine; their votes count for nothing
	Joining   []NodeID // learners that the leader makes voters as soon as they have caught up

	// Bound ties members to the store that was admitted under their id. A member whose disk
	// was wiped returns with another incarnation, and is counted by nobody. The engines fill
	// it in; callers of Change leave it empty.
	Bound []Binding

	// Lease, if above 0, lets a leader answer reads from its clock alone for this long after it
	// sent a heartbeat that a quorum acknowledged. It must not exceed the election timeout, and
	// rests on clocks whose rates differ by less than one part in eight. A machine that is suspended
	// must not use it: its monotonic clock may stop meanwhile. It is off by default.
	Lease time.Duration

	// Quorums, as weights: an election needs electors of ElectionQuorum together, a commit needs
	// CommitQuorum. 0 means more than half of all. Each election quorum must meet each commit quorum.
	// Smaller commit quorums than election quorums trade failover for latency (Flexible Paxos, 2016).
	ElectionQuorum, CommitQuorum int
	// Weights of electors. One that is not named weighs 1.
	Weights []Weight
}

// A Weight is how much the vote of a member counts for.
type Weight struct {
	Node   NodeID
	Weight int
}

// A Binding ties a member to the incarnation of its store.
type Binding struct {
	Node        NodeID
	Incarnation uint64
}

// A MemberKind is the part that a node plays in a group.
type MemberKind uint8

const (
	NotMember MemberKind = iota
	Voter
	Witness
	Learner
	Joining
)

func (k MemberKind) String() string {
	return [...]string{"not a member", "voter", "witness", "learner", "joining"}[k]
}

// Kind says which part id plays.
func (m *Members) Kind(id NodeID) MemberKind {
	switch {
	case slices.Contains(m.Voters, id):
		return Voter
	case slices.Contains(m.Witnesses, id):
		return Witness
	case slices.Contains(m.Learners, id):
		return Learner
	case slices.Contains(m.Joining, id):
		return Joining
	}
	return NotMember
}

// Votes reports whether the vote of id counts.
func (m *Members) Votes(id NodeID) bool {
	return slices.Contains(m.Voters, id) || slices.Contains(m.Witnesses, id)
}

// Electors is how many members have a vote.
func (m *Members) Electors() int { return len(m.Voters) + len(m.Witnesses) }

// Incarnation is the store that id is bound to, or 0 if it is bound to none yet.
func (m *Members) Incarnation(id NodeID) uint64 {
	for _, b := range m.Bound {
		if b.Node == id {
			return b.Incarnation
		}
	}
	return 0
}

// Unbound reports whether a member with a vote is not bound to a store yet. That is so only in
// the founding membership, before the first leader binds it; until then every quorum is all.
func (m *Members) Unbound() bool {
	unbound := func(id NodeID) bool { return m.Incarnation(id) == 0 }
	return slices.ContainsFunc(m.Voters, unbound) || slices.ContainsFunc(m.Witnesses, unbound)
}

// Bind returns a copy of m in which every elector is bound to its store: the one that it is bound to in
// old or, if it is new, the one that it speaks for now.
func (m *Members) Bind(old *Members, now func(NodeID) uint64) Members {
	b := m.Clone()
	b.Bound = nil
	b.electors(func(id NodeID) {
		x := old.Incarnation(id)
		if x == 0 {
			x = now(id)
		}
		b.Bound = append(b.Bound, Binding{Node: id, Incarnation: x})
	})
	return b
}

// All calls f for every member, in a fixed order.
func (m *Members) All(f func(NodeID)) {
	for _, ids := range [...][]NodeID{m.Voters, m.Witnesses, m.Learners, m.Joining} {
		for _, id := range ids {
			f(id)
		}
	}
}

// Equal reports whether two memberships are the same, order and bindings included.
func (m *Members) Equal(o *Members) bool {
	return slices.Equal(m.Voters, o.Voters) && slices.Equal(m.Witnesses, o.Witnesses) &&
		slices.Equal(m.Learners, o.Learners) && slices.Equal(m.Joining, o.Joining) &&
		slices.Equal(m.Bound, o.Bound) && m.Lease == o.Lease &&
		m.ElectionQuorum == o.ElectionQuorum && m.CommitQuorum == o.CommitQuorum && slices.Equal(m.Weights, o.Weights)
}

// Clone returns a copy that shares nothing with m.
func (m *Members) Clone() Members {
	c := *m
	c.Voters = slices.Clone(m.Voters)
	c.Witnesses = slices.Clone(m.Witnesses)
	c.Learners = slices.Clone(m.Learners)
	c.Joining = slices.Clone(m.Joining)
	c.Bound = slices.Clone(m.Bound)
	c.Weights = slices.Clone(m.Weights)
	return c
}

// Validate returns a *ConfigError that names the first mistake: a zero or repeated id, nobody
// who could lead, a negative lease, quorums that need not meet, witnesses that could elect by themselves.
func (m *Members) Validate() error {
	if len(m.Voters) == 0 {
		return &ConfigError{Field: "Members.Voters", Value: "[]", Reason: "a group needs a voter"}
	}
	seen := make(map[NodeID]bool)
	var err error
	m.All(func(id NodeID) {
		switch {
		case err != nil:
		case id == 0:
			err = &ConfigError{Field: "Members", Value: "0", Reason: "0 is no node"}
		case seen[id]:
			err = &ConfigError{Field: "Members", Value: fmt.Sprint(id), Reason: "a node may be named once"}
		}
		seen[id] = true
	})
	if err == nil && m.Lease < 0 {
		err = &ConfigError{Field: "Members.Lease", Value: m.Lease.String(), Reason: "a duration cannot be negative"}
	}
	if err == nil {
		err = m.validateQuorums()
	}
	return err
}

func (m Members) String() string {
	s := fmt.Sprintf("voters %d", m.Voters)
	for _, part := range []struct {
		name string
		ids  []NodeID
	}{{"witnesses", m.Witnesses}, {"learners", m.Learners}, {"joining", m.Joining}} {
		if len(part.ids) > 0 {
			s += fmt.Sprintf(" %s %d", part.name, part.ids)
		}
	}
	if m.Lease > 0 {
		s += fmt.Sprintf(" lease %v", m.Lease)
	}
	if m.ElectionQuorum != 0 || m.CommitQuorum != 0 {
		s += fmt.Sprintf(" quorums %d/%d", m.ElectionQuorum, m.CommitQuorum)
	}
	for _, w := range m.Weights {
		s += fmt.Sprintf(" weight %d:%d", w.Node, w.Weight)
	}
	return s
}

// AppendTo appends the encoding of m to b:
//
//	members  := list(Voters) list(Witnesses) list(Learners) list(Joining) bindings lease quorums
//	list     := count:uvarint id:uvarint ...
//	bindings := count:uvarint (id:uvarint incarnation:uvarint) ...
//	lease    := nanoseconds:uvarint
//	quorums  := election:uvarint commit:uvarint count:uvarint (id:uvarint weight:uvarint) ...
func (m *Members) AppendTo(b []byte) []byte {
	for _, ids := range [...][]NodeID{m.Voters, m.Witnesses, m.Learners, m.Joining} {
		b = binary.AppendUvarint(b, uint64(len(ids)))
		for _, id := range ids {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(m.Bound)))
	for _, x := range m.Bound {
		b = binary.AppendUvarint(b, uint64(x.Node))
		b = binary.AppendUvarint(b, x.Incarnation)
	}
	b = binary.AppendUvarint(b, uint64(m.Lease))
	b = binary.AppendUvarint(b, uint64(m.ElectionQuorum))
	b = binary.AppendUvarint(b, uint64(m.CommitQuorum))
	b = binary.AppendUvarint(b, uint64(len(m.Weights)))
	for _, w := range m.Weights {
		b = binary.AppendUvarint(b, uint64(w.Node))
		b = binary.AppendUvarint(b, uint64(w.Weight))
	}
	return b
}

// DecodeMembers decodes what AppendTo encoded at the front of b and returns what follows it.
// It shares no memory with b.
func DecodeMembers(b []byte) (m Members, rest []byte, err error) {
	d := decoder{b: b}
	for _, ids := range [...]*[]NodeID{&m.Voters, &m.Witnesses, &m.Learners, &m.Joining} {
		for range d.count(1) {
			*ids = append(*ids, NodeID(d.uint32()))
		}
	}
	for range d.count(2) {
		m.Bound = append(m.Bound, Binding{Node: NodeID(d.uint32()), Incarnation: d.uvarint()})
	}
	m.Lease = time.Duration(d.uvarint())
	m.ElectionQuorum, m.CommitQuorum = d.weight(), d.weight()
	for range d.count(2) {
		m.Weights = append(m.Weights, Weight{Node: NodeID(d.uint32()), Weight: d.weight()})
	}
	if d.bad {
		return Members{}, nil, fmt.Errorf("%w: members", ErrMalformed)
	}
	return m, d.b, nil
}
