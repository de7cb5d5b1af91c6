package sim

import (
	"bytes"
	"fmt"

	"github.com/consensus-go/consensus"
)

// same reports whether what was recovered is what is on a modelled disk.
func same(rec *consensus.Recovered, d *disk) bool {
	want := d.recover()
	if rec.Incarnation != want.Incarnation || rec.State != want.State || len(rec.Entries) != len(want.Entries) ||
		rec.Snapshot.Index != want.Snapshot.Index || rec.Snapshot.Term != want.Snapshot.Term || !bytes.Equal(rec.Snapshot.Config, want.Snapshot.Config) {
		return false
	}
	for i := range want.Entries {
		a, b := &rec.Entries[i], &want.Entries[i]
		if a.Index != b.Index || a.Term != b.Term || entryHash(a) != entryHash(b) {
			return false
		}
	}
	return covers(rec.Damaged, want.Damaged) && covers(want.Damaged, rec.Damaged)
}

// covers reports whether all that is in b is in a.
func covers(a, b []consensus.Range) bool {
	for _, r := range b {
		for i := r.First; i <= r.Last; i++ {
			if !within(a, i) {
				return false
			}
		}
	}
	return true
}

func tell(rec *consensus.Recovered) string {
	s := fmt.Sprintf("term %d, vote %d, commit %d, a snapshot at %d of term %d, %d entries", rec.State.Term, rec.State.Vote, rec.State.Commit,
		rec.Snapshot.Index, rec.Snapshot.Term, len(rec.Entries))
	if n := len(rec.Entries); n > 0 {
		s += fmt.Sprintf(" from %d to %d", rec.Entries[0].Index, rec.Entries[n-1].Index)
	}
	return s + fmt.Sprintf(", damaged %v", rec.Damaged)
}

func ptr[T any](v T) *T { return &v }
