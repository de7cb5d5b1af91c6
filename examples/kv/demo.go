package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A demo is a cluster of three nodes in this process.
type demo struct {
	nodes   []*node
	servers []*server
}

// startDemo listens at address and the two ports above it or, at port 0, at any three.
func startDemo(address, protocol string, timeout time.Duration, log *slog.Logger, out io.Writer) (_ *demo, err error) {
	d := &demo{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	network := transport.NewNetwork()
	members := consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}
	for i, id := range members.Voters {
		at, err := portAbove(address, i)
		if err != nil {
			return nil, err
		}
		ln, err := net.Listen("tcp", at)
		if err != nil {
			return nil, err
		}
		n, err := startNode(nodeConfig{
			id: id, storage: storage.NewMemory(), transport: network.Node(id), protocol: protocol, members: members,
			timeout: timeout, now: time.Now, log: log.With("node", id),
		})
		if err != nil {
			ln.Close()
			return nil, err
		}
		d.nodes = append(d.nodes, n)
		d.servers = append(d.servers, serveNode(n, ln))
		fmt.Fprintf(out, "node %d: redis-cli -p %d\n", id, ln.Addr().(*net.TCPAddr).Port)
	}
	return d, nil
}

// portAbove is the address i ports above, unless its port is 0.
func portAbove(address string, i int) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(port)
	if n != 0 {
		n += i
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), err
}

func (d *demo) close() {
	for _, s := range d.servers {
		s.close()
	}
	for _, n := range d.nodes {
		n.close()
	}
}
