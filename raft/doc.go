// Package raft is the Raft consensus algorithm as a pure state machine: a consensus.Engine.
//
// It is all of Raft, from the paper ("In Search of an Understandable Consensus Algorithm", extended
// version, 2014: sections are cited as §5.2) and from Ongaro's thesis ("Consensus: Bridging Theory and
// Practice", 2014: thesis §4.3): elections with pre-vote, check-quorum and leader stickiness,
// pipelined replication, joint membership change, learners and witnesses, linearizable reads by
// heartbeat round or by lease, leadership transfer, and snapshots. None of the protections is an
// option: they are on.
//
// # How to read it
//
// Handlers change state, rules send. A message or a call changes fields and at most queues an
// answer; then Ready (ready.go) asks the state what follows from it. There is one place that sends
// entries, one that writes, one that asks for votes:
//
//	raft.go         the state
//	step.go         messages arrive: the gate, terms, one handler a kind
//	timers.go       time passes
//	election.go     setOut → campaign → lead; who gets a vote; handing over
//	replicate.go    the leader's sending and what it learns from answers; the follower's appending
//	progress.go     what we know of each other member
//	log.go          the log in memory, and how much of it is durable
//	members.go      joint membership change
//	guest.go        how who was removed hears of it
//	read.go         read rounds and leases
//	quiet.go        how a group comes to rest, and wakes
//	damage.go       entries that cannot be read any more
//	snapshot.go     following from storage, by snapshot, and a witness's trimming
//	salvage.go      what is left of a log whose quorum is lost
//	ready.go        the rules, and the commit rule among them
//	explain.go      answers to "why not?"
//	invariants.go   what must hold of one replica at any time
//
// # Messages
//
// Every message carries From, To, Group, the Incarnation of the sender's store, and Term: the
// sender's, but for PreVote and a granting PreVoteReply, whose Term is the one proposed. Besides:
//
//	RequestVote         Index, LogTerm: the candidate's last entry. Flags: FlagTransfer if the leader asked for it
//	PreVote             likewise. Context: the attempt
//	RequestVoteReply    Reject
//	PreVoteReply        Reject. Context: the attempt
//	AppendEntries       Index, LogTerm: the entry before Entries. Commit. Session. Floor: how far witnesses may trim
//	AppendEntriesReply  Session. Index: the follower's log is durable, and is the leader's, up to here. Floor: its snapshot.
//	                    Or Reject, then Index: that of the request; Last, LogTerm: where the logs may meet
//	Heartbeat           Context: the round, or 0 if no answer is wanted. Commit. Floor. Flags: FlagQuiet if nothing is to be done any more
//	HeartbeatReply      Context: the round; 0 from one who was not asked and wants to hear from a leader. Index, Floor: as in
//	                    AppendEntriesReply. Flags: FlagQuiet if the sender has come to rest, too
//	InstallSnapshot     the header of a snapshot. Index, LogTerm: its last entry. Data: its configuration. Session. Of one that
//	                    was restored from a backup LogTerm is 0, and there is no Data: the founding configuration holds
//	TimeoutNow          campaign at once
//
// AppendEntries and Heartbeat may overtake the sender's own write (consensus.Effects.Early). All
// others claim something about its disk, and wait.
//
// # Design
//
// What differs from the paper, and why:
//
//   - Writes are asynchronous and numbered. The leader's disk works while its followers' do, and it
//     counts itself only when its own write has finished, by the same rule as everybody else. How much of
//     the log is durable follows from the numbers (log.go).
//   - The commit index of a follower is bounded by what this leader has shown it to be its own log
//     (Raft.verified), in heartbeats too: so a heartbeat needs no knowledge of the follower's log, and
//     one for a disk that has been wiped since does no harm.
//   - An answer to a heartbeat says how far the follower's log is verified, and so makes up for lost
//     acknowledgements. Retransmission has no timer of its own: a follower that answers heartbeats and has not
//     moved for two intervals is probed again, once an answer.
//   - Each stretch of replication to a follower is a session, and an answer of another session is
//     ignored: acknowledgements of an earlier life of a node that was removed and came back mean nothing.
//   - Voters are bound to their stores. A store has a random incarnation; the first leader needs the vote of
//     every founder, and its first entry binds each to the store that voted. A voter that returns with an
//     empty disk is counted by nobody, sees Status.Refused, and comes back through Change: as a
//     learner, and then a voter again, under its new incarnation.
//   - A replica that has lost entries which it may have acknowledged neither votes nor campaigns until it has them
//     again, even after another restart: it keeps an entry of term 0 on disk, beyond its log, to remember that (damage.go).
//   - A vote is refused for an election timeout after a leader was heard, whatever has happened to that
//     leader, and likewise after a restart: leases rest on it.
//   - Timers count no time in which the replica was not run, but leases do: see Tick.
//   - A group that has nothing to do comes to rest (quiet.go): its replicas need no clock then, and send nothing.
//   - A leader that cannot reach a quorum, or whose disk makes no progress, steps down, and so sends
//     nothing that would keep others from electing.
//   - A membership change names the whole new membership. If the electors stay the same one entry
//     suffices; otherwise it is joint, C_old,new and then C_new. New electors must be learners first.
//   - Who was removed follows until it knows, or is silent for an election timeout; and again if it asks a leader for a
//     vote. The thesis (§4.2.3) lets it ask for ever (guest.go).
//
// # Partial connectivity
//
// Links may fail so that some replicas reach others and not all (Omni-Paxos, EuroSys 2023, §2.2). What Raft makes of
// the three topologies in which protocols have hung:
//
//   - Quorum-loss: all links are down but those of one follower, which hears the leader. The leader steps down
//     after an election timeout, as no quorum answers it, and falls silent; within two more the follower is elected.
//   - Chained: of three, a follower and the leader do not hear one another. Its pre-votes are refused by the third, which hears the
//     leader, and raise no term. It gets nothing until the link returns, as a follower learns from the leader alone.
//   - Constrained election: the only one that reaches a quorum lacks entries that others have. It cannot be elected as
//     long as those others are needed for the quorum. That is the rule itself, and no lack of this implementation:
//     a vote for a log that is not up to date could lose what is committed (§5.4.1), and a log travels only from a
//     leader to its followers. The group is without a leader until the links change; nothing is lost, and no term is spent.
//
// In the last case an operator must restore, or route around, one link between two replicas such that one of those whose
// logs are up to date reaches a quorum: it is elected, and brings the others up to date, after which any of them can lead.
// WhyNotLeader and WhyNoVote (Explain) tell who refuses whom. Changing the membership does not help, as that needs a leader.
// Package paxos elects whoever reaches a quorum, in all three.
//
// # Limits
//
// A replica leads only if its log is up to date, which may leave a group without a leader: see constrained election,
// above. Who was removed while it was away hears of it only from a leader that was an elector when it left, and whose term is not
// below its own. Raft tolerates crashes, not lies: a peer that breaks the protocol is noticed (Status.Contradictions) where
// that is possible, and not defended against.
package raft
