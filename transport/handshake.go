package transport

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/consensus-go/consensus"
)

// What a connection is for.
const (
	forMessages = 1
	forSnapshot = 2
)

// A hello is what a dialling node begins with.
type hello struct {
	lowest, highest uint8 // the versions that it speaks
	purpose         uint8
	cluster         uint64
	from, to        consensus.NodeID
}

// A refusal is why a node does not want a connection.
type refusal uint8

const (
	welcome         refusal = iota
	refusedVersion          // no version that both speak
	refusedCluster          // of another cluster
	refusedTo               // meant for another node: the address is wrong
	refusedFrom             // from no node, or from one that has our own id
	refusedIdentity         // the certificate is another node's
	refusedPurpose          // for something that this version does not know
	refusals
)

var refusalTexts = [refusals]string{
	welcome: "welcome", refusedVersion: "no common protocol version", refusedCluster: "another cluster",
	refusedTo: "meant for another node", refusedFrom: "no valid node id, or the receiver's own",
	refusedIdentity: "the certificate is not that node's", refusedPurpose: "unknown purpose",
}

func (r refusal) String() string {
	if r < refusals {
		return refusalTexts[r]
	}
	return fmt.Sprintf("refusal %d", uint8(r))
}

// A refusedError is what the dialling node makes of a refusal.
type refusedError struct {
	refusal         refusal
	lowest, highest uint8 // what the other side speaks
}

func (e *refusedError) Error() string {
	if e.refusal != refusedVersion {
		return fmt.Sprintf("refused: %v", e.refusal)
	}
	return fmt.Sprintf("refused: %v (it speaks versions %d to %d, we %d to %d)", e.refusal, e.lowest, e.highest, minVersion, maxVersion)
}

func (h *hello) appendTo(b []byte) []byte {
	b = append(b, magic...)
	b = append(b, h.lowest, h.highest, h.purpose, 0)
	b = binary.LittleEndian.AppendUint64(b, h.cluster)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.from))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.to))
	return appendSum(b)
}

// readHello reads a hello. An error that is an ErrMalformed says that it is none.
func readHello(r io.Reader) (h hello, err error) {
	var b [helloSize]byte
	if err := readGreeting(r, b[:]); err != nil {
		return h, err
	}
	return hello{
		lowest: b[8], highest: b[9], purpose: b[10],
		cluster: binary.LittleEndian.Uint64(b[12:]),
		from:    consensus.NodeID(binary.LittleEndian.Uint32(b[20:])),
		to:      consensus.NodeID(binary.LittleEndian.Uint32(b[24:])),
	}, nil
}

// readGreeting fills b with a hello or an answer, and checks its beginning and its end. It stops
// at the first bytes that belong to neither.
func readGreeting(r io.Reader, b []byte) error {
	if _, err := io.ReadFull(r, b[:len(magic)]); err != nil {
		return err
	}
	if string(b[:len(magic)]) != magic {
		return malformed("not this protocol")
	}
	if _, err := io.ReadFull(r, b[len(magic):]); err != nil {
		return err
	}
	if _, ok := cutSum(b); !ok {
		return malformed("greeting with a wrong checksum")
	}
	return nil
}

// judge returns what a node answers to a hello.
func (h *hello) judge(self consensus.NodeID, cluster uint64) refusal {
	switch {
	case h.cluster != cluster:
		return refusedCluster
	case h.highest < minVersion || h.lowest > maxVersion || h.lowest > h.highest:
		return refusedVersion
	case h.to != self:
		return refusedTo
	case h.from == 0 || h.from == self:
		return refusedFrom
	case h.purpose != forMessages && h.purpose != forSnapshot:
		return refusedPurpose
	}
	return welcome
}

// appendAnswer appends the answer to h.
func (h *hello) appendAnswer(b []byte, r refusal) []byte {
	version := uint8(0)
	if r == welcome {
		version = min(h.highest, maxVersion)
	}
	b = append(b, magic...)
	b = append(b, byte(r), version, minVersion, maxVersion)
	return appendSum(b)
}

// readAnswer reads the answer to a hello of ours. A refusal is a *refusedError.
func readAnswer(r io.Reader) error {
	var b [answerSize]byte
	if err := readGreeting(r, b[:]); err != nil {
		return err
	}
	if why := refusal(b[8]); why != welcome {
		return &refusedError{why, b[10], b[11]}
	}
	if version := b[9]; version < minVersion || version > maxVersion {
		return malformed("answer with version %d", version)
	}
	return nil
}

// greet introduces the node self to another one.
func greet(conn net.Conn, h hello) error {
	if _, err := conn.Write(h.appendTo(nil)); err != nil {
		return err
	}
	return readAnswer(conn)
}
