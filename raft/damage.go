package raft

import "github.com/consensus-go/consensus"

// Damage is not absence. What cannot be read any more may have been acknowledged, and so have helped to
// commit it: with a log that lacks it we would help to elect a leader that lacks it, too. So we neither
// vote nor campaign before we have it again, for however many lives that takes.
//
// The log has no holes, so it is cut off before the first one, and the disk is with the first write. What
// reminds a later life of it is an entry at index unsure, of term 0, as no real one is. It is on disk
// only, and never part of the log.

// lacks reports whether a log that ends at last, with an entry of that term, may lack what we acknowledged
// before the damage. Since then it has grown only by what is in the log of a leader of our term or a later
// one. So it lacks nothing once it is as long as it was. Nor does it once it holds an entry of a term above
// the one that we recovered with: the leader of that term had all that was committed in earlier ones before
// it (Leader Completeness, §5.4.3), and up to there our log is that leader's (Log Matching, §5.3).
func (r *Raft) lacks(last Index, term Term) bool { return last < r.unsure && term <= r.lostTerm }

// isUnsure reports whether our log may lack what we acknowledged.
func (r *Raft) isUnsure() bool { return r.lacks(r.log.last, r.log.lastTerm) }

// doubt makes what is at or below i unsure, as far as the log that was recovered does not reach.
func (r *Raft) doubt(i Index) {
	r.log.cut = r.log.last + 1 // of what follows nothing is of use
	if i > r.log.last {
		r.unsure, r.lostTerm = i, r.term
	}
}

// remind has the write w, after which our log on disk ends at last, keep the reminder on disk as long as
// that log lacks something, and take it away in the same moment as it no longer does.
func (r *Raft) remind(w *consensus.Write, last Index) {
	if r.unsure == 0 {
		return
	}
	switch term, _ := r.log.term(last); {
	case !r.lacks(last, term):
		r.unsure, r.lostTerm = 0, 0
		if w.Truncate == 0 {
			w.Truncate = r.log.issued + 1
		}
	case w.Truncate != 0:
		n := len(w.Entries) // a page of the log: what follows in it is not ours to fill
		w.Entries = append(w.Entries[:n:n], Entry{Index: r.unsure, Kind: consensus.EntryNoop})
	}
}
