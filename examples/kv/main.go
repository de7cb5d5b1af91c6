// Kv is a replicated map that speaks the Redis protocol: linearizable, and each command executed
// exactly once, from whatever node.
//
//	kv -demo [-listen host:port] [-protocol raft|paxos]
//	kv -id 1 -peers 1=host:port,2=... -data folder -tls-cert file -tls-key file -tls-ca file [-join] ...
//	kv -recover folder,... [-id 1 -data folder -cluster number] [-protocol raft|paxos]
//
// The first form runs three nodes in this process; the second, one node of a cluster; the third says what
// is left of a cluster that has lost its majority, and makes a new one of it. README.md says more. It exits with 1
// if it cannot run, and with 2 if it was called wrongly.
//
// To read it, from the bottom up: store.go, the state machine, with strings.go and keys.go, what the
// commands do, and snapshot.go; entry.go and commands.go, how they are proposed; node.go, a replica;
// client.go, server.go and guard.go, how clients are served; process.go, disk and network; recover.go, what
// is left when a majority is lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main, until ctx is done, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := serve(ctx, o, stdout); err != nil {
		fmt.Fprintln(stderr, "kv:", err)
		return 1
	}
	return 0
}

// serve runs what the options say until ctx is done.
func serve(ctx context.Context, o *options, stdout io.Writer) error {
	if o.recover != nil {
		return recoverCluster(o, stdout)
	}
	if !o.demo {
		p, err := startOne(o)
		if err != nil {
			return err
		}
		p.announce(stdout)
		<-ctx.Done()
		return p.close()
	}
	d, err := startDemo(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "three nodes, %s, with their data in %s\n", o.node.protocol, d.dir)
	for _, p := range d.processes {
		p.announce(stdout)
	}
	<-ctx.Done()
	return d.close()
}

// announce says where clients find a node.
func (p *process) announce(out io.Writer) {
	fmt.Fprintf(out, "node %d serves Redis clients at %s\n", p.node.cfg.id, p.server.listener.Addr())
}
