package consensus

import (
	"errors"
	"fmt"
	"sort"
)

// A mark says that the next n held messages wait for write seq.
type mark struct {
	seq uint64
	n   int
}

// A restore is a received snapshot on its way into the Machine. Index 0: there is none.
type restore struct {
	meta    SnapshotMeta
	seq     uint64 // of the write that adopts it
	running bool   // Env was told; nothing more is applied until Restored
}

// Pump does what has become due: it asks the engine for effects until there are none.
func (r *Replica) Pump() {
	r.rise()
	if !r.closed {
		r.release()
		r.apply(nil)
		r.sweep()
		r.unpark()
		r.read()
		for r.engine.Ready(&r.eff) {
			r.fresh = false
			r.perform(&r.eff)
			r.eff.Reset()
		}
		r.watchTransfers()
		r.compact()
		r.flush()
	}
	r.answer()
}

// answer tells the callers what became of their requests.
func (r *Replica) answer() {
	for i := range r.done {
		c := &r.done[i]
		r.env.Done(c.id, c.result, c.err)
	}
	clear(r.done)
	r.done = r.done[:0]
}

// perform does what the engine wants, in the order that the rules of Effects ask for.
func (r *Replica) perform(e *Effects) {
	if len(e.Early) > 0 {
		r.env.Send(e.Early)
	}
	committed := e.Committed
	if w := &e.Write; w.Seq != 0 {
		if w.Seq != r.issued+1 {
			panic(fmt.Sprintf("consensus: node %d: write %d follows write %d", r.cfg.ID, w.Seq, r.issued))
		}
		r.issued = w.Seq
		if s := w.Snapshot; s != nil {
			n := sort.Search(len(committed), func(i int) bool { return committed[i].Index > s.Index })
			r.apply(committed[:n])
			committed = committed[n:]
			r.adopt(*s, w.Seq)
		}
		r.env.Write(*w)
	}
	r.hold(e.Messages)
	r.apply(committed)
	r.onReads(e.Reads)
	for i := range e.Snapshots {
		r.env.SendSnapshot(e.Snapshots[i]) // it holds only what is chosen, so it waits for no write
	}
	for _, f := range e.Fetch {
		r.env.Fetch(f)
	}
}

// maxHeld is how many messages wait for a disk. While it is stuck, heartbeats are still answered,
// and nothing else would bound how many answers are held.
const maxHeld = 1024

// hold keeps messages until every write issued so far is durable: rule 1 of Effects. Those above
// maxHeld are lost, as rule 4 allows.
func (r *Replica) hold(msgs []Message) {
	switch {
	case len(msgs) == 0:
	case r.durable == r.issued: // and so nothing is held
		r.env.Send(msgs)
	default:
		if n := min(len(msgs), maxHeld-r.held.len()); n > 0 {
			r.held.push(msgs[:n]...)
			r.marks.push(mark{r.issued, n})
		}
	}
}

// release sends the held messages whose writes are durable, all in one.
func (r *Replica) release() {
	n := 0
	for r.marks.len() > 0 && r.marks.live()[0].seq <= r.durable {
		n += r.marks.live()[0].n
		r.marks.pop(1)
	}
	if n > 0 {
		r.env.Send(r.held.live()[:n])
		r.held.pop(n)
	}
}

// send queues a message of the replica itself. These depend on no write: they speak of entries
// that are chosen, or of requests.
func (r *Replica) send(m Message) {
	m.From, m.Group, m.Incarnation = r.cfg.ID, r.cfg.Group, r.incarnation
	r.out = append(r.out, m)
}

func (r *Replica) flush() {
	if len(r.out) > 0 {
		r.env.Send(r.out)
		clear(r.out)
		r.out = r.out[:0]
	}
}

// apply hands committed entries to the Machine, behind those that wait. While a received snapshot
// is to be restored they all wait: rule 3 of Effects.
func (r *Replica) apply(es []Entry) {
	if n := len(es); n > 0 {
		r.handed = es[n-1].Index
	}
	if s := &r.restore; s.seq != 0 {
		r.wait(es)
		if !s.running && s.seq <= r.durable {
			s.running = true
			r.env.Restore(s.meta)
		}
		return
	}
	if len(r.behind) > 0 {
		r.wait(es)
		r.env.Apply(r.behind)
		r.passOver(len(r.behind))
		return
	}
	if len(es) > 0 {
		r.env.Apply(es)
	}
}

// wait keeps entries for when the restore has ended.
func (r *Replica) wait(es []Entry) {
	r.behind = append(r.behind, es...)
	for i := range es {
		r.owed += es[i].Size()
	}
}

// passOver drops the first n entries of those that wait.
func (r *Replica) passOver(n int) {
	for i := range r.behind[:n] {
		r.owed -= r.behind[i].Size()
	}
	kept := copy(r.behind, r.behind[n:])
	clear(r.behind[kept:])
	r.behind = r.behind[:kept]
}

// adopt notes that a write adopts a snapshot. One of our own covers only what was handed to the
// Machine; any other was received. Then it takes the place of what still waits to be applied, an
// earlier received snapshot among it.
func (r *Replica) adopt(meta SnapshotMeta, seq uint64) {
	if meta.Index <= r.handed {
		return
	}
	r.handed = meta.Index
	r.passOver(len(r.behind))
	r.restore = restore{meta: meta, seq: seq}
}

// compact has a snapshot taken when enough was applied since the last.
func (r *Replica) compact() {
	if r.cfg.SnapshotSize == 0 || r.grown < r.cfg.SnapshotSize && !r.early || r.taking || r.restore.seq != 0 {
		return
	}
	r.grown, r.taking, r.early = 0, true, false
	r.env.TakeSnapshot()
}

// Compact asks for a snapshot that frees memory, though less than SnapshotSize was applied since the
// last one. One that is being taken serves as well.
func (r *Replica) Compact() { r.early = !r.taking }

// Persisted reports that the write numbered seq, and every one before it, is durable.
func (r *Replica) Persisted(seq uint64) {
	if seq > r.issued {
		panic(fmt.Sprintf("consensus: node %d: write %d is durable, but the last issued is %d", r.cfg.ID, seq, r.issued))
	}
	if seq > r.durable {
		r.durable = seq
		r.fresh = false
		r.engine.Persisted(seq)
	}
}

// Applied reports what became of entries that Apply was given, in order. It keeps nothing of
// results but the bytes of the answers.
func (r *Replica) Applied(results []Applied) {
	r.rise()
	for i := range results {
		a := &results[i]
		r.applied = a.Index
		r.grown += a.Size
		if len(r.requests) > 0 {
			r.settle(a)
		}
	}
	r.readReached()
}

// Restored reports that the snapshot of meta is in the Machine. It is that of the Restore, or a
// later one that was adopted meanwhile.
func (r *Replica) Restored(meta SnapshotMeta) {
	r.applied = max(r.applied, meta.Index)
	r.grown = 0
	if r.restore.meta.Index <= meta.Index {
		r.restore = restore{}
	}
	n := sort.Search(len(r.behind), func(i int) bool { return r.behind[i].Index > meta.Index })
	r.passOver(n)
	r.skipTo(meta.Index)
	r.readReached()
}

// Compacted reports that the snapshot of TakeSnapshot is committed in storage, or why not. After
// an error the next one is taken when another SnapshotSize bytes were applied.
func (r *Replica) Compacted(meta SnapshotMeta, err error) {
	r.taking = false
	if err == nil {
		r.fresh = false
		r.engine.Compacted(meta)
	}
}

// SnapshotSent reports that the stream of a SendSnapshot has ended, and how.
func (r *Replica) SnapshotSent(to NodeID, err error) {
	r.fresh = false
	r.engine.SnapshotSent(to, err)
}

// Fetched answers a Fetch. It takes ownership of the entries' bytes, not of the slice.
func (r *Replica) Fetched(f Fetch, es []Entry, err error) {
	r.fresh = false
	r.engine.Fetched(f, es, err)
}

// transfer asks the engine to hand over. A transfer is not forwarded: who asks for one wants to
// know which replica leads.
func (r *Replica) transfer(q *request) {
	err := r.engine.Transfer(q.to)
	r.fresh = false
	switch {
	case err == nil:
		q.term = r.state().Term
		r.transfers.push(q)
	case errors.Is(err, ErrNotLeader):
		r.finish(q, Result{}, &NotLeaderError{r.state().Leader})
	default:
		r.finish(q, Result{}, err)
	}
}

// watchTransfers answers the transfers that have ended. One that ran out of time while this
// replica leads is ErrUnknown: the message that lets the other one campaign may still arrive.
func (r *Replica) watchTransfers() {
	for q := r.transfers.first(); q != nil; {
		next := r.transfers.after(q)
		st := r.state()
		switch {
		case st.Leader == q.to:
			r.finish(q, Result{}, nil)
		case st.Role == Leader && st.Transferring != q.to:
			r.finish(q, Result{}, errTransferTime)
		case st.Role != Leader && st.Leader != 0:
			r.finish(q, Result{}, &NotLeaderError{st.Leader})
		}
		q = next
	}
}

// errTransferTime is the ErrUnknown of a transfer.
var errTransferTime = fmt.Errorf("%w: leadership was not handed over in time", ErrUnknown)
