package consensus

import "time"

// A Replica is one member of one group: an engine and the rules of Effects that bind it to a
// disk, a network, a Machine and its callers. It is deterministic and does not block, so that a
// Host and a simulator run the very same code. It is not safe for concurrent use.
//
// Inputs and completions are methods; they only change state. Pump does what has become due,
// through Env. The driver feeds any number of inputs and then calls Pump once.
//
// Every request is answered once, by Env.Done with an error as errors.go explains it. A request
// that nobody can take is parked until a leader is known that can; one that went out may be
// answered ErrUnknown when leadership changes. Neither ends by itself while there is no leader:
// that is for Cancel.
type Replica struct {
	cfg         ReplicaConfig
	incarnation uint64
	engine      Engine
	env         Env

	*desk           // nil while at rest
	gate   gate     // forward.go
	status standing // of the engine, if fresh
	fresh  bool
	closed bool
	taking bool // a snapshot is being taken
	early  bool // one is to be taken however little was applied
	lastID uint64

	now, swept Instant
	interval   Instant // RetryInterval

	// Writes: pump.go.
	issued  uint64 // the last write handed to Env
	durable uint64 // durable <= issued

	// What is applied: pump.go.
	handed  Index // everything up to here was handed to Apply or will be in a Restore
	applied Index // applied <= handed
	grown   int   // bytes applied since the last snapshot was taken
}

// A desk is what a replica needs of memory while anything goes on.
type desk struct {
	eff Effects

	// Messages that wait for writes: pump.go.
	held  fifo[Message]
	marks fifo[mark] // how many of held wait for which write
	out   []Message  // the replica's own messages

	// Received snapshots: pump.go.
	restore restore // one that is to be restored
	behind  []Entry // committed entries that wait for that, and
	owed    int     // their bytes

	// Requests: waiters.go, forward.go, reads.go.
	requests    map[key]*request   // all but reads from elsewhere
	placed      map[Index]*request // those in proposed, by where they stand
	parked      queue              // to be proposed or forwarded when there is a leader for it
	refused     queue              // likewise, but not to the leader of refusedTerm again
	refusedTerm Term
	forwarded   queue // sent to the leader
	proposed    queue // taken in by the engine
	transfers   queue
	waiting     queue    // reads that are in no round yet
	asked       queue    // the same, of other replicas, which take this one for the leader
	askedLen    int      // of asked and of the rounds together
	rounds      []*round // given to the engine, oldest first
	polling     *round   // sent to the leader, or nil
	snubbed     snub
	readable    fifo[*round] // answered, and waiting for their index to be applied
	reading     int          // reads of callers here that are open
	parkedBytes int          // of proposals
	batch       []Entry      // of the Forward in the making
	batchBytes  int
	done        []completion
	idle        []*request
	idleRounds  []*round
}

// rise sees to it that there is a desk.
func (r *Replica) rise() {
	if r.desk != nil {
		return
	}
	d := &desk{requests: make(map[key]*request), placed: make(map[Index]*request)}
	for _, l := range [...]*queue{&d.parked, &d.refused, &d.forwarded, &d.proposed, &d.transfers, &d.waiting, &d.asked} {
		l.init()
	}
	r.desk = d
}

// A ReplicaConfig is what a replica is told once.
type ReplicaConfig struct {
	ID           NodeID
	Group        GroupID
	Life         uint32 // a random number, different in each life of the replica
	SnapshotSize int    // take a snapshot after so many bytes of applied log; 0: never, as at a witness
	// MaxParked is how many bytes of proposals may wait for a leader or for its answer: above,
	// ErrBusy. One proposal may exceed it. Default 1 MiB.
	MaxParked int
	// RetryInterval is after how long a message that was not answered is sent again. Default 1s.
	RetryInterval time.Duration
	NoForward     bool // refuse with a *NotLeaderError instead of forwarding to the leader
}

// A standing is what of the engine's Status decides where a request goes.
type standing struct {
	Role                 Role
	Term                 Term
	Leader, Transferring NodeID
	Founding             bool // the membership is the founding one still
}

// Env does for a Replica what it cannot do itself. No method blocks, or calls back. What a
// method is given may be kept where it says so; slices themselves are reused.
type Env interface {
	// Now reads the clock that Tick is told of.
	Now() Instant
	// Send sends messages now. Their Entries and Data may be kept.
	Send([]Message)
	// Write makes w durable, after every Write before it, and then calls Persisted. It may keep w.
	Write(w Write)
	// Apply applies entries to the Machine, in order, and then calls Applied. The entries may be
	// kept, not the slice.
	Apply([]Entry)
	// Restore puts the newest adopted snapshot, which is that of meta or a later one, into the
	// Machine before anything later is applied, and then calls Restored with what it was.
	Restore(meta SnapshotMeta)
	// TakeSnapshot takes one of the Machine between two Apply calls, stores it, and then calls
	// Compacted, with an error if that failed.
	TakeSnapshot()
	// SendSnapshot streams our newest snapshot after the header m, and then calls SnapshotSent.
	// The header's Index, LogTerm and Data (the configuration) are to be set from its meta.
	SendSnapshot(m Message)
	// Fetch reads old entries and then calls Fetched.
	Fetch(f Fetch)
	// Done answers the request numbered id. It is called once for each, only from Pump and Close.
	Done(id uint64, r Result, err error)
}

// A completion is an answer for Env.Done.
type completion struct {
	id     uint64
	result Result
	err    error
}

// NewReplica binds an engine that was made from rec to env. The Machine is as rec.Snapshot left it.
func NewReplica(cfg ReplicaConfig, engine Engine, env Env, rec Recovered) *Replica {
	if cfg.MaxParked == 0 {
		cfg.MaxParked = 1 << 20
	}
	if cfg.RetryInterval == 0 {
		cfg.RetryInterval = time.Second
	}
	r := &Replica{
		cfg: cfg, incarnation: rec.Incarnation, engine: engine, env: env,
		lastID: uint64(cfg.Life) << 32, interval: Instant(cfg.RetryInterval),
		handed: rec.Snapshot.Index, applied: rec.Snapshot.Index,
	}
	r.rise()
	return r
}

// NextID returns a number for a request, never used before in this or another life.
func (r *Replica) NextID() uint64 {
	r.lastID++ // after 2³² requests the next life's number begins, which is as random
	return r.lastID
}

// Tick tells the time. See Engine.Tick.
func (r *Replica) Tick(now Instant) {
	r.now = now
	r.fresh = false
	r.engine.Tick(now)
}

// Rest reports whether the replica needs no Tick and no Pump until it is woken: the engine is quiet, and
// nothing waits here for time to pass. If so it gives back the memory that it can make again.
func (r *Replica) Rest() bool {
	if r.desk == nil {
		return true
	}
	if r.closed || len(r.requests) > 0 || len(r.rounds) > 0 || r.polling != nil || !r.asked.empty() || r.readable.len() > 0 ||
		r.held.len() > 0 || r.restore.seq != 0 || r.taking || !r.engine.Status().Quiet {
		return false
	}
	r.desk = nil
	r.gate.rest()
	return true
}

// Wake tells the time after a while without Tick, and that the host of the leader was alive at the
// instant heard. See Engine.Wake and Detector.
func (r *Replica) Wake(now, heard Instant) {
	r.rise()
	r.now = now
	r.fresh = false
	r.engine.Wake(now, heard)
}

// Deliver takes a message from the network: for the engine, or a forwarded request or its answer.
// It takes ownership of the Entries and Data of m, not of m.
func (r *Replica) Deliver(m *Message) {
	switch m.Kind {
	case KindForward:
		r.onForward(m)
	case KindForwardReply:
		r.onForwardReply(m)
	case KindReadIndex:
		r.onReadIndex(m)
	case KindReadIndexReply:
		r.onReadIndexReply(m)
	default:
		r.fresh = false
		r.engine.Step(m)
	}
}

// DeliverSnapshot takes the header of a snapshot that was received and is committed in storage.
// If the engine wants it, the next Pump has a Write that adopts it; if not, storage may drop it.
func (r *Replica) DeliverSnapshot(m *Message) {
	r.fresh = false
	r.engine.Step(m)
}

// Propose has an entry appended, here or by the leader, and answers id with the result. It takes
// ownership of data. The id is from NextID.
func (r *Replica) Propose(id uint64, kind EntryKind, data []byte) {
	if r.refuse(id) {
		return
	}
	q := r.open(r.cfg.ID, id, proposing)
	q.kind, q.data = kind, data
	r.begin(q)
}

// Change changes the membership, if it was set at index expect. The result's Value is the index
// of the entry that completed the change, where the new membership is set.
func (r *Replica) Change(id uint64, m Members, expect Index) {
	if r.refuse(id) {
		return
	}
	q := r.open(r.cfg.ID, id, changing)
	q.kind, q.data, q.expect = EntryMembers, m.AppendTo(nil), expect
	r.begin(q)
}

// begin proposes q, or parks it. Requests go out in the order in which they came.
func (r *Replica) begin(q *request) {
	if r.parked.empty() && r.offer(q) {
		return
	}
	if !r.weigh(q) {
		r.finish(q, Result{}, ErrBusy)
		return
	}
	r.parked.push(q)
}

// Read answers id when this replica's state machine may be read linearizably.
func (r *Replica) Read(id uint64) {
	if r.refuse(id) {
		return
	}
	q := r.open(r.cfg.ID, id, reading)
	r.reading++
	if r.reading > maxReads {
		r.finish(q, Result{}, ErrBusy)
		return
	}
	r.waiting.push(q)
}

// Transfer hands leadership to another voter and answers id when that has succeeded or failed.
// It is ErrUnknown if it did not succeed in time and may do so yet.
func (r *Replica) Transfer(id uint64, to NodeID) {
	if r.refuse(id) {
		return
	}
	q := r.open(r.cfg.ID, id, transferring)
	q.to = to
	r.transfer(q)
}

// refuse answers a request at once if the replica is closed.
func (r *Replica) refuse(id uint64) bool {
	if r.closed {
		r.done = append(r.done, completion{id: id, err: ErrClosed})
	}
	return r.closed
}

// Cancel answers the request id with ErrUnknown, or an ErrNotApplied if it has not gone out yet
// or is a read, which has no effect. A request that was answered is not answered again.
func (r *Replica) Cancel(id uint64) {
	if q := r.requests[key{from: r.cfg.ID, id: id}]; q != nil {
		r.cancel(q, errCanceled)
	}
}

// Close answers every request that is open, at once. After it nothing happens any more, but that
// later requests are answered ErrClosed by the next Pump.
func (r *Replica) Close() {
	if !r.closed {
		r.rise()
		r.closed = true
		r.closeRequests()
		r.answer()
	}
}

// state is the engine's status, read at most once between two inputs. What proposals change of it
// may be old.
func (r *Replica) state() *standing {
	if !r.fresh {
		s := r.engine.Status()
		r.status, r.fresh = standing{s.Role, s.Term, s.Leader, s.Transferring, s.MembersIndex == 0}, true
		if r.status.Role == Leader && r.gate.first == 0 {
			r.gate.first = r.status.Term // nothing passes the gate of a leader before state says so
		}
	}
	return &r.status
}

// Status is the engine's, and AppliedIndex how far the Machine has got.
func (r *Replica) Status() Status { return r.engine.Status() }

// AppliedIndex is the last entry that the Machine has applied, as far as this replica was told.
func (r *Replica) AppliedIndex() Index { return r.applied }

// Waiting is how many bytes of committed entries wait for a Restore to end. The engine may have
// forgotten them, so that they are in no budget of its own.
func (r *Replica) Waiting() int {
	if r.desk == nil {
		return 0
	}
	return r.owed
}

// Parked is how many bytes of proposals wait for a leader, or for its answer.
func (r *Replica) Parked() int {
	if r.desk == nil {
		return 0
	}
	return r.parkedBytes
}

// Engine is the engine, to look at. Only the Replica may change it.
func (r *Replica) Engine() Engine { return r.engine }
