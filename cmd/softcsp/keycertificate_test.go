package main

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestLatticeCertificates makes certificates and requests with keys that OpenSSL does not have in every version: what they are signed with is what
// RFC 9881 and RFC 9909 say, and the token verifies it.
func TestLatticeCertificates(t *testing.T) {
	k, dir := newKeyring(t), t.TempDir()
	for kind, id := range map[ck.KeyType]asn1.ObjectIdentifier{ck.CKK_ML_DSA: {2, 16, 840, 1, 101, 3, 4, 3, 17}, ck.CKK_SLH_DSA: {2, 16, 840, 1, 101, 3, 4, 3, 21}} {
		if err := k.key(kind); err != nil {
			t.Fatal(err)
		}
		where := func() *target { return &target{object: objectChoice{what: "key", label: kind.String()}} }
		ca, csr, leaf := filepath.Join(dir, "ca"), filepath.Join(dir, "csr"), filepath.Join(dir, "leaf")
		root := certifying{target: where(), subject: "/CN=root", ca: true, out: ca, format: "der"}
		if err := root.run(k.session); err != nil {
			t.Fatal(err)
		}
		asks := request{target: where(), subject: "/CN=leaf", out: csr, format: "der"}
		if err := asks.run(k.session); err != nil {
			t.Fatal(err)
		}
		issues := certifying{target: newTarget("key"), request: csr, issuerKey: kind.String(), issuerCert: ca, out: leaf, format: "pem"}
		if err := issues.run(k.session); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{ca, leaf} {
			if err := k.verifies(file, ca, id); err != nil {
				t.Errorf("%v: %s: %v", kind, filepath.Base(file), err)
			}
		}
		b, err := os.ReadFile(csr)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-1] ^= 1
		if err := os.WriteFile(csr, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := issues.run(k.session); ck.Code(err) != ck.CKR_SIGNATURE_INVALID {
			t.Errorf("%v: a request with a wrong signature: %v", kind, err)
		}
	}
}

// verifies verifies a certificate with the key of another one.
func (k *keyring) verifies(file, ca string, id asn1.ObjectIdentifier) error {
	b, err := k.app.readDER(file)
	if err != nil {
		return err
	}
	var c struct {
		TBS       asn1.RawValue
		Algorithm struct{ ID asn1.ObjectIdentifier }
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(b, &c); err != nil || len(rest) > 0 || !c.Algorithm.ID.Equal(id) {
		return fmt.Errorf("signed with %v: %v", c.Algorithm.ID, err)
	}
	info, err := k.app.readPublicKey(ca)
	if err != nil {
		return err
	}
	key, err := k.publicObject(info, ck.CKA_VERIFY)
	if err != nil {
		return err
	}
	how := signing{mechanism: choiceOfMechanism{flags: map[string]string{}}}
	_, mech, err := how.prepare(k.session, key, ck.C_VerifyInit)
	if err != nil {
		return err
	}
	return k.verify(key, mech, file, bytes.NewReader(c.TBS.FullBytes), 0, c.Signature.Bytes)
}

// TestSerials sees that serial numbers are positive, take 20 bytes at most, and are not the same twice.
func TestSerials(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		n := newSerial()
		if n.Sign() <= 0 || n.BitLen() > 159 || seen[n.String()] {
			t.Fatalf("serial number %v", n)
		}
		seen[n.String()] = true
	}
}
