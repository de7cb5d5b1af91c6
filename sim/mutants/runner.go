package mutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// A Driver is one campaign of the simulator: consecutive seeds of one profile.
type Driver struct {
	Profile string
	Nodes   int // 0: as the profile says
	Start   uint64
	Seeds   int
}

// limit ends a campaign whatever its seeds, and grace is what the seed then under way may take.
// They bound a mutant that loops for ever; one that is found never gets there.
const limit, grace = time.Minute, time.Minute

// A Result is what became of one mutant.
type Result struct {
	Name     string  `json:"name"`
	Breaks   string  `json:"breaks"`
	FoundBy  string  `json:"found_by"` // the simulator, a script, or, if empty, nothing
	Profile  string  `json:"profile"`  // of the simulator, with the replicas and the seed
	Nodes    int     `json:"nodes"`
	Seed     uint64  `json:"seed"`
	Property string  `json:"property"` // that was violated, or the name of the script
	Detail   string  `json:"detail"`
	Seeds    int     `json:"seeds"` // that were simulated until then, with all their events
	Events   uint64  `json:"events"`
	Seconds  float64 `json:"seconds"` // of looking, by the wall clock
	BuildS   float64 `json:"build_s"` // of compiling
}

// What found a mutant.
const (
	BySimulator = "simulator"
	ByScript    = "script"
)

// A Runner compiles mutants and sets drivers on them, one after another, until one finds a
// violation; scripts, which are made for one bug each, come last.
type Runner struct {
	Root     string       // the module's
	Protocol string       // and the package that is tested, of the same name
	Drivers  []Driver     // none: no simulation reaches the package
	Scripts  string       // the tests of that package that are scripts, as go test -run takes them
	Parallel int          // how many mutants are tried at once; default 1
	Done     func(Result) // is told of each as it is done, one call at a time

	control string                  // the command without a mutant
	scripts func() (failure, error) // runs the scripts without one, the first time
}

// Run tries every mutant and returns the results in their order; those that ctx cut short are
// left out. It is an error if one does not fit the source, which is found out before anything is
// compiled, or does not compile. Run writes only below a temporary folder.
func (r *Runner) Run(ctx context.Context, ms []Mutant) ([]Result, error) {
	for i := range ms {
		if _, err := ms[i].Apply(r.Root); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if len(r.Drivers) > 0 {
		if r.control, err = r.build(ctx, dir, ""); ctx.Err() != nil {
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("the engine without a mutant: %w", err)
		}
	}
	r.scripts = sync.OnceValues(func() (failure, error) { return r.test(ctx, "") })
	return r.all(ctx, dir, ms)
}

// all shares the mutants out among Parallel workers. The first error stops them.
func (r *Runner) all(ctx context.Context, dir string, ms []Mutant) ([]Result, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	results := make([]*Result, len(ms))
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range max(r.Parallel, 1) {
		wg.Go(func() {
			for i := range next {
				result, err := r.try(ctx, filepath.Join(dir, strconv.Itoa(i)), &ms[i])
				mu.Lock()
				switch {
				case ctx.Err() != nil: // cut short: neither found nor missed
				case err != nil:
					stop(fmt.Errorf("mutant %s (%s): %w", ms[i].Name, ms[i].File, err))
				default:
					results[i] = &result
					r.Done(result)
				}
				mu.Unlock()
			}
		})
	}
	for i := range ms {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()

	var done []Result
	for _, result := range results {
		if result != nil {
			done = append(done, *result)
		}
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return done, err
	}
	return done, nil
}

// try compiles one mutant and sets the drivers on it.
func (r *Runner) try(ctx context.Context, dir string, m *Mutant) (Result, error) {
	result := Result{Name: m.Name, Breaks: m.Breaks}
	overlay, err := m.Overlay(r.Root, dir)
	if err != nil {
		return result, err
	}
	begin := time.Now()
	command := ""
	if len(r.Drivers) > 0 {
		command, err = r.build(ctx, dir, overlay)
	}
	result.BuildS = time.Since(begin).Seconds()
	if err != nil {
		return result, err
	}
	begin = time.Now()
	for _, d := range r.Drivers {
		if err = r.simulate(ctx, command, d, &result); err != nil || result.FoundBy != "" {
			break
		}
	}
	if err == nil && result.FoundBy == "" {
		err = r.script(ctx, overlay, &result)
	}
	result.Seconds = time.Since(begin).Seconds()
	return result, err
}

// build compiles the simulator, with an overlay if that is not empty, and returns its path.
func (r *Runner) build(ctx context.Context, dir, overlay string) (string, error) {
	path := filepath.Join(dir, "simulate")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := r.goTool(ctx, "build", "-overlay", overlay, "-ldflags", "-s -w", "-o", path, "./sim/cmd/simulate")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

func (r *Runner) goTool(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.Root
	return cmd
}
