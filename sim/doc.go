// Package sim simulates clusters, deterministically: real engines under the real Replica and
// Machine, every message through the real codec, on a simulated network, disks, clocks and
// clients, which fail in every way they may. One seed is one run, event by event, on any machine.
//
//	report, err := sim.Campaign(ctx, sim.Options{Protocol: raft.New, Seeds: 1000})
//
// The command sim/cmd/simulate does that from a shell. Run does it in a test, for a state machine
// of one's own; its example is a bank.
//
// # A run
//
// A seed draws a plan: how many nodes, how slow and unreliable everything is, which faults there
// are, and the constants of the engine itself, down to messages of one entry. The group is founded;
// clients write, read, and compare and swap a few keys, with sessions and without, and try again;
// the nemesis strikes, often when it hurts most: just when a leader was elected, or has committed
// something, or is handing over. Then all faults end, and within twenty election timeouts there must
// be a leader again, a new entry applied by every member, and an answer for every client. Some runs
// end with a trial: a leader that loses one link leads on, and one that crashes is succeeded in time.
//
// # What is checked
//
// After every event: election safety, leader append-only, log matching, leader completeness and
// state machine safety, as the Raft paper states them in figure 3; that the commit index never goes
// back; that what is committed is durable at a quorum of each half of the configuration; that votes,
// candidacies and acknowledgements are durable when they leave; one vote a term, for ever; that
// nobody applies what is not durable and committed; that replicas are in the same state at the same
// index, restored snapshots and sessions included; that what a caller was told stays true; that what a
// client asks for takes effect exactly once if it was told so, and else at most once, through leader
// changes, crashes, snapshots and the end of its session ("exactly once", in check_once.go); that
// messages do not breed messages; that a read shows all that anybody knew to be committed when it was
// asked, and that nothing is committed in a later term while a lease would still answer; and the engine's
// own Check. At the end of a run: the clients' histories are linearizable.
//
// The checks know a protocol by its messages, writes and statuses only, never by a hook in it. All
// that is particular to Raft's messages is in check_raft.go. Of Paxos they decide by themselves what is
// chosen, and hold it to the invariants that check_paxos.go lists by number.
//
// # Real disks
//
// A disk is modelled, unless Options.Storage is set (simulate run -storage). Then every node keeps what
// it has in a storage.Disk, on a file system in memory that loses what power cuts lose: in the middle of
// a write, a snapshot, or the recovery from the last power cut. Files are torn by sectors, calls fail
// with EIO or ENOSPC and stop the node, and bits flip in what is synced. The model goes on beside it, and
// says what may be found ("storage"); all the other checks are as ever.
//
// # Reading it
//
//	run.go        the life of a world, and its one loop
//	world.go      what a world is made of; queue.go, its events
//	choice.go     the Chooser, the only source of nondeterminism; dice.go, what is made of it
//	plan.go       what a seed draws
//	node.go       a machine; env.go, what its replica asks of it; disk.go, jobs.go, snapshots.go, clock.go
//	network.go    messages; hoard.go, those held back; partition.go, links that fail
//	client.go     who uses the group; retry.go, and asks once too often; registers.go, what they use
//	nemesis.go    who spoils it; churn.go, by changing the membership
//	damage.go     what disks lose
//	realdisk.go   a storage.Disk in the place of a model; recovered.go, whether they agree
//	check.go      what may never happen; ghost.go, what the checks remember; audit.go, linearize.go
//	check_once.go what may happen once; ledger.go, what ought to become of every entry
//	check_raft.go, check_paxos.go, and what is beside it: what a protocol's messages and writes promise
//	liveness.go   what must happen once the faults are over; trial.go, what must happen then
//	marks.go      what a campaign must have seen; recognise.go, how it is seen
//	campaign.go   many seeds on all processors; the only goroutines
//
// # What it does not test
//
// A disk that is modelled takes a write as a whole or not at all, and one that is full fails like any
// other; records cut short are for real disks. Damage is told (consensus.Recovered.Damaged), is in the log
// alone, and is of one node until that has repaired it: damage to the last batch before a crash, which
// nobody can tell from the crash, and what cannot be told at all, which is for replacing the node, are for
// the tests of the storage. There is one group, so that no log is shared. A backup comes back as another
// store. Messages are lost, delayed and doubled, never altered. The Host, its goroutines, the sockets and
// the operating system's files are not in it. All nodes run one version. Clocks drift by at most 5 % and
// never step, as consensus.Members.Lease demands. Random runs show the presence of bugs; that they find
// none proves nothing, and the planted bugs of sim/mutants say how much to make of it.
package sim
