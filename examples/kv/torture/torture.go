package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// A torture is one run.
type torture struct {
	options  *options
	dir      string
	cluster  *cluster
	recorder *recorder
	checker  *checker
	harms    []harm
	counts   counts
	abort    context.CancelFunc // ends the run at once: there is a violation

	mu         sync.Mutex
	out        io.Writer // of what is done to the cluster
	file       *os.File  // the same, to be kept
	violations []violation
}

// A summary is what came of it.
type summary struct {
	Ops           int   `json:"ops"`
	Kills         int64 `json:"kills"`
	Pauses        int64 `json:"pauses"`
	Cuts          int64 `json:"cuts"`
	Fills         int64 `json:"fills"`
	Violations    int   `json:"violations"`
	UnavailableMS int64 `json:"unavailable_ms_p99"` // see unavailable

	Unknown   int    `json:"unknown"` // of the ops, those without an answer
	Keys      int    `json:"keys"`
	Replaced  int64  `json:"replaced"`
	Rolled    int64  `json:"rolled"`
	Blackouts int64  `json:"blackouts"`
	Protocol  string `json:"protocol"`
	Seed      uint64 `json:"seed"`
}

func (s summary) String() string {
	return fmt.Sprintf("%s, seed %d: %d ops on %d keys (%d of unknown outcome), %d kills (%d blackouts), %d pauses, %d cuts, %d full disks, %d nodes replaced, %d rolling restarts: %d violations; unavailable for %d ms (p99)",
		s.Protocol, s.Seed, s.Ops, s.Keys, s.Unknown, s.Kills, s.Blackouts, s.Pauses, s.Cuts, s.Fills, s.Replaced, s.Rolled, s.Violations, s.UnavailableMS)
}

// prepare makes all that a run needs. Nothing runs yet.
func prepare(ctx context.Context, o *options, stderr io.Writer) (_ *torture, err error) {
	t := &torture{options: o, out: io.Discard}
	if o.verbose {
		t.out = stderr
	}
	if t.dir, err = os.MkdirTemp("", "torture-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(t.dir)
		}
	}()
	if err := build(ctx, t.dir); err != nil {
		return nil, err
	}
	if t.file, err = os.Create(filepath.Join(t.dir, "torture.log")); err != nil {
		return nil, err
	}
	t.recorder = newRecorder(func(g *generation) { t.checker.queue <- g })
	t.cluster = &cluster{
		dir: t.dir, protocol: o.protocol, size: o.nodes, mounted: canMount() == nil, log: t.log, report: t.report,
		health: newHealth(o.nodes, t.recorder.now),
	}
	t.harms = t.cluster.harms()
	t.checker = &checker{
		dir: t.dir, cluster: t.cluster, recorder: t.recorder, report: t.add, queue: make(chan *generation, checkerQueue),
		closed: make(map[string]string), file: make(map[string]string),
	}
	var ids []int
	for id := range o.nodes + 1 {
		ids = append(ids, id+1)
	}
	if t.cluster.network, err = networks[o.links](ids); err != nil {
		return nil, err
	}
	if err = t.cluster.found(); err != nil {
		return nil, errors.Join(err, t.cluster.close(false), t.cluster.network.close())
	}
	return t, nil
}

// run runs the cluster, harms it and lets it recover. It returns early when there is a violation.
func (t *torture) run(ctx context.Context) {
	ctx, t.abort = context.WithCancel(ctx)
	defer t.abort()
	c := t.cluster
	c.restart(ctx, c.members()...)
	c.await(ctx, c.members()[0], "GET", "any")

	var clients, harming sync.WaitGroup
	clientsEnd, endClients := context.WithCancel(ctx)
	for i := range t.options.clients {
		x := &client{id: i, cluster: c, recorder: t.recorder, random: t.random(0, i)}
		clients.Go(func() { x.run(clientsEnd) })
	}
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		t.checker.run(ctx)
	}()

	harmEnds, endHarm := context.WithTimeout(ctx, t.options.duration)
	harming.Go(func() { t.nemesis(1).run(ctx, harmEnds, t.harms) })
	harming.Go(func() { t.nemesis(2).runLinks(ctx, harmEnds) })
	harming.Wait()
	endHarm()

	t.log("the end")
	for _, id := range c.members() {
		c.await(ctx, id, "GET", "any")
	}
	sleep(ctx, time.Second) // with everything as it should be
	endClients()
	clients.Wait()
	t.recorder.close()
	close(t.checker.queue)
	<-checked
	t.checker.final(ctx)
	for _, id := range c.members() {
		if ctx.Err() == nil {
			c.stop(id)
		}
	}
}

func (t *torture) nemesis(part int) *nemesis {
	return &nemesis{cluster: t.cluster, counts: &t.counts, source: func(i int) *rand.Rand { return t.random(part, i) }}
}

// random is a source of random numbers of its own for each thing that is done in each part of a run.
func (t *torture) random(part, i int) *rand.Rand {
	return rand.New(rand.NewPCG(t.options.seed, uint64(part)<<32|uint64(i)))
}

// log notes what is done to the cluster.
func (t *torture) log(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Duration(t.recorder.now())
	for _, out := range []io.Writer{t.out, t.file} {
		fmt.Fprintf(out, "%s %8.3fs %s\n", time.Now().Format("15:04:05.000"), at.Seconds(), fmt.Sprintf(format, args...))
	}
}

// report adds a violation that is not about a key.
func (t *torture) report(format string, args ...any) {
	t.add(violation{what: fmt.Sprintf(format, args...)})
}

// add notes a violation, and ends the run.
func (t *torture) add(v violation) {
	if v.key != "" {
		v.what = v.key + ": " + v.what
	}
	t.log("VIOLATION: %s", v.what)
	t.mu.Lock()
	t.violations = append(t.violations, v)
	t.mu.Unlock()
	t.abort()
}

// finish stops everything, and removes the folder unless it is evidence.
func (t *torture) finish(stderr io.Writer) summary {
	keep := len(t.violations) > 0
	if err := errors.Join(t.cluster.close(keep), t.cluster.network.close()); err != nil {
		fmt.Fprintln(stderr, "torture:", err)
	}
	for i, v := range t.violations {
		fmt.Fprintln(stderr, "torture: VIOLATION:", v.what)
		if v.key != "" {
			name := filepath.Join(t.dir, fmt.Sprintf("violation-%d-%s.html", i+1, v.key))
			if err := porcupine.VisualizePath(linearizable, v.info, name); err != nil {
				fmt.Fprintln(stderr, "torture:", err)
			}
		}
	}
	t.file.Close()
	if keep {
		fmt.Fprintf(stderr, "torture: histories, logs and data are in %s; %s\n", t.dir, strings.Join(again(t.options), " "))
	} else if err := os.RemoveAll(t.dir); err != nil {
		fmt.Fprintln(stderr, "torture:", err)
	}
	ops, unknown := t.recorder.counts()
	return summary{
		Ops: ops, Unknown: unknown, Keys: len(t.checker.keys), Violations: len(t.violations),
		Kills: t.counts.kills.Load(), Pauses: t.counts.pauses.Load(), Cuts: t.counts.cuts.Load(), Fills: t.counts.fills.Load(),
		Replaced: t.counts.replaced.Load(), Rolled: t.counts.rolled.Load(), Blackouts: t.counts.blackouts.Load(),
		UnavailableMS: unavailable(t.cluster.health.history(), t.recorder.acknowledged).Milliseconds(),
		Protocol:      t.options.protocol, Seed: t.options.seed,
	}
}

// again is the command that does the same harm again.
func again(o *options) []string {
	return []string{"go run -C examples/kv ./torture", "-protocol", o.protocol, "-nodes", fmt.Sprint(o.nodes), "-seed", fmt.Sprint(o.seed), "-for", o.duration.String()}
}
