package storage

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/consensus-go/consensus"
)

// A record is the head of one, and where its body is: see format.go.
type record struct {
	length  uint32 // of the body
	body    uint32 // its checksum
	synced  uint64
	group   consensus.GroupID
	number  uint64
	first   consensus.Index // of the entries; 0: there are none
	last    consensus.Index
	cut     consensus.Index // Write.Truncate
	end     consensus.Index // at or after the last entry of the group's log
	state   consensus.State
	index   consensus.Index // of the newest adopted snapshot,
	term    consensus.Term  // and its term
	flags   uint32
	encoded []byte // the body, once it has been read and is whole
}

func (r *record) has(flag uint32) bool { return r.flags&flag != 0 }

// size is what the record takes in its segment.
func (r *record) size() int { return recordSize + padded(int(r.length)) }

// fields are those of 8 bytes, in their order.
func (r *record) fields() [11]uint64 {
	return [...]uint64{r.synced, uint64(r.group), r.number, uint64(r.first), uint64(r.last), uint64(r.cut), uint64(r.end),
		uint64(r.state.Term), uint64(r.state.Commit), uint64(r.index), uint64(r.term)}
}

// appendTo appends the record, whose body is what appendBody appends. It is not sealed yet.
func (r *record) appendTo(b []byte, appendBody func(b []byte) []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, recMagic)
	b = append(b, make([]byte, 12)...)
	for _, v := range r.fields() {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(r.state.Vote))
	b = binary.LittleEndian.AppendUint32(b, r.flags)
	body := len(b)
	b = appendBody(b)
	r.length = uint32(len(b) - body)
	r.body = checksum(b[body:])
	binary.LittleEndian.PutUint32(b[at+8:], r.length)
	binary.LittleEndian.PutUint32(b[at+12:], r.body)
	return append(b, make([]byte, padded(int(r.length))-int(r.length))...)
}

// seal makes the encoded records in b those at offset of the segment with this seed: they say what
// was synced before them, and have their checksums.
func seal(b []byte, seed uint32, offset, synced int64) {
	for len(b) > 0 {
		binary.LittleEndian.PutUint64(b[16:], uint64(synced))
		binary.LittleEndian.PutUint32(b[4:], sealOf(b, seed, offset))
		n := recordSize + padded(int(binary.LittleEndian.Uint32(b[8:])))
		b, offset = b[n:], offset+int64(n)
	}
}

// sealOf is the checksum of the head of the record that b begins with. It begins with another value
// at each offset, and so ends with another, too.
func sealOf(b []byte, seed uint32, offset int64) uint32 {
	return crc32.Update(seed^uint32(offset>>3), castagnoli, b[8:recordSize])
}

// decode reports whether b begins with the head of a record, at this offset of the segment with this
// seed. The body may be damaged, or not even be there: encoded is nil then.
func (r *record) decode(b []byte, seed uint32, offset int64) bool {
	if len(b) < recordSize || binary.LittleEndian.Uint32(b) != recMagic || binary.LittleEndian.Uint32(b[4:]) != sealOf(b, seed, offset) {
		return false
	}
	*r = record{length: binary.LittleEndian.Uint32(b[8:]), body: binary.LittleEndian.Uint32(b[12:])}
	var v [11]uint64
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(b[16+8*i:])
	}
	r.synced, r.group, r.number = v[0], consensus.GroupID(v[1]), v[2]
	r.first, r.last, r.cut, r.end = consensus.Index(v[3]), consensus.Index(v[4]), consensus.Index(v[5]), consensus.Index(v[6])
	r.state = consensus.State{Term: consensus.Term(v[7]), Commit: consensus.Index(v[8]), Vote: consensus.NodeID(binary.LittleEndian.Uint32(b[104:]))}
	r.index, r.term = consensus.Index(v[9]), consensus.Term(v[10])
	r.flags = binary.LittleEndian.Uint32(b[108:])
	if r.synced > uint64(offset) || r.first > r.last || r.last > r.end {
		return false // nobody wrote that
	}
	if body := b[recordSize:]; uint64(len(body)) >= uint64(r.length) && checksum(body[:r.length]) == r.body {
		r.encoded = body[:r.length:r.length]
	}
	return true
}

// config is the configuration in a body, and what comes after it. Both alias body.
func (r *record) config() (config, entries []byte, ok bool) {
	if r.encoded == nil {
		return nil, nil, false
	}
	if !r.has(flagAdopts) {
		return nil, r.encoded, true
	}
	n, width := binary.Uvarint(r.encoded)
	if width <= 0 || n > uint64(len(r.encoded)-width) {
		return nil, nil, false
	}
	rest := r.encoded[width:]
	return rest[:n:n], rest[n:], true
}

// entries appends the entries in the body to es. Their Data alias it.
func (r *record) entries(es []consensus.Entry) ([]consensus.Entry, bool) {
	_, b, ok := r.config()
	if !ok || r.first == 0 || r.has(flagLost) {
		return es, ok
	}
	decoded, err := consensus.DecodeEntries(b, es)
	if err != nil {
		return es, false
	}
	return decoded, true
}

// appendBody appends the body of r: see format.go.
func appendBody(b []byte, r *record, config []byte, es []consensus.Entry) []byte {
	if r.has(flagAdopts) {
		b = binary.AppendUvarint(b, uint64(len(config)))
		b = append(b, config...)
	}
	if len(es) > 0 {
		b = consensus.AppendEntries(b, es)
	}
	return b
}

// A standing is how far a group had got in a segment.
type standing struct {
	group  consensus.GroupID
	number uint64
}

func appendStanding(b []byte, s standing) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(s.group))
	return binary.LittleEndian.AppendUint64(b, s.number)
}

func (r *record) roster() (roster []standing) {
	for b := r.encoded; len(b) >= 16; b = b[16:] {
		roster = append(roster, standing{consensus.GroupID(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])})
	}
	return roster
}
