package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/consensus-go/consensus"
)

// A TLS is who a node is, and whom it trusts: a certificate, its key, and the certificates of the
// authorities that sign nodes' certificates. Connections are TLS 1.3, and both sides prove who
// they are.
//
// The certificate of node 3 has the DNS name node-3.consensus, and is good for servers and
// clients. It says nothing of the cluster, so clusters that must not trust each other's nodes need
// authorities of their own. This makes an authority, and a certificate:
//
//	openssl req -x509 -newkey ed25519 -noenc -days 3650 -subj "/CN=our cluster" -keyout ca.key -out ca.crt
//	openssl req -x509 -newkey ed25519 -noenc -days 365 -subj "/CN=node 3" -CA ca.crt -CAkey ca.key \
//		-addext subjectAltName=DNS:node-3.consensus -addext basicConstraints=critical,CA:FALSE \
//		-addext extendedKeyUsage=serverAuth,clientAuth -keyout node3.key -out node3.crt
type TLS struct {
	read func() (pemFiles, error)

	mu      sync.Mutex
	files   pemFiles // that identity was made of
	current identity
}

// pemFiles are a certificate, its key and the authorities' certificates.
type pemFiles [3][]byte

type identity struct {
	certificate tls.Certificate
	authorities *x509.CertPool
}

// LoadTLS reads a node's certificate, its key and the certificates of the authorities, all PEM.
// The files are read again for each connection that is made. If they have changed, what they say
// holds from then on, for new connections. If they cannot be used, perhaps because not all have been
// written yet, or are another node's, what they said before still holds, and a TCP logs that.
func LoadTLS(certFile, keyFile, caFile string) (*TLS, error) {
	return newTLS(func() (files pemFiles, err error) {
		for i, name := range [...]string{certFile, keyFile, caFile} {
			if files[i], err = os.ReadFile(name); err != nil {
				return files, err
			}
		}
		return files, nil
	})
}

func newTLS(read func() (pemFiles, error)) (*TLS, error) {
	x := &TLS{read: read}
	if _, err := x.identity(0); err != nil {
		return nil, err
	}
	return x, nil
}

// identity returns what holds now, for the node id, or for any if that is 0. An error says why it is not what the
// files say.
func (x *TLS) identity(id consensus.NodeID) (identity, error) {
	files, err := x.read()
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil && !slices.EqualFunc(files[:], x.files[:], bytes.Equal) {
		var fresh identity
		if fresh, err = files.parse(id); err == nil {
			x.files, x.current = files, fresh
		}
	}
	if err != nil {
		err = fmt.Errorf("transport: certificates: %w", err)
	}
	return x.current, err
}

func (f *pemFiles) parse(id consensus.NodeID) (i identity, err error) {
	if i.certificate, err = tls.X509KeyPair(f[0], f[1]); err != nil {
		return i, err
	}
	if id != 0 && !certifies(i.certificate.Leaf, id) {
		return i, fmt.Errorf("they do not name node %d", id)
	}
	i.authorities = x509.NewCertPool()
	if !i.authorities.AppendCertsFromPEM(f[2]) {
		return i, errors.New("no certificate of an authority")
	}
	return i, nil
}

// nodeName is the name that the certificate of a node has.
func nodeName(id consensus.NodeID) string {
	return "node-" + strconv.FormatUint(uint64(id), 10) + ".consensus"
}

// certifies reports whether the certificate is that of node id: wildcards are nobody's.
func certifies(c *x509.Certificate, id consensus.NodeID) bool {
	return slices.Contains(c.DNSNames, nodeName(id))
}

// client is how to dial the node id.
func (i identity) client(id consensus.NodeID) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		DynamicRecordSizingDisabled: true,
		Certificates:                []tls.Certificate{i.certificate},
		RootCAs:                     i.authorities,
		ServerName:                  nodeName(id),
		VerifyConnection: func(s tls.ConnectionState) error {
			if !certifies(s.PeerCertificates[0], id) {
				return fmt.Errorf("the certificate is not that of node %d", id)
			}
			return nil
		},
	}
}

// server is how to let others in. Who they are is for the handshake to find out.
func (i identity) server() *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		DynamicRecordSizingDisabled: true,
		Certificates:                []tls.Certificate{i.certificate},
		ClientCAs:                   i.authorities,
		ClientAuth:                  tls.RequireAndVerifyClientCert,
		SessionTicketsDisabled:      true, // so that every connection proves it anew
	}
}

// identity is who this node is now.
func (t *TCP) identity() identity {
	i, err := t.opt.TLS.identity(t.opt.ID)
	if err != nil {
		t.complain("the certificates remain as they were", t.opt.ID, err)
	}
	return i
}
