package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// with gives a node this identity.
func with(x *TLS) func(*TCPOptions) {
	return func(o *TCPOptions) { o.Plaintext, o.TLS = false, x }
}

// forged is an identity that Listen would refuse, or that others do: who has it trusts another authority
// than its own.
func (a *DemoAuthority) forged(t *testing.T, name string, valid time.Duration, trusts *DemoAuthority) *TLS {
	cert, key := a.issue(name, valid)
	x, err := newTLS(func() (pemFiles, error) { return pemFiles{cert, key, trusts.Certificate()}, nil })
	require.NoError(t, err)
	return x
}

func TestNodesProveWhoTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		authority, k := NewDemoAuthority(), new(keeper)
		w.node(t, 2, k, with(authority.TLS(2)))
		one := w.node(t, 1, new(keeper), knows(2), with(authority.TLS(1)))
		sendNote(one, 2, 1)
		synctest.Wait()
		require.Equal(t, []uint64{1}, k.contexts())
	})
}

// An alarm gets the lines of a log.
type alarm chan string

func (a alarm) Write(b []byte) (int, error) {
	a <- string(b)
	return len(b), nil
}

// Node 1 dials node 2, and one of them is not what it should be: the other one notices. Sockets are
// used because both sides may write at once, which wires cannot do.
func TestWhoCannotProveItIsRefused(t *testing.T) {
	a, other := NewDemoAuthority(), NewDemoAuthority()
	for name, c := range map[string]struct {
		one, two *TLS
		notices  int
		why      string
	}{
		"the dialling node is of another authority": {other.forged(t, nodeName(1), time.Hour, a), a.TLS(2), 2, "unknown authority"},
		"the dialled node is of another authority":  {a.TLS(1), other.forged(t, nodeName(2), time.Hour, a), 1, "unknown authority"},
		"the dialling node has expired":             {a.forged(t, nodeName(1), -time.Hour, a), a.TLS(2), 2, "expired"},
		"the dialled node has expired":              {a.TLS(1), a.forged(t, nodeName(2), -time.Hour, a), 1, "expired"},
		"the dialling node is another one":          {a.TLS(3), a.TLS(2), 2, "the certificate is not that node's"},
		"the dialling node has a wildcard":          {a.forged(t, "*.consensus", time.Hour, a), a.TLS(2), 2, "the certificate is not that node's"},
		"the dialled node has a wildcard":           {a.TLS(1), a.forged(t, "*.consensus", time.Hour, a), 1, "the certificate is not that of node 2"},
		"the dialled node is another one":           {a.TLS(1), a.TLS(3), 1, "node-3.consensus"},
	} {
		t.Run(name, func(t *testing.T) {
			k, alarms := new(keeper), make([]alarm, 2)
			nodes := listen(t, 2)
			for i, n := range nodes {
				alarms[i] = make(alarm, 100)
				n.opt.Plaintext, n.opt.TLS = false, []*TLS{c.one, c.two}[i]
				n.opt.Logger = slog.New(slog.NewTextHandler(alarms[i], nil))
				start(t, n, k)
				awaitServe(n)
			}
			sendNote(nodes[0], 2, 1)
			require.Contains(t, <-alarms[c.notices-1], c.why)
			<-alarms[2-c.notices] // for a reason that may have been lost on its way
			require.Empty(t, k.contexts())
			require.Equal(t, uint64(1), nodes[0].Stats().ConnectFailures)
			require.Equal(t, uint64(1), nodes[1].Stats().Refused)
			require.Zero(t, nodes[1].Stats().Accepted)
		})
	}
}

func TestWhoHasNoCertificateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		one := w.node(t, 1, new(keeper), secured())
		c := tls.Client(w.stranger(t), &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, c.Handshake(), "in TLS 1.3 it hears about it later")
		_, err := io.ReadAll(c)
		require.ErrorContains(t, err, "certificate required")
		synctest.Wait()
		require.Equal(t, uint64(1), one.Stats().Refused)
	})
}

// The text of the error has the time in it.
func TestACertificateThatHasExpiredIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		var j journal
		a := NewDemoAuthority()
		one := w.node(t, 1, new(keeper), with(a.TLS(1)), j.logger)
		two, err := a.forged(t, nodeName(2), -time.Hour, a).identity(0)
		require.NoError(t, err)
		for range 150 {
			c, err := secure(t.Context(), w.stranger(t), tls.Client, two.client(1))
			require.NoError(t, err, "in TLS 1.3 it hears about it later")
			_, err = io.ReadAll(c)
			require.ErrorContains(t, err, "expired certificate")
			time.Sleep(time.Second)
		}
		require.Equal(t, uint64(150), one.Stats().Refused)
		require.Equal(t, 3, j.count("expired"))
	})
}

func TestOlderVersionsOfTLSAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wires
		authority := NewDemoAuthority()
		w.node(t, 1, new(keeper), with(authority.TLS(1)))
		me, err := authority.TLS(2).identity(0)
		require.NoError(t, err)
		cfg := me.client(1)
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		require.ErrorContains(t, tls.Client(w.stranger(t), cfg).Handshake(), "protocol version")
	})
}

func TestPlainTextAndTLSDoNotMix(t *testing.T) {
	for _, plain := range []consensus.NodeID{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			var w wires
			k := new(keeper)
			secured := secured()
			set := map[consensus.NodeID]func(*TCPOptions){1: secured, 2: secured}
			set[plain] = func(*TCPOptions) {}
			two := w.node(t, 2, k, set[2])
			one := w.node(t, 1, new(keeper), knows(2), set[1])
			sendNote(one, 2, 1)
			time.Sleep(one.opt.Timeout + 1)
			synctest.Wait()
			require.Empty(t, k.contexts())
			require.Equal(t, []uint64{1, 1}, []uint64{one.Stats().ConnectFailures, two.Stats().Refused})
		})
	}
}

func TestAWildcardIsNobodysCertificate(t *testing.T) {
	require.True(t, certifies(&x509.Certificate{DNSNames: []string{"host", "node-3.consensus"}}, 3))
	for _, name := range []string{"*.consensus", "node-*.consensus", "node-33.consensus", "node-3", "node-3.consensus.example", ""} {
		require.False(t, certifies(&x509.Certificate{DNSNames: []string{name}}, 3), name)
	}
}

// files are a node's certificate, key and authority, on disk.
type files struct{ cert, key, ca string }

func (f files) write(t *testing.T, a *DemoAuthority, id consensus.NodeID) {
	cert, key := a.Issue(id, time.Hour)
	require.NoError(t, os.WriteFile(f.cert, cert, 0o600))
	require.NoError(t, os.WriteFile(f.key, key, 0o600))
	require.NoError(t, os.WriteFile(f.ca, a.Certificate(), 0o600))
}

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{filepath.Join(dir, "node.crt"), filepath.Join(dir, "node.key"), filepath.Join(dir, "ca.crt")}
}

func (f files) load() (*TLS, error) { return LoadTLS(f.cert, f.key, f.ca) }

func TestFilesThatChangeAreLoadedAgain(t *testing.T) {
	f := newFiles(t)
	synctest.Test(t, func(t *testing.T) {
		var w wires
		var j journal
		before, after, k := NewDemoAuthority(), NewDemoAuthority(), new(keeper)
		f.write(t, before, 1)
		x, err := f.load()
		require.NoError(t, err)
		one := w.node(t, 1, new(keeper), with(x), knows(3), j.logger)
		// and dials a node of that authority
		dial := func(a *DemoAuthority) []uint64 {
			three := w.node(t, 3, k, with(a.TLS(3)))
			defer three.Close()
			time.Sleep(lastBackoff)
			sendNote(one, 3, 1)
			synctest.Wait()
			return k.contexts()
		}
		try := func(a *DemoAuthority) error {
			i, err := a.TLS(2).identity(0)
			require.NoError(t, err)
			c := w.stranger(t)
			secured, err := secure(context.Background(), c, tls.Client, i.client(1))
			if err != nil {
				return err
			}
			return greet(secured, helloTo1())
		}
		require.NoError(t, try(before))
		require.Error(t, try(after))
		require.NotEmpty(t, dial(before))
		require.Empty(t, dial(after))

		require.NoError(t, os.WriteFile(f.cert, []byte("half a certifica"), 0o600))
		require.NoError(t, try(before), "what cannot be used changes nothing")
		require.NoError(t, os.Remove(f.key))
		require.NoError(t, try(before))
		f.write(t, before, 9)
		require.NoError(t, try(before), "nor does what is another node's")
		require.Equal(t, 1, j.count("the certificates remain as they were"))

		f.write(t, after, 1)
		require.NotEmpty(t, dial(after), "who dials reads them")
		require.Empty(t, dial(before))
		f.write(t, before, 1)
		require.NoError(t, try(before), "and so does who is dialled")
		require.Error(t, try(after))
	})
}

func TestFilesThatCannotBeUsedAreAnError(t *testing.T) {
	a := NewDemoAuthority()
	for name, spoil := range map[string]func(f files){
		"no certificate":      func(f files) { os.Remove(f.cert) },
		"no key":              func(f files) { os.Remove(f.key) },
		"no authority":        func(f files) { os.Remove(f.ca) },
		"the key of another":  func(f files) { _, key := a.Issue(1, time.Hour); os.WriteFile(f.key, key, 0o600) },
		"an empty authority":  func(f files) { os.WriteFile(f.ca, nil, 0o600) },
		"a broken certficate": func(f files) { os.WriteFile(f.cert, []byte("?"), 0o600) },
	} {
		f := newFiles(t)
		f.write(t, a, 1)
		_, err := f.load()
		require.NoError(t, err)
		spoil(f)
		_, err = f.load()
		require.Error(t, err, name)
	}
}

func TestARecordConnJoinsWhatIsWrittenWhileHeld(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	c := &recordConn{Conn: ours}
	c.hold()
	for range 3 {
		n, err := c.Write([]byte("abc"))
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}
	go c.flush()
	b := make([]byte, 100)
	n, err := theirs.Read(b)
	require.NoError(t, err)
	require.Equal(t, "abcabcabc", string(b[:n]))
	go c.Write([]byte("at once"))
	n, err = theirs.Read(b)
	require.NoError(t, err)
	require.Equal(t, "at once", string(b[:n]))
}
