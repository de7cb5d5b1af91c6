package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"time"
)

// A proxied network is one of this process: every node reaches every other through a listener of
// its own, which forwards what comes to where that node listens, if and when the link lets it. What
// is sent over a link that is cut waits, as it does in a real one that loses packets and sends them
// again; so does who connects.
type proxied struct {
	listeners map[direction]net.Listener
	gates     map[direction]*gate
	own       map[int][2]string // where the nodes listen: for clients, and for others

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
	work   sync.WaitGroup
}

func newProxied(ids []int) (_ network, err error) {
	p := &proxied{listeners: make(map[direction]net.Listener), gates: make(map[direction]*gate), own: make(map[int][2]string), conns: make(map[net.Conn]bool)}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	ports := unusedPorts(2 * len(ids))
	for i, id := range ids {
		p.own[id] = [2]string{ports[2*i], ports[2*i+1]}
	}
	for _, d := range oneWay(ids, ids) {
		p.gates[d] = newGate()
		if p.listeners[d], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	for d, ln := range p.listeners {
		p.work.Go(func() { p.accept(d, ln) })
	}
	return p, nil
}

// lowestPort is where to look for ports. A node has to find its own free each time it starts, so
// they must be below those that operating systems pick for outgoing connections.
const lowestPort, highestPort = 10000, 30000

// unusedPorts are addresses on which nobody listens. It begins where no other run is likely to.
func unusedPorts(n int) (addresses []string) {
	port := lowestPort + int(time.Now().UnixNano()/1000)%(highestPort-lowestPort)
	for len(addresses) < n {
		if port++; port >= highestPort {
			port = lowestPort
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if ln, err := net.Listen("tcp", address); err == nil {
			ln.Close()
			addresses = append(addresses, address)
		}
	}
	return addresses
}

func (p *proxied) clients(id int) string { return p.own[id][0] }

func (p *proxied) peers(id int) string { return p.own[id][1] }

func (p *proxied) route(from, to int) string {
	return p.listeners[direction{from, to}].Addr().String()
}

func (p *proxied) command(_ int, name string, args ...string) *exec.Cmd {
	return exec.Command(name, args...)
}

func (p *proxied) slows() bool { return true }

func (p *proxied) set(from, to int, c condition) error {
	p.gates[direction{from, to}].set(c)
	return nil
}

// accept takes connections from d.from to d.to.
func (p *proxied) accept(d direction, ln net.Listener) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.connect(d, near) })
	}
}

// connect forwards in both directions, until one end closes.
func (p *proxied) connect(d direction, near net.Conn) {
	defer near.Close()
	there, back := p.gates[d], p.gates[direction{d.to, d.from}]
	if !p.keep(near) {
		return
	}
	defer p.drop(near)
	there.pass()
	back.pass()
	far, err := net.Dial("tcp", p.peers(d.to))
	if err != nil {
		near.(*net.TCPConn).SetLinger(0) // refused
		return
	}
	defer far.Close()
	if !p.keep(far) {
		return
	}
	defer p.drop(far)
	var both sync.WaitGroup
	for _, x := range []struct {
		from, to net.Conn
		gate     *gate
	}{{near, far, there}, {far, near, back}} {
		both.Go(func() {
			forward(x.from, x.to, x.gate)
			near.Close()
			far.Close()
		})
	}
	both.Wait()
}

func forward(from, to net.Conn, g *gate) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			g.pass()
			_, failed := to.Write(b[:n])
			err = errors.Join(err, failed)
		}
		if err != nil {
			return
		}
	}
}

// keep remembers a connection that close has to close.
func (p *proxied) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return !p.closed
}

func (p *proxied) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *proxied) close() error {
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	for d, ln := range p.listeners {
		if ln != nil {
			ln.Close()
		}
		p.gates[d].set(condition{})
	}
	p.work.Wait()
	return nil
}

// A gate lets through what is sent in one direction.
type gate struct {
	mu        sync.Mutex
	condition condition
	opened    chan struct{} // closed when the link is not cut
}

func newGate() *gate {
	g := &gate{opened: make(chan struct{})}
	close(g.opened)
	return g
}

func (g *gate) set(c condition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case c.cut && !g.condition.cut:
		g.opened = make(chan struct{})
	case !c.cut && g.condition.cut:
		close(g.opened)
	}
	g.condition = c
}

// pass returns when what wants to pass may.
func (g *gate) pass() {
	for {
		g.mu.Lock()
		c, opened := g.condition, g.opened
		g.mu.Unlock()
		if !c.cut {
			time.Sleep(c.delay)
			return
		}
		<-opened
	}
}
