package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A cluster is nodes in this process, in virtual time.
type cluster struct {
	t        *testing.T
	protocol string
	timeout  time.Duration // of commands, for nodes that are started from now on
	network  *transport.Network
	machines map[consensus.NodeID]*machine
}

// A machine is a node with its disk, which outlives it.
type machine struct {
	id     consensus.NodeID
	disk   *storage.Memory
	node   *node // nil while it is down
	server *server
	join   bool
}

// inBubble runs f with a cluster, once with each protocol.
func inBubble(t *testing.T, f func(*testing.T, *cluster)) {
	for protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cluster{t: t, protocol: protocol, timeout: time.Minute, network: transport.NewNetwork(), machines: make(map[consensus.NodeID]*machine)}
				t.Cleanup(func() {
					for id := range c.machines {
						c.stop(id)
					}
				})
				for _, id := range demoMembers.Voters {
					c.start(id)
				}
				f(t, c)
			})
		})
	}
}

// start starts a node that is down. One that is no founder is to join.
func (c *cluster) start(id consensus.NodeID) {
	m := c.machines[id]
	if m == nil {
		m = &machine{id: id, disk: storage.NewMemory(), join: demoMembers.Kind(id) == consensus.NotMember}
		c.machines[id] = m
	}
	var err error
	m.node, err = startNode(nodeConfig{
		id: id, storage: m.disk, transport: c.network.Node(id), protocol: c.protocol, members: demoMembers, join: m.join,
		timeout: c.timeout, log: slog.New(slog.DiscardHandler),
	})
	require.NoError(c.t, err)
	m.server = serveNode(m.node, &pipes{conns: make(chan net.Conn), closed: make(chan struct{})})
}

func (c *cluster) stop(id consensus.NodeID) {
	m := c.machines[id]
	if m.node == nil {
		return
	}
	require.NoError(c.t, m.server.close())
	m.node.close()
	m.node = nil
}

// leader returns the node that leads, once there is one and all has settled.
func (c *cluster) leader() consensus.NodeID {
	for {
		time.Sleep(10 * time.Second)
		for id, m := range c.machines {
			if m.node != nil && m.node.group.Status().Role == consensus.Leader {
				return id
			}
		}
	}
}

func (c *cluster) follower() consensus.NodeID { return c.leader()%3 + 1 }

// dial connects to a node.
func (c *cluster) dial(id consensus.NodeID) *connection {
	here, there := net.Pipe()
	c.machines[id].server.listener.(*pipes).conns <- there
	return newConnection(c.t, here)
}

// pipes is a listener in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// A connection is a client that shows answers as they come, on one line.
type connection struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// dial connects to an address.
func dial(t *testing.T, address string) *connection {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	return newConnection(t, conn)
}

func newConnection(t *testing.T, conn net.Conn) *connection {
	t.Cleanup(func() { conn.Close() })
	return &connection{t, conn, bufio.NewReader(conn)}
}

// do sends a command, given with blanks between its arguments, and returns the answer.
func (c *connection) do(format string, args ...any) string {
	c.send(encode(arguments(fmt.Sprintf(format, args...))))
	return c.receive()
}

// insist sends a command until it is not told to try again: a change of the members, until the one before it is complete.
func (c *connection) insist(format string, args ...any) string {
	for {
		if answer := c.do(format, args...); !strings.HasPrefix(answer, "-TRYAGAIN") {
			return answer
		}
	}
}

// send sends b while answers to its beginning may be received.
func (c *connection) send(b []byte) { go c.conn.Write(b) }

// arguments splits a line at blanks. One that begins with a quote is as in Go.
func arguments(line string) (args []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		arg, err := strconv.QuotedPrefix(line)
		if err != nil {
			arg, _, _ = strings.Cut(line, " ")
		}
		line = line[len(arg):]
		if err == nil {
			arg, _ = strconv.Unquote(arg)
		}
		args = append(args, arg)
	}
	return args
}

func encode(args []string) []byte {
	b := redcon.AppendArray(nil, len(args))
	for _, arg := range args {
		b = redcon.AppendBulkString(b, arg)
	}
	return b
}

// receive returns one answer: strings in quotes, arrays in brackets, the rest as it is.
func (c *connection) receive() string {
	answer, err := readAnswer(c.in)
	require.NoError(c.t, err)
	return answer
}

// show shows answers with blanks between them.
func show(answers []byte) string {
	in := bufio.NewReader(bytes.NewReader(answers))
	var all []string
	for {
		answer, err := readAnswer(in)
		if err != nil {
			return strings.Join(all, " ")
		}
		all = append(all, answer)
	}
}

func readAnswer(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch n, _ := strconv.Atoi(line[1:]); {
	case line[0] == '$' && n >= 0:
		b := make([]byte, n+2)
		_, err = io.ReadFull(in, b)
		return strconv.Quote(string(b[:n])), err
	case line[0] == '*' && n >= 0:
		items := make([]string, n)
		for i := range items {
			if items[i], err = readAnswer(in); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(items, " ") + "]", nil
	}
	return line, nil
}
