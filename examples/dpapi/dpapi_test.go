package dpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"testing"

	"github.com/softcsp/softcsp/csp"
	"github.com/softcsp/softcsp/examples/dpapi"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A fact is a line of dpapi-blobs.jsonl.
type fact struct {
	Source    string
	MasterKey vectors.MaybeHex `json:"master_key"`
	Entropy   string
	Blob      vectors.MaybeHex
	Plaintext string `json:"plaintext_sha256"`
}

func facts(t testing.TB) []fact {
	t.Helper()
	all, err := vectors.Lines[fact](os.DirFS("../../testdata/cryptderivekey"), "dpapi-blobs.jsonl")
	if err != nil || len(all) != 4 {
		t.Fatalf("%d blobs, %v", len(all), err)
	}
	return all
}

func keys(t testing.TB) dpapi.Keys {
	t.Helper()
	ctx, err := csp.AcquireContext("", csp.MS_ENH_RSA_AES_PROV, csp.PROV_RSA_AES, csp.CRYPT_VERIFYCONTEXT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ctx.Release(0); err != nil {
			t.Error(err)
		}
	})
	return dpapi.CSP{Context: ctx}
}

// TestOpen opens real blobs: one of SHA-1 and 3DES, three of SHA-512 and AES, one of them with entropy.
func TestOpen(t *testing.T) {
	k := keys(t)
	for _, f := range facts(t) {
		blob, err := dpapi.Parse(f.Blob)
		if err != nil {
			t.Fatalf("%s: %v", f.Source, err)
		}
		plain, err := blob.Open(f.MasterKey, []byte(f.Entropy), k)
		if err != nil {
			t.Errorf("%s: %v", f.Source, err)
			continue
		}
		if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != f.Plaintext {
			t.Errorf("%s: %q", f.Source, plain)
		}
		if _, err := blob.Open(f.MasterKey, []byte("other"), k); !errors.Is(err, dpapi.ErrBlob) {
			t.Errorf("%s with other entropy: %v", f.Source, err)
		}
		if _, err := blob.Open(make([]byte, 64), []byte(f.Entropy), k); !errors.Is(err, dpapi.ErrBlob) {
			t.Errorf("%s with another master key: %v", f.Source, err)
		}
	}
}

// TestDamaged changes each byte that the signature covers, and cuts blobs short everywhere.
func TestDamaged(t *testing.T) {
	k := keys(t)
	for _, f := range facts(t) {
		for n := range len(f.Blob) {
			if _, err := dpapi.Parse(f.Blob[:n]); !errors.Is(err, dpapi.ErrBlob) {
				t.Errorf("%s, %d bytes: %v", f.Source, n, err)
			}
			bad := bytes.Clone(f.Blob)
			bad[n] ^= 1
			blob, err := dpapi.Parse(bad)
			if err == nil {
				_, err = blob.Open(f.MasterKey, []byte(f.Entropy), k)
			}
			if !errors.Is(err, dpapi.ErrBlob) {
				t.Errorf("%s, byte %d changed: %v", f.Source, n, err)
			}
		}
	}
}
