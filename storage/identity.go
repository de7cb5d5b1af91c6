package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/consensus-go/consensus"
)

// The identity of a folder is written once, before anything else:
//
//	identity := magic "CONSENID" | checksum:4 | version:4 | incarnation | node | cluster
type identity struct {
	incarnation uint64
	node        uint64
	cluster     uint64
}

const (
	identityMagic = "CONSENID"
	identitySize  = 40
	identityName  = "identity"
	lockName      = "LOCK"
)

func (id *identity) encode() []byte {
	b := append([]byte(identityMagic), 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	for _, v := range [...]uint64{id.incarnation, id.node, id.cluster} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	binary.LittleEndian.PutUint32(b[8:], checksum(b[12:]))
	return b
}

func (id *identity) decode(name string, b []byte) error {
	if len(b) < 16 || string(b[:8]) != identityMagic || binary.LittleEndian.Uint32(b[8:]) != checksum(b[12:]) {
		return &DamageError{File: name, What: "the identity of the folder"}
	}
	if v := binary.LittleEndian.Uint32(b[12:]); v != formatVersion || len(b) != identitySize {
		return fmt.Errorf("%w: %s is of format %d, and this is %d", ErrVersion, name, v, formatVersion)
	}
	for i, v := range [...]*uint64{&id.incarnation, &id.node, &id.cluster} {
		*v = binary.LittleEndian.Uint64(b[16+8*i:])
	}
	return nil
}

// An Identity says whose folder it is.
type Identity struct {
	Node        consensus.NodeID
	Cluster     uint64 // which Options gave
	Incarnation uint64
}

// Identify reads whose folder dir is. It opens nothing and changes nothing, so that it may be asked of any folder,
// one that is in use, too. Of a folder that is no node's, or not there, the error is an fs.ErrNotExist.
func Identify(dir string) (Identity, error) {
	id, err := readIdentity(OS, dir)
	if err != nil {
		return Identity{}, err
	}
	return Identity{consensus.NodeID(id.node), id.cluster, id.incarnation}, nil
}

func readIdentity(fsys FS, dir string) (id identity, err error) {
	name := filepath.Join(dir, identityName)
	b, err := readFile(fsys, name)
	if err == nil {
		err = id.decode(name, b)
	}
	return id, err
}

// identify reads whose folder this is; false: it is new.
func (d *Disk) identify() (found bool, err error) {
	d.id, err = readIdentity(d.o.FS, d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && (d.id.node != uint64(d.o.Node) || d.id.cluster != d.o.Cluster) {
		err = fmt.Errorf("%w: %s is of node %d of cluster %#x, not of node %d of cluster %#x",
			ErrOtherStore, d.dir, d.id.node, d.id.cluster, d.o.Node, d.o.Cluster)
	}
	return true, err
}

// establish makes the folder this node's. Its identity is written last: a folder without one is new,
// unless it holds a log, and one with an identity and without a log has lost that.
func (d *Disk) establish() error {
	d.id = identity{incarnation: d.o.Incarnation, node: uint64(d.o.Node), cluster: d.o.Cluster}
	if d.id.incarnation == 0 {
		d.id.incarnation = randomIncarnation()
	}
	names, err := d.o.FS.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, ok := parseNumber(n, ".log"); ok {
			if err := d.unused(filepath.Join(d.dir, n)); err != nil {
				return err
			}
		}
	}
	if err := d.begin(nil, nil); err != nil {
		return err
	}
	if err := syncParents(d.o.FS, d.dir); err != nil {
		return err
	}
	return writeFile(d.o.FS, d.dir, filepath.Join(d.dir, identityName), d.id.encode())
}

// syncParents makes durable that a folder is there. It may have been made with those that it is in, now
// or by a process that was killed. One that may not even be read, or is of a file system that makes no folders
// and so knows no syncing of them, is none of them, nor are those that it is in.
func syncParents(fsys FS, dir string) error {
	dir = filepath.Clean(dir)
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if err := fsys.SyncDir(parent); errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// unused removes a segment that an Open which was cut short has left.
func (d *Disk) unused(name string) error {
	b, err := readFile(d.o.FS, name)
	if err != nil {
		return err
	}
	var h head
	if _, ok := h.decode(b); ok && (h.number > 1 || len(scan(b, seedOf(h.incarnation, h.number), nil)) > 0) {
		return &DamageError{File: filepath.Join(d.dir, identityName), What: "it is missing, and there is a log"}
	}
	return d.o.FS.Remove(name)
}

// writeFile makes a file with these contents, durably and at once.
func writeFile(fsys FS, dir, name string, b []byte) error {
	f, err := createTemp(fsys, name+".tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fsys.Rename(name+".tmp", name)
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	return err
}

// createTemp creates a file in place of what an earlier process left under its name.
func createTemp(fsys FS, name string) (File, error) {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return fsys.Create(name)
}

func readFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, nil)
}

// readAll returns all of a file, in b if it is large enough.
func readAll(f File, b []byte) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if int64(cap(b)) < size {
		b = make([]byte, size)
	}
	b = b[:size]
	n, err := f.ReadAt(b, 0)
	if err == io.EOF && n == len(b) {
		err = nil
	}
	return b, err
}
