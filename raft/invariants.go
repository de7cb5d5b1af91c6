package raft

import (
	"errors"
	"fmt"

	"github.com/consensus-go/consensus"
)

// Check returns the first invariant of this replica's own state that does not hold. It costs a few
// comparisons for each peer, so that a simulation can afford it after every event; what concerns
// several replicas is the simulation's to check.
func (r *Raft) Check() error {
	l := &r.log
	switch {
	case r.snapshot.Index > r.commit:
		return fmt.Errorf("snapshot %d > commit %d", r.snapshot.Index, r.commit)
	case l.base > r.snapshot.Index:
		return fmt.Errorf("log begins after %d, snapshot is at %d", l.base, r.snapshot.Index)
	case r.commit > l.last:
		return fmt.Errorf("commit %d > last %d", r.commit, l.last)
	case r.handed > r.commit:
		return fmt.Errorf("handed out %d > commit %d", r.handed, r.commit)
	case r.verified > l.last && r.role != consensus.Leader:
		return fmt.Errorf("verified %d > last %d", r.verified, l.last)
	case l.issued > l.last || l.finished > max(l.issued, l.base):
		return fmt.Errorf("durable %d ≤ issued %d ≤ last %d does not hold", l.finished, l.issued, l.last)
	case l.lastTerm > r.term:
		return fmt.Errorf("last entry of term %d in term %d", l.lastTerm, r.term)
	case r.isUnsure() && r.role != consensus.Follower:
		return fmt.Errorf("%v with a log that ends at %d/%d, unsure up to %d or term %d", r.role, l.last, l.lastTerm, r.unsure, r.lostTerm)
	case r.durableSeq > r.seq:
		return fmt.Errorf("write %d finished, of %d issued", r.durableSeq, r.seq)
	}
	return errors.Join(r.checkLog(), r.checkConfigs(), r.checkRole())
}

// checkLog looks at both ends of the log; in between only append and truncate could do harm.
func (r *Raft) checkLog() error {
	l := &r.log
	if len(l.pages) == 0 {
		if l.last != l.base || l.lastTerm != l.baseTerm || l.bytes != 0 {
			return fmt.Errorf("no entries in memory, yet the log is (%d,%d] and %d bytes", l.base, l.last, l.bytes)
		}
		return nil
	}
	first, end := l.pages[0], l.pages[len(l.pages)-1]
	if first[0].Index != l.base+1 || first[0].Term < l.baseTerm {
		return fmt.Errorf("first entry %d/%d after base %d/%d", first[0].Index, first[0].Term, l.base, l.baseTerm)
	}
	if e := end[len(end)-1]; e.Index != l.last || e.Term != l.lastTerm {
		return fmt.Errorf("last entry is %d/%d, not %d/%d", e.Index, e.Term, l.last, l.lastTerm)
	}
	return nil
}

func (r *Raft) checkConfigs() error {
	for k := 1; k < len(r.configs); k++ {
		if r.configs[k-1].index >= r.configs[k].index {
			return fmt.Errorf("configurations at %d and %d are out of order", r.configs[k-1].index, r.configs[k].index)
		}
	}
	if c := r.config(); c.index > r.log.last {
		return fmt.Errorf("configuration at %d is beyond the log, which ends at %d", c.index, r.log.last)
	}
	return nil
}

func (r *Raft) checkRole() error {
	switch r.role {
	case consensus.Candidate:
		if r.vote != r.cfg.ID {
			return fmt.Errorf("candidate of term %d voted for %d", r.term, r.vote)
		}
	case consensus.Leader:
		if r.vote != r.cfg.ID || r.leader != r.cfg.ID {
			return fmt.Errorf("leader of term %d voted for %d and follows %d", r.term, r.vote, r.leader)
		}
		for i := range r.peers {
			if p := &r.peers[i]; p.match >= p.next || p.next > r.log.last+1 {
				return fmt.Errorf("peer %d: match %d < next %d ≤ %d does not hold", p.id, p.match, p.next, r.log.last+1)
			}
		}
	}
	return nil
}
