// Package consensus replicates a state machine over several machines, so that it goes on as long as
// a majority of them does, and nothing acknowledged is lost.
//
// A user writes a [StateMachine], or a [DurableStateMachine], which keeps its state on disk itself;
// starts a [Host] on each machine with a [Storage] and a
// [Transport], and has it create, join or open a [Group]. Then [Group.Propose] has a command applied
// by all replicas in the same order, and [Group.Read] waits until the local one may be read
// linearizably. The protocol, an [Engine], is one line of the configuration: package raft has
// Raft, package paxos has Multi-Paxos.
//
// # A program
//
// A replicated map. It is compiled and run as this package's example.
//
//	package main
//
//	import (
//		"bytes"
//		"context"
//		"encoding/gob"
//		"fmt"
//		"io"
//		"os"
//		"path/filepath"
//		"sync"
//
//		"github.com/consensus-go/consensus"
//		"github.com/consensus-go/consensus/raft"
//		"github.com/consensus-go/consensus/storage"
//		"github.com/consensus-go/consensus/transport"
//	)
//
//	// A store is the state machine: a map. The command "key=value" sets a key and answers how many there are.
//	type store struct {
//		sync.Mutex
//		m map[string]string
//	}
//
//	func (s *store) Apply(c consensus.Command) consensus.Result {
//		s.Lock()
//		defer s.Unlock()
//		key, value, _ := bytes.Cut(c.Data, []byte("="))
//		s.m[string(key)] = string(value)
//		return consensus.Result{Value: uint64(len(s.m))}
//	}
//
//	func (s *store) Snapshot() io.WriterTo {
//		var b bytes.Buffer
//		gob.NewEncoder(&b).Encode(s.m)
//		return &b
//	}
//
//	func (s *store) Restore(r io.Reader) error {
//		s.Lock()
//		defer s.Unlock()
//		s.m = nil
//		return gob.NewDecoder(r).Decode(&s.m)
//	}
//
//	// main replicates the map over three hosts, here in one process. Disks and connections are real.
//	func main() {
//		ctx, dir, members := context.Background(), fmt.Sprint(os.TempDir(), "/map-", os.Getpid()), consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}
//		defer os.RemoveAll(dir) // to keep it, and open the group from then on, call host.Open
//		peers := map[consensus.NodeID]string{1: "127.0.0.1:27301", 2: "127.0.0.1:27302", 3: "127.0.0.1:27303"}
//		stores, groups := make(map[consensus.NodeID]*store), make(map[consensus.NodeID]*consensus.Group)
//		for id, address := range peers {
//			disk, err := storage.Open(filepath.Join(dir, fmt.Sprint(id)), storage.Options{Node: id})
//			check(err)
//			defer disk.Close()
//			net, err := transport.Listen(address, transport.TCPOptions{ID: id, Cluster: 1, Peers: peers, Plaintext: true})
//			check(err)
//			host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: disk, Transport: net})
//			check(err)
//			defer host.Close()
//			stores[id] = &store{m: make(map[string]string)}
//			groups[id], err = host.Create(consensus.GroupConfig{ID: 7, Protocol: raft.New, Members: members, StateMachine: stores[id]})
//			check(err)
//		}
//		result, err := groups[1].Propose(ctx, []byte("colour=green")) // any replica takes commands
//		check(err)
//		check(groups[3].Read(ctx)) // any replica's state machine can be read, linearizably
//		stores[3].Lock()
//		fmt.Println(result.Value, "key; colour is", stores[3].m["colour"])
//		stores[3].Unlock()
//		// Output: 1 key; colour is green
//	}
//
//	func check(err error) {
//		if err != nil {
//			panic(err)
//		}
//	}
//
// # What is guaranteed
//
// If a majority of a group's voters keep their disks, and no replica lies:
//
//   - A command whose Propose returned nil is on the disks of a majority, is applied once by every
//     replica in the same place, and is never lost.
//   - An error says which of two things it is: [ErrNotApplied], it was not applied and never will
//     be; or [ErrUnknown], it may or may not have been, or may yet be. There is no third.
//   - A command proposed through a [Session] is applied exactly once, however often it had to be sent.
//   - After a Read that returned nil the state machine shows everything that was acknowledged
//     anywhere before the Read began. That rests on no clock, unless Members.Lease is set.
//   - Nothing is acknowledged before it is on disk, a group of one replica included. [Effects] is
//     the whole of the order in which things become durable and leave, and users never see it.
//   - A replica whose disk was wiped passes for itself with nobody. It comes back through [Group.Change].
//   - No code of the user's runs in the protocol's loop. A state machine that is slow holds up its
//     own group only; one that panics stops it, and nothing else.
//   - When storage fails, every group of its host stops and says why ([ErrStopped]). The process lives.
//   - Every queue is bounded, in bytes, but for the callers themselves, of whom each waits with one
//     request; what is full says [ErrBusy], or pushes back on its peers. All groups of a host share a budget,
//     HostConfig.MemoryBudget, in which none holds up another.
//   - [Group.Close] and [Host.Close] return, and none of their goroutines outlives them. A stream that
//     a peer stalls in is the transport's, and stores nothing any more.
//
// # In operation
//
// [Host.Metrics] are counters and latency histograms, and [Host.WriteMetrics] writes them for Prometheus.
// HostConfig.Logger is told what an operator should know, [Group.Leadership] and [Host.Watch] tell who
// leads. None of them can hold up a group, whatever the user's side of it does.
//
// # Backup and restore
//
// [Group.Backup] writes a backup of a running group: the state machine and the sessions, as of an
// index that covers all that was acknowledged before. It takes what a snapshot takes, of any member but a
// witness. [CheckBackup] reads one to its end; whatever has happened to it, it is noticed.
//
// [Restore] makes a backup the beginning of a new group in a store where the group is not. All founders
// restore the same backup and call [Host.Create] with the same Members; or one is founded alone, and the others
// [Host.Join] and are let in by a change. The engine may be another one than before. The new group is of a new cluster, with
// an id of its own ([NewClusterID]) in the configuration of transports and stores. So no member of the old group can
// ever take part: its handshake is refused; its store is another cluster's; and once the first leader is
// elected, which takes all founders, each member is bound to the store that it had then. The commands that the backup
// lacks are lost to the new group; so is, to the old one, what the new one takes in. One of the two must be switched off.
//
// # A lost quorum
//
// When more voters are lost for good than the others can do without, the group stands still, and no change of
// membership helps, as that needs a quorum too. First make sure of it: voters that can be started again, with their
// disks, lose nothing. What is left is [Recover], with the hosts stopped and their stores opened:
// it says what the survivors have together, which of it is known to be chosen, and whether anything that was
// acknowledged may be missing. Survivors are read, and never written. Give it all of them, as the one that was the leader
// need not be the most complete. What a [DurableStateMachine] has on disk survives beside the store: Recover is given a copy.
// If it has applied more than is left of the log, the sessions do not know of that, and a client that asks again is applied again.
//
// If the report is to be lived with, [Recovery.Backup] writes a backup of it, and a new cluster is restored from that, as above.
// Survivors are not started again: their stores belong to a cluster that is no more. A host that joins
// the new one does so with an empty store. (Opening a storage.Disk does to its folder what a restart of its host does. To
// leave even that as it is, copy the folders first.)
//
// # A dead node
//
// It is replaced by one with another id in one change: start the new one with [Host.Join], and have any member
// [Group.Change] the members to those that live, with the new one as Joining. It becomes a voter when it has caught up,
// which [Group.Settled] waits for. A Change that is answered ErrUnknown may have had its effect: look at [Group.Status], and, if it had
// none, try again.
//
// # A wiped disk
//
// Its node comes back with an empty store, which is a new one even under the old id: Status.Refused is true, nobody counts its
// votes, and it may have forgotten some. It is replaced like a dead node, under its own id: Host.Join, then a change
// in which it is Joining. Two wiped of three are a lost quorum.
//
// # A rolling restart
//
// One node after the other: hand leadership over if it leads ([Group.Transfer]), close its host, start it again, have it
// open its groups, and wait for a [Group.Read] on it, which returns when it has caught up. Then the next one. Clients that
// use a [Session] on a member that stays up see nothing but the time that it takes; those of the member that stops go on
// at another one, with [Group.ProposeOnce].
//
// Each of these has an example.
//
// # What is not
//
//   - Progress without a majority of the voters, or while the network lets no two agree who
//     leads; a new group's first election needs all of its founders.
//   - Anything against replicas that lie, or storage that returns other bytes than it was given.
//   - Secrecy: that is the transport's.
//   - That Propose is retried. ErrUnknown is for the caller to deal with, or for a Session.
//   - That a StateMachine which is not deterministic is noticed.
//   - A Close faster than what runs: it waits for calls of the state machine, storage and transport
//     that have begun, because Go has no way to end them.
//
// # Words
//
// Four words mean four things, here and in every comment of this module:
//
//   - chosen: a quorum has made it durable, so no other command will ever have its index. A fact
//     about the whole group, which nobody may know yet.
//   - committed: known, at one replica, to be chosen.
//   - durable: on one replica's disk.
//   - applied: executed by one replica's state machine. Only committed entries are.
//
// And besides:
//
//   - engine: a protocol as a pure, deterministic state machine ([Engine]). effects: what it
//     wants done ([Effects]).
//   - entry, index, term: a position of the log ([Entry], [Index]) and the epoch of leadership it
//     was made in ([Term]). Paxos calls them slot and ballot.
//   - founder: a member that a group was created with.
//   - group: one replicated log with its state machine. A host runs members of many.
//   - incarnation: the random name of one store, by which it is told from its successor.
//   - life: of a replica, from start to stop. A restart begins another.
//   - machine: a state machine with what surrounds it: sessions, and the last membership ([Machine]).
//   - member: a node that takes part in a group. A voter votes and has the state machine; a learner
//     does not vote, a witness votes and stores the log but has no state machine, and one joining is
//     a learner that will be made a voter ([Members]).
//   - quorum: as many voters as a decision needs; an election and a commit always share one.
//   - replica: one member of one group, at work ([Replica]).
//   - session: a client's, for exactly-once ([Session]). In messages: a stretch of replication from
//     one leader to one follower ([Message]).
//   - snapshot: the state at an index, in place of the log up to there ([SnapshotMeta]).
//
// # Where to read next
//
// To use it: [Host], [Group], [StateMachine], and errors.go. To implement storage or transport:
// [Storage] and [Transport], which packages storagetest and transporttest turn into tests. To
// understand Raft: package raft, whose comment says in which order; Multi-Paxos: package paxos, likewise.
// To see them survive: package sim, and the command sim/cmd/simulate.
//
// To read this package, from the bottom up:
//
//	types.go members.go message.go     the vocabulary
//	codec.go                           messages as bytes, drawn
//	engine.go                          Engine and Effects: the contract
//	storage.go transport.go            what a host stands on
//	statemachine.go machine.go         what is replicated; session.go, view.go: sessions, snapshots;
//	                                   durable.go: state machines with a disk of their own
//	replica.go pump.go                 the rules of Effects, kept; requests: waiters.go, forward.go,
//	                                   gate.go, reads.go
//	host.go loop.go mailbox.go         goroutines and queues; writer.go, applier.go, snapshots.go,
//	                                   sending.go, memory.go
//	group.go open.go ticket.go         what users call; leadership.go, client.go, because.go, settled.go
//	backup.go recover.go               what is kept elsewhere, and what is left: backupfile.go, recovery.go
//	metrics.go exposition.go           what operators look at; histogram.go, logger.go, watch.go
//
// # Design
//
// Engines are pure. Inputs change an engine's memory, and Ready says what to do: so many inputs share
// one write and one message per follower, a seed replays a run, and rules are read in one place.
// There are no callbacks and no clock in an engine; time is an input.
//
// Writes are numbered and finish in order. An engine is told Persisted(seq), and nothing else
// decides what is durable. Messages are in two lists: those that may overtake the write under way
// (a leader's entries and heartbeats) and those that must not, because they claim something about this
// node's disk. A host that sends both after the write is correct, only slower.
//
// The log since the last snapshot is in memory; storage is appended to, and read to recover. A
// protocol step therefore never reads a disk, and has no read errors.
//
// A [Replica] is deterministic and does not block; a Host puts goroutines and queues around it, and
// the simulator puts dice around the very same code. What only a Host has is tested in virtual time.
//
// Batches come from draining: whatever arrives while a round, a write or a call is under way is
// the next one's. Nothing waits for a batch to fill, and there is nothing to tune.
//
// Three kinds of wrong have three answers. What a peer or a user gets wrong is refused with a typed
// error, or ignored and counted. What storage gets wrong stops the host's groups. What this module
// gets wrong itself panics, with the values.
package consensus
