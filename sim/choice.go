package sim

import "fmt"

// A Chooser decides everything that is not determined: it is the only source of nondeterminism
// of a simulation. Choose returns a number from 0 to n-1; n is at least 1. What names the
// decision, for records and for those who would rather decide by its kind.
type Chooser interface {
	Choose(what Choice, n int) int
}

// A Choice is a kind of decision.
type Choice uint8

const (
	ChooseOptions  Choice = iota // sizes, timings and probabilities of the seed
	ChooseIdentity               // random numbers of a life or a store
	ChooseFate                   // of a message: loss, duplication, a long delay
	ChooseDelay                  // of a message, a disk or a client
	ChooseFault                  // which fault, and where
	ChooseDwell                  // how long it lasts
	ChooseCrash                  // what survives a crash
	ChooseClient                 // what a client does next
)

// Seeded is a Chooser that draws from a seed: splitmix64, which has only integers.
type Seeded struct{ state uint64 }

// NewSeeded returns the Chooser of a seed.
func NewSeeded(seed uint64) *Seeded { return &Seeded{state: mix(seed)} }

func (s *Seeded) Choose(_ Choice, n int) int {
	s.state += 0x9e3779b97f4a7c15
	return int(mix(s.state) >> 32 * uint64(n) >> 32)
}

// mix is the finaliser of splitmix64: each bit of x changes half of the result's.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A Decision is what a Chooser was asked, and answered.
type Decision struct {
	What  Choice
	N     int
	Value int
}

// A Recorder asks another Chooser and remembers the answers.
type Recorder struct {
	From   Chooser
	Record []Decision
}

func (r *Recorder) Choose(what Choice, n int) int {
	v := r.From.Choose(what, n)
	r.Record = append(r.Record, Decision{what, n, v})
	return v
}

// A Replayer answers as a record says, and 0 after its end. If a question is not the recorded
// one then the code has changed since, and Stale says where: a stale record proves nothing.
type Replayer struct {
	Record []Decision
	next   int
	stale  error
}

func (r *Replayer) Choose(what Choice, n int) int {
	if r.next >= len(r.Record) {
		return 0
	}
	d := r.Record[r.next]
	if r.stale == nil && (d.What != what || d.N != n) {
		r.stale = fmt.Errorf("decision %d is of kind %d among %d, and was recorded as kind %d among %d", r.next, what, n, d.What, d.N)
	}
	r.next++
	return d.Value % n
}

// Stale is not nil if the record did not fit the run.
func (r *Replayer) Stale() error { return r.stale }

// An Odometer answers so that, over its runs, every combination of answers comes up once:
//
//	for o := new(Odometer); o.Next(); {
//		… choose with o …
//	}
type Odometer struct {
	wheels []Decision
	next   int
	begun  bool
}

// Next begins the next combination, and reports whether there is one.
func (o *Odometer) Next() bool {
	o.next = 0
	if !o.begun {
		o.begun = true
		return true
	}
	for len(o.wheels) > 0 {
		last := &o.wheels[len(o.wheels)-1]
		if last.Value++; last.Value < last.N {
			return true
		}
		o.wheels = o.wheels[:len(o.wheels)-1]
	}
	return false
}

func (o *Odometer) Choose(what Choice, n int) int {
	if o.next == len(o.wheels) {
		o.wheels = append(o.wheels, Decision{What: what, N: n})
	}
	o.next++
	return o.wheels[o.next-1].Value
}
