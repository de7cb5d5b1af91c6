// Package storage keeps what a host must never forget: of every group the term and vote, the
// log since the last snapshot, and that snapshot.
//
// [Disk] keeps it in a folder, through kill -9, power cuts and full disks: a segmented log that all
// groups of a host share, where one sync serves them all, and files for their snapshots.
//
//	disk, err := storage.Open("/var/lib/orders", storage.Options{Node: 1})
//	...
//	host, err := consensus.Start(consensus.HostConfig{ID: 1, Storage: disk, Transport: net})
//
// What a crash tore is cut off, as nobody was told of it; what was durable and cannot be read is told
// apart from that, and the replica repairs it from its peers. format.go draws the files. All of it goes
// through an [FS], of which package crashfs has one that loses what power cuts lose.
//
// [Memory] keeps it in memory: for tests, examples, benchmarks, and for groups that may be lost
// with their process. It outlives the host that uses it, so that a host can be stopped and
// started again on the same Memory, as on a disk.
//
// What a store promises is the comment of consensus.Storage. One of your own is checked against
// it by package storagetest, in a line. The promises that are easily broken:
//
//   - A Write is all or nothing, and writes are durable in order. State without its entries, or
//     entries without their State, lose votes.
//   - An entry that was written and cannot be read is Damaged, not absent: a member that answers
//     "I have nothing there" helps to choose another value.
//   - After a failed write nobody knows what is durable, so there is no second try.
//   - A snapshot counts only once a Write adopts it: until then the log is what is true.
//
// Old entries are retained below the snapshot, up to a number of bytes, so that a slow follower
// need not be sent the whole state.
package storage

import "github.com/consensus-go/consensus"

// The contract, found where one looks for it.
type (
	// Storage keeps what a host must never forget. See consensus.Storage.
	Storage = consensus.Storage
	// SnapshotWriter is a snapshot in the making. See consensus.SnapshotWriter.
	SnapshotWriter = consensus.SnapshotWriter
)
