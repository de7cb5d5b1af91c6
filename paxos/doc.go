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
//	catchup.go     asking for what one lacks
//	teach.go       answering, from memory, from storage, or with a snapshot
//	election.go    who takes a ballot
//	epoch.go       configurations, and how one follows another
//	change.go      ending an epoch
//	read.go        read rounds and leases
//	quiet.go       how a group comes to rest, and wakes
//	snapshot.go    adopting snapshots, a witness's trimming
//	salvage.go     what is left of a log whose quorum is lost
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
//	Lead           the leader's heartbeat. Context: the round, or 0 if no answer is wanted. Floor. Flags: FlagHappy if it may earn a lease,
//	               FlagQuiet if nothing is to be done any more
//	LeadReply      Context: the round; 0 from one who was woken and wants to hear from its leader. Last, Floor. Flags: FlagQuiet if
//	               the sender has come to rest, too
//	Elect          the election's heartbeat. Context: the round; 0 from one who has no part in it and hears nobody
//	ElectReply     Context: the round. Term: the sender's own ballot. Leader: which it believes to lead. Flags: FlagHappy
//	Learn          Ranges: the slots wanted. Context: how many bytes of them
//	LearnReply     Entries: chosen values. Context: the incarnation of the store that asked. Next: where the answer goes on
//	               in another message; 0: that was all
//	EpochSealed    the epoch that you act in has ended
//	TakeOver       campaign at once
//	EpochSnapshot  the header of a snapshot. Index: its last slot. Data: the epoch's record; none in the founding epoch
//
// Accept and Lead may overtake the sender's own write (consensus.Effects.Early). A leader has promised its
// ballot durably before it leads, in a reserved ballot, too. So may a Learn, once its sender has entered its epoch
// durably. All other messages claim something about the sender's disk, and wait.
//
// # Design
//
//   - Term is the ballot, and State.Term the promise, for the whole log. Entry.Term is the ballot of the vote, or Chosen
//     for a value that was learned from somebody. Committed entries have no Term: it differs between replicas.
//   - Everybody keeps votes, learners too, and learns by the same rules; only electors' votes are counted.
//   - An epoch is entered when everything up to its stop-sign is learned, by everybody: members, learners, joiners,
//     and those who have been removed. So everything above commit is of the epoch of the promise, and a
//     watermark is never about another one.
//   - The first slot of an epoch holds its opening, a no-op that every leader of the epoch proposes there. As soon as
//     it is chosen a commit quorum of the new members has everything before it on disk, so that the change is
//     complete and nobody needs those whom it removed: this is what rule S7 calls RetireOK, and needs no message.
//     The opening answers whoever asked for the change; one that was removed asks for it.
//   - The founding epoch chooses one thing: the stop-sign that binds the founders to the stores that elected its
//     leader. It needs the promise of every founder.
//   - The first leader of an epoch leads only once its promise of the reserved ballot is durable. So no ballot is
//     led with in two lives, and its Accepts need no rule of their own.
//   - Retransmission has no timer of its own: whoever answers heartbeats and has acknowledged nothing for two
//     intervals is sent again what it lacks, and whoever enters the epoch late at once, as it has ignored the
//     first proposals (sendAgain). What is chosen it asks for itself, of anybody who knows.
//   - Timers count no time in which the replica was not run, but leases do: see Tick.
//   - A group that has nothing to do comes to rest (quiet.go): its replicas need no clock then, and send nothing.
//   - A leader that reaches no quorum for an election timeout, or whose disk makes no progress, steps down. While it
//     leads it counts as happy; one lost message deposes nobody, as an answer counts for two rounds.
//   - A ballot that was refused because of a promise to somebody unreachable is tried again, higher, only if an
//     election quorum has said since that it follows us directly, has promised nothing above, and knows no happy
//     leader above.
//   - A damaged slot is unknown, not empty: its acceptor counts in no election until the slot is learned, or voted
//     in again at a ballot that is above whatever was lost.
//
// # What simulation taught
//
// Rules that the papers leave open, or that look as if they could be left out, each with what happened without it:
//
//   - A leader that learns by value that its own proposal lost a slot steps down (learnValue). Its watermark would
//     cover that slot, and whoever had voted there for its proposal would take that for chosen.
//   - A Prepare that a transfer asked for names the ballot that hands over (pledged). One that was delayed broke the
//     lease of a leader who had been elected since.
//   - A promise that reports more than there is room for is not weighed: the candidate learns first (onPromise). One that
//     came back a million slots behind proposed no-ops over what was chosen.
//   - A reserved ballot is not led with once a value of its epoch was learned otherwise (learned): while its promise was on
//     the way to the disk, another ballot had begun the epoch.
//   - A preempted candidate believes those who follow it only if they said so since (free). Two ends of a chain deposed
//     each other for ever through the middle, which followed each of them by turns.
//   - A leader counts its own snapshot, for what witnesses may trim, when that is adopted durably (floor). It came back
//     with votes for slots that the witness had trimmed, and nobody to say what was chosen there.
//   - An answer to a Learn names the store that asked (onLearnReply). One for a store that was wiped since taught its
//     successor, which had entered no epoch, slots of the eighth, and that taught them to others.
//   - Who lacks something asks everybody in the end (source). A learner that had it had told the leader alone, which
//     had crashed.
//   - The commit index is written before a snapshot of one's own is adopted (flushWrite). Storage took the snapshot
//     of an idle group for a received one, and forgot what is under it, which slow learners need.
//   - Who has lost, to damage, the stop-sign before its own epoch asks for it (missing). It waited for those of its epoch to
//     speak, and that stop-sign had removed it.
//   - The election is hushed while a leader asks for quiet (hush). Its questions and answers, which were still on their way,
//     woke whoever had come to rest, and that woke the others: thousands of groups never rested on hosts that were busy.
//
// # Limits
//
//   - A member that the leader does not reach learns from others, but cannot forward to the leader through them.
//   - An epoch has room for sixteen million elections, and a group for 65534 changes.
//   - Paxos tolerates crashes, not lies.
package paxos
