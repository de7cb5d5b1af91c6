package storage

import (
	"encoding/binary"

	"github.com/consensus-go/consensus"
)

// A Piece is a record in a segment: what a test of damage wants to know of it.
type Piece struct {
	Offset, Size int64
	Group        consensus.GroupID // 0: it is a roster
	Number       uint64
}

// Pieces are the records in b, all of a segment's file, whose head must be whole.
func Pieces(b []byte) (ps []Piece) {
	var h head
	if _, ok := h.decode(b); !ok {
		panic("a segment without a head")
	}
	for _, f := range scan(b, seedOf(h.incarnation, h.number), nil) {
		ps = append(ps, Piece{f.offset, f.size, f.record.group, f.record.number})
	}
	return ps
}

// Reversion makes a head of a file, which begins with a magic, a checksum of all after it, and a
// version, one of the next format.
func Reversion(b []byte) {
	binary.LittleEndian.PutUint32(b[12:], formatVersion+1)
	binary.LittleEndian.PutUint32(b[8:], checksum(b[12:]))
}

// How long the heads of a segment and of a record are.
const (
	HeadSize       = headSize
	RecordHeadSize = recordSize
)

// Locked reports whether somebody holds the lock that all groups' calls take.
func (d *Disk) Locked() bool {
	free := d.mu.TryLock()
	if free {
		d.mu.Unlock()
	}
	return !free
}

// MakeRight gives a segment's file, whatever is in it, the head and the checksums that it would have
// as segment number of the store with this identity.
func MakeRight(folder []byte, number uint64, b []byte) {
	var id identity
	if id.decode("", folder) != nil || len(b) < headSize {
		return
	}
	copy(b, headMagic)
	binary.LittleEndian.PutUint32(b[12:], formatVersion)
	binary.LittleEndian.PutUint64(b[16:], number)
	binary.LittleEndian.PutUint64(b[24:], id.incarnation)
	binary.LittleEndian.PutUint32(b[8:], checksum(b[12:headSize]))
	seed := seedOf(id.incarnation, number)
	for at := headSize; len(b)-at >= recordSize; {
		r := b[at:]
		length := int(min(binary.LittleEndian.Uint32(r[8:]), uint32(len(r)-recordSize)))
		binary.LittleEndian.PutUint32(r, recMagic)
		binary.LittleEndian.PutUint32(r[8:], uint32(length))
		binary.LittleEndian.PutUint32(r[12:], checksum(r[recordSize:recordSize+length]))
		binary.LittleEndian.PutUint32(r[4:], sealOf(r, seed, int64(at)))
		at += recordSize + padded(length)
	}
}
