package consensus

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// The wire format of a message, version 1. Only what is set is written, so that a heartbeat
// takes some twenty bytes. Numbers are unsigned varints (encoding/binary), but for ids and
// incarnations, which are random and so eight bytes, little-endian.
//
//	message := version:byte kind:byte from:uvarint to:uvarint group:uvarint set:uvarint field ...
//
// Each bit of set stands for one field, in the order of the table below, from bit 0; the fields
// whose bit is set follow in that order. Bit 0, reject, is its own value. A field that is zero
// must not be sent, so every message has exactly one encoding.
//
//	0 reject                 6 leader:uvarint       12 last:uvarint
//	1 flags:byte             7 index:uvarint        13 next:uvarint
//	2 outcome:byte           8 logterm:uvarint      14 session:uvarint
//	3 incarnation:8 bytes    9 commit:uvarint       15 context:uvarint
//	4 term:uvarint          10 floor:uvarint        16 ranges:count (first:uvarint last-first:uvarint) ...
//	5 promised:uvarint      11 applied:uvarint      17 entries:count entry ...
//	                                                18 data:length byte ...
//
//	entry := index-previous:uvarint term:uvarint kind:byte from:uvarint [id:8 bytes, if from ≠ 0] length:uvarint byte ...
//
// The previous of the first entry is 0. An unknown version, an unknown bit, bytes that are cut
// short or left over, and indexes that do not increase are malformed. A decoder takes no more
// than 16 bytes of memory for each byte that a message carries.
const wireVersion = 1

const (
	hasReject = 1 << iota
	hasFlags
	hasOutcome
	hasIncarnation
	hasTerm
	hasPromised
	hasLeader
	hasIndex
	hasLogTerm
	hasCommit
	hasFloor
	hasApplied
	hasLast
	hasNext
	hasSession
	hasContext
	hasRanges
	hasEntries
	hasData
	hasEnd // one above the highest
)

// bit is flag if set, else 0.
func bit(set bool, flag uint64) uint64 {
	if set {
		return flag
	}
	return 0
}

// AppendTo appends the encoding of m to b. It allocates only to grow b.
func (m *Message) AppendTo(b []byte) []byte {
	set := bit(m.Reject, hasReject) | bit(m.Flags != 0, hasFlags) | bit(m.Outcome != 0, hasOutcome) |
		bit(m.Incarnation != 0, hasIncarnation) | bit(m.Term != 0, hasTerm) | bit(m.Promised != 0, hasPromised) |
		bit(m.Leader != 0, hasLeader) | bit(m.Index != 0, hasIndex) | bit(m.LogTerm != 0, hasLogTerm) |
		bit(m.Commit != 0, hasCommit) | bit(m.Floor != 0, hasFloor) | bit(m.Applied != 0, hasApplied) |
		bit(m.Last != 0, hasLast) | bit(m.Next != 0, hasNext) | bit(m.Session != 0, hasSession) |
		bit(m.Context != 0, hasContext) | bit(len(m.Ranges) != 0, hasRanges) |
		bit(len(m.Entries) != 0, hasEntries) | bit(len(m.Data) != 0, hasData)

	b = append(b, wireVersion, byte(m.Kind))
	b = binary.AppendUvarint(b, uint64(m.From))
	b = binary.AppendUvarint(b, uint64(m.To))
	b = binary.AppendUvarint(b, uint64(m.Group))
	b = binary.AppendUvarint(b, set)
	if m.Flags != 0 {
		b = append(b, byte(m.Flags))
	}
	if m.Outcome != 0 {
		b = append(b, byte(m.Outcome))
	}
	if m.Incarnation != 0 {
		b = binary.LittleEndian.AppendUint64(b, m.Incarnation)
	}
	for _, v := range [...]uint64{uint64(m.Term), uint64(m.Promised), uint64(m.Leader), uint64(m.Index),
		uint64(m.LogTerm), uint64(m.Commit), uint64(m.Floor), uint64(m.Applied), uint64(m.Last),
		uint64(m.Next), m.Session, m.Context} {
		if v != 0 {
			b = binary.AppendUvarint(b, v)
		}
	}
	if len(m.Ranges) != 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Ranges)))
		for _, r := range m.Ranges {
			b = binary.AppendUvarint(b, uint64(r.First))
			b = binary.AppendUvarint(b, uint64(r.Last-r.First))
		}
	}
	if len(m.Entries) != 0 {
		b = AppendEntries(b, m.Entries)
	}
	if len(m.Data) != 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Data)))
		b = append(b, m.Data...)
	}
	return b
}

// AppendEntries appends to b the encoding that a message has of its entries, their count first.
// They are by increasing index. It allocates only to grow b.
func AppendEntries(b []byte, es []Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(es)))
	previous := Index(0)
	for i := range es {
		e := &es[i]
		b = binary.AppendUvarint(b, uint64(e.Index-previous))
		previous = e.Index
		b = binary.AppendUvarint(b, uint64(e.Term))
		b = append(b, byte(e.Kind))
		b = binary.AppendUvarint(b, uint64(e.From))
		if e.From != 0 {
			b = binary.LittleEndian.AppendUint64(b, e.ID)
		}
		b = binary.AppendUvarint(b, uint64(len(e.Data)))
		b = append(b, e.Data...)
	}
	return b
}

// DecodeFrom makes m the message that b encodes, all of it. Entries and Data alias b, which
// must not change afterwards. Any error is an ErrMalformed, and m is then not to be used.
func (m *Message) DecodeFrom(b []byte) error {
	d := decoder{b: b}
	if d.byte() != wireVersion {
		return fmt.Errorf("%w: message of an unknown version", ErrMalformed)
	}
	*m = Message{Kind: Kind(d.byte()), From: NodeID(d.uint32()), To: NodeID(d.uint32()), Group: GroupID(d.uvarint())}
	set := d.uvarint()
	if set >= hasEnd {
		return fmt.Errorf("%w: message with unknown fields", ErrMalformed)
	}
	m.Reject = set&hasReject != 0
	if set&hasFlags != 0 {
		m.Flags = Flags(d.byte())
		d.check(m.Flags != 0)
	}
	if set&hasOutcome != 0 {
		m.Outcome = Outcome(d.byte())
		d.check(m.Outcome != 0)
	}
	if set&hasIncarnation != 0 {
		m.Incarnation = d.fixed64()
		d.check(m.Incarnation != 0)
	}
	m.Term = Term(d.field(set, hasTerm))
	m.Promised = Term(d.field(set, hasPromised))
	m.Leader = Term(d.field(set, hasLeader))
	m.Index = Index(d.field(set, hasIndex))
	m.LogTerm = Term(d.field(set, hasLogTerm))
	m.Commit = Index(d.field(set, hasCommit))
	m.Floor = Index(d.field(set, hasFloor))
	m.Applied = Index(d.field(set, hasApplied))
	m.Last = Index(d.field(set, hasLast))
	m.Next = Index(d.field(set, hasNext))
	m.Session = d.field(set, hasSession)
	m.Context = d.field(set, hasContext)
	if set&hasRanges != 0 {
		n := d.count(2)
		d.check(n > 0)
		m.Ranges = make([]Range, 0, n)
		for range n {
			first := d.uvarint()
			length := d.uvarint()
			d.check(first+length >= first)
			m.Ranges = append(m.Ranges, Range{Index(first), Index(first + length)})
		}
	}
	if set&hasEntries != 0 {
		m.Entries = d.entries(nil)
		d.check(len(m.Entries) > 0)
	}
	if set&hasData != 0 {
		m.Data = d.bytes()
		d.check(len(m.Data) != 0)
	}
	if d.bad || len(d.b) != 0 {
		return fmt.Errorf("%w: message of kind %v", ErrMalformed, m.Kind)
	}
	return nil
}

// minEntry is the length of the shortest encoded entry.
const minEntry = 5

// DecodeEntries appends to es the entries that b encodes, all of it, as AppendEntries wrote them.
// Their Data alias b, which must not change afterwards. Any error is an ErrMalformed.
func DecodeEntries(b []byte, es []Entry) ([]Entry, error) {
	d := decoder{b: b}
	es = d.entries(es)
	if d.bad || len(d.b) != 0 {
		return nil, fmt.Errorf("%w: entries", ErrMalformed)
	}
	return es, nil
}

func (d *decoder) entries(es []Entry) []Entry {
	n := d.count(minEntry)
	if es == nil {
		es = make([]Entry, 0, n) // Grow makes two when the race detector is on
	}
	es = slices.Grow(es, n)
	previous := Index(0)
	for range n {
		es = append(es, Entry{})
		e := &es[len(es)-1]
		e.Index = previous + Index(d.uvarint())
		e.Term = Term(d.uvarint())
		e.Kind = EntryKind(d.byte())
		e.From = NodeID(d.uint32())
		if e.From != 0 {
			e.ID = d.fixed64()
		}
		e.Data = d.bytes()
		d.check(e.Index > previous && e.Kind < entryKinds)
		if d.bad {
			return nil
		}
		previous = e.Index
	}
	return es
}

// A decoder takes values off the front of b. After the first that is not there it is bad for
// good, and returns zeros: callers check once, at the end.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) check(ok bool) {
	if !ok {
		d.bad, d.b = true, nil
	}
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.check(false)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 { // the common case, without a call
		v := d.b[0]
		d.b = d.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 || d.b[n-1] == 0 { // cut short, too large, or longer than it need be
		d.check(false)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	v := d.uvarint()
	d.check(v <= math.MaxUint32)
	return uint32(v)
}

func (d *decoder) fixed64() uint64 {
	if len(d.b) < 8 {
		d.check(false)
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// field is the uvarint of a field, if its bit says that it is there.
func (d *decoder) field(set, flag uint64) uint64 {
	if set&flag == 0 {
		return 0
	}
	v := d.uvarint()
	d.check(v != 0)
	return v
}

// count is the length of a list whose items take at least size bytes each: a count that what is
// left cannot hold is refused before anything is allocated for it.
func (d *decoder) count(size int) int {
	v := d.uvarint()
	d.check(v <= uint64(len(d.b)/size))
	if d.bad {
		return 0
	}
	return int(v)
}

func (d *decoder) bytes() []byte {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}
