package consensus

// Reads. A read is answered when the Machine has applied everything that was chosen when the read
// began. How far that is, only the leader can say, and only for reads that began before it was
// asked. So reads wait for a round, and all that wait share the next one:
//
//   - at the leader, one call of Engine.Read in each Pump. The engine puts the calls of several
//     Pumps on the same heartbeats.
//   - elsewhere, one ReadIndex to the leader at a time. While it is under way, further reads wait
//     for the next: the answer must not confirm a read that began after the question was sent.
//
// A read has no effect, so it may be asked for again freely. A question that is not answered is
// sent again after RetryInterval, for the same reads and with the same id, so that an answer to
// either will do, however long it takes. When another replica leads, and when an answer comes that
// a lease no longer covers, the reads join the next round.
//
//	ReadIndex       Context: the question
//	ReadIndexReply  Context: the same; Outcome: OK or NotLeader; Index

// maxReads is how many reads of callers here may be open: above, ErrBusy. They have no bytes, and a
// budget of their own, so that large proposals under way keep no read from beginning.
const maxReads = 1 << 14

// maxAsked is how many questions of other replicas may wait here. Above that they are dropped, and
// asked again.
const maxAsked = 4096

// A round is a question about an index, and the reads that wait for its answer.
type round struct {
	id    uint64
	to    NodeID // the leader asked, and
	term  Term   // its term; 0 if it is this replica
	sent  Instant
	index Index // the answer
	reads queue
}

// A snub is a leader that does not take itself for one. It is not asked again for an interval.
type snub struct {
	leader NodeID
	term   Term
	at     Instant
}

// read starts the next round for the reads that wait.
func (r *Replica) read() {
	if r.waiting.empty() && r.asked.empty() && r.polling == nil {
		return
	}
	st := r.state()
	if p := r.polling; p != nil {
		switch {
		case st.Leader != p.to || st.Term != p.term:
			r.polling = nil
			r.waiting.takeFront(&p.reads)
			r.retire(p)
		case r.now-p.sent >= r.interval:
			r.poll(p)
		}
	}
	if st.Role == Leader {
		r.askEngine()
		return
	}
	for q := r.asked.first(); q != nil; q = r.asked.first() {
		r.replyRead(q, OutcomeNotLeader, 0)
	}
	switch {
	case r.waiting.empty() || r.polling != nil:
	case r.cfg.NoForward:
		r.finishAll(&r.waiting, &NotLeaderError{st.Leader})
	case st.Leader == 0 || st.Leader == r.cfg.ID:
	case r.snubbed.leader == st.Leader && r.snubbed.term == st.Term && r.now-r.snubbed.at < r.interval:
	default:
		p := r.newRound()
		p.to, p.term = st.Leader, st.Term
		p.reads.takeFront(&r.waiting)
		r.polling = p
		r.poll(p)
	}
}

// poll sends the question of p, perhaps again.
func (r *Replica) poll(p *round) {
	p.sent = r.now
	r.send(Message{Kind: KindReadIndex, To: p.to, Context: p.id})
}

func (r *Replica) askEngine() {
	if r.waiting.empty() && r.asked.empty() {
		return
	}
	p := r.newRound()
	if err := r.engine.Read(p.id); err != nil {
		r.retire(p)
		return
	}
	p.reads.takeFront(&r.asked)
	p.reads.takeFront(&r.waiting)
	r.rounds = append(r.rounds, p)
}

// onReads takes the engine's answers. The clock is read after every read of the round began, so a
// lease that has not ended by then was good when they did: nobody else led, and nothing was chosen
// that the index does not cover. It may end later without harm.
func (r *Replica) onReads(answers []Read) {
	for i := range answers {
		a := &answers[i]
		p := r.takeRound(a.ID)
		if p == nil {
			continue
		}
		again := a.Err != nil || a.Until != 0 && r.env.Now() >= a.Until
		for q := p.reads.first(); q != nil; {
			next := p.reads.after(q)
			switch {
			case q.from == r.cfg.ID && again:
				r.waiting.push(q)
			case q.from == r.cfg.ID:
			case a.Err != nil:
				r.replyRead(q, OutcomeNotLeader, 0)
			case again:
				r.asked.push(q)
			default:
				r.replyRead(q, OutcomeOK, a.Index)
			}
			q = next
		}
		r.answered(p, a.Index)
	}
}

// answered has the reads of p wait until index is applied, or ends the round if it has none left.
// Rounds end in the order in which they were answered: to read later than need be does no harm.
func (r *Replica) answered(p *round, index Index) {
	if p.reads.empty() {
		r.retire(p)
		return
	}
	p.index = index
	r.readable.push(p)
	r.readReached()
}

// readReached answers the reads whose index is applied.
func (r *Replica) readReached() {
	for r.readable.len() > 0 && r.readable.live()[0].index <= r.applied {
		p := r.readable.live()[0]
		r.finishAll(&p.reads, nil)
		r.readable.pop(1)
		r.retire(p)
	}
}

// onReadIndex takes the question of a replica that takes this one for the leader.
func (r *Replica) onReadIndex(m *Message) {
	if r.closed || m.From == 0 || m.From == r.cfg.ID || r.askedLen == maxAsked {
		return
	}
	r.askedLen++
	q := r.take()
	q.key, q.what = key{from: m.From, id: m.Context}, reading
	r.asked.push(q)
}

func (r *Replica) replyRead(q *request, o Outcome, index Index) {
	r.send(Message{Kind: KindReadIndexReply, To: q.from, Context: q.id, Outcome: o, Index: index})
	r.drop(q)
}

// drop ends the question of another replica, which is in no map: its id is only echoed.
func (r *Replica) drop(q *request) {
	r.askedLen--
	q.unlink()
	r.recycle(q)
}

// onReadIndexReply takes the leader's answer.
func (r *Replica) onReadIndexReply(m *Message) {
	p := r.polling
	if p == nil || p.id != m.Context || p.to != m.From {
		return // to an earlier question
	}
	switch m.Outcome {
	case OutcomeOK:
		r.polling = nil
		r.answered(p, m.Index)
	case OutcomeNotLeader:
		r.polling = nil
		r.snubbed = snub{p.to, p.term, r.now}
		r.waiting.takeFront(&p.reads)
		r.retire(p)
	}
}

func (r *Replica) newRound() *round {
	var p *round
	if n := len(r.idleRounds); n > 0 {
		p, r.idleRounds = r.idleRounds[n-1], r.idleRounds[:n-1]
	} else {
		p = new(round)
		p.reads.init()
	}
	p.id = r.NextID()
	return p
}

// retire ends a round that has no reads left.
func (r *Replica) retire(p *round) {
	p.id, p.to, p.term, p.sent, p.index = 0, 0, 0, 0, 0
	r.idleRounds = append(r.idleRounds, p)
}

// takeRound takes out the round of that id, which is nearly always the oldest.
func (r *Replica) takeRound(id uint64) *round {
	for i, p := range r.rounds {
		if p.id == id {
			r.rounds = append(r.rounds[:i], r.rounds[i+1:]...)
			return p
		}
	}
	return nil
}
