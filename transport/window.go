package transport

// windowSize is how far the sender of a snapshot may be ahead of who stores it, and so what either
// of them keeps of it.
const windowSize = 1 << 20

// chunkSize is how long a chunk of a snapshot may be.
const chunkSize = 64 << 10

// A window is the bytes of a stream from one offset to another, in a ring. The ring grows with what it
// has to hold, because most snapshots of many groups are small. A window is not safe for concurrent use,
// but who has been given room may fill it meanwhile.
type window struct {
	ring   []byte
	lo, hi uint64 // lo <= hi <= lo+len(ring)
}

// room returns where bytes from hi on belong, a chunk at most, as far as there is room.
func (w *window) room() []byte {
	if w.hi-w.lo == uint64(len(w.ring)) && len(w.ring) < windowSize {
		w.grow()
	}
	at := w.hi % uint64(len(w.ring))
	n := min(uint64(len(w.ring))-(w.hi-w.lo), uint64(len(w.ring))-at, chunkSize)
	return w.ring[at : at+n]
}

func (w *window) grow() {
	bigger := window{ring: make([]byte, max(chunkSize, 2*len(w.ring))), lo: w.lo, hi: w.lo}
	for bigger.hi < w.hi {
		bigger.hi += uint64(copy(bigger.room(), w.from(bigger.hi)))
	}
	*w = bigger
}

// from returns the bytes from offset on, a chunk at most. lo <= offset <= hi
func (w *window) from(offset uint64) []byte {
	if offset == w.hi {
		return nil
	}
	at := offset % uint64(len(w.ring))
	n := min(w.hi-offset, uint64(len(w.ring))-at, chunkSize)
	return w.ring[at : at+n]
}

// write adds b at hi, and reports whether there was room.
func (w *window) write(b []byte) bool {
	if uint64(len(b)) > windowSize-(w.hi-w.lo) {
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
