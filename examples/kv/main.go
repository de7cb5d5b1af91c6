// Kv is a replicated map that speaks the Redis protocol.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
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

// run is main, until ctx is done, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("kv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	demo := flags.Bool("demo", false, "three nodes in this process, at -listen and the two ports above")
	listen := flags.String("listen", "127.0.0.1:6379", "the `address` for Redis clients")
	protocol := flags.String("protocol", "raft", "raft or paxos")
	timeout := flags.Duration("timeout", 5*time.Second, "how long a command may take")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if *demo {
		d, err := startDemo(*listen, *protocol, *timeout, log, stdout)
		if err != nil {
			fmt.Fprintln(stderr, "kv:", err)
			return 1
		}
		defer d.close()
		<-ctx.Done()
	}
	return 0
}
