// Command simulate runs simulated clusters until something breaks, or does not.
//
//	simulate run      many seeds, on all processors, and what they exercised
//	simulate replay   one seed again, event by event
//	simulate mutants  bugs planted into the engine, or into storage, each of which must be found
//
// It exits with 0 if no property was violated, with 1 if one was (or a mutant was not found),
// and with 2 if it was called wrongly. Interrupted, it reports what was done so far.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim"
)

const (
	exitClean = iota
	exitFound // a violation, or a mutant that nothing finds
	exitUsage
)

// protocols are the engines that can be simulated, by name.
var protocols = map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New}

// rules are the rules of those protocols that are not Raft's.
var rules = map[string]sim.Rules{"paxos": sim.PaxosRules}

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// interruptible returns a context that the user ends, with Ctrl-C. The second time ends the program.
func interruptible(ctx context.Context) context.Context {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

const usage = `usage:
  simulate run     [-protocol raft|paxos] [-profile swarm] [-seeds 1000] [-start 1] [-nodes N] [-durable] [-storage] [-for 60s] [-first] [-json]
  simulate replay  -seed N [-protocol raft|paxos] [-profile swarm] [-nodes N] [-durable] [-storage] [-for 30s] [-trace]
  simulate mutants [-protocol raft|paxos|storage] [-dir DIR] [-only NAME] [-json]
simulate COMMAND -h says what the flags mean.
`

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, "simulate: no command given\n", usage)
		return exitUsage
	}
	command, ok := map[string]func(context.Context, []string, io.Writer, io.Writer) (int, error){
		"run": run, "replay": replay, "mutants": plant,
	}[args[0]]
	switch {
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
		fmt.Fprint(stdout, usage)
		return exitClean
	case !ok:
		fmt.Fprintf(stderr, "simulate: there is no command %q\n%s", args[0], usage)
		return exitUsage
	}
	code, err := command(ctx, args[1:], stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitClean
	case err != nil:
		fmt.Fprintf(stderr, "simulate %s: %v\n", args[0], err)
	}
	return code
}

// A wrong flag is an error that names the flag and its value.
func wrong(name string, value any, format string, args ...any) error {
	return fmt.Errorf("-%s %v: %s", name, value, fmt.Sprintf(format, args...))
}

// parse reads the flags of one command, which takes nothing else.
func parse(fs *flag.FlagSet, args []string, stdout io.Writer) error {
	fs.SetOutput(io.Discard) // the caller prints the error, once
	fs.Usage = func() {}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "usage of simulate %s:\n", fs.Name())
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return err
	case err != nil:
		return err
	case fs.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: everything is a flag", fs.Arg(0))
	}
	return nil
}

// common are the flags that say what is simulated.
type common struct {
	protocol, profile string
	nodes             int
	durable, storage  bool
}

func (c *common) register(fs *flag.FlagSet) {
	fs.StringVar(&c.protocol, "protocol", "raft", "the `engine`: "+protocolNames())
	fs.StringVar(&c.profile, "profile", "swarm", "the mixture of faults: a `name` such as swarm or calm")
	fs.BoolVar(&c.durable, "durable", false, "the state machines keep their state on disks of their own")
	fs.BoolVar(&c.storage, "storage", false, "keep the nodes' data in a real storage.Disk, on a file system that loses what power cuts lose")
	fs.IntVar(&c.nodes, "nodes", 0, "how many founders there are, 1 to 9 (default: drawn by each seed)")
}

func protocolNames() string {
	var names []string
	for name := range protocols {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// options checks the flags and returns what they say.
func (c *common) options() (sim.Options, error) {
	o := sim.Options{Name: c.protocol, Protocol: protocols[c.protocol], Rules: rules[c.protocol], Nodes: c.nodes, Durable: c.durable, Storage: c.storage}
	if o.Protocol == nil {
		return o, wrong("protocol", c.protocol, "there is no such protocol; there are: %s", protocolNames())
	}
	var err error
	if o.Profile, err = sim.ParseProfile(c.profile); err != nil {
		return o, wrong("profile", c.profile, "%v", err)
	}
	return o, nil
}

// check finds what sim itself has against the options, in the words of the flags.
func check(o sim.Options) error {
	_, err := o.WithDefaults()
	if config := (*consensus.ConfigError)(nil); errors.As(err, &config) {
		return wrong(strings.ToLower(config.Field), config.Value, "%s", config.Reason)
	}
	return err
}
