package sim

import "slices"

// A Mark is an interesting situation that a campaign should reach ("sometimes", beside the
// "always" of the checks). It is recognised from outside, by messages, writes and statuses.
type Mark uint8

const (
	MarkSplitVote           Mark = iota // a term with a candidate and without a leader
	MarkTruncation                      // an uncommitted entry was cut off
	MarkLeaderCrashTail                 // a leader crashed with uncommitted entries
	MarkCrashLostWrites                 // a crash lost writes that had not finished
	MarkOldTermMajority                 // a leader left an old entry uncommitted although a majority had it: Figure 8
	MarkProposalOverwritten             // a proposal was overwritten
	MarkPreVoteRefused                  // a pre-vote was refused
	MarkStepDown                        // a leader stepped down by itself: it heard from no quorum, or its disk was stuck
	MarkHeldReleased                    // messages held back since an earlier election arrived
	MarkJointCrash                      // a crash interrupted a joint change
	MarkChangeRolledBack                // a change of membership was truncated
	MarkLearnerPromoted                 // a joining learner became a voter
	MarkRemovedLeader                   // a leader that was removed stepped down
	MarkWipedRejoined                   // a wiped node came back as a new store
	MarkWitnessVoted                    // a witness granted a vote
	MarkSnapshotTaken                   // a replica took a snapshot
	MarkSnapshotInstalled               // a received snapshot was adopted
	MarkSnapshotDiverged                // a received snapshot replaced a log that conflicts with it
	MarkFetchServed                     // a slow follower was served from disk
	MarkFetchFailed                     // what a follower needed was no longer on disk
	MarkTransferSucceeded               // leadership was handed over
	MarkTransferFailed                  // a transfer ended without success
	MarkReadInTransfer                  // a read was answered while leadership was being handed over
	MarkLeaseRead                       // a read was answered from a lease
	MarkFollowerRead                    // a read was answered at a replica that did not lead
	MarkForwarded                       // a forwarded proposal was applied
	MarkDuplicateForward                // a forwarded proposal arrived twice
	MarkSessionRetry                    // a retried session command was answered from the session
	MarkRetryNewLeader                  // likewise, in an entry of another leader than the first
	MarkRetryCrash                      // likewise, after the replica that was asked first has crashed
	MarkRetryRestored                   // likewise, by a replica that knows of the first from a snapshot alone
	MarkSessionEvicted                  // a session had to make room
	MarkRetryEvicted                    // a command that had taken effect was refused, as its session had been evicted
	MarkRetryClosed                     // likewise, as it had been closed
	MarkBallotRefused                   // Paxos: a ballot was refused
	MarkValueAdopted                    // Paxos: a value was voted for again, at a higher ballot
	MarkGapFilled                       // Paxos: a gap was filled with a no-op
	MarkChosenOutOfOrder                // Paxos: a slot was chosen before the one below it
	MarkLearnedByValue                  // Paxos: a value was learned from somebody who knew it
	MarkEpochSealed                     // Paxos: somebody was told that its epoch has ended
	MarkDamaged                         // some of a log could not be read any more
	MarkDamageRepaired                  // all of it was there again
	MarkBackupRestored                  // a node came back with an old backup, as another store
	MarkWriteFailed                     // a write failed, and the node stopped
	MarkSucceeded                       // a leader that crashed in a calm group was succeeded in time
	MarkQuiet                           // a group came to rest
	MarkWokenByLoss                     // a quiet replica was woken, as the host of its leader was lost
	marks
)

// foreign are the marks that a protocol cannot reach, or that mean nothing to it.
var foreign = [...][]Mark{
	RaftRules: {MarkBallotRefused, MarkValueAdopted, MarkGapFilled, MarkChosenOutOfOrder, MarkLearnedByValue, MarkEpochSealed},
	PaxosRules: {MarkTruncation, MarkOldTermMajority, MarkPreVoteRefused, MarkJointCrash, MarkChangeRolledBack, MarkRemovedLeader,
		MarkSnapshotDiverged, MarkSplitVote},
}

var markNames = [marks]string{
	"split vote", "truncation", "leader crash with uncommitted tail", "crash losing unfinished writes",
	"old-term entry on a majority", "proposal overwritten", "pre-vote refused", "leader stepped down by itself",
	"held messages released", "joint change interrupted by crash", "change rolled back", "learner promoted",
	"removed leader stepped down", "wiped node rejoined", "witness voted", "snapshot taken", "snapshot installed",
	"snapshot after divergence", "fetch served", "fetch failed", "transfer succeeded", "transfer failed",
	"read during transfer", "lease read", "follower read", "forwarded proposal", "duplicate forward",
	"session retry deduplicated", "session retry under another leader", "session retry after a crash",
	"session retry known from a snapshot", "session evicted", "retry after an eviction", "retry after a close", "ballot refused", "value adopted", "gap filled", "chosen out of order", "learned by value",
	"epoch sealed", "log damaged", "damage repaired", "backup restored", "write failed", "leader succeeded in time",
	"group went quiet", "woken by the loss of a host",
}

func (m Mark) String() string { return markNames[m] }

// Marks count how often each situation was reached.
type Marks [marks]uint64

// Named are the counts by name.
func (m *Marks) Named() map[string]uint64 {
	named := make(map[string]uint64, marks)
	for i, n := range m {
		named[Mark(i).String()] = n
	}
	return named
}

// marks are the situations that a campaign should reach. One or two nodes, or a profile that leaves
// faults out, cannot reach them all.
func (o *Options) marks() []Mark {
	if o.Profile != Swarm || o.Nodes == 1 || o.Nodes == 2 {
		return nil
	}
	var all []Mark
	for m := range marks {
		if !slices.Contains(foreign[o.Rules], m) {
			all = append(all, m)
		}
	}
	return all
}
