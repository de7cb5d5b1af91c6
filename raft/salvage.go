package raft

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// Salvage returns what follows after in the log of whoever an election among recs would make the leader:
// of the logs that hold what was chosen there, the one whose last entry is of the latest term or, of several,
// the longest (§5.4.1). Others can only be those that damage has cut off, or made to look better than they are.
func (r *Raft) Salvage(recs []consensus.Recovered, after Index, _ []byte) []Entry {
	var chosen Term
	for i := range recs {
		if t, ok := termIn(&recs[i], recs[i].Entries, after); ok && after <= max(recs[i].State.Commit, recs[i].Snapshot.Index) {
			chosen = t
		}
	}
	var best []Entry
	end, term := after, chosen
	for i := range recs {
		es := intact(&recs[i])
		if t, ok := termIn(&recs[i], es, after); !ok || t != chosen || len(es) == 0 {
			continue
		}
		if e := &es[len(es)-1]; e.Term > term || e.Term == term && e.Index > end {
			best, end, term = es, e.Index, e.Term
		}
	}
	for len(best) > 0 && best[0].Index <= after {
		best = best[1:]
	}
	return best
}

// termIn is the term of the entry at i, if it is in es or the snapshot ends there.
func termIn(rec *consensus.Recovered, es []Entry, i Index) (Term, bool) {
	if i == rec.Snapshot.Index {
		return rec.Snapshot.Term, true
	}
	k := slices.IndexFunc(es, func(e Entry) bool { return e.Index == i && e.Term != 0 })
	if k < 0 {
		return 0, false
	}
	return es[k].Term, true
}

// intact is what a Raft can use of the entries that survived: those before the first that is missing. One
// of term 0 is none: it reminds of damage in an earlier life.
func intact(rec *consensus.Recovered) []Entry {
	n := 0
	for n < len(rec.Entries) && rec.Entries[n].Index == rec.Snapshot.Index+Index(n)+1 && rec.Entries[n].Term != 0 {
		n++
	}
	return rec.Entries[:n]
}
