package dpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"testing"

	"github.com/softcsp/softcsp/capi"
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
	if err != nil || len(all) != 5 {
		t.Fatalf("%d blobs, %v", len(all), err)
	}
	return all
}

func keys(t testing.TB) dpapi.Keys {
	t.Helper()
	ctx, err := csp.AcquireContext("", capi.MS_ENH_RSA_AES_PROV, capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
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

// TestOpen opens real blobs: one of SHA-1 and 3DES, four of SHA-512 and AES, one of them with entropy.
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

// TestOlderEntropy opens a blob as Windows XP makes them with entropy, which goes into the outer hash alone.
func TestOlderEntropy(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	blob, err := dpapi.Parse(unhex("01000000d08c9ddf0115d1118c7a00c04fc297eb0100000018fa1d263223e54993d9388d2f27148600000000040000006100000003660000a800000010000000" +
		"8c2e0718822ce47ca8c74107e66cb0e40000000004800000a000000010000000b2b3f4d58d82ca6386d2c96e760e819b20000000074fb8292a8eb7d0dce85da599e0bee0ddae2bbf89a381c04a02ee28cb9b684d140000008ba0485c799153df6ae7c03429d7b02baa28dc31"))
	if err != nil {
		t.Fatal(err)
	}
	master := unhex("f5b165224a58b791df6af1d8303e61cdc4bb86c3d1c427103c344c4189eb2f1e" +
		"7bd5d47e446fcec2a3d811736110e5781bcccea696762e6116c6e9c92d99bf35")
	plain, err := blob.Open(master, []byte("toto123"), keys(t))
	if err != nil || string(plain) != "This entropy was not faked" {
		t.Errorf("%q, %v", plain, err)
	}
	for _, entropy := range []string{"", "other"} {
		if _, err := blob.Open(master, []byte(entropy), keys(t)); !errors.Is(err, dpapi.ErrBlob) {
			t.Errorf("with entropy %q: %v", entropy, err)
		}
	}
}

// FuzzParse reads what may be a blob, and opens it with a master key that fits some.
func FuzzParse(f *testing.F) {
	all := facts(f)
	for _, x := range all {
		f.Add([]byte(x.Blob))
	}
	k := keys(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		blob, err := dpapi.Parse(b)
		if err == nil {
			_, err = blob.Open(all[0].MasterKey, []byte(all[0].Entropy), k)
		}
		if err != nil && !errors.Is(err, dpapi.ErrBlob) {
			t.Error(err)
		}
	})
}
