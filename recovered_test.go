package consensus

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheSessionsOfABackupStillKnowTheirAnswers(t *testing.T) {
	h := newHistory(t)
	h.apply(EntryMembers, []byte("configuration"))
	id := h.apply(EntrySessionOpen, nil).Result.Value
	first, err := h.session(id, 1, 1, "a")
	require.NoError(t, err)
	index, view, err := h.machine.backup()
	require.NoError(t, err)

	o := newHistory(t)
	require.NoError(t, o.machine.Restore(SnapshotMeta{Index: index}, bytes.NewReader(bytesOf(t, view))))
	o.at = index
	again, err := o.session(id, 1, 1, "a")
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, []string{"a"}, o.state.commands)
	require.Equal(t, "configuration", string(h.machine.last.Config), "a backup changes nothing")
}

// What is left of the log ends before what the state machine has on disk.
func TestABackupIsNotBehindItsState(t *testing.T) {
	l := &durableLife{t: t, log: entries(1, 3)}
	l.crash()
	require.NoError(t, l.vault.Sync())
	m := NewMachine(l.disk.open(), SessionLimits{})
	_, err := m.Apply(l.log[:1], nil)
	require.NoError(t, err)
	index, view, err := m.backup()
	require.NoError(t, err)
	require.Equal(t, Index(3), index)

	other := new(vaultDisk).open()
	m = NewMachine(other, SessionLimits{})
	require.NoError(t, m.Restore(SnapshotMeta{Index: index}, bytes.NewReader(bytesOf(t, view))))
	out, err := m.Apply([]Entry{{Index: 4, Data: []byte("new")}}, nil)
	require.NoError(t, err)
	require.NoError(t, out[0].Err)
	require.Len(t, other.commands, 4)
}

func TestWhatWasRestoredAndHasNotBegunIsToldFromAGroup(t *testing.T) {
	restored := Recovered{Incarnation: 1, Snapshot: SnapshotMeta{Index: 5}}
	require.True(t, restored.restored())
	for name, change := range map[string]func(*Recovered){
		"nothing":                  func(r *Recovered) { r.Snapshot.Index = 0 },
		"a vote":                   func(r *Recovered) { r.State.Term = 1 },
		"knowledge of a commit":    func(r *Recovered) { r.State.Commit = 5 },
		"a snapshot of its own":    func(r *Recovered) { r.Snapshot.Term = 1 },
		"a configuration":          func(r *Recovered) { r.Snapshot.Config = []byte{1} },
		"an entry":                 func(r *Recovered) { r.Entries = []Entry{{Index: 6}} },
		"damage, so that it began": func(r *Recovered) { r.Damaged = []Range{{6, 6}} },
	} {
		r := restored
		change(&r)
		require.False(t, r.restored(), name)
	}
}

func TestDamageOfAnEarlierLifeIsReported(t *testing.T) {
	require.Equal(t, []Range{{4, 9}}, damage(&Recovered{Entries: []Entry{{Index: 3, Term: 1}, {Index: 9}}}))
	require.Equal(t, []Range{{6, 9}}, damage(&Recovered{Snapshot: SnapshotMeta{Index: 5}, Entries: []Entry{{Index: 9}}}))
	require.Equal(t, []Range{{7, 8}}, damage(&Recovered{Damaged: []Range{{7, 8}}}))
}

// A survivor knows that something was chosen which it cannot read any more, and another has something there.
func TestWhatOnlyTheDamagedKnewToBeChosenIsDoubtfulOrLost(t *testing.T) {
	chosen := func(i Index) Entry { return Entry{Index: i, Term: 1, Data: []byte{byte(i)}} }
	other := Entry{Index: 4, Term: 1, Data: []byte("other")}
	for name, x := range map[string]struct {
		rest           []Entry // what the other has
		taken          int     // how many of them
		doubtful, lost Range
	}{
		"all of it":                {[]Entry{chosen(2), chosen(3), chosen(4), chosen(5)}, 4, Range{2, 4}, Range{}},
		"the beginning":            {[]Entry{chosen(2)}, 1, Range{2, 2}, Range{3, 4}},
		"with a hole":              {[]Entry{chosen(2), chosen(4), chosen(5)}, 1, Range{2, 2}, Range{3, 4}},
		"nothing":                  {nil, 0, Range{}, Range{2, 4}},
		"something that cannot be": {[]Entry{chosen(2), chosen(3), other, chosen(5)}, 0, Range{}, Range{2, 4}},
	} {
		damaged := Recovered{State: State{Commit: 4}, Entries: []Entry{chosen(1), chosen(4)}}
		h := newHistory(t)
		h.apply(EntryCommand, nil)
		s := &salvage{Recovery: &Recovery{Chosen: 4, machine: h.machine}, remains: []remains{{Survivor{ID: 1}, &SurvivorState{}, &damaged}}}
		taken, err := s.believe(x.rest)
		require.NoError(t, err)
		require.Len(t, taken, x.taken, name)
		require.Equal(t, x.doubtful, s.Doubtful, name)
		require.Equal(t, x.lost, s.Lost, name)
	}
}
