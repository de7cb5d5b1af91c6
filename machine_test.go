package consensus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A tally is a state machine that counts its commands and remembers them. It panics when told to.
type tally struct {
	commands []string
}

func (s *tally) Apply(c Command) Result {
	if string(c.Data) == "panic" {
		panic(errBoom)
	}
	s.commands = append(s.commands, string(c.Data))
	return Result{Value: uint64(len(s.commands)), Data: append([]byte("did "), c.Data...)}
}

func (s *tally) Snapshot() io.WriterTo {
	if slices.Contains(s.commands, "panic in Snapshot") {
		panic("boom")
	}
	return tallyView(slices.Clone(s.commands))
}

func (s *tally) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.commands = nil
	for line := range strings.Lines(string(b)) {
		if line == "panic\n" {
			panic(errBoom)
		}
		s.commands = append(s.commands, strings.TrimSuffix(line, "\n"))
	}
	return err
}

var errBoom = errors.New("boom")

type tallyView []string

func (v tallyView) WriteTo(w io.Writer) (n int64, err error) {
	for _, c := range v {
		if c == "panic in WriteTo" {
			panic(errBoom)
		}
		wrote, err := io.WriteString(w, c+"\n")
		n += int64(wrote)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// A history feeds a Machine entries by increasing index.
type history struct {
	t       require.TestingT
	machine *Machine
	state   *tally
	limits  SessionLimits
	at      Index
}

func newHistory(t require.TestingT) *history {
	return newLimitedHistory(t, SessionLimits{})
}

func newLimitedHistory(t require.TestingT, limits SessionLimits) *history {
	s := &tally{}
	return &history{t: t, machine: NewMachine(s, limits), state: s, limits: limits}
}

func (h *history) apply(kind EntryKind, data []byte) Applied {
	h.at++
	out, err := h.machine.Apply([]Entry{{Index: h.at, Term: 3, From: 2, ID: 9, Kind: kind, Data: data}}, nil)
	require.NoError(h.t, err)
	require.Len(h.t, out, 1)
	require.Equal(h.t, h.at, h.machine.Index())
	return out[0]
}

func (h *history) session(id, sequence, oldest uint64, data string) (Result, error) {
	c := SessionCommand{id, sequence, oldest, []byte(data)}
	a := h.apply(EntrySessionCommand, c.AppendTo(nil))
	return a.Result, a.Err
}

// write returns a snapshot of the Machine.
func (h *history) write() (SnapshotMeta, []byte) {
	meta, w, err := h.machine.Snapshot()
	require.NoError(h.t, err)
	return meta, bytesOf(h.t, w)
}

func bytesOf(t require.TestingT, w io.WriterTo) []byte {
	var b bytes.Buffer
	n, err := w.WriteTo(&b)
	require.NoError(t, err)
	require.Equal(t, int64(b.Len()), n)
	return b.Bytes()
}

// restored is another Machine, made of a snapshot of this one.
func (h *history) restored() *history {
	meta, b := h.write()
	o := newLimitedHistory(h.t, h.limits)
	require.NoError(h.t, o.machine.Restore(meta, bytes.NewReader(b)))
	o.at = h.at
	require.Equal(h.t, h.machine.Index(), o.machine.Index())
	return o
}

func TestEveryEntryHasItsAnswer(t *testing.T) {
	h := newHistory(t)
	require.Equal(t, Applied{Index: 1, From: 2, ID: 9, Size: 65, Result: Result{Value: 1, Data: []byte("did a")}}, h.apply(EntryCommand, []byte("a")))
	require.Equal(t, Applied{Index: 2, Kind: EntryNoop, From: 2, ID: 9, Size: 64, Result: Result{Value: 2}}, h.apply(EntryNoop, nil))
	require.Equal(t, Applied{Index: 3, Kind: EntryMembers, From: 2, ID: 9, Size: 67, Result: Result{Value: 3}}, h.apply(EntryMembers, []byte("cfg")))
	require.Equal(t, []string{"a"}, h.state.commands)
	meta, _ := h.write()
	require.Equal(t, SnapshotMeta{Index: 3, Term: 3, Config: []byte("cfg")}, meta)
	require.Panics(t, func() { _, _ = h.machine.Apply([]Entry{{Index: 3}}, nil) }, "3 was applied")
}

func TestAWitnessPassesCommandsOver(t *testing.T) {
	m := NewMachine(nil, SessionLimits{})
	out, err := m.Apply([]Entry{{Index: 1}, {Index: 2, Kind: EntrySessionOpen}, {Index: 3, Kind: EntryMembers, Data: []byte("c")}}, nil)
	require.NoError(t, err)
	require.Equal(t, []error{ErrUnknown, ErrUnknown, nil}, []error{out[0].Err, out[1].Err, out[2].Err})
	meta, w, err := m.Snapshot()
	require.NoError(t, err)
	o := NewMachine(nil, SessionLimits{})
	require.NoError(t, o.Restore(meta, bytes.NewReader(bytesOf(t, w))))
	require.NoError(t, o.Restore(meta, bytes.NewReader(nil)))
	require.Equal(t, Index(3), o.Index())
}

func TestAPanicOfTheStateMachineIsAnErrorWithItsStack(t *testing.T) {
	check := func(err error, method string) {
		t.Helper()
		require.ErrorContains(t, err, method+" panicked: boom")
		require.ErrorContains(t, err, "machine_test.go")
	}
	h := newHistory(t)
	out, err := h.machine.Apply([]Entry{{Index: 1, Data: []byte("a")}, {Index: 2, Data: []byte("panic")}, {Index: 3}}, nil)
	check(err, "Apply")
	require.ErrorIs(t, err, errBoom)
	require.Len(t, out, 1)

	h = newHistory(t)
	id := h.apply(EntrySessionOpen, nil).Result.Value
	c := SessionCommand{id, 1, 1, []byte("panic")}
	_, err = h.machine.Apply([]Entry{{Index: 2, Kind: EntrySessionCommand, Data: c.AppendTo(nil)}}, nil)
	check(err, "Apply")

	h = newHistory(t)
	h.apply(EntryCommand, []byte("panic in Snapshot"))
	_, _, err = h.machine.Snapshot()
	check(err, "Snapshot")

	h = newHistory(t)
	h.apply(EntryCommand, []byte("panic in WriteTo"))
	_, w, err := h.machine.Snapshot()
	require.NoError(t, err)
	_, err = w.WriteTo(io.Discard)
	check(err, "WriteTo")

	h = newHistory(t)
	meta, b := h.write()
	check(h.machine.Restore(meta, bytes.NewReader(append(b, "panic\n"...))), "Restore")
}

// A blank has a state, and no view of it.
type blank struct{ tally }

func (*blank) Snapshot() io.WriterTo { return nil }

func TestASnapshotWithoutTheStateIsNone(t *testing.T) {
	m := NewMachine(new(blank), SessionLimits{})
	_, err := m.Apply([]Entry{{Index: 1, Data: []byte("a")}}, nil)
	require.NoError(t, err)
	_, _, err = m.Snapshot()
	require.ErrorContains(t, err, "Snapshot returned nil")
}

func TestASnapshotIsOfTheMomentItWasTaken(t *testing.T) {
	h := newHistory(t)
	id := h.apply(EntrySessionOpen, nil).Result.Value
	_, _ = h.session(id, 1, 1, "a")
	meta, w, err := h.machine.Snapshot()
	require.NoError(t, err)
	want, first := h.write()
	require.Equal(t, want, meta)
	_, _ = h.session(id, 2, 2, "b")
	h.apply(EntrySessionClose, AppendSessionClose(nil, id))
	h.apply(EntrySessionOpen, nil)
	require.Equal(t, first, bytesOf(t, w))
}

// someEntry draws an entry of a few sessions, some of them unknown, with now and then a broken one.
func someEntry(t *rapid.T, known []uint64) (EntryKind, []byte) {
	data := rapid.SliceOfN(rapid.ByteRange('a', 'c'), 0, 3).Draw(t, "data")
	session := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.SampledFrom(append(known, 1))).Draw(t, "session")
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		return EntryCommand, data
	case 1:
		return EntrySessionOpen, nil
	case 2:
		return EntrySessionClose, AppendSessionClose(nil, session)
	case 3:
		return rapid.SampledFrom([]EntryKind{EntryMembers, EntryNoop, EntrySessionClose, EntrySessionCommand}).Draw(t, "kind"), data
	default:
		sequence := rapid.Uint64Range(0, 9).Draw(t, "sequence")
		c := SessionCommand{session, sequence, rapid.Uint64Range(0, 9).Draw(t, "oldest"), data}
		return EntrySessionCommand, c.AppendTo(nil)
	}
}

func TestAMachineRestoredAnywhereGoesOnTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newLimitedHistory(t, rapid.SampledFrom([]SessionLimits{{}, {Sessions: 2}, {Answers: 2}, {SessionBytes: 200}}).Draw(t, "limits"))
		o := h
		var known []uint64
		for range rapid.IntRange(1, 60).Draw(t, "entries") {
			if rapid.IntRange(0, 9).Draw(t, "restore") == 0 {
				o = o.restored()
			}
			kind, data := someEntry(t, known)
			a := h.apply(kind, data)
			if kind == EntrySessionOpen {
				known = append(known, a.Result.Value)
			}
			if o != h {
				require.Equal(t, a, o.apply(kind, data))
			}
		}
		meta, b := h.write()
		other, c := o.write()
		require.Equal(t, meta, other)
		require.Equal(t, b, c)
		require.Equal(t, h.state.commands, o.state.commands)
	})
}

func TestASnapshotOfAnotherIndexIsNotRestored(t *testing.T) {
	h := newHistory(t)
	h.apply(EntryMembers, []byte("cfg"))
	meta, b := h.write()
	for name, change := range map[string]func(*SnapshotMeta){
		"index":  func(m *SnapshotMeta) { m.Index++ },
		"config": func(m *SnapshotMeta) { m.Config = nil },
	} {
		wrong := meta
		change(&wrong)
		require.ErrorIs(t, newHistory(t).machine.Restore(wrong, bytes.NewReader(b)), ErrMalformed, name)
	}
}

func TestADamagedHeadIsAnErrorAndTakesLittleMemory(t *testing.T) {
	h := newHistory(t)
	id := h.apply(EntrySessionOpen, nil).Result.Value
	_, _ = h.session(id, 1, 1, "a")
	meta, b := h.write()
	head := int(9 + binary.LittleEndian.Uint64(b[1:]))
	for n := range head {
		err := newHistory(t).machine.Restore(meta, bytes.NewReader(b[:n]))
		require.Error(t, err)
	}
	b[8] = 0x7f // a length of 2⁶³ or so
	require.ErrorIs(t, newHistory(t).machine.Restore(meta, bytes.NewReader(b)), io.EOF)
	b[8] = 0x80
	require.ErrorIs(t, newHistory(t).machine.Restore(meta, bytes.NewReader(b)), ErrMalformed)
	b[0] = 2
	require.ErrorIs(t, newHistory(t).machine.Restore(meta, bytes.NewReader(b)), ErrMalformed)
}

func FuzzMachineRestore(f *testing.F) {
	h := newHistory(f)
	f.Add(bytesOf(f, must(h)))
	for range 3 {
		id := h.apply(EntrySessionOpen, nil).Result.Value
		_, _ = h.session(id, 1, 1, "a")
		_, _ = h.session(id, 5, 1, "b")
		h.apply(EntryMembers, []byte("cfg"))
		f.Add(bytesOf(f, must(h)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("panic")) {
			return // the user's bytes
		}
		d := decoder{b: b}
		for range 9 {
			d.byte()
		}
		meta := SnapshotMeta{Index: Index(d.uvarint()), Term: Term(d.uvarint()), Config: d.bytes()}
		h := newHistory(t)
		if h.machine.Restore(meta, bytes.NewReader(b)) != nil {
			return
		}
		h.at = meta.Index
		_, head, err := h.machine.Snapshot()
		require.NoError(t, err)
		user := bytesOf(t, tallyView(h.state.commands))
		require.Equal(t, b[:9+binary.LittleEndian.Uint64(b[1:])], bytes.TrimSuffix(bytesOf(t, head), user), "a head has one encoding")
	})
}

func must(h *history) io.WriterTo {
	_, w, err := h.machine.Snapshot()
	require.NoError(h.t, err)
	return w
}
