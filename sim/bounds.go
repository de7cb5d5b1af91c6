package sim

import "github.com/consensus-go/consensus"

// What a replica keeps is bounded (I20): what is below its snapshot it has forgotten, and all that is not
// log is of the size of the group, not of its history. The canonical encoding of an engine's state says
// how much there is, whatever the engine says of itself.

const (
	mostOfEntry = 64 + 40 + maxPadding + 60 // in memory: a session's command, padded; records of members are few
	mostBeside  = 64 << 10                  // of state that is no log, encoded
)

// checkBounds looks at what n keeps, now and then: it takes a while.
func (w *World) checkBounds(n *node) {
	if w.options.StateMachine != nil {
		return // its commands may be of any size
	}
	st := n.replica.Status()
	entries := int(st.Last - st.Snapshot)
	if most := mostBeside + entries*mostOfEntry; st.LogBytes > most {
		w.fail("bounds", "node %d keeps %d bytes of log, between its snapshot at %d and %d", n.id, st.LogBytes, st.Snapshot, st.Last)
	}
	if state := len(n.engine.AppendState(nil)); state > mostBeside+2*entries*mostOfEntry {
		w.fail("bounds", "node %d has a state of %d bytes with %d entries after its snapshot", n.id, state, entries)
	}
}

// checkForgotten: once a group has healed and been quiet, nobody waits for anything, and a leader has
// nothing on the way.
func (w *World) checkForgotten() {
	if w.failed() {
		return
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		if st := n.replica.Status(); n.up && st.Role == consensus.Leader && st.Uncommitted != 0 && st.Last == st.Commit {
			w.fail("bounds", "node %d counts %d bytes as proposed and not committed, and has committed all", n.id, st.Uncommitted)
		}
	}
}
