// Package paxos is Multi-Paxos as a pure state machine: a consensus.Engine.
//
// It is Lamport's protocol ("The Part-Time Parliament", 1998; "Paxos Made Simple", 2001) for a log of
// slots, each an instance of its own: slots are proposed, voted on and chosen in any order, with holes,
// and applied in order. What the papers leave out is here: elections that survive partial partitions
// (Omni-Paxos, 2023), reconfiguration by sealed epochs (Stoppable Paxos, 2008), flexible quorums (2016),
// linearizable reads by heartbeat round or by lease, transfer, learners, witnesses, snapshots, and what to
// do about damaged disks.
//
// # How to read it
//
// Handlers change state, rules send. A message or a call changes fields and at most queues an
// answer; then Ready (ready.go) asks the state what follows from it.
//
//	ballot.go      ballots, which are Terms
//	paxos.go       the state, recovery, time
//	step.go        the gate, epochs, and which handler gets a message
//	acceptor.go    promises and votes
//	proposer.go    phase 1: what may have been chosen, and what must be proposed
//	leader.go      phase 2: proposing, counting votes, sending
//	learner.go     how one comes to know what is chosen
//	election.go    who takes a ballot
//	epoch.go       configurations, and how one follows another
//	change.go      ending an epoch
//	read.go        read rounds and leases
//	snapshot.go    helping learners from storage, adopting snapshots, a witness's trimming
//	log.go         the slots in memory
//	ready.go       the rules
//	explain.go     answers to "why not?"
//	invariants.go  what must hold of one replica at any time
//
// The rules are named in comments: A1 to A4 acceptors, L1 to L8 proposers, F1, F2 and C1 to C3 learning,
// S1 to S9 epochs, B1 to B6 the election, Q0, G1 to G4 and H1 to H4 reads and leases.
//
// # Messages
//
// Every message carries From, To, Group, the Incarnation of the sender's store, Promised, which tells the
// sender's epoch, and Commit: the sender has learned everything up to there. Term is the ballot that a
// message is about. Besides:
//
//	Prepare        Index: from which slot on. Next: where to go on; 0 at first. Flags: FlagTransfer if the leader of the ballot Leader asked for it
//	Promise        Index: as asked. Context: the Next of the question. Entries: votes, or chosen values. Next: where to
//	               go on; 0: that was all. Last: the highest slot with anything. Floor: what is compacted. Ranges: unknown slots
//	Nack           Reject. Promised: the ballot that stands against this one, if it is higher
//	Accept         Entries: proposals, all of this ballot, in any slots. Floor: how far witnesses may trim
//	Accepted       Ranges: the slots voted in, durably. Floor: the sender's snapshot
//	AlreadyChosen  Ranges: slots that are chosen, so that no vote was needed
//	Lead           the leader's heartbeat. Context: the round, or 0 if no answer is wanted. Floor. Flags: FlagHappy if it may earn a lease
//	LeadReply      Context: the round. Last, Floor
//	Elect          the election's heartbeat. Context: the round
//	ElectReply     Context: the round. Term: the sender's own ballot. Leader: which it believes to lead. Flags: FlagHappy
//	Learn          Ranges: the slots wanted
//	LearnReply     Entries: chosen values
//	EpochSealed    the epoch that you act in has ended
//	TakeOver       campaign at once
//	EpochSnapshot  the header of a snapshot. Index: its last slot. Data: the epoch's record
//
// Accept and Lead may overtake the sender's own write (consensus.Effects.Early). A leader has promised its
// ballot durably before it leads, in a reserved ballot, too. All other messages claim something about
// the sender's disk, and wait.
//
// # Design
//
//   - Term is the ballot, and State.Term the promise, for the whole log. Entry.Term is the ballot of the vote, or Chosen
//     for a value that was learned from somebody. Committed entries have no Term: it differs between replicas.
//   - Everybody keeps votes, learners too, and learns by the same rules; only electors' votes are counted.
//   - An epoch is entered when everything up to its stop-sign is learned, by everybody: members, learners, joiners,
//     and those who have been removed. So everything above commit is of the epoch of the promise, and a
//     watermark is never about another one.
//   - The founding epoch chooses one thing: the stop-sign that binds the founders to the stores that elected its
//     leader. It needs the promise of every founder.
//   - The first leader of an epoch leads only once its promise of the reserved ballot is durable. So no ballot is
//     led with in two lives, and its Accepts need no rule of their own.
//   - Retransmission has no timer of its own: whoever answers heartbeats and has acknowledged nothing for two
//     intervals is sent again what it lacks. What is chosen it asks for itself, of anybody who knows.
//   - A leader that reaches no quorum for an election timeout, or whose disk makes no progress, steps down. While it
//     leads it counts as happy; one lost message deposes nobody, as an answer counts for two rounds.
//   - A ballot that was refused because of a promise to somebody unreachable is tried again, higher, only if an
//     election quorum follows us directly and knows no happy leader above.
//   - A damaged slot is unknown, not empty: its acceptor counts in no election until the slot is learned, or voted
//     in again at a ballot that is above whatever was lost.
//
// # Limits
//
// This engine is newer than package raft. What it does not have yet:
//
//   - RetireOK, which would tell those who have been removed that nobody needs them (rule S7). Until the new
//     epoch's voters have learned up to its stop-sign, those who were removed may be the only ones who know
//     what was chosen. Keep them running until voters that meet every election quorum (with quorums of the
//     usual size: a majority) show a Status.Commit of at least Status.MembersIndex. That Change has returned
//     is not enough, other than with package raft.
//   - Votes that arrive after preemption: a proposer that has been preempted ignores them, though what they
//     would choose is chosen. It learns that from the next leader instead, and its proposals wait as long.
//   - Speed: in one goroutine it takes about one and a half times as long for an entry as package raft does
//     alone, and more than twice as long in batches.
//
// And what will stay: a member that the leader does not reach learns from others, but cannot forward
// to the leader through them. An epoch has room for sixteen million elections, and a group for 65534
// changes. Paxos tolerates crashes, not lies.
package paxos
