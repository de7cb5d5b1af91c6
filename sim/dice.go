package sim

import (
	"math/bits"
	"time"
)

// A dice turns the choices of a Chooser into what a simulation needs. It has no floating point,
// which machines round differently.
type dice struct{ Chooser }

// parts is what probabilities are counted in.
const parts = 1024

// chance is true with probability p/parts.
func (d dice) chance(what Choice, p int) bool {
	return p > 0 && d.Choose(what, parts) < p
}

// among is a number from lo to hi, both included.
func (d dice) among(what Choice, lo, hi int) int { return lo + d.Choose(what, hi-lo+1) }

// between is a duration from lo to hi, in steps of a thousandth of the difference.
func (d dice) between(what Choice, lo, hi time.Duration) time.Duration {
	return lo + (hi-lo)*time.Duration(d.Choose(what, parts))/parts
}

// about is a duration of mean d with the tail of an exponential distribution.
func (d dice) about(what Choice, mean time.Duration) time.Duration {
	return mean * time.Duration(exponential[d.Choose(what, len(exponential))]) / 64
}

// far is a duration of at least base with a heavy tail: twice as long is half as likely, as with
// Pareto's distribution of exponent 1; at most 128 times base.
func (d dice) far(what Choice, base time.Duration) time.Duration {
	r := uint(d.Choose(what, 1<<14))
	return base<<min(bits.TrailingZeros(r>>7|1<<7), 6) + base*time.Duration(r&127)/128
}

// id is a random number that is not 0.
func (d dice) id() uint64 {
	const half = 1 << 31
	return uint64(d.Choose(ChooseIdentity, half))<<32 | uint64(d.Choose(ChooseIdentity, half)) | 1
}

// exponential are the quantiles of the exponential distribution of mean 64, at (i+1/2)/32.
var exponential = [32]uint16{
	1, 3, 5, 7, 10, 12, 15, 17, 20, 23, 25, 29, 32, 35, 39, 42,
	46, 51, 55, 60, 65, 71, 78, 85, 93, 102, 113, 126, 142, 163, 196, 266,
}

// weighted is an index of weights, each as likely as its weight. Their sum must not be 0.
func (d dice) weighted(what Choice, weights []int) int {
	sum := 0
	for _, weight := range weights {
		sum += weight
	}
	r := d.Choose(what, sum)
	for i, weight := range weights {
		if r < weight {
			return i
		}
		r -= weight
	}
	panic("weights that do not add up")
}
