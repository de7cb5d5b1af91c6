package transport

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/consensus-go/consensus"
)

// The protocol between two nodes, version 1. Whoever has something to send dials. There is one
// connection for the messages from one node to another, and one for each snapshot. Numbers have a
// fixed size and are little-endian, but in messages, whose format is consensus.Message.AppendTo's.
// With TLS all of it is inside of TLS.
//
// A connection begins with a hello of the dialling node and an answer, which never change their
// shape, so that nodes of any two versions can tell each other that they do not understand:
//
//	hello  := magic:8 lowest:1 highest:1 purpose:1 zero:1 cluster:8 from:4 to:4 crc:4
//	answer := magic:8 refusal:1 version:1 lowest:1 highest:1 crc:4
//
// Lowest and highest are the versions that a node speaks. Purpose is 1 for messages, 2 for a
// snapshot. The answer has the version that both will speak, or a refusal, which is not 0. The crc of
// each is the CRC-32C of what is before it.
//
// After that everything, in both directions, is in frames:
//
//	frame := length:4 crc:4 payload
//
// Length is the payload's. The crc is the CRC-32C of length and payload. An empty frame says that
// the sender is alive.
//
// Messages: the dialling node sends frames of messages, and an empty one now and then. The other
// side sends an empty one now and then, as long as something arrives.
//
//	payload := (length:4 message) ...
//
// Snapshots: the dialling node sends open, chunks and end, or abort at any time; the other side
// sends resume, credits and done. Each side sends an empty frame now and then. Offsets count the
// bytes of the snapshot.
//
//	open   := 1 stream:16 offset:8 length:4 message index:8 term:8 config
//	chunk  := 2 offset:8 data
//	end    := 3 offset:8
//	abort  := 4 text
//	resume := 5 offset:8
//	credit := 6 offset:8
//	done   := 7 outcome:1 text
//
// Stream is a random name for the snapshot, under which it may be opened again after its
// connection broke; the offset of open is the first byte that the sender still has. Resume is the
// answer to it, and says where to go on. A credit says how much has been consumed: the sender may be
// ahead of it by a window of 1 MiB. No payload is longer than that and 1 KiB. Outcome is a
// consensus.Outcome; done may come at any time.
const (
	minVersion = 1
	maxVersion = 1
)

const magic = "\xc0nsensus"

const (
	helloSize  = 32
	answerSize = 16
	headerSize = 8 // of a frame
	lengthSize = 4 // of a message in a frame
)

// The first byte of the frames of a snapshot.
const (
	frameOpen = 1 + iota
	frameChunk
	frameEnd
	frameAbort
	frameResume
	frameCredit
	frameDone
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// malformed is an ErrMalformed.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{consensus.ErrMalformed}, args...)...)
}

// beginFrame appends room for the header of a frame. The payload is appended after it.
func beginFrame(b []byte) []byte { return append(b, 0, 0, 0, 0, 0, 0, 0, 0) }

// endFrame completes the frame that begins at start and goes to the end of b.
func endFrame(b []byte, start int) {
	frame := b[start:]
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-headerSize))
	binary.LittleEndian.PutUint32(frame[4:], frameSum(frame[:4], frame[headerSize:]))
}

func frameSum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, payload)
}

// appendMessage appends m, behind its length.
func appendMessage(b []byte, m *consensus.Message) []byte {
	start := len(b)
	b = m.AppendTo(append(b, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-lengthSize))
	return b
}

// cutMessage returns the bytes of the first message in b, and what is behind it.
func cutMessage(b []byte) (m, rest []byte, err error) {
	if len(b) < lengthSize {
		return nil, nil, malformed("frame with the beginning of a length")
	}
	n, b := binary.LittleEndian.Uint32(b), b[lengthSize:]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, malformed("message of %d bytes in a frame that has %d left", n, len(b))
	}
	return b[:n:n], b[n:], nil
}

// appendSum appends the CRC-32C of all of b.
func appendSum(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// cutSum returns b without the checksum at its end, if that holds.
func cutSum(b []byte) ([]byte, bool) {
	body, sum := b[:len(b)-4], b[len(b)-4:]
	return body, binary.LittleEndian.Uint32(sum) == crc32.Checksum(body, castagnoli)
}

// appendFrame appends a frame.
func appendFrame(b, payload []byte) []byte {
	start := len(b)
	b = append(beginFrame(b), payload...)
	endFrame(b, start)
	return b
}
