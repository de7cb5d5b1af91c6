package transport

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"github.com/consensus-go/consensus"
)

// A DemoAuthority signs nodes' certificates, for tests and demonstrations: its key is in memory
// only, and whoever has it may become any node. See TLS for how to make real ones.
type DemoAuthority struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

// NewDemoAuthority makes an authority that nobody else knows.
func NewDemoAuthority() *DemoAuthority {
	key := newDemoKey()
	template := &x509.Certificate{
		SerialNumber: serialNumber(), Subject: pkix.Name{CommonName: "demo authority"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &DemoAuthority{key: key, certificate: parsed(signed(template, template, key.Public(), key))}
}

// TLS makes a certificate for node id, good for a day, that trusts all others of this authority.
func (a *DemoAuthority) TLS(id consensus.NodeID) *TLS {
	cert, key := a.Issue(id, 24*time.Hour)
	x, err := newTLS(func() (pemFiles, error) { return pemFiles{cert, key, a.Certificate()}, nil })
	if err != nil {
		panic("transport: a certificate just made: " + err.Error())
	}
	return x
}

// Certificate is the authority's own, as PEM.
func (a *DemoAuthority) Certificate() []byte { return pemOf("CERTIFICATE", a.certificate.Raw) }

// Issue makes a certificate for node id and its key, as PEM. It expires after d.
func (a *DemoAuthority) Issue(id consensus.NodeID, d time.Duration) (cert, key []byte) {
	return a.issue(nodeName(id), d)
}

func (a *DemoAuthority) issue(name string, d time.Duration) (cert, key []byte) {
	own := newDemoKey()
	template := &x509.Certificate{
		SerialNumber: serialNumber(), DNSNames: []string{name},
		NotBefore: a.certificate.NotBefore, NotAfter: time.Now().Add(d),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		panic("transport: a key just made: " + err.Error())
	}
	return pemOf("CERTIFICATE", signed(template, a.certificate, own.Public(), a.key)), pemOf("PRIVATE KEY", der)
}

func newDemoKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic("transport: " + err.Error()) // the system's generator never fails
	}
	return key
}

func serialNumber() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

func signed(template, parent *x509.Certificate, key crypto.PublicKey, by crypto.Signer) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, by)
	if err != nil {
		panic("transport: " + err.Error()) // the templates are ours
	}
	return der
}

func parsed(der []byte) *x509.Certificate {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic("transport: a certificate just made: " + err.Error())
	}
	return c
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
