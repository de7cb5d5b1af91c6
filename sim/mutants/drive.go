package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// A campaign is what `simulate run -json` prints, as far as it is needed here.
type campaign struct {
	Seeds      int
	Events     uint64
	Violations []violation
}

type violation struct {
	Seed             uint64
	Property, Detail string
}

// simulate sets one driver on the compiled mutant. A violation counts only if the engine without
// the mutant passes the same seed; otherwise the driver goes on after it.
func (r *Runner) simulate(ctx context.Context, command string, d Driver, result *Result) error {
	for d.Seeds > 0 {
		seen, err := r.campaign(ctx, command, d)
		if err != nil {
			return err
		}
		result.Seeds += seen.Seeds
		result.Events += seen.Events
		if len(seen.Violations) == 0 {
			return nil
		}
		v := seen.Violations[0]
		one := Driver{Profile: d.Profile, Nodes: d.Nodes, Start: v.Seed, Seeds: 1}
		control, err := r.campaign(ctx, r.control, one)
		if err != nil {
			return err
		}
		if len(control.Violations) == 0 {
			result.FoundBy, result.Profile, result.Nodes, result.Seed = BySimulator, d.Profile, d.Nodes, v.Seed
			result.Property, result.Detail = v.Property, v.Detail
			return nil
		}
		d.Seeds -= int(v.Seed + 1 - d.Start)
		d.Start = v.Seed + 1
	}
	return nil
}

// campaign runs a simulator. One that crashes, or never ends, has found something too, though not
// at which seed: the first one stands for all.
func (r *Runner) campaign(ctx context.Context, command string, d Driver) (campaign, error) {
	var c campaign
	limited, cancel := context.WithTimeout(ctx, limit+grace)
	defer cancel()
	cmd := exec.CommandContext(limited, command, "run", "-json", "-first", "-protocol", r.Protocol, "-profile", d.Profile,
		"-nodes", strconv.Itoa(d.Nodes), "-start", strconv.FormatUint(d.Start, 10), "-seeds", strconv.Itoa(d.Seeds), "-for", limit.String())
	cmd.Dir = r.Root
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return c, err
	case ctx.Err() != nil:
		return c, ctx.Err()
	case limited.Err() != nil:
		c.Violations = []violation{{d.Start, "hang", fmt.Sprintf("a seed took longer than %v", grace)}}
		return c, nil
	case json.Unmarshal(stdout.Bytes(), &c) == nil:
		return c, nil
	case crash.Match(stderr.Bytes()):
		c.Violations = []violation{{d.Start, "crash", string(crash.Find(stderr.Bytes()))}}
		return c, nil
	}
	return c, fmt.Errorf("%v: %w\n%s", cmd, err, stderr.Bytes())
}

var crash = regexp.MustCompile(`(?m)^(panic|fatal error): .*`)

// script runs the scripts, which count only if they pass without the mutant.
func (r *Runner) script(ctx context.Context, overlay string, result *Result) error {
	failed, err := r.test(ctx, overlay)
	if err != nil || failed == (failure{}) {
		return err
	}
	control, err := r.scripts()
	switch {
	case err != nil:
		return err
	case control != failure{}:
		return fmt.Errorf("the engine without it fails as well: %s", control.test)
	}
	result.FoundBy, result.Property, result.Detail = ByScript, failed.test, failed.detail
	return nil
}

// A failure is the first test that failed; the zero one is none.
type failure struct{ test, detail string }

// test runs the scripts, over an overlay if that is not empty.
func (r *Runner) test(ctx context.Context, overlay string) (failure, error) {
	cmd := r.goTool(ctx, "test", "-overlay", overlay, "-vet=off", "-count=1", "-failfast", "-timeout", grace.String(), "-run", r.Scripts, "./"+r.Protocol)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return failure{}, nil
	case ctx.Err() != nil:
		return failure{}, ctx.Err()
	case !errors.As(err, &exit) || bytes.Contains(out, []byte(" failed]")): // build or setup
		return failure{}, fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	// The innermost test is named first by a panic, and last by failures: subtests are indented.
	f := failure{test: "panic", detail: string(crash.Find(out))}
	for _, m := range failedTest.FindAllSubmatch(out, -1) {
		if name := string(m[1]); f.test == "panic" || strings.HasPrefix(name, f.test+"/") {
			f.test = name
		}
	}
	return f, nil
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
