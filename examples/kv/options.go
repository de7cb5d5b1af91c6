package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/consensus-go/consensus"
)

// options are what the command line says.
type options struct {
	demo               bool
	node               nodeConfig // without what it stands on
	cluster            uint64
	peers              map[consensus.NodeID]string
	bind, data, listen string
	cert, key, ca      string
	insecure           bool
	metrics            string
	recover            []string // folders
}

// parseOptions says on stderr what is wrong, with the usage.
func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{node: nodeConfig{log: slog.New(slog.NewTextHandler(stderr, nil))}}
	flags := flag.NewFlagSet("kv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.demo, "demo", false, "run three nodes in this process, with their data in a temporary folder and Redis clients at -listen and the two ports above")
	id := flags.String("id", "", "this node's `id`: a number from 1 on, its own for ever")
	peers := flags.String("peers", "", "where the nodes find each other, as `1=host:port,2=host:port,...`; all that there may ever be, or see CONSENSUS ADDRESS")
	members := flags.String("members", "", "the `ids` of the nodes that found the cluster, as 1,2,3; default: all of -peers")
	flags.BoolVar(&o.node.join, "join", false, "the cluster exists, and this node is to be added to it (CONSENSUS ADD)")
	flags.StringVar(&o.bind, "bind", "", "where to listen for other nodes, as `host:port`; default: this node's address in -peers")
	flags.StringVar(&o.data, "data", "", "the `folder` of this node's data")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:6379", "where to listen for Redis clients, as `host:port`")
	flags.StringVar(&o.node.protocol, "protocol", "raft", "`raft or paxos`, alike on all nodes")
	flags.StringVar(&o.cert, "tls-cert", "", "this node's certificate, a PEM `file`; it names node-ID.consensus")
	flags.StringVar(&o.key, "tls-key", "", "the key of it, a PEM `file`")
	flags.StringVar(&o.ca, "tls-ca", "", "the certificates of who signs nodes' certificates, a PEM `file`")
	flags.BoolVar(&o.insecure, "insecure", false, "in place of -tls-*: no encryption, and anybody may claim to be any node")
	flags.Uint64Var(&o.cluster, "cluster", 1, "the cluster's `number`: nodes of another are refused")
	survivors := flags.String("recover", "", "in place of running a node: say what is left of a cluster of which a majority is lost for good, in the `folders` of all nodes that survive, as folder,folder. With -id, -data and -cluster, make it the first node of a new cluster, of another number")
	flags.DurationVar(&o.node.timeout, "timeout", 5*time.Second, "how long a command may take before the client is told that it failed, or that nobody knows")
	flags.DurationVar(&o.node.election, "election-timeout", time.Second, "how long nodes do without a leader before they elect one, alike on all: some ten times what a message takes there and back")
	flags.IntVar(&o.node.snapshot, "snapshot-size", 0, "take a snapshot after so many `bytes` of commands; default 64 MiB")
	flags.IntVar(&o.node.retention, "retention", 0, "keep so many `bytes` of the log below the snapshot, for nodes that were away; default 16 MiB, negative: none")
	flags.IntVar(&o.node.segment, "segment-size", 0, "keep the log in files of so many `bytes`; default 64 MiB")
	flags.StringVar(&o.metrics, "metrics", "", "where to serve Prometheus metrics at /metrics, as `host:port`; default: nowhere")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := o.check(flags, *id, *peers, *members, *survivors)
	if err != nil {
		fmt.Fprintln(stderr, "kv:", err)
		flags.Usage()
	}
	return o, err
}

// check parses what flags does not, and returns the first mistake.
func (o *options) check(flags *flag.FlagSet, id, peers, members, survivors string) (err error) {
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("what is %q?", flags.Arg(0))
	case protocols[o.node.protocol] == nil:
		return fmt.Errorf("-protocol is raft or paxos, not %q", o.node.protocol)
	case o.node.timeout <= 0:
		return fmt.Errorf("-timeout is %v, and must be above 0", o.node.timeout)
	case o.demo:
		return nil
	case survivors != "":
		o.recover = strings.Split(survivors, ",")
		return o.checkRecovery(flags, id)
	case id == "" || peers == "" || o.data == "":
		return errors.New("either -demo, or -recover, or -id, -peers and -data must be given")
	case o.insecure == (o.cert != "" || o.key != "" || o.ca != ""):
		return errors.New("either -tls-cert, -tls-key and -tls-ca must be given, or -insecure")
	}
	if o.node.id, err = parseID(id); err != nil {
		return fmt.Errorf("-id: %w", err)
	}
	if err = o.parsePeers(peers); err != nil {
		return fmt.Errorf("-peers: %w", err)
	}
	if o.bind == "" {
		o.bind = o.peers[o.node.id]
	}
	if o.bind == "" {
		return fmt.Errorf("-peers: node %d, which this is, must be among them, or -bind be given", o.node.id)
	}
	if members != "" {
		o.node.members.Voters = nil
		for s := range strings.SplitSeq(members, ",") {
			id, err := parseID(s)
			if err != nil {
				return fmt.Errorf("-members: %w", err)
			}
			o.node.members.Voters = append(o.node.members.Voters, id)
		}
	}
	return nil
}

// checkRecovery wants to be told all of a new cluster's first node, or nothing.
func (o *options) checkRecovery(flags *flag.FlagSet, id string) (err error) {
	told := 0
	flags.Visit(func(f *flag.Flag) {
		if f.Name == "id" || f.Name == "data" || f.Name == "cluster" {
			told++
		}
	})
	if told != 0 && told != 3 {
		return errors.New("with -recover go either all of -id, -data and -cluster, or none, for a dry run")
	}
	if told == 3 {
		if o.node.id, err = parseID(id); err != nil {
			return fmt.Errorf("-id: %w", err)
		}
	}
	return nil
}

// parsePeers also makes them the founders, in the order in which they are named.
func (o *options) parsePeers(peers string) error {
	o.peers = make(map[consensus.NodeID]string)
	for s := range strings.SplitSeq(peers, ",") {
		name, address, _ := strings.Cut(s, "=")
		id, err := parseID(name)
		if err != nil {
			return err
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("node %d: %w", id, err)
		}
		if o.peers[id] != "" {
			return fmt.Errorf("node %d is named twice", id)
		}
		o.peers[id] = address
		o.node.members.Voters = append(o.node.members.Voters, id)
	}
	return nil
}
