package consensus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The format of a Machine's snapshot, version 1: a head, and then the user's bytes to the end.
//
//	snapshot := version:byte length:8 bytes, little-endian; head byte ...
//	head     := index:uvarint term:uvarint config:bytes whole:flag executed:uvarint sessions:count session ...
//	session  := id:uvarint oldest:uvarint answers:count answer ...
//	answer   := sequence:uvarint gone:flag value:uvarint data:bytes
//	flag     := 0 or 1
//	bytes    := length:uvarint byte ...
//
// The user's state is as of the command at the index executed. If whole is 0 its bytes are missing, because a
// DurableStateMachine had them on disk. The length is that of the head. Sessions follow one another from the least to the most recently
// used, answers by increasing sequence. A decoder reads no byte beyond the head, and takes memory in
// proportion to the bytes that are there, whatever the length says. That they are the bytes that
// were written is for storage to know.
const headVersion = 1

// A view is a snapshot of the Machine that is yet to be written.
type view struct {
	head []byte
	user io.WriterTo // nil at a witness, and in a checkpoint

	sync func() error // if not nil: to be done first
}

func (v *view) take(sm StateMachine) (err error) {
	defer recovered("Snapshot", &err)
	if v.user = sm.Snapshot(); v.user == nil {
		return errors.New("StateMachine.Snapshot returned nil")
	}
	return nil
}

// WriteTo writes the snapshot. A panic of the user's is an error.
func (v *view) WriteTo(w io.Writer) (n int64, err error) {
	if v.sync != nil {
		if err := v.sync(); err != nil {
			return 0, err
		}
	}
	wrote, err := w.Write(v.head)
	n = int64(wrote)
	if err != nil || v.user == nil {
		return n, err
	}
	more, err := v.writeUser(w)
	return n + more, err
}

func (v *view) writeUser(w io.Writer) (n int64, err error) {
	defer recovered("Snapshot's WriteTo", &err)
	return v.user.WriteTo(w)
}

// appendHead appends version, length and head of the Machine as it is now. whole says whether the
// user's bytes follow.
func (m *Machine) appendHead(b []byte, whole bool) []byte {
	b = append(b, headVersion, 0, 0, 0, 0, 0, 0, 0, 0)
	start := len(b)
	b = binary.AppendUvarint(b, uint64(m.last.Index))
	b = binary.AppendUvarint(b, uint64(m.last.Term))
	b = binary.AppendUvarint(b, uint64(len(m.last.Config)))
	b = append(b, m.last.Config...)
	b = append(b, flag(whole))
	b = binary.AppendUvarint(b, uint64(m.executed))
	b = binary.AppendUvarint(b, uint64(len(m.sessions.byID)))
	for s := range m.sessions.all() {
		b = binary.AppendUvarint(b, s.id)
		b = binary.AppendUvarint(b, s.oldest)
		b = binary.AppendUvarint(b, uint64(len(s.answers)))
		for i := range s.answers {
			a := &s.answers[i]
			b = binary.AppendUvarint(b, a.sequence)
			b = append(b, flag(a.gone))
			b = binary.AppendUvarint(b, a.result.Value)
			b = binary.AppendUvarint(b, uint64(len(a.result.Data)))
			b = append(b, a.result.Data...)
		}
	}
	binary.LittleEndian.PutUint64(b[start-8:], uint64(len(b)-start))
	return b
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// readHead reads the head off r and makes it the Machine's. It must be that of meta. It reports
// whether the user's bytes follow.
func (m *Machine) readHead(meta SnapshotMeta, r io.Reader) (whole bool, err error) {
	var front [9]byte
	if _, err := io.ReadFull(r, front[:]); err != nil {
		return false, fmt.Errorf("reading the head of the snapshot at %d: %w", meta.Index, err)
	}
	length := binary.LittleEndian.Uint64(front[1:])
	if front[0] != headVersion || length > math.MaxInt64 {
		return false, fmt.Errorf("%w: the snapshot at %d is of an unknown version", ErrMalformed, meta.Index)
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(length)); err != nil {
		return false, fmt.Errorf("reading the head of the snapshot at %d: %w", meta.Index, err)
	}
	d := decoder{b: body.Bytes()}
	last := SnapshotMeta{Index: Index(d.uvarint()), Term: Term(d.uvarint()), Config: d.bytes()}
	whole, executed := d.flag(), Index(d.uvarint())
	t := sessions{limits: m.sessions.limits}
	d.sessions(&t, last.Index)
	if d.bad || len(d.b) > 0 {
		return false, fmt.Errorf("%w: the head of the snapshot at %d", ErrMalformed, meta.Index)
	}
	if last.Index != meta.Index || !bytes.Equal(last.Config, meta.Config) {
		return false, fmt.Errorf("%w: the snapshot said to be at %d is at %d", ErrMalformed, meta.Index, last.Index)
	}
	m.last, m.executed, m.sessions = meta, executed, t
	return whole, nil
}

func (d *decoder) flag() bool {
	b := d.byte()
	d.check(b <= 1)
	return b == 1
}

// sessions decodes a session table as of index into t, which is empty.
func (d *decoder) sessions(t *sessions, index Index) {
	n := d.count(3)
	d.check(n <= t.limits.Sessions)
	for range n {
		id := d.uvarint()
		d.check(id > 0 && id <= uint64(index) && t.get(id) == nil)
		if d.bad {
			return
		}
		s := t.open(id)
		s.oldest = d.uvarint()
		answers := d.count(4)
		d.check(answers <= t.limits.Answers)
		for i := range answers {
			a := stored{sequence: d.uvarint(), gone: d.flag(), result: Result{Value: d.uvarint(), Data: bytes.Clone(d.bytes())}}
			d.check(a.sequence >= s.oldest && (i == 0 || a.sequence > s.answers[i-1].sequence))
			if d.bad {
				return
			}
			s.answers = append(s.answers, a)
			t.weigh(s, t.size(&a))
		}
	}
}
