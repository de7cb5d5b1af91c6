package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The format of a backup, version 1. Numbers of four bytes are little-endian.
//
//	backup := "cnsnsbak" version:byte frame ... end
//	frame  := length:4 bytes sum:4 bytes byte ...
//	end    := 0:4 bytes sum:4 bytes
//	head   := group:uvarint index:uvarint members
//
// A sum is the CRC-32C of the whole backup up to the end of its frame, but for sums: so frames cannot be
// left out, repeated or moved, either. The first frame holds the head, the others the snapshot
// of a Machine (view.go) without a term and a configuration, of which no frame holds more than 64 KiB.
const (
	backupMagic   = "cnsnsbak"
	backupVersion = 1
	frameHead     = 8
	maxFrame      = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeBackup writes a backup of the state that fill writes.
func writeBackup(w io.Writer, meta BackupMeta, fill func(io.Writer) error) error {
	b := &backupWriter{w: w, frame: make([]byte, frameHead, frameHead+maxFrame)}
	front := append([]byte(backupMagic), backupVersion)
	b.sum = crc32.Update(0, castagnoli, front)
	if _, err := w.Write(front); err != nil {
		return err
	}
	head := binary.AppendUvarint(nil, uint64(meta.Group))
	head = binary.AppendUvarint(head, uint64(meta.Index))
	if _, err := b.Write(meta.Members.AppendTo(head)); err != nil {
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	if err := fill(b); err != nil {
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	return b.emit()
}

// A backupWriter puts what is written into frames.
type backupWriter struct {
	w     io.Writer
	sum   uint32
	frame []byte // with room for its head
}

func (b *backupWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k := min(len(p), cap(b.frame)-len(b.frame))
		b.frame = append(b.frame, p[:k]...)
		p, n = p[k:], n+k
		if len(b.frame) == cap(b.frame) {
			if err := b.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush writes the frame, unless it is empty, which would be the end.
func (b *backupWriter) flush() error {
	if len(b.frame) == frameHead {
		return nil
	}
	return b.emit()
}

func (b *backupWriter) emit() error {
	binary.LittleEndian.PutUint32(b.frame, uint32(len(b.frame)-frameHead))
	b.sum = sumFrame(b.sum, b.frame)
	binary.LittleEndian.PutUint32(b.frame[4:], b.sum)
	_, err := b.w.Write(b.frame)
	b.frame = b.frame[:frameHead]
	return err
}

// sumFrame continues a sum with a frame.
func sumFrame(sum uint32, frame []byte) uint32 {
	return crc32.Update(crc32.Update(sum, castagnoli, frame[:4]), castagnoli, frame[frameHead:])
}

// readBackup reads the head of a backup, and returns a reader of the state that follows, which ends when
// the end of the backup was seen. It reads nothing beyond that.
func readBackup(r io.Reader) (meta BackupMeta, state io.Reader, err error) {
	b := &backupReader{r: r, frame: make([]byte, frameHead+maxFrame)}
	front := b.frame[:len(backupMagic)+1]
	if err := b.fill(front); err != nil {
		return meta, nil, err
	}
	if string(front[:len(backupMagic)]) != backupMagic {
		return meta, nil, malformedBackup("it does not begin as one")
	}
	if v := front[len(backupMagic)]; v != backupVersion {
		return meta, nil, malformedBackup(fmt.Sprintf("it is of version %d, and %d is known here", v, backupVersion))
	}
	b.sum = crc32.Update(0, castagnoli, front)
	if err := b.next(); err != nil {
		return meta, nil, err
	}
	d := decoder{b: b.rest}
	meta.Group, meta.Index = GroupID(d.uvarint()), Index(d.uvarint())
	members, rest, err := DecodeMembers(d.b)
	if d.bad || err != nil || len(rest) > 0 || meta.Index == 0 {
		return meta, nil, malformedBackup("its head")
	}
	meta.Members, b.rest = members, nil
	return meta, b, nil
}

func malformedBackup(what string) error { return fmt.Errorf("%w: backup: %s", ErrMalformed, what) }

// A backupReader reads what is in the frames. It returns io.EOF only after the end.
type backupReader struct {
	r     io.Reader
	sum   uint32
	frame []byte
	rest  []byte // of the frame, not read yet
	ended bool
}

func (b *backupReader) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.ended {
			return 0, io.EOF
		}
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// next reads a frame.
func (b *backupReader) next() error {
	head := b.frame[:frameHead]
	if err := b.fill(head); err != nil {
		return err
	}
	length := binary.LittleEndian.Uint32(head)
	if length > maxFrame {
		return malformedBackup(fmt.Sprintf("a frame of %d bytes", length))
	}
	frame := b.frame[:frameHead+length]
	if err := b.fill(frame[frameHead:]); err != nil {
		return err
	}
	b.sum = sumFrame(b.sum, frame)
	if b.sum != binary.LittleEndian.Uint32(head[4:]) {
		return malformedBackup("a checksum is wrong")
	}
	b.rest, b.ended = frame[frameHead:], length == 0
	return nil
}

func (b *backupReader) fill(p []byte) error {
	_, err := io.ReadFull(b.r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformedBackup("it is cut short")
	}
	return err
}
