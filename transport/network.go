package transport

import (
	"errors"
	"fmt"
	"sync"

	"github.com/consensus-go/consensus"
)

// A Network joins the nodes of one process. All its methods may be called at any time.
type Network struct {
	mu    sync.RWMutex
	nodes map[consensus.NodeID]*Memory
	cut   map[link]bool
}

// A link joins two nodes, the lower one first.
type link struct{ a, b consensus.NodeID }

func between(a, b consensus.NodeID) link { return link{min(a, b), max(a, b)} }

// errUnreachable: nobody serves at the other end, or the link is cut.
var errUnreachable = errors.New("transport: the node cannot be reached")

// NewNetwork returns a network on which every node can reach every other.
func NewNetwork() *Network {
	return &Network{nodes: make(map[consensus.NodeID]*Memory), cut: make(map[link]bool)}
}

// Node returns the transport of the node named id, always the same one. It receives while it is
// served; what is sent to it at other times is lost, as if the machine were down.
func (n *Network) Node(id consensus.NodeID) *Memory {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.nodes[id]
	if t == nil {
		t = &Memory{network: n, id: id, wake: make(chan struct{}, 1)}
		n.nodes[id] = t
	}
	return t
}

// Cut stops all traffic between a and b, in both directions, until Heal. A snapshot under way
// breaks off; messages that are queued at the receiver still arrive.
func (n *Network) Cut(a, b consensus.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[between(a, b)] = true
}

// Heal undoes Cut.
func (n *Network) Heal(a, b consensus.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, between(a, b))
}

// reach returns the node at the other end of the link between from and to, or nil.
func (n *Network) reach(from, to consensus.NodeID) *Memory {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.cut[between(from, to)] {
		return nil
	}
	return n.nodes[to]
}

// unreachable is errUnreachable, of a node.
func unreachable(id consensus.NodeID) error { return fmt.Errorf("%w: node %d", errUnreachable, id) }
