package paxos

import (
	"errors"
	"fmt"
)

// Check returns the first invariant of this replica's own state that does not hold. It costs a few
// comparisons for each peer; what concerns several replicas is a simulation's to check.
func (p *Paxos) Check() error {
	l := &p.log
	switch {
	case p.snapshot.Index > p.commit:
		return fmt.Errorf("snapshot %d > commit %d", p.snapshot.Index, p.commit)
	case l.base != p.snapshot.Index:
		return fmt.Errorf("the log begins after %d, the snapshot is at %d", l.base, p.snapshot.Index)
	case p.commit > l.last:
		return fmt.Errorf("commit %d > last %d", p.commit, l.last)
	case p.handed > p.commit:
		return fmt.Errorf("handed out %d > commit %d", p.handed, p.commit)
	case p.durable > p.seq:
		return fmt.Errorf("write %d finished, of %d issued", p.durable, p.seq)
	case p.written.Term > p.promised:
		return fmt.Errorf("promise %s is below %s, which was written", show(p.promised), show(p.written.Term))
	case p.stopAt != 0 && p.stopAt <= p.commit:
		return fmt.Errorf("the stop-sign at %d is learned, with everything before it, and the next epoch is not entered", p.stopAt)
	}
	return errors.Join(p.checkEnds(), p.checkEpochs(), p.checkPhase())
}

// checkEnds looks at both ends of what is learned and of the log (I5).
func (p *Paxos) checkEnds() error {
	for _, s := range [...]Slot{p.commit, p.log.last} {
		c := p.log.at(s)
		switch {
		case s == p.log.base:
		case c.e == nil:
			return fmt.Errorf("slot %d holds nothing", s)
		case s <= p.commit && !c.learned:
			return fmt.Errorf("slot %d ≤ commit %d is not learned", s, p.commit)
		case c.e.Term > p.promised && c.e.Term != Chosen:
			return fmt.Errorf("slot %d holds a vote at %s, above the promise %s", s, show(c.e.Term), show(p.promised))
		}
	}
	return nil
}

func (p *Paxos) checkEpochs() error {
	for k := range p.epochs {
		x := &p.epochs[k]
		if k > 0 && (x.number != p.epochs[k-1].number+1 || x.index <= p.epochs[k-1].index) {
			return fmt.Errorf("epoch %d from %d on follows epoch %d from %d on", x.number, x.index, p.epochs[k-1].number, p.epochs[k-1].index)
		}
		if x.index > p.commit {
			return fmt.Errorf("epoch %d was entered at %d, and commit is %d", x.number, x.index, p.commit)
		}
	}
	if n := p.epoch().number; n > epochOf(p.promised) {
		return fmt.Errorf("the promise %s is of an earlier epoch than %d", show(p.promised), n)
	}
	return nil
}

// checkPhase: a replica has a ballot of its own only as long as it is its promise, and a leader has
// filled every slot below the next.
func (p *Paxos) checkPhase() error {
	if p.phase == idle {
		return nil
	}
	if nodeOf(p.promised) != p.cfg.ID || p.promised != p.campaigned {
		return fmt.Errorf("our own ballot is %s, and our promise %s", show(p.campaigned), show(p.promised))
	}
	if p.phase != leading {
		return nil
	}
	switch {
	case !p.own:
		return fmt.Errorf("we lead at %s, which we have not promised durably", show(p.promised))
	case p.leader != p.cfg.ID:
		return fmt.Errorf("we lead at %s and follow %d", show(p.promised), p.leader)
	case p.stop != 0 && p.next > p.stop+1:
		return fmt.Errorf("we have proposed in slot %d, above the stop-sign at %d", p.next-1, p.stop)
	case p.next > p.commit+1 && p.next <= p.log.last && p.stop == 0:
		return fmt.Errorf("slot %d holds something, and the next to propose in is %d", p.log.last, p.next)
	}
	return nil
}
