package main

import (
	"bytes"
	"errors"
	"net"
	"strconv"
)

// What a client may send: Redis refuses more, with other limits, in the same words.
const (
	maxLine      = 64 << 10 // bytes of a line: an inline command, or a number
	maxArguments = 1 << 16
	maxRequest   = maxTransaction // bytes of the arguments of a command
)

// A guard listens for connections that read nothing which the parser behind it should not see: it
// trusts the numbers that a client sends, and keeps whatever has come of a command in memory.
type guard struct{ net.Listener }

// Accept implements net.Listener.
func (g guard) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn}, nil
}

// A guardedConn follows the requests that pass, as they come.
type guardedConn struct {
	net.Conn
	line []byte // the beginning of one whose end has not come yet
	args int    // of the command, that are to come
	skip int    // bytes of an argument, and the line end after it, that are to come
	size int    // bytes of the command's arguments so far
}

// Read implements net.Conn. What breaks the rules is answered, and ends the connection.
func (g *guardedConn) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if wrong := g.follow(b[:n]); wrong != "" {
		g.Conn.Write([]byte("-ERR Protocol error: " + wrong + "\r\n"))
		return 0, errors.New(wrong)
	}
	return n, err
}

// follow returns what is wrong with what comes next.
func (g *guardedConn) follow(b []byte) string {
	for len(b) > 0 {
		if g.skip > 0 {
			n := min(g.skip, len(b))
			g.skip, b = g.skip-n, b[n:]
			continue
		}
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		if g.line = append(g.line, line...); len(g.line) > maxLine {
			return "too big inline request"
		}
		if b = rest; !ended {
			return ""
		}
		if wrong := g.followLine(bytes.TrimSuffix(g.line, []byte("\r"))); wrong != "" {
			return wrong
		}
		g.line = g.line[:0]
	}
	return ""
}

// followLine takes a whole line: of a command, how many arguments it has; of an argument, how many
// bytes; or else a command by itself.
func (g *guardedConn) followLine(line []byte) string {
	switch {
	case g.args > 0:
		if len(line) == 0 || line[0] != '$' {
			return "expected '$', got '" + string(line[:min(len(line), 1)]) + "'"
		}
		n, err := strconv.Atoi(string(line[1:]))
		if g.size += n; err != nil || n < 0 || n > maxBulk || g.size > maxRequest {
			return "invalid bulk length"
		}
		g.args--
		g.skip = n + len("\r\n")
	case len(line) > 0 && line[0] == '*':
		n, err := strconv.Atoi(string(line[1:]))
		if err != nil || n < 1 || n > maxArguments {
			return "invalid multibulk length"
		}
		g.args, g.size = n, 0
	}
	return ""
}
