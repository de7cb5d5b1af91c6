package storage

import (
	"bytes"
	"encoding/binary"
)

// A finding is what is at offset of a segment: a record, whose body may be damaged, or a gap, where
// there was one.
type finding struct {
	offset int64
	size   int64
	gap    bool
	record record
}

// whole reports whether nothing is wrong with it.
func (f *finding) whole() bool { return !f.gap && f.record.encoded != nil }

var recMagicBytes = binary.LittleEndian.AppendUint32(nil, recMagic)

// scan adds to fs what is in b, all of a segment's file, up to the last record in it, or the one that says that
// there is a next segment: nothing was written after that.
func scan(b []byte, seed uint32, fs []finding) []finding {
	at := int64(headSize)
	for {
		f := finding{offset: at}
		next := nextRecord(b, seed, at, &f.record)
		if next < 0 {
			return fs
		}
		if next > at {
			fs = append(fs, finding{offset: at, size: next - at, gap: true})
		}
		f.offset, f.size = next, int64(f.record.size())
		fs = append(fs, f)
		if followed(fs) {
			return fs
		}
		at = next + f.size
	}
}

// nextRecord decodes the first record in b at or after offset, and returns where it is; -1: there is none.
func nextRecord(b []byte, seed uint32, offset int64, r *record) int64 {
	for offset < int64(len(b)) {
		if r.decode(b[offset:], seed, offset) {
			return offset
		}
		offset += 8
		if offset >= int64(len(b)) {
			break
		}
		i := bytes.Index(b[offset:], recMagicBytes)
		if i < 0 {
			break
		}
		offset = (offset + int64(i) + 7) &^ 7
	}
	return -1
}

// followed reports whether the last of the findings in a segment is that there is a next one.
func followed(fs []finding) bool {
	return len(fs) > 0 && fs[len(fs)-1].record.has(flagNext)
}

// sealed cuts the findings of a segment that is known to end at end: there, all was durable.
func sealed(fs []finding, end int64) []finding {
	at := int64(headSize)
	for i := range fs {
		if fs[i].offset >= end {
			fs = fs[:i]
			break
		}
		at = fs[i].offset + fs[i].size
	}
	if at < end {
		fs = append(fs, finding{offset: at, size: end - at, gap: true})
	}
	return fs
}

// torn cuts the findings of the last segment where a crash tore what was being written. It returns
// as well how far the segment was durable for certain.
func torn(fs []finding) (kept []finding, synced int64) {
	synced = headSize
	for i := range fs {
		if !fs[i].gap {
			synced = max(synced, int64(fs[i].record.synced))
		}
	}
	for i := range fs {
		if fs[i].offset >= synced && !fs[i].whole() {
			return fs[:i], synced
		}
	}
	return fs, synced
}
