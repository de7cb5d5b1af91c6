package storage

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// openFile is os.OpenFile, but others may rename and remove the file meanwhile, as they may
// anywhere else.
func openFile(name string, flag int) (*os.File, error) {
	access, mode := uint32(syscall.GENERIC_READ), uint32(syscall.OPEN_EXISTING)
	if flag&os.O_RDWR != 0 {
		access |= syscall.GENERIC_WRITE
	}
	if flag&os.O_CREATE != 0 {
		mode = syscall.CREATE_NEW
	}
	return createFile(name, access, syscall.FILE_SHARE_READ|syscall.FILE_SHARE_WRITE|syscall.FILE_SHARE_DELETE, mode)
}

func createFile(name string, access, share, mode uint32) (*os.File, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	h, err := syscall.CreateFile(path, access, share, nil, mode, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

// syncDir does nothing: NTFS writes names to its journal by itself and in order, and offers no
// way to wait for that but flushing the whole volume, which only an administrator may.
func syncDir(string) error { return nil }

// lock opens the file so that nobody else can. The system closes it with the process.
func lock(name string) (io.Closer, error) {
	const sharingViolation syscall.Errno = 32
	f, err := createFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, syscall.OPEN_ALWAYS)
	if err == nil {
		return f, nil
	}
	if err.(*os.PathError).Err == sharingViolation {
		return nil, fmt.Errorf("%s: %w", name, ErrInUse)
	}
	return nil, err
}
