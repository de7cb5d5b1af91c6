package paxos

import "github.com/consensus-go/consensus"

// A Ballot is a consensus.Term that is packed as
//
//	epoch<<48 | round<<24 | node
//
// so that ballots compare as (epoch, round, node) do: one of a later epoch is above all of an earlier
// one, and each belongs to one node. Zero is below every ballot, Chosen above.
type Ballot = consensus.Term

const (
	maxNode  = 1<<24 - 1
	maxRound = 1<<24 - 1
	maxEpoch = 1<<16 - 2 // the one above holds Chosen

	// reservedRound is the round of the one ballot of an epoch that needs no phase 1: rule S4.
	reservedRound = 1
)

func pack(epoch, round uint64, node NodeID) Ballot {
	return Ballot(epoch<<48 | round<<24 | uint64(node))
}

func epochOf(b Ballot) uint64 { return uint64(b) >> 48 }
func roundOf(b Ballot) uint64 { return uint64(b) >> 24 & maxRound }
func nodeOf(b Ballot) NodeID  { return NodeID(b & maxNode) }
