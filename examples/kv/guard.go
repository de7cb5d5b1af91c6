package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"time"
)

// What a client may send: Redis refuses more, with other limits, in the same words.
const (
	maxLine      = 64 << 10 // bytes of a line: an inline command, or a number
	maxArguments = 1 << 16
	maxRequest   = maxTransaction // bytes of the arguments of a command

	maxIgnored  = 64 << 20 // bytes after a request that was refused, and
	maxIgnoring = 10 * time.Second
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
	line  []byte // the beginning of one whose end has not come yet
	args  int    // of the command, that are to come
	skip  int    // bytes of an argument, and the line end after it, that are to come
	size  int    // bytes of the command's arguments so far
	wrong string // what was wrong with the next bytes
}

// Read implements net.Conn. What breaks the rules is answered after what came before it, and ends
// the connection.
func (g *guardedConn) Read(b []byte) (int, error) {
	if g.wrong == "" {
		n, err := g.Conn.Read(b)
		if n = g.follow(b[:n]); n > 0 || g.wrong == "" {
			return n, err
		}
	}
	g.Conn.Write([]byte("-ERR Protocol error: " + g.wrong + "\r\n"))
	g.ignore()
	return 0, errors.New(g.wrong)
}

// ignore reads on what the client is sending: it would not see the answer if the connection were
// closed on it.
func (g *guardedConn) ignore() {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	g.SetReadDeadline(time.Now().Add(maxIgnoring))
	io.CopyN(io.Discard, g.Conn, maxIgnored)
}

// follow returns how much of b may pass: what is before the line that g.wrong is about, or all.
func (g *guardedConn) follow(b []byte) (passed int) {
	for passed < len(b) {
		if g.skip > 0 {
			n := min(g.skip, len(b)-passed)
			g.skip -= n
			passed += n
			continue
		}
		line, _, ended := bytes.Cut(b[passed:], []byte("\n"))
		g.line = append(g.line, line...)
		if ended {
			g.wrong = g.followLine(bytes.TrimSuffix(g.line, []byte("\r")))
			g.line = g.line[:0]
		} else if len(g.line) > maxLine {
			g.wrong = "too big inline request"
		}
		if g.wrong != "" {
			return passed
		}
		passed += len(line)
		if ended {
			passed++
		}
	}
	return passed
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
	default:
		// A page can have its reader's browser send HTTP to any port, with commands in the body.
		if first, _, _ := bytes.Cut(line, []byte(" ")); bytes.EqualFold(first, []byte("post")) || bytes.EqualFold(first, []byte("host:")) {
			return "this is HTTP"
		}
	}
	return ""
}
