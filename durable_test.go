package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A vault is a tally on a disk, which is a vaultDisk: the next life begins with what that has.
type vault struct {
	tally
	index Index
	disk  *vaultDisk
}

type vaultDisk struct {
	commands []string
	index    Index
	err      error // of Sync
	forgets  bool  // Sync does nothing
}

func (d *vaultDisk) open() *vault {
	return &vault{tally: tally{commands: slices.Clone(d.commands)}, index: d.index, disk: d}
}

func (v *vault) Apply(c Command) Result {
	if c.Index <= v.index {
		panic(fmt.Sprintf("command %d is executed after command %d", c.Index, v.index))
	}
	v.index = c.Index
	return v.tally.Apply(c)
}

func (v *vault) Durable() Index { return v.disk.index }

func (v *vault) Sync() error {
	if v.disk.err == nil && !v.disk.forgets {
		v.disk.commands, v.disk.index = slices.Clone(v.commands), v.index
	}
	return v.disk.err
}

func (v *vault) Snapshot() io.WriterTo {
	return tallyView(append([]string{strconv.Itoa(int(v.index))}, v.commands...))
}

func (v *vault) Restore(r io.Reader) error {
	if err := v.tally.Restore(r); err != nil {
		return err
	}
	i, err := strconv.Atoi(v.commands[0])
	v.index, v.commands = Index(i), v.commands[1:]
	return err
}

// A durableLife is a Machine on a vault, its log, and the newest snapshot in its storage.
type durableLife struct {
	t       require.TestingT
	disk    vaultDisk
	vault   *vault
	machine *Machine
	log     []Entry // all that was ever committed
	meta    SnapshotMeta
	stored  []byte
}

// crash begins another life, with what is durable of the last one, and replays the log.
func (l *durableLife) crash() {
	l.vault = l.disk.open()
	l.machine = NewMachine(l.vault, SessionLimits{})
	if l.meta.Index != 0 {
		require.NoError(l.t, l.machine.Restore(l.meta, bytes.NewReader(l.stored)))
	}
	_, err := l.machine.Apply(l.log[l.meta.Index:], nil)
	require.NoError(l.t, err)
}

func (l *durableLife) checkpoint() {
	meta, w, err := l.machine.Checkpoint()
	require.NoError(l.t, err)
	l.meta, l.stored = meta, bytesOf(l.t, w)
}

// TestADurableStateMachineExecutesEveryCommandOnce crashes one between any two steps, and compares
// it with a state machine in memory that goes on.
func TestADurableStateMachineExecutesEveryCommandOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		l := &durableLife{t: t}
		l.crash()
		var known []uint64
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				require.NoError(t, l.vault.Sync()) // in its own time
			case 1:
				l.checkpoint()
			case 2: // what was to be stored was not, but the state is durable
				_, w, err := l.machine.Checkpoint()
				require.NoError(t, err)
				bytesOf(t, w)
				l.crash()
			case 3:
				l.crash()
			case 4: // another member sends a snapshot from further on
				kind, data := someEntry(t, known)
				a := h.apply(kind, data)
				if kind == EntrySessionOpen {
					known = append(known, a.Result.Value)
				}
				l.log = append(l.log, Entry{Index: h.at, Term: 3, From: 2, ID: 9, Kind: kind, Data: data})
				o := &vault{tally: tally{commands: slices.Clone(h.state.commands)}, index: h.machine.executed, disk: &vaultDisk{}}
				other := *h.machine
				other.sm = o
				meta, w, err := other.Snapshot()
				require.NoError(t, err)
				l.meta, l.stored = meta, bytesOf(t, w)
				if rapid.Bool().Draw(t, "crash before Restore") {
					l.crash()
				} else {
					require.NoError(t, l.machine.Restore(l.meta, bytes.NewReader(l.stored)))
				}
			default:
				kind, data := someEntry(t, known)
				want := h.apply(kind, data)
				if kind == EntrySessionOpen {
					known = append(known, want.Result.Value)
				}
				e := Entry{Index: h.at, Term: 3, From: 2, ID: 9, Kind: kind, Data: data}
				l.log = append(l.log, e)
				got, err := l.machine.Apply([]Entry{e}, nil)
				require.NoError(t, err)
				if errors.Is(got[0].Err, ErrStaleSequence) && want.Err == nil {
					want.Result, want.Err = Result{}, ErrStaleSequence // executed in an earlier life
				}
				require.Equal(t, want, got[0])
			}
			require.Equal(t, h.state.commands, l.vault.commands)
			require.Equal(t, h.machine.executed, l.machine.executed)
			require.Len(t, l.machine.sessions.byID, len(h.machine.sessions.byID))
		}
	})
}

func TestARetryOfWhatAnEarlierLifeExecutedIsAnsweredWithoutItsResult(t *testing.T) {
	l := &durableLife{t: t}
	c := SessionCommand{Session: 1, Sequence: 1, Data: []byte("a")}
	l.log = []Entry{{Index: 1, Kind: EntrySessionOpen}, {Index: 2, Kind: EntrySessionCommand, Data: c.AppendTo(nil)}}
	l.crash()
	require.NoError(t, l.vault.Sync())
	l.crash()
	l.checkpoint()
	l.crash() // the checkpoint remembers as well
	out, err := l.machine.Apply([]Entry{{Index: 3, Kind: EntrySessionCommand, Data: c.AppendTo(nil)}}, nil)
	require.NoError(t, err)
	require.Equal(t, ErrStaleSequence, out[0].Err)
	require.Equal(t, []string{"a"}, l.vault.commands)
}

func TestACheckpointIsWithoutTheUsersBytesAndComesAfterASync(t *testing.T) {
	l := &durableLife{t: t}
	l.crash()
	long := strings.Repeat("a", 1000)
	l.log = []Entry{{Index: 1, Data: []byte(long)}, {Index: 2, Kind: EntryNoop}}
	_, err := l.machine.Apply(l.log, nil)
	require.NoError(t, err)
	l.checkpoint()
	require.Less(t, len(l.stored), 100)
	require.Equal(t, Index(1), l.vault.Durable())
	l.crash()
	require.Equal(t, []string{long}, l.vault.commands)
}

func TestADurableStateMachineWithoutWhatItsLogNoLongerHasIsRefused(t *testing.T) {
	l := &durableLife{t: t}
	l.log = []Entry{{Index: 1, Data: []byte("a")}}
	l.crash()
	l.checkpoint()
	err := NewMachine(new(vaultDisk).open(), SessionLimits{}).Restore(l.meta, bytes.NewReader(l.stored))
	require.ErrorAs(t, err, new(*ConfigError))
	require.ErrorContains(t, err, "that has command 1 on disk")
	require.ErrorAs(t, NewMachine(&tally{}, SessionLimits{}).Restore(l.meta, bytes.NewReader(l.stored)), new(*ConfigError))
}

func TestASyncThatFailsOrForgetsIsAnError(t *testing.T) {
	l := &durableLife{t: t}
	l.log = []Entry{{Index: 1, Data: []byte("a")}}
	l.crash()
	sync := func() error {
		_, w, err := l.machine.Checkpoint()
		require.NoError(t, err)
		_, err = w.WriteTo(io.Discard)
		return err
	}
	l.disk.err = errBoom
	require.ErrorIs(t, sync(), errBoom)
	l.disk.err, l.disk.forgets = nil, true
	require.ErrorContains(t, sync(), "Durable is 0 after a Sync, and command 1 was applied before it")
}

// TestAStateThatIsAheadOfItsLogIsSentAsSuch: a restart knows to be committed less than what the state
// on disk has executed, and sends that state to another member, which must not execute it again.
func TestAStateThatIsAheadOfItsLogIsSentAsSuch(t *testing.T) {
	l := &durableLife{t: t, log: []Entry{{Index: 1, Data: []byte("a")}, {Index: 2, Data: []byte("b")}, {Index: 3, Data: []byte("c")}}}
	l.crash()
	require.NoError(t, l.vault.Sync())
	m := NewMachine(l.disk.open(), SessionLimits{})
	_, err := m.Apply(l.log[:1], nil)
	require.NoError(t, err)
	meta, w, err := m.Snapshot()
	require.NoError(t, err)
	require.Equal(t, Index(1), meta.Index)

	other := new(vaultDisk).open()
	m = NewMachine(other, SessionLimits{})
	require.NoError(t, m.Restore(meta, bytes.NewReader(bytesOf(t, w))))
	require.Equal(t, []string{"a", "b", "c"}, other.commands)
	_, err = m.Apply(append(l.log[1:3:3], Entry{Index: 4, Data: []byte("d")}), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "d"}, other.commands)
}

// TestWhichSessionIsClosedDependsOnNoRestart: one replica knows what it answered, the other has lost it.
func TestWhichSessionIsClosedDependsOnNoRestart(t *testing.T) {
	limits := SessionLimits{SessionBytes: 2 * (answerOverhead + MaxDurableAnswer)}
	var log []Entry
	for i := range Index(3) {
		log = append(log, Entry{Index: i + 1, Kind: EntrySessionOpen})
	}
	for i, size := range []int{1, 2 * MaxDurableAnswer, 10} {
		c := SessionCommand{Session: uint64(i + 1), Sequence: 1, Data: bytes.Repeat([]byte("a"), size)}
		log = append(log, Entry{Index: Index(i + 4), Kind: EntrySessionCommand, Data: c.AppendTo(nil)})
	}
	disk := new(vaultDisk)
	first := NewMachine(disk.open(), limits)
	_, err := first.Apply(log, nil)
	require.NoError(t, err)
	require.NoError(t, first.durable().Sync())
	second := NewMachine(disk.open(), limits)
	_, err = second.Apply(log, nil)
	require.NoError(t, err)
	for _, m := range []*Machine{first, second} {
		require.Nil(t, m.sessions.get(1), "there is room for two answers, and it was used least recently")
		require.NotNil(t, m.sessions.get(2))
		require.True(t, m.sessions.get(2).answers[0].gone, "it is too long to be kept")
		require.NotNil(t, m.sessions.get(3))
	}
}
