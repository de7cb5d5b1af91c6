package storage

import (
	"encoding/binary"
	"hash/crc32"
)

// The files of a Disk, format 1. Numbers are little-endian, of 8 bytes where nothing is said;
// every checksum is a CRC-32C.
//
//	LOCK                              held while the folder is open
//	identity                          whose folder this is: identity.go
//	<number>.log                      a segment of the log, numbered from 1: below
//	<number>.free                     a segment that is no longer needed, to be written again
//	<group>-<index>-<term>.snapshot   a snapshot: snapshotfile.go
//	*.tmp                             what was being made when the process ended
//
// A segment is a head and then records, one after the other, and then zeros, or what a former life
// of the file has left. All groups share the log. A record is one consensus.Write, and is there as a
// whole or not at all; those of one Append are one batch, written in one piece and synced once.
//
//	head:    magic "CONSENSU" | checksum:4 | version:4 | number | incarnation | oldest | end | 16 zeros
//
//	record:  magic "\xc5rec" | checksum:4 | length:4 | checksum of body:4 | synced     0
//	         group        | number         | first       | last                        24
//	         truncate     | end            | term        | commit                      56
//	         snapshot index | snapshot term | vote:4 flags:4 | body ... zeros to 8     88
//
//	body:    [config length:uvarint, config, if flagAdopts] [entries as in a message, if first is not 0]
//
// What each is for:
//
//   - The checksum of a head or a record covers all fields after it and, of a record, the segment's
//     number, the store's incarnation and the record's offset: what a former life of the file has
//     left never passes for a record, nor does user data.
//   - Nothing is ever written where something was cut off. Whoever opens the folder begins a new
//     segment, whose head says where the one before it ends: what is beyond can never come back.
//   - synced is the offset before which the segment was durable when the record was written. So a
//     valid record proves that what cannot be read before its synced is damage, and what cannot be
//     read after every synced is what a crash tore: it was never acknowledged, and is cut off.
//   - group and number say whose records are missing where a head of a record cannot be read; first,
//     last, truncate and end what was in one whose body cannot: every record of a group is numbered
//     by one more than the one before. The state is in the head, so damage to entries loses no vote.
//   - A segment begins with a roster: the number that each group in the one before it had reached
//     there. It tells whether the last records of a group are missing.
//   - oldest is the first segment that is still needed: those from there on must all exist. That the last one did
//     the record after the end of the one before it says: it is written before anything in the new one is
//     acknowledged.
//
// A file's first sector is written anew with each record in it, and so on, as with any log that is
// not padded: a disk that damages a sector when the power fails, rather than leaving what was in it,
// can damage what was synced. That is found, as all damage is.
const formatVersion = 1

const (
	headSize   = 64
	recordSize = 112
	headMagic  = "CONSENSU"
	recMagic   = 0x636572c5 // "\xc5rec"
)

// The flags of a record.
const (
	flagAdopts = 1 << iota // the write adopts the snapshot, whose configuration is in the body
	flagFile               // that snapshot has a file; a witness's has none
	flagLost               // the entries first to last were damaged, and are unknown; none is in the body
	flagRoster             // the body is a roster; of group 0, which is none
	flagNext               // there is a segment after this one; of group 0, and no body
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// A seed is what the checksums of a segment's records begin with.
func seedOf(incarnation, number uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], incarnation)
	binary.LittleEndian.PutUint64(b[8:], number)
	return checksum(b[:])
}

// padded is n rounded up to where the next record begins.
func padded(n int) int { return (n + 7) &^ 7 }

// A head is that of a segment.
type head struct {
	number      uint64
	incarnation uint64
	oldest      uint64 // the first segment that is needed
	end         uint64 // where the segment before this one ends; 0: there is none
}

func (h *head) appendTo(b []byte) []byte {
	at := len(b)
	b = append(b, headMagic...)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	for _, v := range [...]uint64{h.number, h.incarnation, h.oldest, h.end, 0, 0} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	binary.LittleEndian.PutUint32(b[at+8:], checksum(b[at+12:]))
	return b
}

// decode reports whether b begins with a head, and of which format.
func (h *head) decode(b []byte) (version uint32, ok bool) {
	if len(b) < headSize || string(b[:8]) != headMagic || binary.LittleEndian.Uint32(b[8:]) != checksum(b[12:headSize]) {
		return 0, false
	}
	for i, v := range [...]*uint64{&h.number, &h.incarnation, &h.oldest, &h.end} {
		*v = binary.LittleEndian.Uint64(b[16+8*i:])
	}
	return binary.LittleEndian.Uint32(b[12:]), true
}
