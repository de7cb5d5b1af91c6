package crashfs

import (
	"io"
	"io/fs"
)

// A handle is an open file.
type handle struct {
	fs       *FS
	inode    *inode
	name     string
	writable bool
	closed   bool
}

// do is FS.do for a file that must be open.
func (h *handle) do(op Op, failing func(*Fault), act func() error) error {
	op.Name = h.name
	return h.fs.do(op, failing, func() error {
		switch {
		case h.closed:
			return fs.ErrClosed
		case op.Kind.Writes() && op.Kind != Sync && !h.writable:
			return fs.ErrPermission
		}
		return act()
	})
}

func (h *handle) ReadAt(p []byte, offset int64) (n int, err error) {
	err = h.do(Op{Kind: ReadAt, Offset: offset, Len: len(p)}, nil, func() error {
		n = h.inode.readAt(p, offset)
		return nil
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (h *handle) WriteAt(p []byte, offset int64) (n int, err error) {
	write := func(part []byte) {
		h.inode.writeAt(part, offset)
		n = len(part)
	}
	err = h.do(Op{Kind: WriteAt, Offset: offset, Len: len(p)}, func(fault *Fault) {
		if fault.Half {
			write(p[:len(p)/2])
		}
	}, func() error {
		write(p)
		return nil
	})
	return n, err
}

func (h *handle) Truncate(size int64) error {
	return h.do(Op{Kind: Truncate, Offset: size}, nil, func() error {
		h.inode.truncate(size)
		return nil
	})
}

func (h *handle) Sync() error {
	return h.do(Op{Kind: Sync}, func(*Fault) { h.inode.forget() }, func() error {
		h.inode.sync()
		return nil
	})
}

func (h *handle) Size() (size int64, err error) {
	err = h.do(Op{Kind: Size}, nil, func() error {
		size = h.inode.size.now()
		return nil
	})
	return size, err
}

// Close closes the file even if it fails.
func (h *handle) Close() error {
	end := func() {
		if !h.closed {
			h.closed = true
			h.fs.opened--
		}
	}
	return h.do(Op{Kind: Close}, func(*Fault) { end() }, func() error {
		end()
		return nil
	})
}
