package storage

import (
	"os"
	"syscall"
)

// syncData writes the data, and the size if it has changed, but not the times. A call that a
// signal interrupts has reported no failure and is made again; after any other error there is no
// second try, because the kernel may have forgotten what it failed to write.
func syncData(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	open := c.Control(func(fd uintptr) { err = uninterrupted(func() error { return syscall.Fdatasync(int(fd)) }) })
	if open != nil {
		err = os.ErrClosed
	}
	if err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}
