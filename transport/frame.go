package transport

import (
	"encoding/binary"
	"net"
	"slices"
	"time"
)

const (
	// readBuffer is what one system call may read: many frames, when there are many.
	readBuffer = 256 << 10
	// firstAllocation is what a frame larger than the buffer is given before any of it has arrived.
	firstAllocation = 1 << 20
)

// A frameReader reads frames from a connection, as many as there are with one system call.
type frameReader struct {
	conn    net.Conn
	timeout time.Duration // the longest silence: a read that takes longer is an error
	silence deadline      // of conn
	renewed func() error  // if not nil: called whenever that is renewed
	limit   int           // the longest payload
	buf     []byte
	r, w    int              // what was read and not returned is buf[r:w]
	header  [headerSize]byte // of the frame that next is at
	large   []byte           // what has arrived of its payload, if it is kept apart; else nil
}

func newFrameReader(conn net.Conn, timeout time.Duration, limit, buffer int) *frameReader {
	return &frameReader{conn: conn, timeout: timeout, limit: limit, buf: make([]byte, buffer)}
}

// next returns the payload of the next frame. It holds until the next call, unless it is kept
// apart, in memory of its own, because the buffer is too small for it. After an errDrained it may be called again.
func (f *frameReader) next() (payload []byte, apart bool, err error) {
	if f.large == nil {
		payload, err = f.small()
	}
	if apart = f.large != nil; apart {
		payload, err = f.rest()
	}
	if err != nil {
		return nil, false, err
	}
	if frameSum(f.header[:4], payload) != binary.LittleEndian.Uint32(f.header[4:]) {
		return nil, false, malformed("frame with a wrong checksum")
	}
	return payload, apart, nil
}

// small returns the payload of the next frame, or begins one that is kept apart.
func (f *frameReader) small() ([]byte, error) {
	if err := f.fill(headerSize); err != nil {
		return nil, err
	}
	copy(f.header[:], f.buf[f.r:])
	length := binary.LittleEndian.Uint32(f.header[:])
	if uint64(length) > uint64(f.limit) {
		return nil, malformed("frame of %d bytes, of at most %d", length, f.limit)
	}
	n := int(length)
	if headerSize+n > len(f.buf) {
		begin := f.buf[f.r+headerSize : f.w]
		f.large = append(make([]byte, 0, min(n, firstAllocation)), begin[:min(n, len(begin))]...)
		f.r += headerSize + len(f.large)
		return nil, nil
	}
	if err := f.fill(headerSize + n); err != nil {
		return nil, err
	}
	payload := f.buf[f.r+headerSize : f.r+headerSize+n]
	f.r += headerSize + n
	return payload, nil
}

// ready reports whether next would return at once.
func (f *frameReader) ready() bool {
	have := f.buf[f.r:f.w]
	return len(have) >= headerSize && uint64(len(have)-headerSize) >= uint64(binary.LittleEndian.Uint32(have))
}

// fill reads until n bytes are in the buffer, which must have room for them.
func (f *frameReader) fill(n int) error {
	if f.r == f.w || f.r+n > len(f.buf) {
		f.r, f.w = 0, copy(f.buf, f.buf[f.r:f.w])
	}
	for f.w-f.r < n {
		read, err := f.read(f.buf[f.w:])
		f.w += read
		if err != nil && f.w-f.r < n {
			return err
		}
	}
	return nil
}

// rest returns the payload that is kept apart, once all of it has arrived. Its memory grows with what has, and not
// with what was promised.
func (f *frameReader) rest() ([]byte, error) {
	b, n := f.large, int(binary.LittleEndian.Uint32(f.header[:]))
	for len(b) < n {
		if len(b) == cap(b) {
			b = slices.Grow(b, min(len(b), n-len(b)))
		}
		read, err := f.read(b[len(b):min(cap(b), n)])
		b = b[:len(b)+read]
		f.large = b
		if err != nil && len(b) < n {
			return nil, err
		}
	}
	f.large = nil
	return b, nil
}

// read reads once.
func (f *frameReader) read(b []byte) (int, error) {
	if f.silence.renew(f.timeout) {
		f.conn.SetReadDeadline(f.silence.at)
		if f.renewed != nil {
			if err := f.renewed(); err != nil {
				return 0, err
			}
		}
	}
	return f.conn.Read(b)
}

// A deadline is when a connection will have waited for too long.
type deadline struct{ at time.Time }

// renew moves the deadline to a timeout from now, and reports whether it has: it does so once an eighth of the timeout
// has passed, as to tell a connection costs as much as many a message.
func (d *deadline) renew(timeout time.Duration) bool {
	now := time.Now()
	if d.at.Sub(now) > timeout-timeout/8 {
		return false
	}
	d.at = now.Add(timeout)
	return true
}
