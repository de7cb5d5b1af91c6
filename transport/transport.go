// Package transport carries messages between the hosts of a group.
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
