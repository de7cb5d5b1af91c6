package main

import (
	"errors"
	"net"
	"net/http"

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
	disk, err := openDisk(&cfg, cluster, dir)
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

// openDisk opens the folder of a node, or makes it.
func openDisk(cfg *nodeConfig, cluster uint64, dir string) (*storage.Disk, error) {
	return storage.Open(dir, storage.Options{Node: cfg.id, Cluster: cluster, SegmentSize: cfg.segment, Retention: cfg.retention, Logger: cfg.log})
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
