package softcsp

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// selfSigned is a certificate that a key signs for itself.
func selfSigned(t *testing.T, k *PrivateKey, name string) *x509.Certificate {
	t.Helper()
	return issue(t, template(name), template(name), k, k)
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
}

// issue signs a certificate for a key by another one.
func issue(t *testing.T, c, parent *x509.Certificate, key, signer *PrivateKey) *x509.Certificate {
	t.Helper()
	der := must(x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer))(t)
	return must(x509.ParseCertificate(der))(t)
}

// TestTLS serves over TLS with a key and a chain of the token, with each type of key, version, and the key exchange of RSA.
func TestTLS(t *testing.T) {
	token, _ := file(t)
	root := must(token.GeneratePrivateKey(P384, KeyOptions{Label: "root"}))(t)
	middle := must(token.GeneratePrivateKey("rsa:2048", KeyOptions{Label: "middle"}))(t)
	rootCertificate := selfSigned(t, root, "root")
	middleCertificate := issue(t, template("middle"), rootCertificate, middle, root)
	for name, c := range map[string]*x509.Certificate{"root": rootCertificate, "middle": middleCertificate} {
		if err := token.ImportCertificate(c, name); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(rootCertificate)
	for _, kind := range []KeyType{"rsa:2048", P256, P521, Ed25519} {
		key := must(token.GeneratePrivateKey(kind, KeyOptions{Label: string(kind)}))(t)
		if _, err := key.TLSCertificate(); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		old, leaf := template("localhost"), template("localhost")
		old.NotAfter = time.Now().Add(time.Minute)
		for _, c := range []*x509.Certificate{old, leaf} {
			if err := token.ImportCertificate(issue(t, c, middleCertificate, key, middle), "localhost"); err != nil {
				t.Fatal(err)
			}
		}
		chain := must(key.TLSCertificate())(t)
		if len(chain.Certificate) != 2 || !bytes.Equal(chain.Certificate[1], middleCertificate.Raw) || time.Until(chain.Leaf.NotAfter) < time.Minute {
			t.Errorf("%s: a chain of %d until %v", kind, len(chain.Certificate), chain.Leaf.NotAfter)
		}
		if err := token.DeleteCertificate(chain.Leaf); err != nil {
			t.Error(err)
		}
		if err := token.DeleteCertificate(chain.Leaf); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		suites := map[uint16]uint16{tls.VersionTLS13: 0, tls.VersionTLS12: 0}
		for version, suite := range suites {
			client := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version}
			handshake(t, string(kind), chain, client, suite)
		}
		if kind == "rsa:2048" { // where the key decrypts
			const suite = tls.TLS_RSA_WITH_AES_128_GCM_SHA256
			handshake(t, "RSA key exchange", chain, &tls.Config{
				RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite},
			}, suite)
		}
	}
}

// handshake connects a client and a server.
func handshake(t *testing.T, what string, chain tls.Certificate, client *tls.Config, suite uint16) {
	t.Helper()
	server := &tls.Config{Certificates: []tls.Certificate{chain}}
	if suite != 0 {
		server.CipherSuites = []uint16{suite}
	}
	near, far := net.Pipe()
	go func() {
		s := tls.Server(far, server)
		defer s.Close()
		if _, err := io.WriteString(s, "hello"); err != nil {
			t.Errorf("%s, %s: %v", what, tls.VersionName(client.MaxVersion), err)
		}
	}()
	c := tls.Client(near, client)
	defer near.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("%s: %q, %v", what, got, err)
	}
}

// TestSSH logs in to a server, of which the key is in a token like the user's, for each algorithm.
func TestSSH(t *testing.T) {
	token := memory(t)
	for _, kind := range []KeyType{"rsa:2048", P256, P384, P521, Ed25519} {
		host := must(ssh.NewSignerFromSigner(must(token.GeneratePrivateKey(kind, KeyOptions{}))(t)))(t)
		user := must(ssh.NewSignerFromSigner(must(token.GeneratePrivateKey(kind, KeyOptions{}))(t)))(t)
		server := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), user.PublicKey().Marshal()) {
				return nil, errors.New("another key")
			}
			return nil, nil
		}}
		server.AddHostKey(host)
		listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
		go func() {
			defer listener.Close()
			if c, err := listener.Accept(); err == nil {
				_, _, _, _ = ssh.NewServerConn(c, server)
			}
		}()
		client, err := ssh.Dial("tcp", listener.Addr().String(), &ssh.ClientConfig{
			User: "user", Auth: []ssh.AuthMethod{ssh.PublicKeys(user)}, HostKeyCallback: ssh.FixedHostKey(host.PublicKey()), Timeout: 10 * time.Second,
		})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		client.Close()
	}
}

// TestCertificateIDs wants the ID of a certificate to be that of its key, or of its own where there is none.
func TestCertificateIDs(t *testing.T) {
	token := memory(t)
	key := must(token.GeneratePrivateKey(P256, KeyOptions{ID: []byte{7}}))(t)
	alone := must(memory(t).GeneratePrivateKey(P256, KeyOptions{}))(t)
	for name, k := range map[string]*PrivateKey{"beside": key, "alone": alone} {
		if err := token.ImportCertificate(selfSigned(t, k, name), name); err != nil {
			t.Fatal(err)
		}
	}
	if c := must(token.Certificate("pkcs11:id=%07"))(t); c.Subject.CommonName != "beside" {
		t.Errorf("%s has the key's ID", c.Subject.CommonName)
	}
	n := 0
	for _, err := range token.Certificates() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d certificates", n)
	}
}
