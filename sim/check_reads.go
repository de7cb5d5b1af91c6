package sim

import "github.com/consensus-go/consensus"

// What reads rest on. Both checks see a stale read before any client does, and in histories that
// something else explains.

// checkRead: a read shows everything that anybody may have been told of before it was asked. Whoever
// answers a client has learned that far, so that the highest commit index of any node will do.
func (w *World) checkRead(n *node, r *request) {
	if i := n.replica.AppliedIndex(); i < r.floor {
		w.fail("stale read", "node %d answers a read with what it has applied up to %d; when it was asked, somebody knew %d to be committed", n.id, i, r.floor)
	}
}

// checkLeases: as long as a leader may answer from its lease nothing is committed in a later term
// (I17). Something was just now: every leader of an earlier term is asked, as it is, whether it would
// still answer.
func (w *World) checkLeases(term consensus.Term) {
	if w.plan.lease == 0 {
		return
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		if !n.up || n.status.Role != consensus.Leader || n.status.Term >= term {
			continue
		}
		if until := w.leaseOf(n); until > n.Now() {
			w.fail("lease", "node %d leads in term %d and would answer reads for another %d ns, while something is committed in term %d",
				n.id, n.status.Term, until-n.Now(), term)
		}
	}
}

// leaseOf is until when n would answer a read at once, by its clock; 0 if it would not.
func (w *World) leaseOf(n *node) consensus.Instant {
	if w.double == nil {
		w.double, _ = w.options.Protocol(consensus.EngineConfig{ID: n.id, Group: group}, consensus.Recovered{Incarnation: 1})
	}
	var eff consensus.Effects
	n.engine.CloneInto(w.double)
	if n.sleep.quiet {
		w.double.Wake(n.Now(), n.Now())
	}
	w.double.Tick(n.Now())
	if w.double.Read(1) != nil {
		return 0
	}
	w.double.Ready(&eff)
	for _, r := range eff.Reads {
		if r.ID == 1 && r.Err == nil {
			return r.Until
		}
	}
	return 0
}
