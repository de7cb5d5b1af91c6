package consensus

// A fifo is a queue of values in one slice, which it reuses: pushing and popping at the same rate
// allocates nothing.
type fifo[T any] struct {
	s    []T
	head int // s[:head] is free
}

func (f *fifo[T]) len() int { return len(f.s) - f.head }

// live is what is queued, oldest first, until the next push or pop.
func (f *fifo[T]) live() []T { return f.s[f.head:] }

func (f *fifo[T]) push(vs ...T) {
	if f.head > len(f.s)/2 { // each value moves at most once for each one popped
		n := copy(f.s, f.s[f.head:])
		clear(f.s[n:])
		f.s, f.head = f.s[:n], 0
	}
	f.s = append(f.s, vs...)
}

func (f *fifo[T]) pop(n int) {
	clear(f.s[f.head : f.head+n])
	f.head += n
	if f.head == len(f.s) {
		f.s, f.head = f.s[:0], 0
	}
}
