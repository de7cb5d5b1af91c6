package sim

import (
	"bytes"

	"github.com/consensus-go/consensus"
)

// jobs are what the applier of a node has to do, in order: entries to apply, and what must
// happen between two of them.
type jobs struct {
	queue   []job
	head    int
	entries []consensus.Entry // of the jobs that apply, in order, from next on
	next    int
	running bool // an event for the first job is on its way
}

// A job is one of three things.
type job struct {
	entries  int                     // apply so many
	restore  *consensus.SnapshotMeta // put the newest adopted snapshot into the Machine
	snapshot bool                    // take one of the Machine
}

func (j *jobs) reset() {
	clear(j.entries)
	*j = jobs{queue: j.queue[:0], entries: j.entries[:0]}
}

func (j *jobs) apply(es []consensus.Entry) {
	j.entries = append(j.entries, es...)
	if last := len(j.queue) - 1; last >= j.head && j.queue[last].entries > 0 && !(j.running && last == j.head) {
		j.queue[last].entries += len(es)
	} else {
		j.queue = append(j.queue, job{entries: len(es)})
	}
}

func (j *jobs) do(one job) { j.queue = append(j.queue, one) }

// pop takes the first job, and its entries.
func (j *jobs) pop() (job, []consensus.Entry) {
	first := j.queue[j.head]
	es := j.entries[j.next : j.next+first.entries]
	j.next += first.entries
	if j.head++; j.head == len(j.queue) {
		j.queue, j.head = j.queue[:0], 0
		j.entries, j.next = j.entries[:0], 0
	}
	return first, es
}

// applyNow does what the applier does in no time, sees to it that an event does the next of what
// takes time, and reports whether the replica was told anything.
func (n *node) applyNow() bool {
	told := false
	for j := &n.jobs; j.head < len(j.queue) && !j.running && !n.w.failed(); {
		next := &j.queue[j.head]
		switch {
		case next.snapshot:
			j.pop()
			n.takeSnapshot()
		case next.entries > 0 && n.w.plan.apply == 0 && n.slow == 0:
			n.runJob()
			told = true
		default:
			j.running = true
			n.w.after(n.w.dice.about(ChooseDelay, n.w.plan.apply)+n.slow, event{kind: eventJob, node: n.index, life: n.life})
		}
	}
	return told
}

// finishJob is the event that the applier has done its first job.
func (n *node) finishJob() {
	n.w.result.Events++
	if !n.sleep.quiet { // what was applied is no news to the engine
		n.touch()
	}
	n.jobs.running = false
	n.runJob()
	n.pump()
}

func (n *node) runJob() {
	w := n.w
	j, es := n.jobs.pop()
	if j.restore != nil {
		n.restored(*j.restore)
		return
	}
	if !w.checkApply(n, es) {
		return
	}
	var err error
	if w.applied, err = n.machine.Apply(es, w.applied[:0]); err != nil {
		w.fail("state machine", "node %d cannot apply %d to %d: %v", n.id, es[0].Index, es[len(es)-1].Index, err)
		return
	}
	w.checkOutcomes(n, es)
	if w.trace.on() {
		w.trace.say(w, n, "applied up to %d", n.machine.Index())
	}
	n.replica.Applied(w.applied)
}

// restored puts the newest adopted snapshot into the Machine.
func (n *node) restored(meta consensus.SnapshotMeta) {
	if n.disk.snapshot.Index < meta.Index {
		n.w.fail("snapshots", "node %d restores the snapshot at %d, but the newest it has adopted durably is at %d", n.id, meta.Index, n.disk.snapshot.Index)
		return
	}
	meta = n.disk.snapshot
	if err := n.machine.Restore(meta, bytes.NewReader(n.image())); err != nil {
		n.w.fail("restore", "node %d cannot restore the snapshot at %d: %v", n.id, meta.Index, err)
		return
	}
	if n.slot.received && n.slot.index == meta.Index {
		n.slot = slot{}
	}
	if n.w.trace.on() {
		n.w.trace.say(n.w, n, "restored the snapshot at %d", meta.Index)
	}
	n.replica.Restored(meta)
}
