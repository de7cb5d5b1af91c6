// Package transport carries messages between the hosts of a group.
//
// [TCP] carries them between machines. There is one connection in each direction between two
// nodes, for the messages of all groups, and one for each snapshot on its way. Both sides prove who
// they are with TLS, unless plain text is asked for by name.
//
//	security, err := transport.LoadTLS("node1.crt", "node1.key", "ca.crt")
//	...
//	net, err := transport.Listen(":7001", transport.TCPOptions{
//		ID: 1, Cluster: 0x5eed, TLS: security,
//		Peers: map[consensus.NodeID]string{2: "host2:7001", 3: "host3:7001"},
//	})
//	...
//	defer net.Close() // after the host
//	host, err := consensus.Start(consensus.HostConfig{ID: 1, Storage: disk, Transport: net})
//
// A peer that floods, stalls, or sends garbage costs bounded memory, and no other peer's progress.
// Who reads its code begins at wire.go, where the protocol is drawn; then tcp.go, peer.go and send.go
// for what leaves, accept.go and receive.go for what comes, outflow.go and inflow.go for snapshots. What leaves is
// queued, and a goroutine of each peer writes all that has gathered. What comes is delivered by the goroutine that has
// read it, which then waits until more arrives, on Linux without asking whether it has: see socket.go.
//
// [Memory] carries them within one process: for tests, examples and benchmarks. Nodes meet on a
// [Network], which can cut the links between them.
//
//	net := transport.NewNetwork()
//	for id := consensus.NodeID(1); id <= 3; id++ {
//		host, err := consensus.Start(consensus.HostConfig{ID: id, Storage: storage.NewMemory(), Transport: net.Node(id)})
//		...
//	}
//	net.Cut(1, 2)
//
// What a transport promises is the comment of consensus.Transport. One of your own is checked
// against it by package transporttest. It is little, because the engines ask for little: any
// message may be lost, delayed, duplicated or overtaken, and none may be damaged. But Send must
// never wait: a node that is slow or gone must not hold up the others.
package transport

import "github.com/consensus-go/consensus"

// The contract, found where one looks for it.
type (
	// Transport carries messages between hosts. See consensus.Transport.
	Transport = consensus.Transport
	// Handler takes what a transport delivers. See consensus.Handler.
	Handler = consensus.Handler
)
