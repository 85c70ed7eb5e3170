package csp

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/capi"
)

// exponentOne turns a PRIVATEKEYBLOB into that of a key whose exponents are all 1, as Microsoft's article on plain text session keys does.
func exponentOne(blob []byte) []byte {
	blob = bytes.Clone(blob)
	size := int(binary.LittleEndian.Uint32(blob[12:]) / 8)
	half := (size + 1) / 2
	one := func(at, n int) { clear(blob[at : at+n]); blob[at] = 1 }
	one(16, 4)
	parts := 20 + size
	one(parts+2*half, half)
	one(parts+3*half, half)
	one(parts+5*half, size)
	return blob
}

// TestExponentOne shows a session key by a SIMPLEBLOB for a key that protects nothing, and makes one of a value.
func TestExponentOne(t *testing.T) {
	c := verifyContext(t)
	pair := good[*Key](t)(c.GenKey(capi.AT_KEYEXCHANGE, 1024<<16|capi.CRYPT_EXPORTABLE))
	blob := exponentOne(good[[]byte](t)(pair.Export(nil, capi.PRIVATEKEYBLOB, 0)))
	for _, cut := range []int{0, 128} { // with the private exponent and without
		one, err := c.Import(blob[:len(blob)-cut], nil, capi.CRYPT_EXPORTABLE)
		must(t, err)
		if back := good[[]byte](t)(one.Export(nil, capi.PRIVATEKEYBLOB, 0)); !bytes.Equal(back, blob) {
			t.Errorf("%x comes back as %x", blob, back)
		}
		session := good[*Key](t)(c.GenKey(capi.CALG_AES_128, capi.CRYPT_EXPORTABLE))
		plain := good[[]byte](t)(session.Export(nil, capi.PLAINTEXTKEYBLOB, 0))[12:]
		simple := good[[]byte](t)(session.Export(one, capi.SIMPLEBLOB, 0))
		padded := bytes.Clone(simple[12:])
		slices.Reverse(padded)
		if padded[0] != 0 || padded[1] != 2 || !bytes.Equal(padded[len(padded)-16:], plain) || padded[len(padded)-17] != 0 {
			t.Errorf("%x does not show %x", padded, plain)
		}
		again := good[*Key](t)(c.Import(simple, one, capi.CRYPT_EXPORTABLE))
		if got := good[[]byte](t)(again.Export(nil, capi.PLAINTEXTKEYBLOB, 0))[12:]; !bytes.Equal(got, plain) {
			t.Errorf("%x comes back as %x", plain, got)
		}
		sealed := good[*Key](t)(c.GenKey(capi.CALG_AES_128, 0))
		if _, err := sealed.Export(one, capi.SIMPLEBLOB, 0); err != capi.NTE_BAD_KEY_STATE {
			t.Errorf("a key that is not exportable: %v", err)
		}
		simple[len(simple)-2] = 7
		if _, err := c.Import(simple, one, 0); err != capi.NTE_BAD_DATA {
			t.Errorf("without its padding: %v", err)
		}
		kept, err := c.Import(blob, nil, 0)
		must(t, err)
		if _, err := kept.Export(nil, capi.PRIVATEKEYBLOB, 0); err != capi.NTE_BAD_KEY_STATE {
			t.Errorf("a private key that is not exportable: %v", err)
		}
	}
	wrong := bytes.Clone(blob)
	wrong[len(wrong)-1] = 1 // another private exponent
	if _, err := c.Import(wrong, nil, 0); err != capi.NTE_BAD_DATA {
		t.Errorf("a private exponent that does not belong to 1: %v", err)
	}
}

// TestSmallExponents takes public keys with the exponents 1 and 2, and signs with the first.
func TestSmallExponents(t *testing.T) {
	c := verifyContext(t)
	pair := good[*Key](t)(c.GenKey(capi.AT_KEYEXCHANGE, 512<<16|capi.CRYPT_EXPORTABLE))
	public := good[[]byte](t)(pair.Export(nil, capi.PUBLICKEYBLOB, 0))
	for e := byte(0); e < 3; e++ {
		blob := bytes.Clone(public)
		copy(blob[16:], []byte{e, 0, 0, 0})
		k, err := c.Import(blob, nil, 0)
		if e == 0 {
			if err == nil {
				t.Error("the exponent 0 is taken")
			}
			continue
		}
		must(t, err)
		if back := good[[]byte](t)(k.Export(nil, capi.PUBLICKEYBLOB, 0)); !bytes.Equal(back, blob) {
			t.Errorf("%x comes back as %x", blob, back)
		}
		buf := make([]byte, 64)
		if n, err := k.Encrypt(nil, true, 0, append(buf[:0], "data"...)[:64], 4); err != nil || n != 64 {
			t.Errorf("exponent %d: %d bytes, %v", e, n, err)
		}
		if _, err := k.Export(nil, capi.PRIVATEKEYBLOB, 0); err != capi.NTE_BAD_KEY {
			t.Errorf("exponent %d: exports a private key: %v", e, err)
		}
		must(t, k.Destroy())
	}
	own := good[*Key](t)(c.GenKey(capi.AT_SIGNATURE, 512<<16|capi.CRYPT_EXPORTABLE))
	one, err := c.Import(exponentOne(good[[]byte](t)(own.Export(nil, capi.PRIVATEKEYBLOB, 0))), nil, 0)
	must(t, err)
	hash := func(text string) *Hash {
		h := good[*Hash](t)(c.CreateHash(capi.CALG_SHA1, nil, 0))
		must(t, h.HashData([]byte(text), 0))
		return h
	}
	sig, err := hash("text").Sign(capi.AT_SIGNATURE, nil, 0)
	must(t, err)
	must(t, hash("text").Verify(sig, len(sig), one, nil, 0))
	if err := hash("other").Verify(sig, len(sig), one, nil, 0); err != capi.NTE_BAD_SIGNATURE {
		t.Errorf("another text: %v", err)
	}
}

func verifyContext(t *testing.T) *Context {
	c, err := testSystem(t).AcquireContext("", capi.MS_ENH_RSA_AES_PROV, capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
	must(t, err)
	return c
}

// good returns what fails the test where there is an error.
func good[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T { t.Helper(); must(t, err); return v }
}
