package transport

// windowSize is how far the sender of a snapshot may be ahead of who stores it, and so what either
// of them keeps of it.
const windowSize = 1 << 20

// chunkSize is how long a chunk of a snapshot may be.
const chunkSize = 64 << 10

// A window is the bytes of a stream from one offset to another, in a ring. It is not safe for
// concurrent use, but whoever alone moves one end may use the bytes next to it meanwhile.
type window struct {
	ring   []byte
	lo, hi uint64 // lo <= hi <= lo+len(ring)
}

func newWindow() window { return window{ring: make([]byte, windowSize)} }

// room returns where bytes from hi on belong, a chunk at most, as far as there is room.
func (w *window) room() []byte {
	at := w.hi % uint64(len(w.ring))
	n := min(uint64(len(w.ring))-(w.hi-w.lo), uint64(len(w.ring))-at, chunkSize)
	return w.ring[at : at+n]
}

// from returns the bytes from offset on, a chunk at most. lo <= offset <= hi
func (w *window) from(offset uint64) []byte {
	at := offset % uint64(len(w.ring))
	n := min(w.hi-offset, uint64(len(w.ring))-at, chunkSize)
	return w.ring[at : at+n]
}

// write adds b at hi, and reports whether there was room.
func (w *window) write(b []byte) bool {
	if uint64(len(b)) > uint64(len(w.ring))-(w.hi-w.lo) {
		return false
	}
	for len(b) > 0 {
		n := copy(w.room(), b)
		w.hi += uint64(n)
		b = b[n:]
	}
	return true
}

// read takes bytes at lo away, as many as there are room in b for.
func (w *window) read(b []byte) (n int) {
	for n < len(b) && w.lo < w.hi {
		m := copy(b[n:], w.from(w.lo))
		w.lo += uint64(m)
		n += m
	}
	return n
}
