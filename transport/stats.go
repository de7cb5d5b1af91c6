package transport

import (
	"sync/atomic"

	"github.com/consensus-go/consensus"
)

// TCPStats counts what a TCP has done since it was made.
type TCPStats struct {
	Sent     Traffic // messages
	Received Traffic
	Dropped  TCPDrops // messages that were to be sent

	Connects        uint64 // connections made to others
	ConnectFailures uint64
	Accepted        uint64 // connections of others that were welcome
	Refused         uint64 // those that were not: handshakes that failed
	Malformed       uint64 // connections that were closed because they broke the protocol

	SnapshotsSent     uint64 // of which the receiver has said that they are stored
	SnapshotsReceived uint64 // that our handler has stored
	SnapshotsResumed  uint64 // connections that went on with a snapshot after another broke
	SnapshotBytesSent uint64

	Peers map[consensus.NodeID]PeerStats // those that have or had an address
}

// Traffic counts messages, and the frames and bytes that they were in. Frames include those that
// only say that a node is alive.
type Traffic struct{ Messages, Frames, Bytes uint64 }

// TCPDrops counts messages that were dropped, by reason.
type TCPDrops struct {
	QueueFull   uint64 // no room for it in the peer's queue
	Unreachable uint64 // the peer could not be reached. What was being written when a connection broke is not counted
	Unknown     uint64 // to no node that has an address, to or not from this one, or while it is not served
	TooLarge    uint64 // above MaxMessageBytes
}

// PeerStats is what TCPStats knows of one peer.
type PeerStats struct {
	Address     string
	Connected   bool // for messages to it
	QueuedBytes int
	Sent        Traffic
	Dropped     TCPDrops
	Connects    uint64 // for messages
	LastError   string // why the last try or connection failed; empty since one succeeded
}

// stats are the counters that belong to no peer.
type stats struct {
	messagesReceived, framesReceived, bytesReceived                       atomic.Uint64
	unknown                                                               atomic.Uint64
	connects, connectFailures, accepted, refused, malformed               atomic.Uint64
	snapshotsSent, snapshotsReceived, snapshotsResumed, snapshotBytesSent atomic.Uint64
}

// Stats returns the counters as they are now.
func (t *TCP) Stats() TCPStats {
	s := TCPStats{
		Received:          Traffic{t.stats.messagesReceived.Load(), t.stats.framesReceived.Load(), t.stats.bytesReceived.Load()},
		Dropped:           TCPDrops{Unknown: t.stats.unknown.Load()},
		Connects:          t.stats.connects.Load(),
		ConnectFailures:   t.stats.connectFailures.Load(),
		Accepted:          t.stats.accepted.Load(),
		Refused:           t.stats.refused.Load(),
		Malformed:         t.stats.malformed.Load(),
		SnapshotsSent:     t.stats.snapshotsSent.Load(),
		SnapshotsReceived: t.stats.snapshotsReceived.Load(),
		SnapshotsResumed:  t.stats.snapshotsResumed.Load(),
		SnapshotBytesSent: t.stats.snapshotBytesSent.Load(),
		Peers:             make(map[consensus.NodeID]PeerStats),
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for id, p := range t.peers {
		x := p.status()
		s.Peers[id] = x
		s.Sent.add(x.Sent)
		s.Dropped.add(x.Dropped)
	}
	return s
}

func (t *Traffic) add(x Traffic) {
	t.Messages += x.Messages
	t.Frames += x.Frames
	t.Bytes += x.Bytes
}

func (d *TCPDrops) add(x TCPDrops) {
	d.QueueFull += x.QueueFull
	d.Unreachable += x.Unreachable
	d.Unknown += x.Unknown
	d.TooLarge += x.TooLarge
}
