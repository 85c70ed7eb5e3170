package token

import (
	"bytes"
	"crypto/ed25519"
	certs "crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// certificateOf makes a certificate whose serial number has its highest bit set.
func certificateOf(t *testing.T) *certs.Certificate {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	ca := &certs.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour)}
	leaf := &certs.Certificate{SerialNumber: big.NewInt(0x81), Subject: pkix.Name{CommonName: "leaf"}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"leaf"}}
	der, err := certs.CreateCertificate(nil, leaf, ca, key.Public(), key)
	must(t, err)
	c, err := certs.ParseCertificate(der)
	must(t, err)
	return c
}

// What a template leaves out comes from the certificate; what it says stays, and nothing is refused.
func TestCertificateFields(t *testing.T) {
	c := certificateOf(t)
	serial, err := asn1.Marshal(c.SerialNumber)
	must(t, err)
	short := rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509, ck.CKA_SUBJECT, c.RawSubject, ck.CKA_VALUE, c.Raw)
	o := built(t, creating(short))
	for _, a := range rows(ck.CKA_ISSUER, c.RawIssuer, ck.CKA_SERIAL_NUMBER, serial, ck.CKA_PUBLIC_KEY_INFO, c.RawSubjectPublicKeyInfo, ck.CKA_ID, "", ck.CKA_START_DATE, "") {
		if got := o.bytes(a.Type); !bytes.Equal(got, a.Value) {
			t.Errorf("%v is %x, want %x", a.Type, got, a.Value)
		}
	}
	o = built(t, creating(with(short, ck.CKA_ISSUER, "mine", ck.CKA_SERIAL_NUMBER, "", ck.CKA_PUBLIC_KEY_INFO, "info")))
	for _, a := range rows(ck.CKA_ISSUER, "mine", ck.CKA_SERIAL_NUMBER, "", ck.CKA_PUBLIC_KEY_INFO, "info") {
		if got := o.bytes(a.Type); !bytes.Equal(got, a.Value) {
			t.Errorf("%v is %q, want %q", a.Type, got, a.Value)
		}
	}
	for what, value := range map[string][]byte{
		"no certificate": []byte("certificate"), "cut": c.Raw[:len(c.Raw)-1], "with something behind": append(bytes.Clone(c.Raw), 0), "an empty sequence": {0x30, 0},
	} {
		o := built(t, creating(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509, ck.CKA_SUBJECT, "", ck.CKA_VALUE, value)))
		if o.bytes(ck.CKA_ISSUER) != nil || o.bytes(ck.CKA_PUBLIC_KEY_INFO) != nil {
			t.Errorf("%s has an issuer or a key", what)
		}
	}
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	_, err = m.CreateObject(s, with(short, ck.CKA_TOKEN, true))
	must(t, err)
	if found := find(t, m, s, rows(ck.CKA_ISSUER, c.RawIssuer, ck.CKA_SERIAL_NUMBER, serial)...); len(found) != 1 {
		t.Errorf("%d certificates found by issuer and number", len(found))
	}
}

// FuzzCertificate takes any bytes for a certificate.
func FuzzCertificate(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x30, 0x01, 0x02})
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) == 0 {
			return
		}
		o := built(t, creating(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509, ck.CKA_SUBJECT, "", ck.CKA_VALUE, value)))
		if !bytes.Equal(o.bytes(ck.CKA_VALUE), value) {
			t.Error("the value was changed")
		}
	})
}
