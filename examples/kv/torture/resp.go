package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// A reply is what a Redis server answers. The kind is the first byte of it on the wire.
type reply struct {
	kind  byte // '+', '-', ':', '$' or '*'
	text  string
	null  bool
	items []reply
}

// String is how an answer stands in a history.
func (r reply) String() string {
	if r.null {
		return nothing
	}
	return r.text
}

// nothing is the answer that there is no value. No client writes it.
const nothing = "(nil)"

// A conn is a connection to one node. After an error it is of no use.
type conn struct {
	net.Conn
	in *bufio.Reader
}

// dialTimeout is how long a connection within this machine may take.
const dialTimeout = 500 * time.Millisecond

func dial(address string) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &conn{c, bufio.NewReader(c)}, nil
}

// do sends a command and returns the answer, which may be an error of the server's.
func (c *conn) do(timeout time.Duration, args ...string) (reply, error) {
	answers, err := c.pipeline(timeout, args)
	if err != nil {
		return reply{}, err
	}
	return answers[0], nil
}

// pipeline sends commands at once and returns the answer to each.
func (c *conn) pipeline(timeout time.Duration, commands ...[]string) ([]reply, error) {
	c.SetDeadline(time.Now().Add(timeout))
	var b strings.Builder
	for _, args := range commands {
		fmt.Fprintf(&b, "*%d\r\n", len(args))
		for _, arg := range args {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
		}
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, err
	}
	answers := make([]reply, len(commands))
	for i := range answers {
		var err error
		if answers[i], err = c.receive(); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

var errReply = errors.New("not an answer of Redis")

func (c *conn) receive() (reply, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return reply{}, errReply
	}
	r := reply{kind: line[0], text: line[1:]}
	if r.kind != '$' && r.kind != '*' {
		return r, nil
	}
	n, err := strconv.Atoi(r.text)
	switch {
	case err != nil:
		return reply{}, fmt.Errorf("%w: %q", errReply, line)
	case n < 0:
		return reply{kind: r.kind, null: true}, nil
	case r.kind == '*':
		r.items = make([]reply, n)
		for i := range r.items {
			if r.items[i], err = c.receive(); err != nil {
				return reply{}, err
			}
		}
		return r, nil
	}
	b := make([]byte, n+len("\r\n"))
	_, err = io.ReadFull(c.in, b)
	r.text = string(b[:n])
	return r, err
}
