package transport

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/consensus-go/consensus"
)

// errAborted: the sender has broken the snapshot off.
var errAborted = errors.New("aborted")

// A streamKey names a snapshot that is being received.
type streamKey struct {
	from consensus.NodeID
	name streamName
}

// An inflow is a snapshot that is being received: an io.Reader for the handler, which may outlive
// the connections that feed it.
type inflow struct {
	key  streamKey
	more chan struct{} // one slot: Read may go on

	mu       sync.Mutex
	window   window        // lo is what the handler has consumed, hi what has been received
	ended    bool          // there is no more than that
	err      error         // or the stream broke off, for good
	done     time.Time     // when the handler returned, if it has,
	result   error         // and this is what it returned
	expiry   *time.Timer   // gives it up when nothing has fed it for long
	feeder   *streamLink   // what feeds it now
	progress chan struct{} // of that, one slot: more has been consumed, or it is done
}

func newInflow(key streamKey, keep time.Duration) *inflow {
	in := &inflow{key: key, more: make(chan struct{}, 1)}
	in.expiry = time.AfterFunc(keep, func() { in.fail(errLost) })
	return in
}

// Read implements io.Reader.
func (in *inflow) Read(b []byte) (int, error) {
	for {
		n, err, ok := in.take(b)
		if ok {
			return n, err
		}
		<-in.more
	}
}

func (in *inflow) take(b []byte) (n int, err error, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return 0, in.err, true
	}
	if n = in.window.read(b); n > 0 {
		signal(in.progress)
		return n, nil, true
	}
	return 0, io.EOF, in.ended || len(b) == 0
}

// fail breaks the stream off.
func (in *inflow) fail(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil {
		in.err = err
	}
	signal(in.more)
}

// finish notes that the handler has returned.
func (in *inflow) finish(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.done, in.result, in.window.ring = time.Now(), err, nil
	in.err = cmp.Or(in.err, errAnswered) // for who still reads
	in.expiry.Stop()
	signal(in.progress)
}

// attach has link feed the stream from now on, and returns where to go on, and the channel that
// tells of progress.
func (in *inflow) attach(link *streamLink) (uint64, chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.feeder != nil {
		in.feeder.conn.Close()
	}
	in.expiry.Stop()
	in.feeder, in.progress = link, make(chan struct{}, 1)
	signal(in.progress) // it may be done
	return in.window.hi, in.progress
}

// detach notes that link is lost. Unless there is another, or all has been received, the stream is
// given up if there is none for the time keep.
func (in *inflow) detach(link *streamLink, keep time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.feeder != link {
		return
	}
	in.feeder = nil
	if !in.ended && in.done.IsZero() {
		in.expiry.Reset(keep)
	}
}

// feed takes one frame from link.
func (in *inflow) feed(link *streamLink, payload []byte) error {
	kind, body := payload[0], payload[1:]
	if kind == frameAbort {
		in.fail(fmt.Errorf("transport: node %d broke the snapshot off: %q", in.key.from, body))
		return errAborted
	}
	if len(body) < 8 {
		return malformed("frame of a snapshot")
	}
	offset, data := binary.LittleEndian.Uint64(body), body[8:]
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.feeder != link || in.err != nil:
		return nil // nobody needs it any more
	case offset != in.window.hi:
		return malformed("snapshot goes on at %d, and not at %d", offset, in.window.hi)
	case kind == frameEnd && len(data) == 0:
		in.ended = true // again, perhaps, after the connection broke
	case in.ended || kind != frameChunk || !in.window.write(data):
		return malformed("frame of a snapshot, or more than there is room for")
	}
	signal(in.more)
	return nil
}

// state is how far the handler has got, and what it has returned, if it has.
func (in *inflow) state() (consumed uint64, done bool, result error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.window.lo, !in.done.IsZero(), in.result
}

// stale reports whether the handler has returned, and so long ago that the sender does not ask.
func (in *inflow) stale(after time.Duration) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.done.IsZero() && time.Since(in.done) > after
}

// feedFrom feeds the stream with the frames that come on link, until that breaks.
func (in *inflow) feedFrom(link *streamLink, frames *frameReader) error {
	for {
		payload, _, err := frames.next()
		if err == nil && len(payload) > 0 {
			err = in.feed(link, payload)
		}
		if err != nil {
			return err
		}
	}
}
