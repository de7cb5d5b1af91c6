package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// behind is how far behind the follower of BenchmarkCatchUp is.
const behind = 1 << 30

// BenchmarkCatchUp has a follower catch up with a log of 1 GiB, in entries of 1 KiB, and compares with what
// copies as many bytes: over a connection on loopback, and to a file in pieces of 1 MiB, each synced.
//
//	go test ./examples/bench -run '^$' -bench CatchUp -benchtime 1x -timeout 30m
func BenchmarkCatchUp(b *testing.B) {
	for name := range protocols {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				took := catchUp(b, name)
				copied, written := copyBytes(b), writeBytes(b)
				b.ReportMetric(behind/took.Seconds()/(1<<20), "MiB/s")
				b.ReportMetric(behind/copied.Seconds()/(1<<20), "tcp-MiB/s")
				b.ReportMetric(behind/written.Seconds()/(1<<20), "disk-MiB/s")
				b.ReportMetric(max(copied, written).Seconds()/took.Seconds(), "of-the-slower")
			}
		})
	}
}

// catchUp returns how long the follower takes.
func catchUp(b *testing.B, protocol string) time.Duration {
	c, err := start(settings{protocol: protocol, op: "write", storage: "disk", transport: "tcp", replicas: 3, groups: 1, dir: b.TempDir(), retention: 2 * behind})
	require.NoError(b, err)
	defer c.close()
	leaders, err := c.leaders()
	require.NoError(b, err)
	leader := leaders[0]
	slow := 0
	for c.groups[0][slow] == leader {
		slow++
	}
	require.NoError(b, c.groups[0][slow].Close())

	const clients = 256
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			for range behind / 1024 / clients {
				if _, err := leader.Propose(context.Background(), make([]byte, 1024)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	last := leader.Status().Applied
	begun := time.Now()
	g, err := c.hosts[slow].Open(c.config(consensus.GroupID(1)))
	require.NoError(b, err)
	for g.Status().Applied < last {
		time.Sleep(time.Millisecond)
	}
	return time.Since(begun)
}

// copyBytes returns how long a plain copy over loopback takes.
func copyBytes(b *testing.B) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	begun := time.Now()
	go func() {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		defer conn.Close()
		piece := make([]byte, 1<<20)
		for range behind / len(piece) {
			if _, err := conn.Write(piece); err != nil {
				return
			}
		}
	}()
	conn, err := l.Accept()
	require.NoError(b, err)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, conn, make([]byte, 1<<20))
	require.NoError(b, err)
	require.EqualValues(b, behind, n)
	return time.Since(begun)
}

// writeBytes returns how long it takes to write a file in pieces, and to sync each.
func writeBytes(b *testing.B) time.Duration {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	require.NoError(b, err)
	defer f.Close()
	begun, piece := time.Now(), make([]byte, 1<<20)
	for range behind / len(piece) {
		_, err := f.Write(piece)
		require.NoError(b, err)
		require.NoError(b, f.Sync())
	}
	return time.Since(begun)
}
