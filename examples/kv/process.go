package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A process is a node with all that it stands on, and what it serves.
type process struct {
	disk    *storage.Disk
	network *transport.TCP
	node    *node
	server  *server
	metrics *http.Server // nil if there are none
}

// startProcess runs a node whose data is in dir, and serves it at clients. It owns the network and
// the listener, also if it fails.
func startProcess(cfg nodeConfig, cluster uint64, dir string, network *transport.TCP, clients net.Listener) (*process, error) {
	disk, err := storage.Open(dir, storage.Options{Node: cfg.id, Cluster: cluster, Logger: cfg.log})
	if err != nil {
		return nil, errors.Join(err, network.Close(), clients.Close())
	}
	cfg.storage, cfg.transport, cfg.setAddress = disk, network, network.SetAddress
	n, err := startNode(cfg)
	if err != nil {
		return nil, errors.Join(err, network.Close(), disk.Close(), clients.Close())
	}
	return &process{disk: disk, network: network, node: n, server: serveNode(n, clients)}, nil
}

// close answers what is being executed, and stops everything. What was answered is on disk.
func (p *process) close() error {
	if p.metrics != nil {
		p.metrics.Close()
	}
	return errors.Join(p.server.close(), p.node.close(), p.network.Close(), p.disk.Close())
}

// serveMetrics serves what the host counts to Prometheus, at /metrics.
func (p *process) serveMetrics(ln net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		p.node.host.WriteMetrics(w)
	})
	p.metrics = &http.Server{Addr: ln.Addr().String(), Handler: mux}
	go p.metrics.Serve(ln)
}

// startOne runs the node that the options describe.
func startOne(o *options) (*process, error) {
	clients, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, err
	}
	network, err := o.network()
	if err != nil {
		return nil, errors.Join(err, clients.Close())
	}
	p, err := startProcess(o.node, o.cluster, o.data, network, clients)
	if err != nil || o.metrics == "" {
		return p, err
	}
	ln, err := net.Listen("tcp", o.metrics)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.serveMetrics(ln)
	return p, nil
}

// network is the transport that the options describe.
func (o *options) network() (*transport.TCP, error) {
	t := transport.TCPOptions{ID: o.node.id, Cluster: o.cluster, Peers: o.peers, Plaintext: o.insecure, Logger: o.node.log}
	if !o.insecure {
		var err error
		if t.TLS, err = transport.LoadTLS(o.cert, o.key, o.ca); err != nil {
			return nil, err
		}
	}
	return transport.Listen(o.bind, t)
}

// A demo is a cluster of three nodes in this process, with their data in a folder that goes with it.
type demo struct {
	dir       string
	processes []*process
}

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
