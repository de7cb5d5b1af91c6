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
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A cluster is nodes in this process, whose clock is set by hand.
type cluster struct {
	t        *testing.T
	protocol string
	timeout  time.Duration
	network  *transport.Network
	clock    atomic.Int64 // milliseconds
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

var founders = consensus.Members{Voters: []consensus.NodeID{1, 2, 3}}

func newCluster(t *testing.T, protocol string) *cluster {
	t.Parallel() // they wait for elections, most of the time
	c := &cluster{t: t, protocol: protocol, timeout: time.Minute, network: transport.NewNetwork(), machines: make(map[consensus.NodeID]*machine)}
	c.clock.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	t.Cleanup(func() {
		for id := range c.machines {
			c.stop(id)
		}
	})
	for _, id := range founders.Voters {
		c.machines[id] = &machine{id: id, disk: storage.NewMemory()}
		c.start(id)
	}
	return c
}

func forBoth(t *testing.T, f func(*cluster)) {
	for protocol := range protocols {
		t.Run(protocol, func(t *testing.T) { f(newCluster(t, protocol)) })
	}
}

func (c *cluster) start(id consensus.NodeID) {
	m := c.machines[id]
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(c.t, err)
	m.node, err = startNode(nodeConfig{
		id: id, storage: m.disk, transport: c.network.Node(id), protocol: c.protocol, members: founders, join: m.join,
		timeout: c.timeout, election: 200 * time.Millisecond, now: c.now, log: slog.New(slog.DiscardHandler),
	})
	require.NoError(c.t, err)
	m.server = serveNode(m.node, ln)
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

func (c *cluster) now() time.Time { return time.UnixMilli(c.clock.Load()) }

func (c *cluster) advance(d time.Duration) { c.clock.Add(d.Milliseconds()) }

// leader awaits one that a node which is up follows.
func (c *cluster) leader() consensus.NodeID {
	for _, m := range c.machines {
		for m.node != nil {
			now, changed := m.node.group.Leadership()
			if l := c.machines[now.Leader]; l != nil && l.node != nil {
				return l.id
			}
			<-changed
		}
	}
	panic("no node is up")
}

func (c *cluster) follower() consensus.NodeID { return c.leader()%3 + 1 }

// dial connects to a node.
func (c *cluster) dial(id consensus.NodeID) *connection {
	return dial(c.t, c.machines[id].server.listener.Addr().String())
}

// A connection is a client that shows answers as they come, on one line.
type connection struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, address string) *connection {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &connection{t, conn, bufio.NewReader(conn)}
}

// do sends a command, given with blanks between its arguments, and returns the answer.
func (c *connection) do(format string, args ...any) string {
	c.send(encode(arguments(fmt.Sprintf(format, args...))))
	return c.receive()
}

func (c *connection) send(b []byte) {
	_, err := c.conn.Write(b)
	require.NoError(c.t, err)
}

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
