package sim

import "github.com/consensus-go/consensus"

// A window holds something for each of consecutive positions of a log. What was never put
// between two that were is the zero value.
type window[T any] struct {
	first consensus.Index // of items[0]
	items []T
}

// end is the position after the last one.
func (w *window[T]) end() consensus.Index { return w.first + consensus.Index(len(w.items)) }

// at is what position i holds, or nil if i is outside.
func (w *window[T]) at(i consensus.Index) *T {
	if i < w.first || i >= w.end() {
		return nil
	}
	return &w.items[i-w.first]
}

// put makes room for position i, and returns it.
func (w *window[T]) put(i consensus.Index) *T {
	switch {
	case len(w.items) == 0:
		w.first = i
		w.items = append(w.items, *new(T))
	case i < w.first:
		items := make([]T, w.end()-i)
		copy(items[w.first-i:], w.items)
		w.first, w.items = i, items
	default:
		for i >= w.end() {
			w.items = append(w.items, *new(T))
		}
	}
	return &w.items[i-w.first]
}

// cut forgets position i and what follows it.
func (w *window[T]) cut(i consensus.Index) {
	if i < w.end() {
		keep := max(i, w.first) - w.first
		clear(w.items[keep:])
		w.items = w.items[:keep]
	}
}

// drop forgets what is before position i.
func (w *window[T]) drop(i consensus.Index) {
	if i <= w.first {
		return
	}
	n := copy(w.items, w.items[min(i, w.end())-w.first:])
	clear(w.items[n:])
	w.items, w.first = w.items[:n], i
}

// reset forgets everything but the memory.
func (w *window[T]) reset() {
	clear(w.items)
	w.items, w.first = w.items[:0], 1
}
