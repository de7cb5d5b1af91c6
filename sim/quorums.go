package sim

import "github.com/consensus-go/consensus"

// The checks count quorums by themselves: were they to ask consensus.Members, a mistake in its
// arithmetic would be made on both sides, and be seen by nobody.

// tally is what the electors of m for which has is true weigh together, and what all of them do.
func tally(m *consensus.Members, has func(consensus.NodeID) bool) (sum, total int) {
	for _, ids := range [...][]consensus.NodeID{m.Voters, m.Witnesses} {
		for _, id := range ids {
			weight := 1
			for _, x := range m.Weights {
				if x.Node == id {
					weight = x.Weight
				}
			}
			if total += weight; has(id) {
				sum += weight
			}
		}
	}
	return sum, total
}

// commits reports whether what those have is committed: they are more than half of the weight, or as
// much as m says. Nobody at all is enough for half of a joint configuration that is not there.
func commits(m *consensus.Members, has func(consensus.NodeID) bool) bool {
	sum, total := tally(m, has)
	return total == 0 || m.CommitQuorum != 0 && sum >= m.CommitQuorum || m.CommitQuorum == 0 && 2*sum > total
}

// elects reports whether those can elect: likewise, and all of them as long as one is bound to no store.
func elects(m *consensus.Members, has func(consensus.NodeID) bool) bool {
	sum, total := tally(m, has)
	if total > 0 && m.Unbound() {
		return sum == total
	}
	return total == 0 || m.ElectionQuorum != 0 && sum >= m.ElectionQuorum || m.ElectionQuorum == 0 && 2*sum > total
}
