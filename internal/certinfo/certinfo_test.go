package certinfo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

// newCertificate makes a certificate with crypto/x509.
func newCertificate(t testing.TB, ca bool, until time.Time) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(0x80), Subject: pkix.Name{Organization: []string{"Acme"}, CommonName: "Ann"}, NotAfter: until,
		IsCA: ca, BasicConstraintsValid: ca, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestIssues tells who may sign certificates: an authority whose key is for that.
func TestIssues(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x509.Certificate
		want bool
	}{
		{x509.Certificate{BasicConstraintsValid: true, IsCA: true}, true},
		{x509.Certificate{BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, true},
		{x509.Certificate{BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature}, false},
		{x509.Certificate{BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}, false},
		{x509.Certificate{}, false},
	} {
		c.SerialNumber, c.SubjectKeyId = big.NewInt(1), []byte{1, 2, 3}
		raw, err := x509.CreateCertificate(rand.Reader, &c.Certificate, &c.Certificate, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(raw)
		if err != nil || got.Issues != c.want || string(got.KeyID) != "\x01\x02\x03" {
			t.Errorf("CA %v, usage %v: issues %v, key id %x, %v", c.IsCA, c.KeyUsage, got.Issues, got.KeyID, err)
		}
	}
}

// TestParse compares with crypto/x509.
func TestParse(t *testing.T) {
	for _, ca := range []bool{true, false} {
		want := newCertificate(t, ca, time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC))
		got, err := Parse(want.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Subject, want.RawSubject) || !bytes.Equal(got.Issuer, want.RawIssuer) || got.CA != ca ||
			!bytes.Equal(got.PublicKeyInfo, want.RawSubjectPublicKeyInfo) || !bytes.Equal(got.Serial, []byte{2, 2, 0, 0x80}) ||
			!got.NotBefore.Equal(want.NotBefore) || !got.NotAfter.Equal(want.NotAfter) {
			t.Errorf("got %+v", got)
		}
		for n := range want.Raw {
			if _, err := Parse(want.Raw[:n]); !errors.Is(err, ErrNone) {
				t.Fatalf("cut to %d bytes: %v", n, err)
			}
		}
	}
}

// TestRead reads chains with text and keys between the certificates.
func TestRead(t *testing.T) {
	a, b := newCertificate(t, false, time.Now()), newCertificate(t, true, time.Now())
	text := "Bag Attributes\n" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Raw})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})) + "\n" +
		string(pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: append(bytes.Clone(b.Raw), 0x30, 0)}))
	list, err := Read(strings.NewReader(text))
	if err != nil || len(list) != 2 || !bytes.Equal(list[0].Raw, a.Raw) || !bytes.Equal(list[1].Raw, b.Raw) {
		t.Errorf("%d certificates, %v", len(list), err)
	}
	if list, err = Read(bytes.NewReader(a.Raw)); err != nil || len(list) != 1 {
		t.Errorf("DER: %d, %v", len(list), err)
	}
	for name, r := range map[string]io.Reader{
		"nothing":   strings.NewReader(""),
		"text":      strings.NewReader("hello"),
		"a key":     bytes.NewReader(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})),
		"bad PEM":   bytes.NewReader(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})),
		"two MiB×8": io.LimitReader(zeros{}, maxFile+1),
	} {
		if list, err := Read(r); !errors.Is(err, ErrNone) || list != nil {
			t.Errorf("%s: %d certificates, %v", name, len(list), err)
		}
	}
}

// TestPKCS7 reads a file that openssl crl2pkcs7 -nocrl made, in PEM and DER.
func TestPKCS7(t *testing.T) {
	text, err := os.ReadFile("testdata/chain.p7b")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	for name, b := range map[string][]byte{"PEM": text, "DER": block.Bytes} {
		list, err := Read(bytes.NewReader(b))
		if err != nil || len(list) != 2 || CommonName(list[0].Subject) != "www" || CommonName(list[1].Subject) != "Acme CA" || !list[1].CA {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	for n := range block.Bytes {
		if _, err := Read(bytes.NewReader(block.Bytes[:n])); !errors.Is(err, ErrNone) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestCommonName takes what stands last where there is no common name.
func TestCommonName(t *testing.T) {
	for want, name := range map[string]pkix.Name{"Ann": {CommonName: "Ann", Organization: []string{"Acme"}}, "Acme": {Country: []string{"DE"}, Organization: []string{"Acme"}}, "": {}} {
		b, err := asn1.Marshal(name.ToRDNSequence())
		if got := CommonName(b); err != nil || got != want {
			t.Errorf("%v: %q, %v", name, got, err)
		}
	}
	if CommonName([]byte{1}) != "" {
		t.Error("what is no name has one")
	}
}

// FuzzParse sees that what is read is a part of what was given.
func FuzzParse(f *testing.F) {
	f.Add(newCertificate(f, true, time.Now()).Raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err == nil && (!bytes.Contains(b, c.Subject) || len(c.Serial) < 3) {
			t.Errorf("%+v", c)
		}
	})
}

// TestStrict sees that a certificate is whole, signature and all, with nothing behind it or within.
func TestStrict(t *testing.T) {
	var parts struct{ Signed, Algorithm, Signature asn1.RawValue }
	whole := newCertificate(t, false, time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)).Raw
	if _, err := asn1.Unmarshal(whole, &parts); err != nil {
		t.Fatal(err)
	}
	marshal := func(list ...asn1.RawValue) []byte {
		raw, err := asn1.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if _, err := Parse(marshal(parts.Signed, parts.Algorithm, parts.Signature)); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"what is signed alone":  marshal(parts.Signed),
		"no signature":          marshal(parts.Signed, parts.Algorithm),
		"another signature":     marshal(parts.Signed, parts.Algorithm, parts.Signature, parts.Signature),
		"a byte behind it":      append(bytes.Clone(whole), 0),
		"a byte too little":     whole[:len(whole)-1],
		"no algorithm":          marshal(parts.Signed, parts.Signature),
		"a signature in octets": marshal(parts.Signed, parts.Algorithm, asn1.RawValue{Tag: asn1.TagOctetString, Bytes: []byte{1}}),
	} {
		if _, err := Parse(raw); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
