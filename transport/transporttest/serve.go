package transporttest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// serveClaims are about Serve, and about Send to those who do not keep up.
var serveClaims = []claim{
	{"Serve returns nil when its context is done", func(n *network) {
		for _, x := range n.nodes {
			x.cancel()
			<-x.served
			require.NoError(n, x.err)
		}
	}},
	{"Serve returns with no call of Deliver under way", func(n *network) {
		x := n.nodes[2]
		release := n.stallWith(2)
		x.cancel()
		time.Sleep(moment)
		select {
		case <-x.served:
			n.Error("Serve has returned, and Deliver has not")
		default:
		}
		close(release)
		<-x.served
		require.Zero(n, x.handlingCalls())
	}},
	{"nothing is delivered after Serve has returned", func(n *network) {
		x := n.nodes[2]
		x.cancel()
		<-x.served
		x.takeAll()
		for range 10 {
			n.nodes[1].Send([]consensus.Message{full(1, 2, 5)})
		}
		n.deliver(message(1, 3, 6))
		time.Sleep(moment)
		require.Empty(n, x.takeAll())
	}},
	{"Send does not block while a receiver does, and others still receive", func(n *network) {
		release := n.stallWith(2)
		m := message(1, 2, 3)
		m.Data = make([]byte, 1<<20)
		for range 200 { // more than any queue holds
			n.nodes[1].Send([]consensus.Message{m})
			n.nodes[3].Send([]consensus.Message{m})
		}
		n.deliver(message(1, 3, 8))
		n.deliver(message(3, 1, 8))
		n.deliver(message(2, 1, 9))
		close(release)
	}},
	{"who has stalled receives again", func(n *network) {
		release := n.stallWith(2)
		m := message(1, 2, 3)
		m.Data = make([]byte, 1<<20)
		for range 200 {
			n.nodes[1].Send([]consensus.Message{m})
		}
		close(release)
		n.deliver(message(1, 2, 10))
		n.deliver(message(3, 2, 11))
	}},
	{"Send after the context of Serve is done does no harm", func(n *network) {
		n.nodes[1].cancel()
		<-n.nodes[1].served
		n.nodes[1].Send([]consensus.Message{full(1, 2, 5)})
		n.deliver(message(3, 2, 10))
	}},
}

// stallWith has node id stuck in a call of Deliver until the channel that it returns is closed.
func (n *network) stallWith(id consensus.NodeID) chan struct{} {
	x, release := n.nodes[id], make(chan struct{})
	x.stallUntil(release)
	for x.handlingCalls() == 0 {
		n.nodes[1].Send([]consensus.Message{message(1, id, 4)})
		time.Sleep(moment)
	}
	x.stallUntil(nil) // later calls pass
	return release
}
