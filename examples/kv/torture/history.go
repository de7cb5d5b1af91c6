package main

import (
	"fmt"
	"sync"
	"time"
)

// An operation is one that a client began.
type operation struct {
	Client int    `json:"client"`
	Node   int    `json:"node"` // the one that was asked
	Kind   kind   `json:"kind"`
	Key    string `json:"key"`
	Arg    string `json:"arg,omitempty"` // what is written; of its kind, no two clients write the same
	Old    string `json:"old,omitempty"` // swap: what the client had read
	Call   int64  `json:"call"`          // nanoseconds since the run began
	Return int64  `json:"return"`        // 0: nobody knows whether it took effect, or when it will
	Answer string `json:"answer,omitempty"`
}

// A kind is what an operation does.
type kind string

const (
	get       kind = "get"
	set       kind = "set"
	setNX     kind = "setnx"  // SET NX: only if there is nothing
	swap      kind = "swap"   // WATCH, GET, MULTI, SET, EXEC: only if nothing has changed since GET
	appending kind = "append" // APPEND
	increment kind = "incr"   // INCR
)

// writes reports whether the operation may change something.
func (k kind) writes() bool { return k != get }

func (o *operation) String() string {
	s := fmt.Sprintf("client %d, node %d, %v to ", o.Client, o.Node, time.Duration(o.Call))
	if o.Return == 0 {
		s += "?"
	} else {
		s += time.Duration(o.Return).String()
	}
	s += fmt.Sprintf(": %s %s", o.Kind, o.Key)
	if o.Arg != "" {
		s += " " + o.Arg
	}
	if o.Kind == swap {
		s += " for " + o.Old
	}
	if o.Return == 0 {
		return s + " → unknown"
	}
	return s + " → " + o.Answer
}

// A generation is some keys, and what was done with them: few enough operations that porcupine can
// check each key. When it is full the clients go on to the next one.
type generation struct {
	number int
	keys   []string

	begun int                     // operations
	open  int                     // of those that have not ended
	full  bool                    // no more begin
	ops   map[string][]*operation // by key, as they ended
}

const (
	// generationSize is how many operations a generation takes.
	generationSize = 600
	// keysOfAKind is how many keys of each kind it has.
	keysOfAKind = 2
)

// kinds are those of keys, and what is done with a key of that kind.
var kinds = map[string][]kind{
	"register": {get, get, set, set, setNX, swap},
	"text":     {get, appending},
	"counter":  {get, increment, increment},
}

func newGeneration(number int) *generation {
	g := &generation{number: number, ops: make(map[string][]*operation)}
	for _, name := range []string{"register", "text", "counter"} {
		for i := range keysOfAKind {
			g.keys = append(g.keys, fmt.Sprintf("%s-%d-%d", name, number, i))
		}
	}
	return g
}

// A recorder collects what clients do. Its methods may be called at any time.
type recorder struct {
	start time.Time
	done  func(*generation) // called once for each generation whose last operation has ended

	mu      sync.Mutex
	current *generation
	ops     int // all that ended
	unknown int // of those

	acknowledged []int64 // when writes were
}

func newRecorder(done func(*generation)) *recorder {
	return &recorder{start: time.Now(), done: done, current: newGeneration(0)}
}

// now is the time since the run began: above 0, and never going back.
func (r *recorder) now() int64 { return max(1, int64(time.Since(r.start))) }

// begin returns the generation that an operation that begins now belongs to.
func (r *recorder) begin() *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.current
	g.begun++
	g.open++
	if g.begun == generationSize {
		g.full = true
		r.current = newGeneration(g.number + 1)
	}
	return g
}

// end ends what begin began, with what is known to have, or may have, taken effect: one operation,
// several of a transaction, or none.
func (r *recorder) end(g *generation, ops ...*operation) {
	r.mu.Lock()
	for _, o := range ops {
		g.ops[o.Key] = append(g.ops[o.Key], o)
		r.ops++
		if o.Return == 0 {
			r.unknown++
		} else if o.Kind.writes() {
			r.acknowledged = append(r.acknowledged, o.Return)
		}
	}
	g.open--
	finished := g.full && g.open == 0
	r.mu.Unlock()
	if finished {
		r.done(g)
	}
}

// close ends the last generation. All clients have stopped.
func (r *recorder) close() {
	r.mu.Lock()
	g := r.current
	r.current = nil
	r.mu.Unlock()
	r.done(g)
}

func (r *recorder) counts() (ops, unknown int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops, r.unknown
}
