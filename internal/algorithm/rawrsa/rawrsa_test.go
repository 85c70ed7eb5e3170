package rawrsa

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"
)

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 1025) // whose encoding of PSS has a byte less than the modulus
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestRaw compares with math/big, and undoes what it did.
func TestRaw(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	m := new(big.Int).Rsh(k.N, 3)
	c, err := Public(&k.PublicKey, m.Bytes())
	if err != nil || new(big.Int).SetBytes(c).Cmp(new(big.Int).Exp(m, big.NewInt(int64(k.E)), k.N)) != 0 {
		t.Fatalf("%x, %v", c, err)
	}
	if p, err := Private(k, c); err != nil || new(big.Int).SetBytes(p).Cmp(m) != 0 || len(p) != k.Size() {
		t.Errorf("%x, %v; want %x", p, err, m)
	}
	if _, err := Private(k, k.N.Bytes()); !errors.Is(err, ErrRange) {
		t.Errorf("the modulus: %v", err)
	}
	if _, err := Public(&k.PublicKey, make([]byte, k.Size()+1)); !errors.Is(err, ErrLength) {
		t.Errorf("a byte too many: %v", err)
	}
}

// TestPSS has crypto/rsa verify what this package encodes, and the other way round, and refuses another digest.
func TestPSS(t *testing.T) {
	t.Parallel()
	k, digest := newKey(t), sha256.Sum256([]byte("data"))
	bits := k.N.BitLen() - 1
	for _, salt := range []int{1, 20, 32} {
		p := PSS{crypto.SHA256, crypto.SHA256, salt}
		sig, err := Private(k, p.Encode(digest[:], bytes.Repeat([]byte{9}, salt), bits))
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPSS(&k.PublicKey, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: salt}); err != nil {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
		theirs, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		m, err := Public(&k.PublicKey, theirs)
		if err != nil || !p.Matches(m, digest[:], bits) {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
		if p.Matches(m, bytes.Repeat([]byte{1}, 32), bits) || (PSS{crypto.SHA256, crypto.SHA224, salt}).Matches(m, digest[:], bits) {
			t.Error("matches another digest, or another mask")
		}
	}
}
