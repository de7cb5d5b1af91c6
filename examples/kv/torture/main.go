// Torture runs a cluster of examples/kv, as real processes on this machine, and does to it what
// machines and operators do to clusters, while clients write down what they were told:
//
//	go run -C examples/kv ./torture -for 60s [-protocol raft|paxos] [-nodes 3] [-seed n] [-json] [-v]
//
// Processes are killed and paused, alone and all together; links are cut, in one direction or both;
// disks fill up; nodes are replaced, wiped, restarted one after the other. Then, and all the time, what
// the clients were told must be linearizable, with each command executed at most once, and what was
// acknowledged must be there, on every node. If something is not, the exit code is 1, and the folder
// with all histories, logs and data is kept. A seed repeats the faults, but not what comes of them.
//
// Run by root on Linux, every node has a network namespace, in which iptables cuts links, and a disk of
// its own; otherwise links are cut by a proxy, and no disk is ever full.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	duration       time.Duration
	protocol       string
	nodes, clients int
	seed           uint64
	links          string
	json, verbose  bool
}

// run is main, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	t, err := prepare(ctx, o, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "torture:", err)
		return 1
	}
	fmt.Fprintf(stderr, "torture: -protocol %s -nodes %d -seed %d, for %v, links by %s\n", o.protocol, o.nodes, o.seed, o.duration, o.links)
	t.run(ctx)
	s := t.finish(stderr)
	if o.json {
		json.NewEncoder(stdout).Encode(s)
	} else {
		fmt.Fprintln(stdout, s)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "torture: interrupted, and not checked to the end")
		return 1
	}
	return min(1, s.Violations)
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.duration, "for", time.Minute, "how long to do harm")
	flags.StringVar(&o.protocol, "protocol", "raft", "`raft or paxos`")
	flags.IntVar(&o.nodes, "nodes", 3, "how many nodes there are, 3 to 7")
	flags.IntVar(&o.clients, "clients", 8, "how many clients there are")
	flags.Uint64Var(&o.seed, "seed", rand.Uint64N(1e9), "of the faults; default: any")
	flags.StringVar(&o.links, "links", "", "what cuts links: `namespaces or proxy`; default: namespaces where they can be had")
	flags.BoolVar(&o.json, "json", false, "print the summary as JSON")
	flags.BoolVar(&o.verbose, "v", false, "print what is done to the cluster")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.links == "" {
		o.links = "namespaces"
		if canNamespaces() != nil {
			o.links = "proxy"
		}
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("what is %q?", flags.Arg(0))
	case o.protocol != "raft" && o.protocol != "paxos":
		err = fmt.Errorf("-protocol is raft or paxos, not %q", o.protocol)
	case o.nodes < 3 || o.nodes > 7 || o.clients < 1:
		err = fmt.Errorf("-nodes must be 3 to 7, and -clients above 0")
	case o.duration >= certified-time.Hour:
		err = fmt.Errorf("-for must be less: the nodes' certificates are good for %v", certified)
	case o.links == "namespaces":
		err = canNamespaces()
	case o.links != "proxy":
		err = fmt.Errorf("-links is namespaces or proxy, not %q", o.links)
	}
	if err != nil {
		fmt.Fprintln(stderr, "torture:", err)
	}
	return o, err
}
