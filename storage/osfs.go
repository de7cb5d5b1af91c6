package storage

import (
	"io"
	"os"
)

// OS is the file system of the operating system. What it makes is its user's alone to read.
var OS FS = osFS{}

type osFS struct{}

func (osFS) MkdirAll(dir string) error            { return os.MkdirAll(dir, 0o700) }
func (osFS) Rename(from, to string) error         { return os.Rename(from, to) }
func (osFS) Remove(name string) error             { return os.Remove(name) }
func (osFS) SyncDir(dir string) error             { return syncDir(dir) }
func (osFS) Lock(name string) (io.Closer, error)  { return lock(name) }
func (osFS) Create(name string) (File, error)     { return openOS(name, os.O_RDWR|os.O_CREATE|os.O_EXCL) }
func (osFS) Open(name string) (File, error)       { return openOS(name, os.O_RDWR) }
func (osFS) OpenRead(name string) (File, error)   { return openOS(name, os.O_RDONLY) }
func (osFS) ReadDir(dir string) ([]string, error) { return filesIn(dir) }

func filesIn(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// An osFile is a File of the operating system.
type osFile struct{ *os.File }

func openOS(name string, flag int) (File, error) {
	f, err := openFile(name, flag)
	if err != nil {
		return nil, err // and no File that holds a nil
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync is what the system has that makes data durable and no more than must be with it.
func (f osFile) Sync() error { return syncData(f.File) }
