//go:build unix

package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

func openFile(name string, flag int) (*os.File, error) { return os.OpenFile(name, flag, 0o600) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock takes an flock, which belongs to the open file: a second one in the same process is
// refused as well, and the kernel drops it with the process however that ends.
func lock(name string) (io.Closer, error) {
	f, err := openFile(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	l := flocked{f}
	err = l.flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if err == nil {
		return l, nil
	}
	f.Close()
	if err == syscall.EWOULDBLOCK {
		return nil, fmt.Errorf("%s: %w", name, ErrInUse)
	}
	return nil, &os.PathError{Op: "flock", Path: name, Err: err}
}

type flocked struct{ file *os.File }

func (l flocked) flock(how int) error {
	return uninterrupted(func() error { return syscall.Flock(int(l.file.Fd()), how) })
}

// Close unlocks the file itself: a process that is being forked has it open as well, until it is another program.
func (l flocked) Close() error { return errors.Join(l.flock(syscall.LOCK_UN), l.file.Close()) }

// uninterrupted calls f until no signal interrupts it.
func uninterrupted(f func() error) error {
	for {
		if err := f(); err != syscall.EINTR {
			return err
		}
	}
}
