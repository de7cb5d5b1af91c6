// Bench measures replicas of this library under load: all in one process, each with a disk of its own,
// over TCP on loopback, with clients that wait for each answer before they ask again.
//
//	go run ./examples/bench -protocol raft -op write -clients 256 -payload 16
//
// prints one line of JSON: operations per second, the median and the 99th percentile of what a client
// waits, the processor time and the allocations of all replicas and clients together per operation. An
// operation has ended when its command has been chosen, is durable at a quorum, and was applied where it
// was proposed; a read, when the state machine there may be read linearizably. Clients use the replica
// that leads their group.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
)

// protocols are what -protocol may say.
var protocols = map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New}

// operations are what -op may say: what a client does over and over.
var operations = map[string]operation{"write": write, "read": read, "lease-read": read}

// settings are the flags.
type settings struct {
	protocol, op, storage, transport string

	clients, payload, replicas, groups int

	warmUp, duration time.Duration
	dir              string
	retention        int
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main, and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	r, err := bench(s)
	if err == nil {
		err = json.NewEncoder(stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.protocol, "protocol", "raft", names(protocols))
	flags.StringVar(&s.op, "op", "write", names(operations))
	flags.IntVar(&s.clients, "clients", 256, "how many ask at a time")
	flags.IntVar(&s.payload, "payload", 16, "bytes of a command")
	flags.IntVar(&s.replicas, "replicas", 3, "of each group")
	flags.IntVar(&s.groups, "groups", 1, "that the clients are spread over")
	flags.StringVar(&s.storage, "storage", "disk", "disk, memory")
	flags.StringVar(&s.transport, "transport", "tcp", "tcp, memory")
	flags.DurationVar(&s.duration, "d", 5*time.Second, "how long to measure")
	flags.DurationVar(&s.warmUp, "warm-up", 2*time.Second, "how long to run before")
	flags.StringVar(&s.dir, "dir", "", "folder for the data; a temporary one if empty")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("what is %q?", flags.Arg(0))
	case protocols[s.protocol] == nil:
		return s, fmt.Errorf("no protocol %q; there is: %s", s.protocol, names(protocols))
	case operations[s.op] == nil:
		return s, fmt.Errorf("no operation %q; there is: %s", s.op, names(operations))
	case s.storage != "disk" && s.storage != "memory":
		return s, fmt.Errorf("no storage %q", s.storage)
	case s.transport != "tcp" && s.transport != "memory":
		return s, fmt.Errorf("no transport %q", s.transport)
	case s.clients < 1 || s.replicas < 1 || s.groups < 1 || s.duration <= 0:
		return s, errors.New("-clients, -replicas, -groups and -d must be above 0")
	case s.payload < 0:
		return s, fmt.Errorf("-payload is %d, and cannot be below 0", s.payload)
	}
	return s, nil
}

func names[V any](m map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }
