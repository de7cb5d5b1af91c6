package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/consensus-go/consensus/sim"
	"github.com/consensus-go/consensus/sim/mutants"
)

// The portfolio: no profile finds every bug soonest, so that each gets a few seeds before any
// gets many. Seeds, and not times, bound it: the same mutant is found at the same seed anywhere.
func portfolio(protocol string) []mutants.Driver {
	profiles := []sim.Profile{sim.Storm, sim.Swarm, sim.Hoarder, sim.Churn, sim.Cuts, sim.Crashes}
	if protocol == "paxos" { // its leases and its changes of membership have rules of their own
		profiles = []sim.Profile{sim.Storm, sim.Upheaval, sim.Leases, sim.Swarm, sim.Hoarder, sim.Churn, sim.Cuts, sim.Crashes}
	}
	var ds []mutants.Driver
	start := uint64(1)
	for _, seeds := range []int{20, 200, 1000} {
		for _, p := range profiles {
			d := mutants.Driver{Profile: p.String(), Start: start, Seeds: seeds}
			if p == sim.Leases { // its seeds are short
				d.Start, d.Seeds = 5*start-4, 5*seeds
			}
			ds = append(ds, d)
		}
		start += uint64(seeds)
	}
	return ds
}

// scripts are the tests of an engine that each play out one scenario, one sentence of a paper, or one
// numbered rule.
const scripts = "^Test(Scripts|Paper|Thesis|[ABCFGHLQRS][0-9])"

// scripted are the packages that are no engines, and that no simulation reaches: the tests of their
// own that must find what is planted there.
var scripted = map[string]string{"storage": "^Test(Crash|Damage)"}

// plant is the command that lays mutants over the engine and demands that each is found.
func plant(ctx context.Context, args []string, stdout, stderr io.Writer) (int, error) {
	fs := flag.NewFlagSet("mutants", flag.ContinueOnError)
	protocol := fs.String("protocol", "raft", "the `engine`: "+protocolNames()+"; or a package that tests of its own must protect: storage")
	dir := fs.String("dir", "", "the `folder` of the mutants (default sim/mutants/PROTOCOL of the module)")
	only := fs.String("only", "", "try just the mutant of this `name`")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if err := parse(fs, args, stdout); err != nil {
		return exitUsage, err
	}
	drivers, tests := portfolio(*protocol), scripts
	if own, ok := scripted[*protocol]; ok {
		drivers, tests = nil, own
	} else if protocols[*protocol] == nil {
		return exitUsage, wrong("protocol", *protocol, "there is no such protocol; there are: %s", protocolNames())
	}
	root, err := moduleRoot()
	if err != nil {
		return exitUsage, err
	}
	if *dir == "" {
		*dir = filepath.Join(root, "sim", "mutants", *protocol)
	}
	ms, err := choose(*dir, *protocol, *only)
	if err != nil {
		return exitUsage, err
	}
	runner := mutants.Runner{
		Root: root, Protocol: *protocol, Drivers: drivers, Scripts: tests, Parallel: runtime.GOMAXPROCS(0),
		Done: func(r mutants.Result) {
			if !*asJSON {
				printMutant(stdout, r)
			}
		},
	}
	if !*asJSON {
		printHeader(stdout)
	}
	began := time.Now()
	results, err := runner.Run(interruptible(ctx), ms)
	if err != nil {
		return exitUsage, err
	}
	p := planted{Protocol: *protocol, Mutants: append([]mutants.Result{}, results...), WallS: time.Since(began).Seconds()}
	p.count()
	if *asJSON {
		err = json.NewEncoder(stdout).Encode(p)
	} else {
		err = p.print(stdout, len(ms))
	}
	if err != nil || p.Missed > 0 {
		return exitFound, err
	}
	return exitClean, nil
}

// choose reads the mutants that were asked for, of which there must be one.
func choose(dir, protocol, only string) ([]mutants.Mutant, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, wrong("dir", dir, "%v", err)
	}
	ms, err := mutants.Load(dir, protocol)
	switch {
	case err != nil:
		return nil, err
	case len(ms) == 0:
		return nil, wrong("dir", dir, "it holds no mutant of %s: they are *.txt files", protocol)
	case only == "":
		return ms, nil
	}
	i := slices.IndexFunc(ms, func(m mutants.Mutant) bool { return m.Name == only })
	if i < 0 {
		return nil, wrong("only", only, "there is no mutant of that name in %s", dir)
	}
	return ms[i : i+1], nil
}

// moduleRoot is where the source is that mutants are laid over: the working directory's module,
// which must be this one.
func moduleRoot() (string, error) {
	const module = "github.com/consensus-go/consensus"
	out, err := exec.Command("go", "list", "-m", "-f", "{{if .Main}}{{.Dir}}{{end}}", module).Output()
	dir := strings.TrimSpace(string(out))
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return "", err // there is no go command
	} else if err != nil || dir == "" {
		return "", fmt.Errorf("mutants change the engine's source: run this in a clone of %s", module)
	}
	return dir, nil
}

// planted is what -json prints.
type planted struct {
	Protocol string           `json:"protocol"`
	Mutants  []mutants.Result `json:"mutants"`
	Found    int              `json:"found"`
	Scripted int              `json:"found_by_script_only"`
	Missed   int              `json:"missed"`
	WallS    float64          `json:"wall_s"`
}

func (p *planted) count() {
	for _, r := range p.Mutants {
		switch r.FoundBy {
		case "":
			p.Missed++
		case mutants.ByScript:
			p.Scripted++
			p.Found++
		default:
			p.Found++
		}
	}
}

const columns = "%-31s %-20s %-25s %7v %13v %8v\n"

func printHeader(out io.Writer) {
	fmt.Fprintf(out, columns, "mutant", "found by", "property", "seeds", "events", "seconds")
}

func printMutant(out io.Writer, r mutants.Result) {
	by := "NOTHING"
	switch r.FoundBy {
	case mutants.BySimulator:
		by = fmt.Sprintf("%s, seed %d", r.Profile, r.Seed)
	case mutants.ByScript:
		by = "only a script"
	}
	fmt.Fprintf(out, columns, r.Name, by, r.Property, grouped(uint64(r.Seeds)), grouped(r.Events), fmt.Sprintf("%.1f", r.Seconds))
}

func (p *planted) print(out io.Writer, all int) error {
	by := ""
	if scripted[p.Protocol] == "" {
		by = fmt.Sprintf(", %d of them only by a script", p.Scripted)
	}
	_, err := fmt.Fprintf(out, "\n%d of %d mutants found%s, in %.0f s\n", p.Found, len(p.Mutants), by, p.WallS)
	if err == nil && len(p.Mutants) < all {
		_, err = fmt.Fprintf(out, "interrupted: %d were not tried\n", all-len(p.Mutants))
	}
	return err
}
