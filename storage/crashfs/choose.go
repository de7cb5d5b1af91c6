package crashfs

import "math/rand/v2"

// Random returns a Cut.Choose that draws from a seed. Some seeds keep nothing that was not durable,
// some all of it, some most: what is rare among equally likely subsets is what happens in life.
func Random(seed uint64) func(n int) int {
	draw := rand.New(rand.NewPCG(seed, 0)).IntN
	switch temper := draw(8); temper {
	case 0:
		return func(int) int { return 0 }
	case 1:
		return func(n int) int { return n - 1 }
	case 2, 3: // one in eight is not as most are
		usual := temper - 2
		return func(n int) int {
			if draw(8) == 0 {
				return draw(n)
			}
			return usual * (n - 1)
		}
	}
	return draw
}

// An Odometer chooses so that, over its runs, every combination of choices comes up once:
//
//	for o := new(crashfs.Odometer); o.Next(); {
//		left := f.Crash(crashfs.Cut{Choose: o.Choose})
//	}
type Odometer struct {
	wheels []wheel
	next   int
	begun  bool
}

type wheel struct{ at, n int }

// Next begins the next combination, and reports whether there is one.
func (o *Odometer) Next() bool {
	o.next = 0
	if !o.begun {
		o.begun = true
		return true
	}
	for len(o.wheels) > 0 {
		last := &o.wheels[len(o.wheels)-1]
		if last.at++; last.at < last.n {
			return true
		}
		o.wheels = o.wheels[:len(o.wheels)-1]
	}
	return false
}

// Choose is a Cut.Choose.
func (o *Odometer) Choose(n int) int {
	if o.next == len(o.wheels) {
		o.wheels = append(o.wheels, wheel{0, n})
	}
	o.next++
	return o.wheels[o.next-1].at
}
