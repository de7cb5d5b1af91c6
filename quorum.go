package consensus

import (
	"fmt"
	"math"
	"slices"
)

// Quorum arithmetic, for both engines. Safety asks one thing: each election quorum has a member in
// common with each commit quorum (Howard et al., Flexible Paxos, 2016). Raft, whose terms have no
// owner, asks besides that any two election quorums meet.

// maxWeight bounds weights and quorums, so that sums of them do not overflow.
const maxWeight = 1 << 20

// Weight is how much the vote of id counts for: 0 if it has none.
func (m *Members) Weight(id NodeID) int {
	if !m.Votes(id) {
		return 0
	}
	return m.weigh(id)
}

// weigh is the weight of an elector.
func (m *Members) weigh(id NodeID) int {
	for i := range m.Weights {
		if m.Weights[i].Node == id {
			return m.Weights[i].Weight
		}
	}
	return 1
}

// electors calls f for every member with a vote, in a fixed order.
func (m *Members) electors(f func(NodeID)) {
	for _, id := range m.Voters {
		f(id)
	}
	for _, id := range m.Witnesses {
		f(id)
	}
}

// weightOf is what the electors weigh together for which has is true.
func (m *Members) weightOf(has func(NodeID) bool) int {
	sum := 0
	m.electors(func(id NodeID) {
		if has(id) {
			sum += m.weigh(id)
		}
	})
	return sum
}

// TotalWeight is what all electors weigh together.
func (m *Members) TotalWeight() int { return m.weightOf(func(NodeID) bool { return true }) }

// needs is how much weight an election and a commit need. Without electors it is none: half of a
// joint configuration that is not there agrees with the other half.
func (m *Members) needs() (election, commit int) {
	total := m.TotalWeight()
	if total == 0 {
		return 0, 0
	}
	election, commit = m.ElectionQuorum, m.CommitQuorum
	if election == 0 {
		election = total/2 + 1
	}
	if commit == 0 {
		commit = total/2 + 1
	}
	return election, commit
}

// IsElectionQuorum reports whether the electors for which has is true can elect a leader. As long as
// the founders are not bound to their stores that takes every one of them: so the first leader knows
// the store of each, and one that is wiped later can never pass for itself.
func (m *Members) IsElectionQuorum(has func(NodeID) bool) bool {
	election, _ := m.needs()
	if m.Electors() > 0 && m.Unbound() {
		election = m.TotalWeight()
	}
	return m.weightOf(has) >= election
}

// IsCommitQuorum reports whether what the electors for which has is true have made durable is
// committed.
func (m *Members) IsCommitQuorum(has func(NodeID) bool) bool {
	_, commit := m.needs()
	return m.weightOf(has) >= commit
}

// MeetsElections reports whether every election quorum has a member for which has is true: so
// nobody else was elected while those followed us. Reads and leases rest on that.
func (m *Members) MeetsElections(has func(NodeID) bool) bool {
	return m.weightOf(has) >= m.meeting()
}

// meeting is the weight that meets every election quorum.
func (m *Members) meeting() int {
	election, _ := m.needs()
	if election == 0 {
		return 0
	}
	return m.TotalWeight() - election + 1
}

// Agreed returns the highest value that a commit quorum has reached, when at says what each elector
// has reached. With no electors at all it is as high as can be.
func Agreed[T ~int64 | ~uint64](m *Members, at func(NodeID) T) T {
	_, commit := m.needs()
	return reached(m, commit, at)
}

// Unavoidable returns the highest value that some member of every election quorum has reached: so many
// have that the others cannot elect. With no electors at all it is as high as can be.
func Unavoidable[T ~int64 | ~uint64](m *Members, at func(NodeID) T) T {
	return reached(m, m.meeting(), at)
}

// reached is the highest value that electors of the weight need have reached.
func reached[T ~int64 | ~uint64](m *Members, need int, at func(NodeID) T) T {
	if m.Electors() == 0 { // the half of a joint configuration that is not there, nearly always
		return math.MaxInt64
	}
	type mark struct {
		value  T
		weight int
	}
	var stack [16]mark // a group with more electors than this is a mistake, but a legal one
	marks := stack[:0]
	for _, ids := range [...][]NodeID{m.Voters, m.Witnesses} {
		for _, id := range ids {
			marks = append(marks, mark{at(id), m.weigh(id)})
		}
	}
	for i := range marks { // by insertion, the highest first: there are few
		for k := i; k > 0 && marks[k].value > marks[k-1].value; k-- {
			marks[k], marks[k-1] = marks[k-1], marks[k]
		}
	}
	for i := range marks {
		if need -= marks[i].weight; need <= 0 {
			return marks[i].value
		}
	}
	return 0
}

// validateQuorums returns the *ConfigError of weights or quorums that cannot be.
func (m *Members) validateQuorums() error {
	for i, w := range m.Weights {
		switch {
		case w.Weight < 0 || w.Weight > maxWeight:
			return configInt("Members.Weights", w.Weight, "a weight must be 0 to 1048576")
		case !m.Votes(w.Node):
			return &ConfigError{Field: "Members.Weights", Value: fmt.Sprint(w.Node), Reason: "only an elector has a weight"}
		case slices.ContainsFunc(m.Weights[:i], func(o Weight) bool { return o.Node == w.Node }):
			return &ConfigError{Field: "Members.Weights", Value: fmt.Sprint(w.Node), Reason: "a node may be named once"}
		}
	}
	total := m.TotalWeight()
	election, commit := m.needs()
	switch {
	case total == 0:
		return configInt("Members.Weights", 0, "the weights must sum to something")
	case election < 1 || election > total:
		return configInt("Members.ElectionQuorum", m.ElectionQuorum, fmt.Sprintf("must be 1 to %d, the sum of the weights", total))
	case commit < 1 || commit > total:
		return configInt("Members.CommitQuorum", m.CommitQuorum, fmt.Sprintf("must be 1 to %d, the sum of the weights", total))
	case election+commit <= total:
		return configInt("Members.CommitQuorum", commit, fmt.Sprintf("need not meet an election quorum of %d: together they must exceed %d", election, total))
	case m.witnessWeight() >= election:
		return &ConfigError{Field: "Members.Witnesses", Value: fmt.Sprint(m.Witnesses), Reason: "every election quorum needs a voter, as a witness keeps no state"}
	}
	return nil
}

// witnessWeight is what the witnesses weigh together.
func (m *Members) witnessWeight() int {
	return m.weightOf(func(id NodeID) bool { return slices.Contains(m.Witnesses, id) })
}

// weight decodes a weight or a quorum.
func (d *decoder) weight() int {
	v := d.uvarint()
	d.check(v <= maxWeight)
	return int(v)
}
