// Package crashfs is a file system in memory that loses what power cuts lose. What a storage.Disk
// promises to hold after a crash is tested on it, for every crash there can be:
//
//	f := crashfs.New(crashfs.Sector)
//	f.After(func(op crashfs.Op) {
//		left := f.Crash(crashfs.Cut{Choose: crashfs.Random(seed)})
//		… open a Disk on left: does it hold what it must? …
//	})
//	… use a Disk on f …
//
// # What survives
//
// A power cut leaves of a file each sector as it was when the file was last synced, or as it has
// been at any moment since, whatever the others are. So it is with the size. Of what happened to
// the names in a folder since the folder was last synced, the first few changes are left; a
// careless file system (Cut.Unordered) leaves any of them. Syncing a file does not make its name
// durable, nor does syncing a folder what is in its files. A sector is written as a whole or not
// at all, and so is a change of names.
//
// A Sync that fails leaves the file as it is for who reads it, and forgets what it should have
// written: the next Sync succeeds without it, as on Linux ("fsyncgate").
//
// When only the process ends, everything that was written is still there, and no more durable than before.
//
// Nothing here is random, reads a clock, or starts a goroutine. An FS is safe for concurrent use.
package crashfs

import (
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/consensus-go/consensus/storage"
)

// Sector is how many bytes a disk writes as one.
const Sector = 512

// An FS is a file system in memory.
type FS struct {
	sector int

	mu     sync.Mutex
	root   *folder
	locked map[string]bool
	opened int
	done   []outcome
	inject func(Op) *Fault
	after  func(Op)
}

var _ storage.FS = (*FS)(nil)

// New returns an empty file system. sector is how many bytes are written as one: Sector, or less,
// so that what is small is torn as well.
func New(sector int) *FS {
	return &FS{sector: sector, root: newFolder(), locked: make(map[string]bool)}
}

// MkdirAll implements storage.FS.
func (f *FS) MkdirAll(dir string) error {
	return f.do(Op{Kind: MkdirAll, Name: dir}, nil, func() error {
		d := f.root
		for _, name := range split(dir) {
			switch n := d.names[name].(type) {
			case nil:
				made := newFolder()
				d.change(made, name)
				d = made
			case *folder:
				d = n
			default:
				return fs.ErrExist
			}
		}
		return nil
	})
}

// ReadDir implements storage.FS.
func (f *FS) ReadDir(dir string) (names []string, err error) {
	err = f.do(Op{Kind: ReadDir, Name: dir}, nil, func() error {
		d, err := f.folder(split(dir))
		if err != nil {
			return err
		}
		for _, name := range sorted(d.names) {
			if _, ok := d.names[name].(*inode); ok {
				names = append(names, name)
			}
		}
		return nil
	})
	return names, err
}

// Create implements storage.FS.
func (f *FS) Create(name string) (storage.File, error) {
	return f.open(Create, name, true, func(d *folder, base string) (*inode, error) {
		if d.names[base] != nil {
			return nil, fs.ErrExist
		}
		n := newInode(f.sector)
		d.change(n, base)
		return n, nil
	})
}

// Open implements storage.FS.
func (f *FS) Open(name string) (storage.File, error) { return f.open(Open, name, true, (*folder).file) }

// OpenRead implements storage.FS.
func (f *FS) OpenRead(name string) (storage.File, error) {
	return f.open(OpenRead, name, false, (*folder).file)
}

func (f *FS) open(kind Kind, name string, writable bool, find func(*folder, string) (*inode, error)) (storage.File, error) {
	h := &handle{fs: f, name: name, writable: writable}
	err := f.do(Op{Kind: kind, Name: name}, nil, func() error {
		d, base, err := f.parent(name)
		if err == nil {
			h.inode, err = find(d, base)
		}
		if err == nil {
			f.opened++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Rename implements storage.FS.
func (f *FS) Rename(from, to string) error {
	return f.do(Op{Kind: Rename, Name: from, To: to}, nil, func() error {
		d, base, err := f.parent(from)
		if err != nil {
			return err
		}
		e, target, err := f.parent(to)
		switch {
		case err != nil:
			return err
		case d != e:
			return fs.ErrInvalid
		}
		n, err := d.file(base)
		if err != nil {
			return err
		}
		d.change(n, target)
		return nil
	})
}

// Remove implements storage.FS.
func (f *FS) Remove(name string) error {
	return f.do(Op{Kind: Remove, Name: name}, nil, func() error {
		d, base, err := f.parent(name)
		if err != nil {
			return err
		}
		n, err := d.file(base)
		if err != nil {
			return err
		}
		d.change(n, "")
		return nil
	})
}

// SyncDir implements storage.FS.
func (f *FS) SyncDir(dir string) error {
	return f.do(Op{Kind: SyncDir, Name: dir}, nil, func() error {
		d, err := f.folder(split(dir))
		if err == nil {
			d.sync()
		}
		return err
	})
}

// Lock implements storage.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	name = filepath.Clean(name)
	err := f.do(Op{Kind: Lock, Name: name}, nil, func() error {
		d, base, err := f.parent(name)
		switch {
		case err != nil:
			return err
		case f.locked[name]:
			return storage.ErrInUse
		case d.names[base] == nil:
			d.change(newInode(f.sector), base)
		}
		f.locked[name] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &lock{f, name}, nil
}

type lock struct {
	fs   *FS
	name string
}

// Close releases the lock even if it fails.
func (l *lock) Close() error {
	release := func() { delete(l.fs.locked, l.name) }
	return l.fs.do(Op{Kind: Close, Name: l.name}, func(*Fault) { release() }, func() error {
		release()
		return nil
	})
}

// Flip changes the bits of mask in one byte of a file, in the cache and on disk, as decay does.
func (f *FS) Flip(name string, offset int64, mask byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.parent(name)
	if err != nil {
		return err
	}
	n, err := d.file(base)
	if err == nil && offset >= n.size.now() {
		err = io.EOF
	}
	if err != nil {
		return &fs.PathError{Op: "flip", Path: name, Err: err}
	}
	n.flip(offset, mask)
	return nil
}

// Opened returns how many open files there are, which whoever uses f should have closed in the end.
func (f *FS) Opened() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opened
}

// folder finds a folder by the parts of its path.
func (f *FS) folder(parts []string) (*folder, error) {
	d := f.root
	for _, name := range parts {
		next, ok := d.names[name].(*folder)
		if !ok {
			return nil, fs.ErrNotExist
		}
		d = next
	}
	return d, nil
}

// parent finds the folder that a file is in, and the file's name there.
func (f *FS) parent(name string) (*folder, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", fs.ErrInvalid
	}
	last := len(parts) - 1
	d, err := f.folder(parts[:last])
	return d, parts[last], err
}

// split returns the parts of a path. There is one root, and it is the working folder too.
func split(name string) []string {
	parts := strings.Split(filepath.ToSlash(filepath.Clean(name)), "/")
	return slices.DeleteFunc(parts, func(part string) bool { return part == "" || part == "." })
}

func sorted(names map[string]node) []string { return slices.Sorted(maps.Keys(names)) }
