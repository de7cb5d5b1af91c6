package main

import (
	"fmt"
	"math/bits"
	"os/exec"
	"sync"
	"time"
)

// A network is how the nodes reach each other and clients reach them. Nodes are numbered from 1 on.
type network interface {
	// clients is where node id listens for clients, and peers where it listens for other nodes.
	clients(id int) string
	peers(id int) string
	// route is what node from dials to reach node to.
	route(from, to int) string
	// command is a program that runs where node id is.
	command(id int, name string, args ...string) *exec.Cmd
	// set changes what becomes of what from sends to to, from now on.
	set(from, to int, c condition) error
	// slows reports whether a condition may have a delay.
	slows() bool
	close() error
}

// networks are those that there are, by what cuts links in them.
var networks = map[string]func(ids []int) (network, error){"proxy": newProxied, "namespaces": newNamespaces}

// A condition is that of a link, in one direction. The zero value is a link as it should be.
type condition struct {
	cut   bool
	delay time.Duration
}

func (c condition) String() string {
	switch {
	case c.cut:
		return "cut"
	case c.delay > 0:
		return fmt.Sprintf("delay of %v", c.delay.Round(time.Millisecond))
	}
	return "well"
}

// A direction is a link, one way.
type direction struct{ from, to int }

func (d direction) String() string { return fmt.Sprintf("%d→%d", d.from, d.to) }

// both are the two directions of the links between each of as and each of bs.
func both(as, bs []int) (ds []direction) {
	return append(oneWay(as, bs), oneWay(bs, as)...)
}

func oneWay(as, bs []int) (ds []direction) {
	for _, a := range as {
		for _, b := range bs {
			if a != b {
				ds = append(ds, direction{a, b})
			}
		}
	}
	return ds
}

// A health knows which nodes are down, on purpose, and which links are cut, and notes when that
// leaves a majority or takes it away.
type health struct {
	now func() int64

	mu     sync.Mutex
	nodes  int // that the cluster should have
	down   map[int]bool
	cut    map[direction]bool
	events []event
}

// An event is that a fault began or ended.
type event struct {
	at       int64
	majority bool // from then on, a majority is up and connected
}

func newHealth(nodes int, now func() int64) *health {
	return &health{now: now, nodes: nodes, down: make(map[int]bool), cut: make(map[direction]bool), events: []event{{0, false}}}
}

func (h *health) setDown(down bool, ids ...int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		h.down[id] = down
	}
	h.note()
}

func (h *health) setCut(cut bool, ds []direction) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range ds {
		h.cut[d] = cut
	}
	h.note()
}

// resize says how many nodes the cluster has from now on.
func (h *health) resize(nodes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = nodes
	h.note()
}

func (h *health) note() { h.events = append(h.events, event{h.now(), h.majority()}) }

// majority reports whether more than half of the nodes are up, each of which reaches each other of
// them in both directions.
func (h *health) majority() bool {
	for set := range uint(1) << len(h.down) {
		if bits.OnesCount(set)*2 > h.nodes && h.connected(set) {
			return true
		}
	}
	return false
}

// connected is about the nodes whose bits are set, node 1 being the lowest.
func (h *health) connected(set uint) bool {
	in := func(id int) bool { return set>>(id-1)&1 == 1 }
	for id, down := range h.down {
		if down && in(id) {
			return false
		}
	}
	for d, cut := range h.cut {
		if cut && in(d.from) && in(d.to) {
			return false
		}
	}
	return true
}

// history returns all events so far.
func (h *health) history() []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]event(nil), h.events...)
}
