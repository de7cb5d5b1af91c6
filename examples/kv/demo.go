package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/transport"
)

// A demo is a cluster of three nodes in this process, with their data in a folder that goes with it.
type demo struct {
	dir       string
	processes []*process
}

var demoMembers = consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}

// startDemo serves clients at the address of the options and the two ports above it or, at port 0,
// at any three. Between the nodes there is TLS, as it should be.
func startDemo(o *options) (_ *demo, err error) {
	d := &demo{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = os.MkdirTemp("", "kv-demo-"); err != nil {
		return nil, err
	}
	authority := transport.NewDemoAuthority()
	var networks []*transport.TCP
	for i, id := range demoMembers.Voters {
		cfg := o.node
		cfg.id, cfg.members = id, demoMembers
		network, err := transport.Listen("127.0.0.1:0", transport.TCPOptions{ID: id, Cluster: o.cluster, TLS: authority.TLS(id), Logger: cfg.log})
		if err != nil {
			return nil, err
		}
		for j, other := range networks {
			network.SetAddress(demoMembers.Voters[j], other.Addr().String())
			other.SetAddress(id, network.Addr().String())
		}
		networks = append(networks, network)
		clients, err := listenAbove(o.listen, i)
		if err != nil {
			return nil, errors.Join(err, network.Close())
		}
		p, err := startProcess(cfg, o.cluster, fmt.Sprintf("%s/%d", d.dir, id), network, clients)
		if err != nil {
			return nil, err
		}
		d.processes = append(d.processes, p)
	}
	return d, nil
}

func (d *demo) close() error {
	var errs []error
	for _, p := range d.processes {
		errs = append(errs, p.close())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// listenAbove listens i ports above the one of address, unless that is 0.
func listenAbove(address string, i int) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	if n != 0 {
		n += i
	}
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(n)))
}
