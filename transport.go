package consensus

import (
	"context"
	"io"
)

// Transport carries messages between hosts. It may lose, delay, duplicate and reorder messages,
// but never damages one: a message that arrives is one that was sent. Package transporttest is
// this comment as a test suite, for any implementation.
type Transport interface {
	// Serve delivers what arrives to h until ctx is done, and then returns nil, with no call of h
	// under way. A host calls it once.
	Serve(ctx context.Context, h Handler) error
	// Send tries to deliver messages, each to its To, and does not block. It keeps nothing of its
	// argument but the entries and data: what cannot be queued is dropped.
	Send(msgs []Message)
	// SendSnapshot streams r to m.To and blocks until that node has stored it, or ctx is done.
	SendSnapshot(ctx context.Context, m Message, meta SnapshotMeta, r io.Reader) error
}

// A Handler takes what a transport delivers. Its methods may be called concurrently.
type Handler interface {
	// Deliver takes ownership of the Entries and Data of msgs, not of msgs. It does not block, and may call Send.
	Deliver(msgs []Message)
	// DeliverSnapshot stores the stream r, and returns nil once it has.
	DeliverSnapshot(m Message, meta SnapshotMeta, r io.Reader) error
}
