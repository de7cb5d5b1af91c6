package sim

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// The methods of consensus.Env. They check what the replica does, and turn it into events.

func (n *node) Now() consensus.Instant { return n.clock.at(n.w.now) }

func (n *node) Send(ms []consensus.Message) {
	for i := range ms {
		n.active = true
		n.w.checkSent(n, &ms[i])
		n.w.send(n, &ms[i])
	}
}

func (n *node) Write(wr consensus.Write) {
	n.active = true
	if n.w.trace.on() {
		n.w.trace.write(n.w, n, &wr)
	}
	n.w.checkWrite(n, &wr)
	n.disk.submit(n, wr)
}

func (n *node) Apply(es []consensus.Entry) {
	n.active = true
	n.jobs.apply(es)
}

func (n *node) Restore(meta consensus.SnapshotMeta) {
	n.active = true
	n.jobs.do(job{restore: &meta})
}

func (n *node) TakeSnapshot() {
	n.active = true
	n.jobs.do(job{snapshot: true})
}

func (n *node) SendSnapshot(m consensus.Message) {
	n.active = true
	n.w.stream(n, m)
}

func (n *node) Fetch(f consensus.Fetch) {
	n.active = true
	if n.w.trace.on() {
		n.w.trace.say(n.w, n, "fetches %d to %d for %d", f.Lo, f.Hi, f.To)
	}
	n.w.callFor(n, n.w.diskDelay(n), func() { n.fetched(f) })
}

func (n *node) Done(id uint64, r consensus.Result, err error) {
	n.active = true
	i := slices.IndexFunc(n.waiting, func(r request) bool { return r.id == id })
	if i < 0 {
		n.w.fail("answers", "node %d answers request %x, which nobody made or which was answered before", n.id, id)
		return
	}
	q := n.waiting[i]
	n.waiting = slices.Delete(n.waiting, i, i+1)
	n.w.checkDone(n, &q, err)
	n.w.answer(n, q.who, r, err)
}

// ask makes a request at n in the name of who; do hands it to the replica under a new id.
func (n *node) ask(who int, do func(id uint64)) uint64 {
	n.input()
	id := n.replica.NextID()
	n.waiting = append(n.waiting, request{id: id, who: who, floor: n.w.ghost.learned})
	n.w.ghost.asked[id] = true
	do(id)
	n.pump()
	return id
}
