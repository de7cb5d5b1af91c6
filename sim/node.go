package sim

import (
	"bytes"
	"slices"
	"time"

	"github.com/consensus-go/consensus"
)

// A node is a machine of the cluster: a replica with its disk and clock, and what the checks
// remember of it. It is the Env of its replica.
type node struct {
	w       *World
	id      consensus.NodeID
	index   uint8
	witness bool // has no state machine: a witness, when it is anything
	founder bool // of the group, with the disk that it has

	up      bool
	life    uint32 // counts starts and crashes: events of an older life do not happen
	engine  consensus.Engine
	replica *consensus.Replica
	machine *consensus.Machine
	state   *audit // nil at a witness
	waiting []request
	jobs    jobs
	slot    slot
	sleep   sleep

	disk        disk
	shelf       shelf     // of a durable state machine
	real        *realDisk // nil: the disk is only modelled
	lost        lostDisk
	unsure      consensus.Index // what is up to here was damaged, and may not be repaired yet
	lostTerm    consensus.Term  // in that case, the term with which the disk was found since, last
	backup      *backup
	clock       clock
	pausedUntil int64
	slow        time.Duration // added to whatever it does

	told   bool // the replica has been told the time since its last pump
	active bool // the replica has done something since its last pump

	// What the checks know.
	status consensus.Status       // as of the last pump
	log    window[consensus.Term] // terms by index, as of the last write issued
	values window[uint64]         // Paxos: hashes of the entries, likewise
	base   consensus.SnapshotMeta // the snapshot adopted by the last write that adopted one
	issued consensus.State        // as of the last write issued
	wiped  bool                   // came back with an empty disk, and is not a member again yet
}

// A request is one that a replica is to answer.
type request struct {
	id    uint64
	who   int             // a client, or one of asker's
	floor consensus.Index // what somebody knew to be committed when it was made
}

func (n *node) reset(w *World, i int) {
	*n = node{
		w: w, id: consensus.NodeID(i + 1), index: uint8(i), life: n.life,
		waiting: n.waiting[:0], jobs: n.jobs, disk: n.disk, log: n.log, values: n.values,
		sleep: sleep{out: n.sleep.out, lost: n.sleep.lost},
	}
	n.founder = i < w.plan.founders
	n.witness = w.plan.witness && i == w.plan.founders-1 || !n.founder && w.dice.chance(ChooseIdentity, 200)
	n.jobs.reset()
	n.format()
	n.lost = lostDisk{}
	n.clock = clock{rate: w.rate()}
}

// rate draws how fast a clock runs.
func (w *World) rate() int64 {
	drift := w.plan.drift
	return trueRate + int64(w.dice.among(ChooseOptions, -drift, drift))
}

// start boots the node from its disk.
func (n *node) start() {
	w := n.w
	n.life++
	n.up, n.slot, n.told = true, slot{}, false
	n.waiting = n.waiting[:0]
	n.jobs.reset()
	n.clock = clock{since: w.now, reading: consensus.Instant(w.dice.between(ChooseIdentity, 0, time.Minute)), rate: n.clock.rate}

	rec := n.recover()
	if w.failed() {
		n.up = false
		return
	}
	cfg := consensus.EngineConfig{
		ID: n.id, Group: group, Witness: n.witness,
		ElectionTimeout: w.plan.election, HeartbeatInterval: w.plan.heartbeat,
		MaxMessageSize: w.plan.maxMessage, MaxInflight: w.plan.maxInflight,
		Seed: w.dice.id(),
	}
	if n.founder {
		cfg.Members = w.founding()
	}
	engine, err := w.options.Protocol(cfg, rec)
	if err != nil {
		w.fail("start", "node %d does not start: %v", n.id, err)
		n.up = false
		return
	}
	n.engine = engine
	n.boot(rec.Snapshot)
	snapshotSize := w.plan.snapshotSize
	if n.witness {
		snapshotSize = 0
	}
	life := w.dice.id()
	w.lives++
	n.sleep.quiet, n.sleep.detector = false, *consensus.NewDetector(n.id, life)
	n.replica = consensus.NewReplica(consensus.ReplicaConfig{
		ID: n.id, Group: group, Life: uint32(life>>32)<<12 | w.lives, // no two are alike, by however small a chance
		SnapshotSize: snapshotSize, RetryInterval: w.plan.retry, NoForward: w.plan.noForward,
	}, engine, n, rec)
	n.remember(&rec)
	w.after(w.dice.between(ChooseDelay, 0, w.plan.tick), event{kind: eventTick, node: n.index, life: n.life})
	n.touch()
	n.pump()
}

// boot makes the Machine what the snapshot of meta says.
func (n *node) boot(meta consensus.SnapshotMeta) {
	var sm consensus.StateMachine
	n.state = nil
	if !n.witness {
		n.state = newAudit(n)
		sm = n.state
	}
	if n.w.options.Durable && !n.witness {
		kept, err := newKeeper(n.state)
		if err != nil {
			n.w.fail("restore", "node %d cannot read what it synced: %v", n.id, err)
		}
		sm = kept
	}
	n.machine = consensus.NewMachine(sm, n.w.plan.limits)
	if meta.Index != 0 {
		if err := n.machine.Restore(meta, bytes.NewReader(n.image())); err != nil {
			n.w.fail("restore", "node %d cannot restore the snapshot at %d that it stored: %v", n.id, meta.Index, err)
		}
	}
}

// remember makes the checks' view of the log what has been recovered.
func (n *node) remember(rec *consensus.Recovered) {
	n.status = consensus.Status{}
	n.base, n.issued, n.lostTerm = rec.Snapshot, rec.State, rec.State.Term
	n.log.reset()
	n.log.first = rec.Snapshot.Index + 1
	for i := range rec.Entries {
		if t := rec.Entries[i].Term; t != 0 {
			*n.log.put(rec.Entries[i].Index) = t
		}
	}
	n.values.reset()
	n.values.first = rec.Snapshot.Index + 1
	for i := range rec.Entries {
		*n.values.put(rec.Entries[i].Index) = entryHash(&rec.Entries[i])
	}
	for _, r := range rec.Damaged { // it was voted for, all the same; that it was known to be chosen is forgotten
		for i := r.First; i <= r.Last; i++ {
			if e := n.disk.log.at(i); e != nil && e.Term != consensus.Chosen { // a real disk may not know that there was none
				*n.log.put(i) = e.Term
			}
		}
	}
	n.w.checkPromiseKept(n, rec)
}

// crash ends the life of the node: what its disk has not finished is lost, but for the beginning.
func (n *node) crash() {
	if !n.up {
		return
	}
	w := n.w
	w.recogniseCrash(n)
	w.examine(n)
	n.up, n.pausedUntil = false, 0
	n.life++
	n.syncInTime()
	n.disk.lose(n)
	n.backUp()
	w.result.Crashes++
	if w.trace.on() {
		w.trace.say(w, n, "crashes")
	}
	for len(n.waiting) > 0 {
		r := n.waiting[0]
		n.waiting = slices.Delete(n.waiting, 0, 1)
		w.answer(n, r.who, consensus.Result{}, consensus.ErrUnknown)
	}
}

// examine tries, now and then at the end of a life, what a run has no other use for.
func (w *World) examine(n *node) {
	if !w.dice.chance(ChooseCrash, 128) {
		return
	}
	for topic := range consensus.Topics {
		n.engine.Explain(consensus.Question{Topic: consensus.Topic(topic), Index: n.status.Last, Node: w.anyNode().id})
	}
	w.checkBounds(n)
	n.replica.Close()
	if len(n.waiting) > 0 {
		w.fail("answers", "node %d closes without an answer to request %x", n.id, n.waiting[0].id)
	}
}

// restart boots the node again, if it is down.
func (n *node) restart() {
	if !n.up {
		if n.w.trace.on() {
			n.w.trace.say(n.w, n, "restarts")
		}
		n.w.result.Events++
		n.start()
		n.w.releaseHeld(n.index)
	}
}

// touch tells the replica the time before its input, as a Host does.
func (n *node) touch() {
	n.wake()
	if !n.told {
		n.told = true
		n.replica.Tick(n.Now())
	}
}

// tick is the clock's interrupt. It counts as an event only if something comes of it.
func (n *node) tick() {
	w := n.w
	w.after(n.clock.real(w.plan.tick)+n.slow, event{kind: eventTick, node: n.index, life: n.life})
	n.watch()
	if n.sleep.quiet {
		return
	}
	n.touch()
	before, term, role := w.result.Events, n.status.Term, n.status.Role
	n.active = false
	n.pump()
	if w.result.Events == before && (n.active || n.status.Term != term || n.status.Role != role) {
		w.result.Events++
	}
}

// input counts an event and tells the time. Something is to be told to the replica next, and
// then it is to be pumped.
func (n *node) input() {
	n.w.result.Events++
	n.touch()
}

// pump lets the replica do what has become due, and checks everything.
func (n *node) pump() {
	n.told = false
	for {
		n.replica.Pump()
		n.w.observe(n)
		if n.w.failed() || !n.applyNow() {
			break
		}
		if !n.sleep.quiet {
			n.replica.Tick(n.Now())
		}
	}
	n.rest()
}

// settle pumps, unless the very next event is one more input for this node within so short a
// time that a Host would take both in one round.
func (n *node) settle() {
	w := n.w
	const round = int64(100 * time.Microsecond)
	if w.plan.batch && len(w.queue.events) > 0 {
		if e := &w.queue.events[0]; e.node == n.index && e.at < w.now+round && (e.kind == eventDeliver || e.kind == eventWritten && e.life == n.life) {
			return
		}
	}
	n.pump()
}

// termAt is the term of the entry at i, as of the last write issued. 0: unknown.
func (n *node) termAt(i consensus.Index) consensus.Term {
	if t := n.log.at(i); t != nil {
		return *t
	}
	if i == n.base.Index {
		return n.base.Term
	}
	return 0
}
