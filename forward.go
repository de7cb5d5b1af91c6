package consensus

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Forwarding: a replica that does not lead sends proposals to the one that does, which proposes
// them for it and answers with what became of each.
//
//	Forward       Term: the stamp, the term that the receiver leads as far as the sender knows
//	              Entries: numbered from 1, each with From, ID, Kind and Data of a proposal
//	              Index: of a change, which goes alone: the index that it expects
//	ForwardReply  Term: the same stamp; Context: the ID; Outcome
//	              Data: the result if OK, the error's text if refused
//	result     := value:uvarint byte ...
//
// The network may duplicate a Forward, and deliver it late. No copy may make the command be
// applied twice, or at all once the caller was told that it never will be:
//
//	A request has one stamp at a time. It gets another one only after an answer of "never" to
//	the first. A stamp T is honoured only by the leader of T, which is one replica (election
//	safety) in one life. The terms that a node leads grow from one election to the next, over
//	all its lives and also when its disk was wiped: a quorum of the later one has a voter of the
//	earlier one, who has not forgotten its term. So no earlier life led a term that is not below
//	the first that this one has led; of those below, and as long as it has led none, it does not
//	know what its former self let pass. In its own terms the gate lets every ID pass at most once
//	for T: it remembers what it let pass and what it refused, and what it cannot remember it does
//	not let pass. So a request is proposed at most once for each stamp; and not at all for one
//	that it was refused for.
//
// "Never" is OutcomeNotLeader, or what the engine refused the proposal with, or OutcomeBusy to a
// copy of one that it refused. All the gate cannot vouch for is OutcomeUnknown. A copy of a request
// that is pending here gets no answer: its original will. An origin that hears nothing sends the
// request again, with the same stamp, and so learns in the end; or it sees the entry applied
// itself, which may well be first.

// maxForward is how many bytes of entries a Forward carries; a single one may exceed it.
const maxForward = 256 << 10

// offer proposes q here. It reports false if q has to wait: for another leader, or for this one
// to be less busy.
func (r *Replica) offer(q *request) bool {
	index, err := r.propose(q)
	switch {
	case err == nil:
		r.place(q, index)
	case errors.Is(err, ErrNotLeader) && r.cfg.NoForward:
		r.finish(q, Result{}, &NotLeaderError{r.state().Leader})
	case errors.Is(err, ErrNotLeader), errors.Is(err, ErrBusy), errors.Is(err, ErrTransferring):
		return false
	default:
		r.finish(q, Result{}, err)
	}
	return true
}

// propose gives q to the engine.
func (r *Replica) propose(q *request) (Index, error) {
	p := Proposal{From: q.from, ID: q.id, Kind: q.kind, Data: q.data}
	if q.what != changing {
		return r.engine.Propose(p)
	}
	m, _, err := DecodeMembers(q.data)
	if err != nil {
		return 0, notApplied(err.Error())
	}
	p.Data = nil
	return r.engine.Change(p, m, q.expect)
}

// unpark proposes what is parked, or sends it to the leader, as far as there is one.
func (r *Replica) unpark() {
	if r.parked.empty() && r.refused.empty() {
		return
	}
	st := r.state()
	if st.Term > r.refusedTerm {
		r.parked.takeFront(&r.refused)
	}
	for q := r.parked.first(); q != nil; q = r.parked.first() {
		switch {
		case q.from != r.cfg.ID && (st.Role != Leader || st.Term != q.stamp):
			r.turnAway(q)
		case st.Role == Leader:
			if !r.offer(q) {
				return
			}
		case r.cfg.NoForward:
			r.finish(q, Result{}, &NotLeaderError{st.Leader})
		case st.Leader != 0 && st.Leader != r.cfg.ID && !st.Founding:
			// While the founding membership holds, its leader is about to bind it, which ends that term
			// in Paxos, and what was forwarded would be of unknown outcome.
			q.to, q.term = st.Leader, st.Term
			r.forward(q)
		default:
			return
		}
	}
	r.flushForward(st.Leader, st.Term)
}

// forward adds q to the Forward in the making, whose To and Term are those of q.
func (r *Replica) forward(q *request) {
	q.sent = r.now
	r.forwarded.push(q)
	if q.what == changing {
		r.flushForward(q.to, q.term)
		r.send(Message{Kind: KindForward, To: q.to, Term: q.term, Index: q.expect,
			Entries: []Entry{{Index: 1, From: q.from, ID: q.id, Kind: q.kind, Data: q.data}}})
		return
	}
	if r.batchBytes > 0 && r.batchBytes+q.weight > maxForward {
		r.flushForward(q.to, q.term)
	}
	r.batchBytes += q.weight
	r.batch = append(r.batch, Entry{Index: Index(len(r.batch) + 1), From: q.from, ID: q.id, Kind: q.kind, Data: q.data})
}

func (r *Replica) flushForward(to NodeID, term Term) {
	if len(r.batch) > 0 {
		r.send(Message{Kind: KindForward, To: to, Term: term, Entries: slices.Clone(r.batch)})
		clear(r.batch)
		r.batch, r.batchBytes = r.batch[:0], 0
	}
}

// forwardAgain sends once more what was not answered in time, to the same leader with the same
// stamp, as long as it leads.
func (r *Replica) forwardAgain() {
	st := r.state()
	for q := r.forwarded.first(); q != nil && r.now-q.sent >= r.interval; { // by when it was sent
		next := r.forwarded.after(q)
		if q.to == st.Leader && q.term == st.Term {
			r.forward(q)
		}
		q = next
	}
	r.flushForward(st.Leader, st.Term)
}

// onForward proposes what another replica sent.
func (r *Replica) onForward(m *Message) {
	if r.closed || m.From == r.cfg.ID || !forwardable(m) {
		return
	}
	st := r.state()
	for i := range m.Entries {
		e := &m.Entries[i]
		switch r.gate.judge(m.Term, st.Term, e.From, e.ID) {
		case gateUnknown:
			r.replyOutcome(m, e.ID, ErrUnknown)
		case gateRefused:
			r.replyOutcome(m, e.ID, refusedBy(st, m.Term))
		case gateNew:
			if st.Role == Leader && st.Term == m.Term {
				r.accept(m, e)
			} else {
				r.gate.set(e.From, e.ID, passRefused)
				r.replyOutcome(m, e.ID, ErrNotLeader)
			}
		}
	}
}

// refusedBy is what a copy of a refused request is told: never, like its original. From the leader
// of the stamp itself that is ErrBusy: the origin would wait for another leader after ErrNotLeader.
func refusedBy(st *standing, stamp Term) error {
	if st.Role == Leader && st.Term == stamp {
		return ErrBusy
	}
	return ErrNotLeader
}

// forwardable reports whether m is a Forward as it should be. Any other is ignored.
func forwardable(m *Message) bool {
	for i := range m.Entries {
		e := &m.Entries[i]
		alone := e.Kind == EntryMembers
		if e.From != m.From || e.From == 0 || e.ID == 0 || e.Kind == EntryNoop || alone && len(m.Entries) > 1 {
			return false
		}
	}
	return true
}

// accept proposes one forwarded entry for the leader of the stamp, which is this replica. While
// that hands over, the entry waits here: a refusal would keep it from this leader if it stays.
func (r *Replica) accept(m *Message, e *Entry) {
	if r.requests[key{from: e.From, id: e.ID}] != nil {
		return // of another stamp, which only a replica that breaks the rules sends
	}
	q := r.open(e.From, e.ID, proposing)
	q.kind, q.data, q.stamp = e.Kind, e.Data, m.Term
	if e.Kind == EntryMembers {
		q.what, q.expect = changing, m.Index
	}
	index, err := r.propose(q)
	switch {
	case err == nil:
		r.place(q, index)
	case errors.Is(err, ErrTransferring) && r.weigh(q):
		r.parked.push(q)
	default:
		r.gate.set(e.From, e.ID, passRefused)
		r.replyOutcome(m, e.ID, busyIfTransferring(err))
		r.forget(q)
		return
	}
	r.gate.set(e.From, e.ID, passPending)
}

// busyIfTransferring is what the origin is told when the parking space is full.
func busyIfTransferring(err error) error {
	if errors.Is(err, ErrTransferring) {
		return ErrBusy
	}
	return err
}

// turnAway refuses a request from elsewhere that was parked here, by a leader that is no more.
func (r *Replica) turnAway(q *request) {
	r.replyForward(q, Result{}, ErrNotLeader)
	if q.stamp == r.gate.term {
		r.gate.set(q.from, q.id, passRefused)
	}
	r.forget(q)
}

// replyOutcome answers one entry of a Forward that was not proposed.
func (r *Replica) replyOutcome(m *Message, id uint64, err error) {
	reply := Message{Kind: KindForwardReply, To: m.From, Term: m.Term, Context: id, Outcome: OutcomeOf(err)}
	if reply.Outcome == OutcomeRefused {
		reply.Data = []byte(err.Error())
	}
	r.send(reply)
}

// replyForward answers the origin of a request that was proposed here for it.
func (r *Replica) replyForward(q *request, result Result, err error) {
	if q.stamp == r.gate.term {
		r.gate.set(q.from, q.id, passAnswered)
	}
	reply := Message{Kind: KindForwardReply, To: q.from, Term: q.stamp, Context: q.id, Outcome: OutcomeOf(err)}
	switch {
	case reply.Outcome == OutcomeOK && (result.Value != 0 || len(result.Data) > 0):
		reply.Data = append(binary.AppendUvarint(nil, result.Value), result.Data...)
	case reply.Outcome == OutcomeRefused:
		reply.Data = []byte(err.Error())
	}
	r.send(reply)
}

// onForwardReply takes the answer to a request that was forwarded.
func (r *Replica) onForwardReply(m *Message) {
	q := r.requests[key{from: r.cfg.ID, id: m.Context}]
	if q == nil || q.weight == 0 || q.to != m.From || q.term != m.Term {
		return // answered, or an answer about another stamp
	}
	switch m.Outcome {
	case OutcomeNone:
	case OutcomeOK:
		if result, ok := decodeResult(m.Data); ok {
			r.finish(q, result, nil)
		}
	case OutcomeNotLeader:
		q.to = 0
		r.refused.push(q)
		r.refusedTerm = max(r.refusedTerm, m.Term)
	case OutcomeRefused:
		r.finish(q, Result{}, refusal(m.Data))
	default:
		r.finish(q, Result{}, m.Outcome.Err())
	}
}

func decodeResult(b []byte) (Result, bool) {
	if len(b) == 0 {
		return Result{}, true
	}
	d := decoder{b: b}
	value := d.uvarint()
	if d.bad {
		return Result{}, false
	}
	if len(d.b) == 0 {
		return Result{Value: value}, true
	}
	return Result{Value: value, Data: d.b}, true
}
