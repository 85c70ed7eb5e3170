package x509cert_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/internal/x509cert"
)

// newKey makes a key, and the SubjectPublicKeyInfo of it.
func newKey(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, info
}

// sealed signs with ECDSA and SHA-256.
func sealed(t testing.TB, key *ecdsa.PrivateKey, tbs []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(tbs)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	algorithm, ok := x509cert.Algorithm(x509cert.ECDSA, "sha256")
	if !ok {
		t.Fatal("no ECDSA with SHA-256")
	}
	b, err := x509cert.Sealed(tbs, algorithm, sig)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func name(t testing.TB, s string) []byte {
	t.Helper()
	b, err := x509cert.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// must takes an extension that there is.
func must(e x509cert.Extension, err error) x509cert.Extension {
	if err != nil {
		panic(err)
	}
	return e
}

// certificate makes a certificate of an authority.
func certificate(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	key, info := newKey(t)
	algorithm, _ := x509cert.Algorithm(x509cert.ECDSA, "sha256")
	template := x509cert.Template{
		Serial: big.NewInt(77), Issuer: name(t, "/O=Example/CN=root"), Subject: name(t, "/O=Example/CN=root"),
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC), PublicKey: info,
		Extensions: []x509cert.Extension{
			x509cert.BasicConstraints(true), must(x509cert.KeyUsage([]string{"keyCertSign", "crlsign"})), x509cert.SubjectKeyID([]byte{1, 2, 3}),
			x509cert.AuthorityKeyID([]byte{1, 2, 3}), must(x509cert.ExtKeyUsage([]string{"serverAuth", "1.2.3.4"})),
			must(x509cert.SubjectAltName([]string{"host.example", "IP:192.0.2.7", "2001:db8::1", "a@example.org", "https://example.org/x"}, false)),
		},
	}
	tbs, err := template.ToBeSigned(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key, sealed(t, key, tbs)
}

// TestCertificate has Go's package read and verify what is made here.
func TestCertificate(t *testing.T) {
	_, raw := certificate(t)
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSignatureFrom(c); err != nil {
		t.Error(err)
	}
	if c.Subject.String() != "CN=root,O=Example" || !c.IsCA || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || c.SerialNumber.Int64() != 77 {
		t.Errorf("%v, CA %v, %v", c.Subject, c.IsCA, c.KeyUsage)
	}
	if c.NotAfter.Year() != 2060 || c.NotBefore.Year() != 2026 || string(c.SubjectKeyId) != "\x01\x02\x03" || string(c.AuthorityKeyId) != "\x01\x02\x03" {
		t.Errorf("%v to %v, %x, %x", c.NotBefore, c.NotAfter, c.SubjectKeyId, c.AuthorityKeyId)
	}
	if len(c.ExtKeyUsage) != 1 || len(c.UnknownExtKeyUsage) != 1 || c.UnknownExtKeyUsage[0].String() != "1.2.3.4" {
		t.Errorf("%v, %v", c.ExtKeyUsage, c.UnknownExtKeyUsage)
	}
	if len(c.DNSNames) != 1 || len(c.IPAddresses) != 2 || len(c.EmailAddresses) != 1 || len(c.URIs) != 1 {
		t.Errorf("%v, %v, %v, %v", c.DNSNames, c.IPAddresses, c.EmailAddresses, c.URIs)
	}
}

// TestRequest has Go's package read and verify a request, and reads it back.
func TestRequest(t *testing.T) {
	key, info := newKey(t)
	names := must(x509cert.SubjectAltName([]string{"a.example", "b.example"}, false))
	for _, extensions := range [][]x509cert.Extension{nil, {names}} {
		tbs, err := x509cert.RequestToBeSigned(name(t, "/CN=a.example"), info, extensions)
		if err != nil {
			t.Fatal(err)
		}
		raw := sealed(t, key, tbs)
		theirs, err := x509.ParseCertificateRequest(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := theirs.CheckSignature(); err != nil || theirs.Subject.CommonName != "a.example" || len(theirs.DNSNames) != 2*len(extensions) {
			t.Errorf("%v, %v, %v", err, theirs.Subject, theirs.DNSNames)
		}
		own, err := x509cert.ParseRequest(raw)
		if err != nil {
			t.Fatal(err)
		}
		e, asked := own.Extension(x509cert.OIDSubjectAltName)
		if asked != (len(extensions) > 0) || asked && !slices.Equal(x509cert.AltNames(e.Value), []string{"DNS:a.example", "DNS:b.example"}) {
			t.Errorf("asks for %v", x509cert.AltNames(e.Value))
		}
		if !bytes.Equal(own.Signed, theirs.RawTBSCertificateRequest) || !bytes.Equal(own.Signature, theirs.Signature) || !bytes.Equal(own.PublicKey, info) {
			t.Error("other parts than Go reads")
		}
	}
}

// TestAlgorithms compares the identifiers of algorithms with those of Go's package.
func TestAlgorithms(t *testing.T) {
	key, _ := newKey(t)
	big2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		family x509cert.Family
		hash   string
		key    crypto.Signer
		theirs x509.SignatureAlgorithm
	}{
		{x509cert.RSA, "sha256", big2048, x509.SHA256WithRSA}, {x509cert.RSA, "sha384", big2048, x509.SHA384WithRSA}, {x509cert.RSA, "sha512", big2048, x509.SHA512WithRSA},
		{x509cert.PSS, "sha256", big2048, x509.SHA256WithRSAPSS}, {x509cert.PSS, "sha384", big2048, x509.SHA384WithRSAPSS}, {x509cert.PSS, "sha512", big2048, x509.SHA512WithRSAPSS},
		{x509cert.ECDSA, "sha256", key, x509.ECDSAWithSHA256}, {x509cert.ECDSA, "sha384", key, x509.ECDSAWithSHA384}, {x509cert.ECDSA, "sha512", key, x509.ECDSAWithSHA512},
	} {
		template := x509.CertificateRequest{SignatureAlgorithm: c.theirs}
		raw, err := x509.CreateCertificateRequest(rand.Reader, &template, c.key)
		if err != nil {
			t.Fatal(err)
		}
		r, err := x509cert.ParseRequest(raw)
		if err != nil {
			t.Fatal(err)
		}
		if ours, ok := x509cert.Algorithm(c.family, c.hash); !ok || !bytes.Equal(ours, r.Algorithm) {
			t.Errorf("%s with %s is %x, want %x", c.family, c.hash, ours, r.Algorithm)
		}
	}
	seen := 0
	for _, f := range []x509cert.Family{x509cert.RSA, x509cert.PSS, x509cert.ECDSA, x509cert.DSA} {
		for _, h := range x509cert.Hashes() {
			a, ok := x509cert.Algorithm(f, h)
			family, hash, found := x509cert.FindAlgorithm(a)
			if !ok || !found || family != f || hash != h {
				t.Errorf("%s with %s is found as %s with %s", f, h, family, hash)
			}
			seen++
		}
	}
	if seen < 30 {
		t.Errorf("%d algorithms", seen)
	}
	if _, ok := x509cert.Algorithm(x509cert.RSA, "md5"); ok {
		t.Error("there is RSA with md5")
	}
}

// TestOwnAlgorithm takes the algorithm of a key where that leaves no choice.
func TestOwnAlgorithm(t *testing.T) {
	ed := []byte{0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0}
	if a, err := x509cert.OwnAlgorithm(append(ed, make([]byte, 32)...)); err != nil || !bytes.Equal(a, []byte{0x30, 5, 6, 3, 0x2b, 0x65, 0x70}) {
		t.Errorf("%x, %v", a, err)
	}
	if _, info := newKey(t); info != nil {
		if _, err := x509cert.OwnAlgorithm(info); err == nil {
			t.Error("a key with parameters has an algorithm of its own")
		}
	}
}

// TestNames writes names and reads them back, and refuses what is none.
func TestNames(t *testing.T) {
	for _, s := range []string{"/", "/C=DE/O=Example/CN=host", `/O=A\/B\+C\\D/CN=ü`, "/DC=org/DC=example/UID=jo", "/emailAddress=a@example.org", "/1.2.3.4=x"} {
		if got := x509cert.FormatName(name(t, s)); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	in := cryptobyte.String(name(t, "/CN=z+OU=y"))
	var body, set cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&set, der.SET) || !body.Empty() {
		t.Error("attributes that a plus joins are no set")
	}
	for s, want := range map[string]string{
		"CN=x": "does not begin with /", "/CN": "is not TYPE=VALUE", "/XX=y": `"XX" is not one of C, ST`, "/C=DEU": "two letters", "/C=ÄÖ": "plain letters",
		"/CN=": "CN has no value", "/CN=" + strings.Repeat("x", 65): "at most 64", "/O=x//CN=y": "is not TYPE=VALUE", "/DC=ä": "plain letters", "/CN=\xff": "UTF-8",
	} {
		if _, err := x509cert.ParseName(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
}

// TestRefused sees that extensions refuse what is not for them.
func TestRefused(t *testing.T) {
	for _, san := range []string{"IP:host", "email:host", "URI:host", "DNS:a b", "DNS:", "ü.example", "a,b"} {
		if _, err := x509cert.SubjectAltName([]string{san}, false); err == nil {
			t.Errorf("%q is a name", san)
		}
	}
	if _, err := x509cert.KeyUsage([]string{"sign"}); err == nil || !strings.Contains(err.Error(), "digitalSignature") {
		t.Error(err)
	}
	if _, err := x509cert.KeyUsage(nil); err == nil {
		t.Error("a key is for nothing")
	}
	if _, err := x509cert.ExtKeyUsage([]string{"web"}); err == nil || !strings.Contains(err.Error(), "serverAuth") {
		t.Error(err)
	}
	for _, id := range []string{"3.1", "1.40", "1", "1..2", "1.x"} {
		if _, err := x509cert.ExtKeyUsage([]string{id}); err == nil {
			t.Errorf("%q is an identifier", id)
		}
	}
	for n, u := range x509cert.Usages() {
		e := must(x509cert.KeyUsage([]string{u}))
		if last := e.Value[len(e.Value)-1]; last&(0x80>>(n%8)) == 0 || int(e.Value[1]) != 2+n/8 {
			t.Errorf("%s is %x", u, e.Value)
		}
	}
}

// FuzzParse sees that nothing that comes makes a panic, and that what is read is part of it.
func FuzzParse(f *testing.F) {
	key, info := newKey(f)
	tbs, err := x509cert.RequestToBeSigned(name(f, "/CN=x"), info, []x509cert.Extension{must(x509cert.SubjectAltName([]string{"x.example"}, true))})
	if err != nil {
		f.Fatal(err)
	}
	request := sealed(f, key, tbs)
	for n := range request {
		f.Add(request[:n])
	}
	f.Add(request)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := x509cert.ParseRequest(b); err == nil {
			if !bytes.Contains(b, r.Subject) || !bytes.Contains(b, r.PublicKey) || !bytes.Contains(b, r.Signed) {
				t.Error("read what is not there")
			}
			x509cert.FormatName(r.Subject)
			if e, ok := r.Extension(x509cert.OIDSubjectAltName); ok {
				x509cert.AltNames(e.Value)
			}
		}
	})
}
