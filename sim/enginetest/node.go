package enginetest

import (
	"fmt"
	"slices"

	"github.com/consensus-go/consensus"
)

// A Node is one engine with its disk, its state machine, and the smallest host that keeps the
// rules of Effects. Each rule can be broken, to see what it is for.
type Node struct {
	c      *Cluster
	Config consensus.EngineConfig
	Engine consensus.Engine // nil while the node is down
	Now    Instant
	Disk   *Disk
	life   int

	Manual   bool // writes finish only when told
	Batching bool // effects are asked for only when told
	slow     bool // reads of old entries are answered only when told

	early     map[consensus.Kind]bool // spoiled: these leave before the disk has finished
	unordered bool                    // spoiled: writes may finish in any order
	hasty     bool                    // spoiled: what is committed is applied, though a snapshot is not restored yet

	eff      consensus.Effects
	Issued   uint64 // the writes so far
	finished uint64
	gate     []gated
	queue    []task
	Reads    []consensus.Read
	fetches  []consensus.Fetch

	Applied Index   // by the state machine
	Machine []Entry // the state machine: all that it applied. A witness has none

	commit         Index  // as the engine said last, and
	contradictions uint64 // how many it had counted
}

// gated is a message that waits until the writes up to seq are durable (rule 1).
type gated struct {
	seq uint64
	m   Message
}

// A task is something for the state machine to do, in order (rule 3).
type task struct {
	entries []Entry
	restore *consensus.SnapshotMeta // once the write seq is durable
	seq     uint64
}

// ID is the node's name.
func (n *Node) ID() NodeID { return n.Config.ID }

// witness reports whether the node has no state machine.
func (n *Node) witness() bool { return n.Engine.Status().Kind == consensus.Witness }

// Start begins a life with what is on disk.
func (n *Node) Start() {
	e, err := n.c.Protocol.New(n.Config, n.Disk.Recover())
	if err != nil {
		panic(err)
	}
	n.life++
	n.Engine = e
	n.Issued, n.finished, n.gate, n.queue, n.Reads, n.fetches = 0, 0, nil, nil, nil, nil
	n.Applied, n.Machine = n.Disk.Snapshot.Index, slices.Clone(n.Disk.Blobs[n.Disk.Snapshot.Index])
	n.commit, n.contradictions = 0, 0
	n.Input(func() { n.Engine.Tick(n.Now) })
}

// Crash ends a life. Of the unfinished writes the first keep survive.
func (n *Node) Crash(keep int) {
	n.Disk.Crash(keep)
	n.Engine = nil
}

// Wipe gives a node that is down an empty disk, of another incarnation.
func (n *Node) Wipe() { n.Disk = NewDisk(n.Disk.Incarnation + 100) }

// Input gives the engine an input and does what it wants done.
func (n *Node) Input(f func()) {
	if n.Engine == nil {
		return
	}
	f()
	if !n.Batching {
		n.pump()
	}
	n.c.check(n)
}

// Tick lets time pass, with no effects meanwhile.
func (n *Node) Tick(d Instant) {
	until := n.Now + d
	n.Input(func() { Elapse(n.Engine, n.Now, until) })
	n.Now = until
}

// Elapse lets the time of an engine pass, in as many ticks as it takes for all of it to count.
func Elapse(e consensus.Engine, from, until Instant) {
	for ; from < until-Heartbeat; from += Heartbeat {
		e.Tick(from + Heartbeat)
	}
	e.Tick(until)
}

// pump asks for effects until there are none.
func (n *Node) pump() {
	for n.Engine.Ready(&n.eff) {
		n.Act(&n.eff)
		n.eff.Reset()
		for !n.Manual && len(n.Disk.Unfinished) > 0 {
			n.finish(0)
		}
		for !n.slow && len(n.fetches) > 0 {
			n.answerFetch()
		}
	}
}

// Act is the host.
func (n *Node) Act(eff *consensus.Effects) {
	for _, m := range eff.Early {
		n.c.send(m, "")
	}
	if w := eff.Write; w.Seq != 0 {
		n.write(w)
	}
	for _, m := range eff.Messages {
		switch {
		case n.finished == n.Issued:
			n.c.send(m, "")
		case n.early[m.Kind]:
			n.c.send(m, "EARLY ")
		default:
			if n.Manual {
				n.c.Tracef("  after #%d: %s", n.Issued, n.c.Protocol.message(&m))
			}
			n.gate = append(n.gate, gated{n.Issued, m})
		}
	}
	if len(eff.Committed) > 0 {
		n.queue = append(n.queue, task{entries: slices.Clone(eff.Committed)})
	}
	for _, r := range eff.Reads {
		n.c.Tracef("  %d answers %s", n.ID(), readString(r))
		n.Reads = append(n.Reads, r)
	}
	for _, m := range eff.Snapshots {
		n.c.sendStream(n, m)
	}
	for _, f := range eff.Fetch {
		n.c.Tracef("  %d fetches %d to %d for %d", n.ID(), f.Lo, f.Hi, f.To)
		n.fetches = append(n.fetches, f)
	}
	n.apply()
}

func (n *Node) write(w consensus.Write) {
	if w.Seq != n.Issued+1 {
		n.c.Violatef("%d issued write %d after %d", n.ID(), w.Seq, n.Issued)
	}
	n.Issued = w.Seq
	n.Disk.Issue(w)
	n.c.Tracef("  %d writes %s", n.ID(), n.c.Protocol.write(w))
	if s := w.Snapshot; s != nil && s.Index > n.taken() {
		n.queue = append(n.queue, task{restore: s, seq: w.Seq})
	}
}

// taken is how far the state machine will be when it has done all that is queued.
func (n *Node) taken() Index {
	for k := len(n.queue) - 1; k >= 0; k-- {
		if t := n.queue[k]; t.restore != nil {
			return t.restore.Index
		} else if len(t.entries) > 0 {
			return t.entries[len(t.entries)-1].Index
		}
	}
	return n.Applied
}

// finish makes the k-th unfinished write durable and tells the engine.
func (n *Node) finish(k int) {
	w := n.Disk.Finish(k)
	if w.Changed() {
		n.c.Violatef("entries of write %d of %d changed while it was under way", w.Seq, n.ID())
	}
	if n.Manual {
		n.c.Tracef("  %d has written #%d", n.ID(), w.Seq)
	}
	n.finished = max(n.finished, w.Seq)
	n.Engine.Persisted(w.Seq)
	for len(n.gate) > 0 && n.gate[0].seq <= n.finished {
		m := n.gate[0].m
		n.gate = n.gate[1:]
		n.c.send(m, "")
	}
	n.apply()
}

// FinishAll makes every unfinished write durable.
func (n *Node) FinishAll() {
	for len(n.Disk.Unfinished) > 0 {
		n.finish(0)
	}
}

// answerFetch reads the oldest range that the engine asked for.
func (n *Node) answerFetch() {
	f := n.fetches[0]
	n.fetches = n.fetches[1:]
	es, err := n.Disk.Fetch(f)
	if err != nil {
		n.c.Tracef("  %d has %d no longer", n.ID(), f.Lo)
	}
	n.Engine.Fetched(f, es, err)
}

func readString(r consensus.Read) string {
	switch {
	case r.Err != nil:
		return fmt.Sprintf("read %d: %v", r.ID, r.Err)
	case r.Until != 0:
		return fmt.Sprintf("read %d: at %d, leased", r.ID, r.Index)
	}
	return fmt.Sprintf("read %d: at %d", r.ID, r.Index)
}
