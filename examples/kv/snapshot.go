package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/tidwall/btree"

	"github.com/consensus-go/consensus"
)

// A view is the store as it was between two entries. Taking one copies nothing: the tree copies,
// later, the nodes that it changes. As a snapshot it is, in version 1,
//
//	snapshot := version:byte clock:uvarint count:uvarint item ...
//	item     := key:string value:string expires:uvarint version:uvarint
//	string   := length:uvarint byte ...
//
// with the items in the order of their keys' hashes.
type view struct {
	clock int64
	keys  *btree.BTreeG[item]
}

const snapshotVersion = 1

// Snapshot implements consensus.StateMachine.
func (s *store) Snapshot() io.WriterTo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &view{s.clock, s.keys.Copy()}
}

// WriteTo implements io.WriterTo.
func (v *view) WriteTo(w io.Writer) (n int64, err error) {
	b := binary.AppendUvarint([]byte{snapshotVersion}, uint64(v.clock))
	b = binary.AppendUvarint(b, uint64(v.keys.Len()))
	flush := func() bool {
		wrote, failed := w.Write(b)
		n, err, b = n+int64(wrote), failed, b[:0]
		return err == nil
	}
	v.keys.Scan(func(i item) bool {
		b = append(binary.AppendUvarint(b, uint64(len(i.key))), i.key...)
		b = append(binary.AppendUvarint(b, uint64(len(i.value))), i.value...)
		b = binary.AppendUvarint(b, uint64(i.expires))
		b = binary.AppendUvarint(b, uint64(i.version))
		return len(b) < 64<<10 || flush()
	})
	if err == nil {
		flush()
	}
	return n, err
}

// Restore implements consensus.StateMachine. What it reads replaces what there is once it is whole.
func (s *store) Restore(r io.Reader) error {
	in := snapshotReader{r: bufio.NewReaderSize(r, 64<<10)}
	version, err := in.r.ReadByte()
	in.fail(err)
	if in.err == nil && version != snapshotVersion {
		return fmt.Errorf("a snapshot of version %d, not %d", version, snapshotVersion)
	}
	fresh := newStore()
	fresh.clock = int64(in.uvarint())
	for n := in.uvarint(); n > 0 && in.err == nil; n-- {
		i := item{key: in.string(), value: in.string(), expires: int64(in.uvarint()), version: consensus.Index(in.uvarint())}
		i.hash = hashOf(i.key)
		fresh.keys.Load(i)
		if i.expires != 0 {
			fresh.deadlines.Set(item{hash: i.hash, key: i.key, expires: i.expires})
		}
	}
	if in.err != nil {
		return fmt.Errorf("reading a snapshot: %w", in.err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock, s.keys, s.deadlines = fresh.clock, fresh.keys, fresh.deadlines
	return nil
}

// A snapshotReader reads until err.
type snapshotReader struct {
	r   *bufio.Reader
	err error
}

func (in *snapshotReader) uvarint() uint64 {
	if in.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(in.r)
	in.fail(err)
	return n
}

func (in *snapshotReader) string() string {
	n := in.uvarint()
	if n > maxBulk {
		in.fail(fmt.Errorf("a string of %d bytes", n))
	}
	if in.err != nil {
		return ""
	}
	b := make([]byte, n)
	_, err := io.ReadFull(in.r, b)
	in.fail(err)
	return string(b)
}

// fail keeps the first error. A snapshot never just ends: how much there is stands in it.
func (in *snapshotReader) fail(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if in.err == nil {
		in.err = err
	}
}
