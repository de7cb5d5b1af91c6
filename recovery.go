package consensus

import (
	"fmt"
	"io"
	"strings"
)

// A Recovery is what Recover found: a report and, unless Recover failed, the state that it describes.
type Recovery struct {
	Group     GroupID
	Survivors []SurvivorState // in the order of RecoverConfig

	Snapshot Index  // what was recovered began with a snapshot at this index, if not 0
	Chosen   Index  // some survivor knows everything up to here to be chosen
	Last     Index  // everything up to here was recovered
	Best     NodeID // the survivor that has the last of it

	// Holes are positions in which no survivor has anything, though one has something above. They
	// were passed over.
	Holes []Range
	// Doubtful, if not zero, was chosen, says a survivor that cannot read it any more. What another has there was
	// taken, as the protocol would: nearly certainly the same.
	Doubtful Range
	// Lost, if not zero, was chosen, and is on no survivor any more. Nothing above was recovered.
	Lost Range
	// Complete says that every commit quorum has a survivor whose log is intact: then nothing that was
	// acknowledged is missing.
	Complete bool
	// Quorum says that the survivors are a quorum: then there is nothing to recover, and they should
	// be started.
	Quorum bool

	Members  Members // at Last, and
	Outgoing Members // Raft: the other half of a joint configuration; no voters if there was none

	// ClusterID is a random one, for the cluster in which the group is restored.
	ClusterID uint64

	machine *Machine
}

// A SurvivorState is what Recover found in one store.
type SurvivorState struct {
	ID      NodeID
	Status  Status  // what the replica would say if it were started
	Damaged []Range // entries that were written and cannot be read
	Err     error   // what cannot be used of it, and why; nil if all can
}

// Backup writes a backup of what was recovered, from which a new cluster is restored: see Restore.
func (r *Recovery) Backup(w io.Writer) (BackupMeta, error) {
	index, view, err := r.machine.backup()
	if err != nil {
		return BackupMeta{}, err
	}
	meta := BackupMeta{Group: r.Group, Index: index, Members: r.Members}
	return meta, writeBackup(w, meta, func(w io.Writer) error { _, err := view.WriteTo(w); return err })
}

// String says in sentences what there is, and what may be lost.
func (r *Recovery) String() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for i := range r.Survivors {
		say("%s", r.Survivors[i].String())
	}
	switch {
	case r.Last == 0:
		say("Nothing can be recovered.")
		return b.String()
	case r.Snapshot > 0:
		say("Recovered: everything up to %d, the last of it from node %d, beginning with a snapshot at %d.", r.Last, r.Best, r.Snapshot)
	default:
		say("Recovered: everything up to %d, the last of it from node %d.", r.Last, r.Best)
	}
	say("The members were %v.", r.Members)
	if !r.Outgoing.none() {
		say("They were being changed, from %v.", r.Outgoing)
	}
	if r.Last > r.Chosen {
		say("%s not known to be chosen. What is there is kept: some of it may have been answered as unknown, or not at all.", span(Range{r.Chosen + 1, r.Last}))
	}
	for _, h := range r.Holes {
		say("%s on no survivor, and passed over. If anything was chosen there, it is lost.", span(h))
	}
	if r.Doubtful != (Range{}) {
		say("%s known to be chosen only to a survivor that cannot read it any more. What another has there is kept.", span(r.Doubtful))
	}
	if r.Lost != (Range{}) {
		say("%s known to be chosen, and %d is on no survivor any more. It is lost, and whatever follows it.", span(r.Lost), r.Lost.First)
	}
	switch {
	case r.Quorum:
		say("The survivors are a quorum. Start them: there is nothing to recover.")
	case r.Complete:
		say("Nothing that was acknowledged is missing: every commit quorum has a survivor.")
	default:
		say("Other members may have acknowledged more without any of the survivors. That is lost, and nobody knows how much it is.")
	}
	say("The id of the new cluster can be %d.", r.ClusterID)
	return b.String()
}

func (s *SurvivorState) String() string {
	st := &s.Status
	b := fmt.Sprintf("Node %d: term %d, log up to %d, of which %d is known to be chosen, snapshot at %d, %v", s.ID, st.Term, st.Last, st.Commit, st.Snapshot, st.Kind)
	if st.ID == 0 {
		b = fmt.Sprintf("Node %d: nothing", s.ID)
	}
	for _, d := range s.Damaged {
		b += fmt.Sprintf("; %s damaged", span(d))
	}
	if st.Refused {
		b += "; its store is not the one that was admitted"
	}
	if s.Err != nil {
		b += fmt.Sprintf("; %v", s.Err)
	}
	return b + "."
}

func span(r Range) string {
	if r.First == r.Last {
		return fmt.Sprintf("%d is", r.First)
	}
	return fmt.Sprintf("%d to %d are", r.First, r.Last)
}
