package paxos

import "github.com/consensus-go/consensus"

// Salvage returns what phase 1 would find above after if recs were all of the acceptors, and what it would then
// propose (rules L4, S2): in each slot the value of the highest ballot, up to the stop-sign that may be chosen.
// It leaves out the slots that it would fill with no-ops. Up to after everything is chosen, and config is the
// record of the epoch there. What one holds above the beginning of that epoch who has not entered it is of
// no epoch (rule S9).
func (p *Paxos) Salvage(recs []consensus.Recovered, after Slot, config []byte) (es []Entry) {
	x, _ := decodeEpoch(config) // of the founding epoch there is no record
	q := Paxos{commit: after, proposer: proposer{best: newLog(after)}}
	for i := range recs {
		rec := &recs[i]
		if max(rec.State.Commit, rec.Snapshot.Index) < x.index {
			continue
		}
		for k := range rec.Entries {
			q.weigh(&rec.Entries[k])
		}
	}
	top := q.best.last
	end := q.lastStop(top)
	if end != 0 {
		top = end
	}
	for s := after + 1; s <= top; s++ {
		if c := q.best.at(s); c.e != nil && (c.e.Kind != consensus.EntryMembers || s == end) {
			es = append(es, *c.e)
		}
	}
	return es
}
