package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// startWith runs one node of a cluster, as the command line says.
func startWith(t *testing.T, args ...string) *process {
	var stderr bytes.Buffer
	o, err := parseOptions(append([]string{"-listen", "127.0.0.1:0", "-election-timeout", "200ms"}, args...), &stderr)
	require.NoError(t, err, stderr.String())
	p, err := startOne(o)
	require.NoError(t, err)
	return p
}

func (p *process) dial(t *testing.T) *connection {
	return dial(t, p.server.listener.Addr().String())
}

func TestANodeKeepsItsDataAndGrowsIntoACluster(t *testing.T) {
	t.Parallel()
	for protocol := range protocols {
		dir := t.TempDir()
		one := []string{"-protocol", protocol, "-id", "1", "-peers", "1=127.0.0.1:0", "-data", filepath.Join(dir, "1"), "-insecure"}
		first := startWith(t, one...)
		require.Equal(t, "+OK", first.dial(t).do("SET a 1"))
		require.Equal(t, ":1", first.dial(t).do("EXPIRE a 1000"))
		require.NoError(t, first.close())
		first = startWith(t, one...)
		require.Equal(t, `"1"`, first.dial(t).do("GET a"))

		second := startWith(t, "-protocol", protocol, "-id", "2", "-peers", "1="+first.network.Addr().String(), "-bind", "127.0.0.1:0", "-data", filepath.Join(dir, "2"), "-insecure", "-join")
		client := first.dial(t)
		require.Equal(t, "+OK", client.do("CONSENSUS ADDRESS 2 %s", second.network.Addr()))
		require.Equal(t, "+OK", client.insist("CONSENSUS ADD 2"))
		for client.do("CONSENSUS MEMBERS") != `["1 voter" "2 voter"]` {
			require.Regexp(t, "^(:|-TRYAGAIN)", client.do("INCR n"))
		}
		require.Equal(t, ":2", second.dial(t).do("APPEND a 2"))
		require.Equal(t, `"12"`, client.do("GET a"))
		require.NoError(t, second.close())
		require.NoError(t, first.close())
	}
}

func TestAClusterThatLacksAFounderSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for protocol := range protocols {
		var nodes []*process
		for _, id := range []string{"1", "2"} {
			nodes = append(nodes, startWith(t, "-protocol", protocol, "-id", id, "-peers", "1=127.0.0.1:0,2=127.0.0.1:0,3=127.0.0.1:0", "-data", t.TempDir(), "-insecure", "-timeout", "50ms"))
		}
		introduce(nodes...)
		for _, p := range nodes {
			require.Regexp(t, "^-TRYAGAIN .* all of its founders must be up", p.dial(t).do("SET a 1"))
			require.Regexp(t, "^-TRYAGAIN .* all of its founders must be up", p.dial(t).do("GET a"))
			require.NoError(t, p.close())
		}
	}
}

func TestNodesWithCertificatesTalk(t *testing.T) {
	t.Parallel()
	dir, authority := t.TempDir(), transport.NewDemoAuthority()
	file := func(name string, content []byte) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, content, 0o600))
		return name
	}
	cert, key := authority.Issue(1, 1<<40)
	args := []string{"-id", "1", "-peers", "1=127.0.0.1:0", "-data", filepath.Join(dir, "1"), "-metrics", "127.0.0.1:0",
		"-tls-cert", file("crt", cert), "-tls-key", file("key", key), "-tls-ca", file("ca", authority.Certificate())}
	p := startWith(t, args...)
	require.Equal(t, "+OK", p.dial(t).do("SET a 1"))
	require.NoError(t, p.close())

	cert, key = authority.Issue(2, 1<<40)
	file("crt", cert)
	file("key", key)
	var stderr bytes.Buffer
	require.Equal(t, 1, run(context.Background(), args, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "must name node-1.consensus")
}

func TestARequestThatIsTooLargeIsAnsweredThoughTheClientSendsOn(t *testing.T) {
	t.Parallel()
	p := startWith(t, "-id", "1", "-peers", "1=127.0.0.1:0", "-data", t.TempDir(), "-insecure")
	client := p.dial(t)
	client.send(encode([]string{"SET", "a", strings.Repeat("x", 32<<20)}))
	require.Equal(t, "-ERR Protocol error: invalid bulk length", client.receive())
	_, err := client.in.ReadByte()
	require.Equal(t, io.EOF, err)
	require.NoError(t, p.close())
}

func TestMetricsAreServed(t *testing.T) {
	t.Parallel()
	p := startWith(t, "-id", "1", "-peers", "1=127.0.0.1:0", "-data", t.TempDir(), "-insecure", "-metrics", "127.0.0.1:0")
	require.Equal(t, "+OK", p.dial(t).do("SET a 1"))
	answer, err := http.Get("http://" + p.metrics.Addr + "/metrics")
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "consensus_")
	require.NoError(t, p.close())
}

func TestAFolderIsOneNodesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := func(id string) []string {
		return []string{"-listen", "127.0.0.1:0", "-id", id, "-peers", id + "=127.0.0.1:0", "-data", dir, "-insecure"}
	}
	p := startWith(t, args("1")...)
	o, err := parseOptions(args("1"), io.Discard)
	require.NoError(t, err)
	_, err = startOne(o)
	require.ErrorIs(t, err, storage.ErrInUse)
	require.NoError(t, p.close())
	o, err = parseOptions(args("2"), io.Discard)
	require.NoError(t, err)
	_, err = startOne(o)
	require.ErrorIs(t, err, storage.ErrOtherStore)
}

func TestMistakesAreToldWithTheUsage(t *testing.T) {
	valid := []string{"-id", "1", "-peers", "1=localhost:1", "-data", "d", "-insecure"}
	for _, x := range []struct {
		args []string
		says string
	}{
		{nil, "either -demo, or -recover, or -id, -peers and -data must be given"},
		{[]string{"-id", "1"}, "either -demo, or -recover, or -id, -peers and -data must be given"},
		{[]string{"-demo", "now"}, `what is "now"?`},
		{[]string{"-nonsense"}, "-nonsense"},
		{[]string{"-demo", "-protocol", "gossip"}, "-protocol is raft or paxos"},
		{[]string{"-demo", "-timeout", "0s"}, "must be above 0"},
		{valid[:6], "or -insecure"},
		{append(valid, "-tls-ca", "x"), "or -insecure"},
		{append(valid, "-id", "0"), "-id: "},
		{append(valid, "-id", "2"), "node 2, which this is"},
		{append(valid, "-peers", "1"), "-peers: node 1"},
		{append(valid, "-peers", "x=localhost:1"), "-peers: "},
		{append(valid, "-peers", "1=localhost:1,1=localhost:2"), "named twice"},
		{append(valid, "-members", "1,x"), "-members: "},
		{[]string{"-recover", "a,b", "-id", "1", "-data", "c"}, "all of -id, -data and -cluster, or none"},
		{[]string{"-recover", "a,b", "-cluster", "2"}, "all of -id, -data and -cluster, or none"},
		{[]string{"-recover", "a,b", "-data", "c", "-cluster", "2", "-id", "x"}, "-id: "},
	} {
		var out, stderr bytes.Buffer
		require.Equal(t, 2, run(context.Background(), x.args, &out, &stderr), x.args)
		require.Empty(t, out.String())
		require.Contains(t, stderr.String(), x.says, x.args)
		require.Contains(t, stderr.String(), "-peers 1=host:port", "the usage")
	}
	require.Zero(t, run(context.Background(), []string{"-h"}, io.Discard, io.Discard))
}

func TestWhatCannotBeListenedAtIsTold(t *testing.T) {
	for _, flag := range []string{"-listen", "-bind", "-metrics"} {
		var stderr bytes.Buffer
		args := []string{"-id", "1", "-peers", "1=127.0.0.1:0", "-listen", "127.0.0.1:0", "-data", t.TempDir(), "-insecure", flag, "256.0.0.1:1"}
		require.Equal(t, 1, run(context.Background(), args, io.Discard, &stderr))
		require.Contains(t, stderr.String(), "256.0.0.1")
	}
}

// runDemo runs the demonstration and returns the ports of its nodes, and what ends it.
func runDemo(t *testing.T, args ...string) (ports []string, dir string, stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"-demo", "-listen", "127.0.0.1:0", "-election-timeout", "200ms"}, args...), out, io.Discard)
		out.Close()
	}()
	lines := bufio.NewScanner(in)
	for len(ports) < 3 && lines.Scan() {
		words := strings.Fields(lines.Text())
		last := words[len(words)-1]
		if _, port, ok := strings.Cut(last, "127.0.0.1:"); ok {
			ports = append(ports, port)
		} else {
			dir = last
		}
	}
	require.Len(t, ports, 3)
	return ports, dir, func() int { cancel(); return <-code }
}

func tool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed: it is in Debian's redis-tools")
	}
	return path
}

func TestTheRealClientTalksToTheDemonstration(t *testing.T) {
	t.Parallel()
	cli := tool(t, "redis-cli")
	for protocol := range protocols {
		ports, dir, stop := runDemo(t, "-protocol", protocol)
		redis := func(node int, stdin string, args ...string) string {
			c := exec.Command(cli, append([]string{"-p", ports[node-1]}, args...)...)
			c.Stdin = strings.NewReader(stdin)
			out, err := c.CombinedOutput()
			require.NoError(t, err, string(out))
			return strings.TrimSpace(string(out))
		}
		require.Equal(t, "OK", redis(1, "", "SET", "greeting", "hello", "EX", "1000"))
		require.Equal(t, "hello", redis(2, "", "GET", "greeting"))
		require.Equal(t, "(integer) 1", redis(3, "", "--no-raw", "PERSIST", "greeting"))
		require.Equal(t, "OK\nQUEUED\nQUEUED\nhello\n1", redis(2, "MULTI\nGET greeting\nINCR n\nEXEC\n"))
		require.Equal(t, "ERR value is not an integer or out of range", redis(1, "", "INCR", "greeting"))
		require.ElementsMatch(t, []string{"greeting", "n"}, strings.Fields(redis(3, "", "--scan")))
		require.Contains(t, redis(3, strings.Repeat("SET k v\r\n", 10000), "--pipe"), "errors: 0, replies: 10000")
		require.Contains(t, redis(1, "", "INFO"), "consensus_protocol:"+protocol)
		require.DirExists(t, dir)
		require.Zero(t, stop())
		require.NoDirExists(t, dir)
	}
}

func TestTheRealBenchmarkRuns(t *testing.T) {
	t.Parallel()
	benchmark := tool(t, "redis-benchmark")
	ports, _, stop := runDemo(t)
	for _, pipeline := range []string{"1", "16"} {
		out, err := exec.Command(benchmark, "-p", ports[1], "-q", "-n", "2000", "-P", pipeline, "-t", "ping,set,get,incr,mset").CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, 6, strings.Count(string(out), "requests per second"), string(out))
		require.NotContains(t, string(out), "rror", string(out))
	}
	client := dial(t, fmt.Sprintf("127.0.0.1:%s", ports[2]))
	require.Equal(t, `"4000"`, client.do("GET counter:__rand_int__"), "INCR was executed that often")
	require.Zero(t, stop())
}
