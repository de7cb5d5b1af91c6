package consensus

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogramBase is the bound of a Histogram's first bucket; each further bound is twice the one
// before it.
const histogramBase = 10 * time.Microsecond

// HistogramBuckets is how many buckets of a Histogram have a bound: the last is at 10.5 s.
const HistogramBuckets = 21

// A Histogram counts how long things took, from 10 µs to 10 s.
type Histogram struct {
	// Counts[i] is how many took at most HistogramBound(i) and longer than the bound before it.
	// The last one counts what took longer than all bounds.
	Counts [HistogramBuckets + 1]uint64
	Sum    time.Duration // of all of them
}

// HistogramBound is the upper bound of bucket i, which is below HistogramBuckets.
func HistogramBound(i int) time.Duration { return histogramBase << i }

// Count is how many were counted.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// observe counts one that took d.
func (h *Histogram) observe(d time.Duration) {
	d = max(d, 0)
	over := uint64(max(d-1, 0) / histogramBase) // so that what is equal to a bound is within it
	atomic.AddUint64(&h.Counts[min(bits.Len64(over), HistogramBuckets)], 1)
	atomic.AddInt64((*int64)(&h.Sum), int64(d))
}

// gather adds what another one, which may go on counting, has counted so far.
func (h *Histogram) gather(from *Histogram) {
	for i := range h.Counts {
		h.Counts[i] += atomic.LoadUint64(&from.Counts[i])
	}
	h.Sum += time.Duration(atomic.LoadInt64((*int64)(&from.Sum)))
}
