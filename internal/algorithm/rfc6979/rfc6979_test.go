package rfc6979

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"filippo.io/bigmod"
)

// TestRFC6979 is appendix A.2.1 with SHA-256 and the message "sample".
func TestRFC6979(t *testing.T) {
	unhex := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	q, err := bigmod.NewModulus(unhex("996f967f6c8e388d9e28d01e205fba957a5698b1"))
	if err != nil {
		t.Fatal(err)
	}
	private, want := unhex("411602cb19a6ccc34494d79d98ef1e7ed5af25f7"), unhex("519ba0546d0c39202a7d34d7dfa5e760b318bcfb")
	digest := sha256.Sum256([]byte("sample"))
	if got := Deterministic(q, private, digest[:], nil).Next(q); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if got := Deterministic(q, private, digest[:], []byte{1}).Next(q); bytes.Equal(got, want) {
		t.Error("additional data does not count")
	}
	seen := make(map[string]bool)
	for range 4 {
		n, err := New(q, private, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			seen[string(n.Next(q))] = true
		}
		n.Wipe()
	}
	if len(seen) != 16 {
		t.Errorf("16 numbers, of which %d differ", len(seen))
	}
}
