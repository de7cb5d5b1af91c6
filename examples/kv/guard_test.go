package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"
	"pgregory.net/rapid"
)

// A wire is a connection whose client has sent all that it will, in pieces of so many bytes.
type wire struct {
	net.Conn
	in    *bytes.Reader
	piece int
	out   bytes.Buffer
	until time.Time // when reading ends; 0: never
}

func (w *wire) Read(b []byte) (int, error)         { return w.in.Read(b[:min(len(b), w.piece)]) }
func (w *wire) Write(b []byte) (int, error)        { return w.out.Write(b) }
func (w *wire) SetReadDeadline(at time.Time) error { w.until = at; return nil }

// parsed is the commands that come through the guard, what was wrong, and what the client is told.
func parsed(sent string, piece int) (commands []string, told string, err error) {
	w := &wire{in: bytes.NewReader([]byte(sent)), piece: piece}
	in := redcon.NewReader(&guardedConn{Conn: w})
	for {
		c, err := in.ReadCommand()
		if err != nil {
			return commands, w.out.String(), err
		}
		commands = append(commands, string(bytes.Join(c.Args, []byte(" "))))
	}
}

func TestWhoIsRefusedIsNotReadFromForEver(t *testing.T) {
	w := &wire{in: bytes.NewReader([]byte("PING\r\n*x\r\n")), piece: 99}
	g := &guardedConn{Conn: w}
	_, err := g.Read(make([]byte, 99))
	require.NoError(t, err)
	require.Zero(t, w.until)
	_, err = g.Read(make([]byte, 99))
	require.Error(t, err)
	require.NotZero(t, w.until)
}

func TestRequestsComeThroughHoweverTheyArrive(t *testing.T) {
	sent := string(encode([]string{"SET", "a", "two\r\nlines"})) + "PING\r\n" + string(encode([]string{"GET", ""})) + "PING hello\n" + string(encode([]string{"DBSIZE"}))
	for piece := 1; piece <= len(sent); piece++ {
		commands, told, err := parsed(sent, piece)
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{"SET a two\r\nlines", "PING", "GET ", "PING hello", "DBSIZE"}, commands)
		require.Empty(t, told)
	}
}

func TestARequestThatBreaksTheRulesIsRefusedInTheWordsOfRedis(t *testing.T) {
	for sent, says := range map[string]string{
		"*x\r\n":                                "invalid multibulk length",
		"*9223372036854775807\r\n":              "invalid multibulk length",
		"*65537\r\n":                            "invalid multibulk length",
		"*1\r\nPING\r\n":                        "expected '$', got 'P'",
		"*1\r\n\r\n":                            "expected '$', got '",
		"*1\r\n$x\r\n":                          "invalid bulk length",
		"*1\r\n$-1\r\n":                         "invalid bulk length",
		"*1\r\n$9223372036854775807\r":          "",
		"*1\r\n$9223372036854775807\r\n":        "invalid bulk length",
		fmt.Sprintf("*1\r\n$%d\r\n", maxBulk+1): "invalid bulk length",
		strings.Repeat("x", maxLine+1):          "too big inline request",
		"POST / HTTP/1.1\r\n":                   "this is HTTP",
		"host: localhost\r\n":                   "this is HTTP",
		"*4\r\n" + strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", maxBulk, make([]byte, maxBulk)), 4): "invalid bulk length",
	} {
		for _, piece := range []int{1 + len(sent)/1000, len(sent) + 100} {
			commands, told, err := parsed("PING\r\n"+sent, piece)
			require.Error(t, err)
			require.Equal(t, []string{"PING"}, commands, "what came before is executed")
			require.Contains(t, told+"; "+err.Error(), says) // the parser finds some of it first
		}
	}
}

func TestNoBytesBreakTheParser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.OneOf(
			rapid.SampledFrom([]string{"*", "$", "\r\n", "\n", "\"", "'", "\\", "0", "1", "2", "-1", "99999999999", "9223372036854775807", "PING", " ", "\x00"}),
			rapid.StringN(0, 3, 3),
		)).Draw(t, "sent")
		_, _, err := parsed(strings.Join(parts, ""), rapid.IntRange(1, 50).Draw(t, "piece"))
		require.Error(t, err, "the connection ends in the end")
	})
}
