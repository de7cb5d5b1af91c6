package consensus_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

// uvarints draws numbers of every length: small ones are common, and so are the limits.
var uvarints = rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64(), rapid.SampledFrom([]uint64{0x7f, 0x80, math.MaxUint32, math.MaxUint64}))

// someBytes draws nil, or bytes.
var someBytes = rapid.Custom(func(t *rapid.T) []byte {
	return append([]byte(nil), rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")...)
})

// wireEntries draws entries as they may be in a message: by increasing index, with holes.
var wireEntries = rapid.Custom(func(t *rapid.T) (es []consensus.Entry) {
	index := consensus.Index(0)
	for range rapid.IntRange(0, 5).Draw(t, "n") {
		gap := consensus.Index(rapid.Uint64Range(1, 1<<20).Draw(t, "gap"))
		index += gap
		e := consensus.Entry{
			Index: index,
			Term:  consensus.Term(uvarints.Draw(t, "term")),
			From:  consensus.NodeID(uvarints.Draw(t, "from")),
			Kind:  consensus.EntryKind(rapid.IntRange(0, int(consensus.EntrySessionClose)).Draw(t, "kind")),
			Data:  someBytes.Draw(t, "data"),
		}
		if e.From != 0 {
			e.ID = uvarints.Draw(t, "id")
		}
		es = append(es, e)
	}
	return es
})

var wireRanges = rapid.Custom(func(t *rapid.T) (rs []consensus.Range) {
	for range rapid.IntRange(0, 3).Draw(t, "n") {
		a, b := consensus.Index(uvarints.Draw(t, "a")), consensus.Index(uvarints.Draw(t, "b"))
		rs = append(rs, consensus.Range{First: min(a, b), Last: max(a, b)})
	}
	return rs
})

// wireMessages draws messages with any of the fields set.
var wireMessages = rapid.Custom(func(t *rapid.T) consensus.Message {
	number := func(name string) uint64 { return uvarints.Draw(t, name) }
	return consensus.Message{
		Kind:        consensus.Kind(rapid.Byte().Draw(t, "kind")),
		Reject:      rapid.Bool().Draw(t, "reject"),
		Flags:       consensus.Flags(rapid.Byte().Draw(t, "flags")),
		Outcome:     consensus.Outcome(rapid.Byte().Draw(t, "outcome")),
		From:        consensus.NodeID(number("from")),
		To:          consensus.NodeID(number("to")),
		Group:       consensus.GroupID(number("group")),
		Incarnation: number("incarnation"),
		Term:        consensus.Term(number("term")),
		Promised:    consensus.Term(number("promised")),
		Leader:      consensus.Term(number("leader")),
		Index:       consensus.Index(number("index")),
		LogTerm:     consensus.Term(number("logterm")),
		Commit:      consensus.Index(number("commit")),
		Floor:       consensus.Index(number("floor")),
		Applied:     consensus.Index(number("applied")),
		Last:        consensus.Index(number("last")),
		Next:        consensus.Index(number("next")),
		Session:     number("session"),
		Context:     number("context"),
		Ranges:      wireRanges.Draw(t, "ranges"),
		Entries:     wireEntries.Draw(t, "entries"),
		Data:        someBytes.Draw(t, "data"),
	}
})

func TestEveryMessageSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, before := wireMessages.Draw(t, "message"), someBytes.Draw(t, "before")
		b := want.AppendTo(bytes.Clone(before))
		require.True(t, bytes.HasPrefix(b, before), "AppendTo changed what was there")
		got := consensus.Message{Session: 9, Entries: make([]consensus.Entry, 1)} // of an earlier message
		require.NoError(t, got.DecodeFrom(b[len(before):]))
		require.Equal(t, want, got)
	})
}

func TestTheWireFormatIsPinned(t *testing.T) {
	for _, g := range goldenMessages {
		t.Run(g.name, func(t *testing.T) {
			require.Equal(t, g.hex, hex.EncodeToString(g.message.AppendTo(nil)))
			b, err := hex.DecodeString(g.hex)
			require.NoError(t, err)
			var got consensus.Message
			require.NoError(t, got.DecodeFrom(b))
			require.Equal(t, g.message, got)
		})
	}
}

// requireCanonical requires of any bytes that they are malformed, or the one encoding of a
// message that takes at most 16 times their length in memory.
func requireCanonical(t require.TestingT, b []byte) {
	var m consensus.Message
	if err := m.DecodeFrom(b); err != nil {
		require.ErrorIs(t, err, consensus.ErrMalformed)
		return
	}
	require.Equal(t, b, m.AppendTo(nil))
	memory := cap(m.Entries)*int(unsafe.Sizeof(consensus.Entry{})) + cap(m.Ranges)*int(unsafe.Sizeof(consensus.Range{}))
	require.LessOrEqual(t, memory, 16*len(b))
	_ = m.String()
}

func TestAMessageHasOneEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := wireMessages.Draw(t, "message")
		b := m.AppendTo(nil)
		switch at := rapid.IntRange(0, len(b)-1).Draw(t, "at"); rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 1:
			b[at] = rapid.Byte().Draw(t, "byte")
		case 2:
			b = append(b[:at], b[at+1:]...)
		case 3:
			b = append(b[:at+1], b[at:]...)
		}
		requireCanonical(t, b)
	})
}

func TestAMessageCutShortOrWithBytesLeftOverIsMalformed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := wireMessages.Draw(t, "message")
		b := m.AppendTo(nil)
		for n := range b {
			require.ErrorIs(t, new(consensus.Message).DecodeFrom(b[:n:n]), consensus.ErrMalformed)
		}
		require.ErrorIs(t, new(consensus.Message).DecodeFrom(append(b, 0)), consensus.ErrMalformed)
	})
}

// wire builds encodings by hand: numbers are uvarints, the rest is copied.
func wire(parts ...any) (b []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = binary.AppendUvarint(b, uint64(p))
		case uint64:
			b = binary.AppendUvarint(b, p)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func TestWhatIsNotCanonicalIsMalformed(t *testing.T) {
	const ranges, entries, data = 1 << 16, 1 << 17, 1 << 18
	envelope := func(set int, rest ...any) []byte {
		return wire([]byte{1, 18}, 1, 2, 7, set, wire(rest...))
	}
	for name, b := range map[string][]byte{
		"version 0":                    wire([]byte{0, 18}, 1, 2, 7, 0),
		"version 2":                    wire([]byte{2, 18}, 1, 2, 7, 0),
		"no bytes":                     nil,
		"a sender above 32 bits":       wire([]byte{1, 18}, 1<<32, 2, 7, 0),
		"a receiver above 32 bits":     wire([]byte{1, 18}, 1, 1<<32, 7, 0),
		"an unknown field":             envelope(1<<19, 1),
		"flags that are 0":             envelope(1<<1, []byte{0}),
		"an outcome that is 0":         envelope(1<<2, []byte{0}),
		"an incarnation that is 0":     envelope(1<<3, make([]byte, 8)),
		"a term that is 0":             envelope(1<<4, 0),
		"a context that is 0":          envelope(1<<15, 0),
		"a number longer than need be": envelope(1<<4, []byte{0x81, 0x00}),
		"a number above 64 bits":       envelope(1<<4, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}),
		"no ranges":                    envelope(ranges, 0),
		"a range that ends too high":   envelope(ranges, 1, 2, uint64(math.MaxUint64)),
		"no entries":                   envelope(entries, 0),
		"an entry at 0":                envelope(entries, 1, 0, 1, 0, 0, 0),
		"two entries of one index":     envelope(entries, 2, 5, 1, 0, 0, 0, 0, 1, 0, 0, 0),
		"indexes that overflow":        envelope(entries, 2, 5, 1, 0, 0, 0, uint64(math.MaxUint64), 1, 0, 0, 0),
		"an entry of an unknown kind":  envelope(entries, 1, 5, 1, 6, 0, 0),
		"a proposer above 32 bits":     envelope(entries, 1, 5, 1, 0, 1<<32, make([]byte, 8), 0),
		"no data":                      envelope(data, 0),
		"data cut short":               envelope(data, 3, []byte("ab")),
	} {
		require.ErrorIs(t, new(consensus.Message).DecodeFrom(b), consensus.ErrMalformed, name)
	}
	require.NoError(t, new(consensus.Message).DecodeFrom(envelope(entries, 1, 5, 1, 5, 0, 0)))
	require.NoError(t, new(consensus.Message).DecodeFrom(envelope(1<<4, 1)))
}

func TestADecoderBelievesNoCount(t *testing.T) {
	for _, field := range []int{1 << 16, 1 << 17, 1 << 18} { // ranges, entries, data
		for _, count := range []uint64{1 << 20, 1 << 40, math.MaxInt64, math.MaxUint64} {
			b := wire([]byte{1, 18}, 1, 2, 7, field, count, make([]byte, 64))
			allocated := bytesAllocated(func() {
				require.Error(t, new(consensus.Message).DecodeFrom(b))
			})
			require.Less(t, allocated, uint64(16<<10), "field %#x, count %d", field, count)
		}
	}
}

// bytesAllocated is about how much f allocates.
func bytesAllocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestTheCodecDoesNotAllocate(t *testing.T) {
	heartbeat := consensus.Message{Kind: consensus.KindHeartbeat, From: 1, To: 2, Group: 3, Incarnation: 1 << 60, Term: 5, Commit: 99, Context: 7, Data: []byte("data")}
	full := benchmarkMessage()
	b := make([]byte, 0, 64<<10)
	require.Zero(t, testing.AllocsPerRun(100, func() { b = full.AppendTo(b[:0]) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { b = heartbeat.AppendTo(b[:0]) }))
	var m consensus.Message
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = m.DecodeFrom(b) }))
	b = full.AppendTo(b[:0])
	require.Equal(t, 1.0, testing.AllocsPerRun(100, func() { _ = m.DecodeFrom(b) }), "the entries, and nothing else")
}

// benchmarkMessage carries 64 entries of 100 bytes.
func benchmarkMessage() *consensus.Message {
	m := &consensus.Message{Kind: consensus.KindAppendEntries, From: 1, To: 2, Group: 7, Incarnation: 1 << 60, Term: 9, Index: 1000, LogTerm: 9, Commit: 990, Session: 3}
	for i := range 64 {
		m.Entries = append(m.Entries, consensus.Entry{Index: consensus.Index(1001 + i), Term: 9, From: 1, ID: 5<<32 | uint64(i), Data: make([]byte, 100)})
	}
	return m
}

func BenchmarkEncode64Entries(b *testing.B) {
	m, buffer := benchmarkMessage(), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buffer = m.AppendTo(buffer[:0])
	}
	b.SetBytes(int64(len(buffer)))
}

func BenchmarkDecode64Entries(b *testing.B) {
	buffer := benchmarkMessage().AppendTo(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(buffer)))
	var m consensus.Message
	for b.Loop() {
		if err := m.DecodeFrom(buffer); err != nil {
			b.Fatal(err)
		}
	}
}
