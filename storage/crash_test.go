package storage_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/consensus-go/consensus/storage/crashfs"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed of the random crash tests")
	seeds     = flag.Int("seeds", 5, "how many seeds the random crash tests try")
)

// enough is up to how many ways for a crash to end all of them are tried.
const enough = 16

func TestCrashAnywhereInAScript(t *testing.T) {
	for _, sector := range []int{64, crashfs.Sector} {
		t.Run(fmt.Sprintf("sectors of %d bytes", sector), func(t *testing.T) {
			r := newRig(t, "go test ./storage -run '^TestCrashAnywhereInAScript$'", sector)
			r.probe = func(op crashfs.Op) {
				if outcomes(r.fs, enough) < enough {
					for o, n := new(crashfs.Odometer), 0; o.Next() && n < 2*enough; n++ {
						r.try(fmt.Sprintf("after %v, outcome %d", op, n), r.fs.Crash(crashfs.Cut{Choose: o.Choose}), n == op.N%4)
					}
					return
				}
				r.cut(op, 0, 6)
			}
			script(r)
			if r.failed != nil {
				r.fatalf(r.fs, "%v", r.failed)
			}
		})
	}
}

func TestCrashAnywhereInARandomWorkload(t *testing.T) {
	for i := range *seeds {
		seed := *firstSeed + uint64(i)
		r := newRig(t, fmt.Sprintf("go test ./storage -run '^TestCrashAnywhereInARandomWorkload$' -seed %d -seeds 1", seed), 128)
		r.probe = func(op crashfs.Op) { r.cut(op, seed, 2) }
		random(seed, 30)(r)
		if r.failed != nil {
			r.fatalf(r.fs, "%v", r.failed)
		}
	}
}

// cut tries some ways for a crash after op to end, on careless file systems as well.
func (r *rig) cut(op crashfs.Op, seed uint64, some int) {
	r.t.Helper()
	for i := range some {
		n := op.N + i
		c := crashfs.Cut{Choose: crashfs.Random(seed<<32 | uint64(op.N)<<8 | uint64(i)), Garbage: n%3 == 1, Unordered: n%3 == 2}
		r.try(fmt.Sprintf("after %v, cut %d", op, i), r.fs.Crash(c), n%8 == 0)
	}
}
