package csp

import (
	"testing"

	"github.com/softcsp/softcsp/capi"
)

// BenchmarkDeriveKey makes the five calls of a derivation through handles: hash 14 bytes with MD5, derive an RC2 key of 128
// bits, destroy both.
func BenchmarkDeriveKey(b *testing.B) {
	t := NewHandles(testSystem(b))
	prov, err := t.AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
	if err != nil {
		b.Fatal(err)
	}
	c, _ := t.Context(prov)
	password := []byte("apple-camshaft")
	b.ReportAllocs()
	for b.Loop() {
		hash, err := t.AddHash(c.CreateHash(capi.CALG_MD5, nil, 0))
		if err != nil {
			b.Fatal(err)
		}
		h, _ := t.Hash(hash)
		if err := h.HashData(password, 0); err != nil {
			b.Fatal(err)
		}
		var key Handle
		if err := t.DeriveKey(prov, capi.CALG_RC2, hash, 128<<16, &key); err != nil {
			b.Fatal(err)
		}
		if err := t.DestroyHash(hash); err != nil {
			b.Fatal(err)
		}
		if err := t.DestroyKey(key); err != nil {
			b.Fatal(err)
		}
	}
}
