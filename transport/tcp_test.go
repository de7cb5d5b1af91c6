package transport_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/transport"
	"github.com/consensus-go/consensus/transport/transporttest"
)

// listen makes n nodes on this machine that know each other.
func listen(t *testing.T, n int, options func(*transport.TCPOptions)) []*transport.TCP {
	var nodes []*transport.TCP
	for id := range n {
		opt := transport.TCPOptions{ID: consensus.NodeID(id + 1), Cluster: 0x5eed, Plaintext: true}
		if options != nil {
			options(&opt)
		}
		node, err := transport.Listen("127.0.0.1:0", opt)
		require.NoError(t, err)
		t.Cleanup(func() { node.Close() })
		nodes = append(nodes, node)
	}
	for _, node := range nodes {
		for id, other := range nodes {
			node.SetAddress(consensus.NodeID(id+1), other.Addr().String())
		}
	}
	return nodes
}

func TestTCPKeepsThePromisesOfTransport(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		nodes := listen(t, 3, nil)
		test(t, []consensus.Transport{nodes[0], nodes[1], nodes[2]})
	})
}

func TestTCPKeepsThePromisesOfTransportWithTLS(t *testing.T) {
	authority := transport.NewDemoAuthority()
	transporttest.Run(t, func(t *testing.T, test func(*testing.T, []consensus.Transport)) {
		nodes := listen(t, 3, func(opt *transport.TCPOptions) {
			opt.Plaintext, opt.TLS = false, authority.TLS(opt.ID)
		})
		test(t, []consensus.Transport{nodes[0], nodes[1], nodes[2]})
	})
}
