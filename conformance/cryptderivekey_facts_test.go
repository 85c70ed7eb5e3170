package conformance

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/miekg/pkcs11"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// TestWindowsFacts derives what is known of Windows itself through the library.
func TestWindowsFacts(t *testing.T) {
	h := capiHost(t)
	if h == nil {
		return
	}
	facts, err := vectors.Lines[vectors.WindowsFact](knownAnswers, "cryptderivekey/windows-facts.jsonl")
	h.must(t, err)
	answers, refusals := 0, 0
	for _, f := range facts {
		if f.Kind != "derive_known_answer" && f.Kind != "derive_error" {
			continue
		}
		base := h.secret(t, pkcs11.CKK_GENERIC_SECRET, f.Base, pkcs11.NewAttribute(pkcs11.CKA_DERIVE, true))
		for _, p := range f.Providers {
			key, err := h.derive(base, vectors.CAPIProvider[p], uint(f.Hash), uint(f.Cipher), f.DWFlags())
			if f.Error != "" {
				refusals++
				device, want := h.deviceError(t), deviceErrors[f.Error]
				if err == nil || f.Error != "any failure" && (!errors.Is(err, want.rv) || device != want.device) {
					t.Errorf("%s, %s: %v and device error %#x, want %s", f.ID, p, err, device, f.Error)
				}
				continue
			}
			h.must(t, err)
			answers++
			h.checkFact(t, &f, p, key)
			h.destroy(t, key)
		}
		h.destroy(t, base)
	}
	t.Logf("%d answers, %d refusals", answers, refusals)
	if answers != 137 || refusals != 54 {
		t.Error("not the number of checks that there should be")
	}
}

func (h *capiSession) checkFact(t *testing.T, f *vectors.WindowsFact, provider string, key pkcs11.ObjectHandle) {
	t.Helper()
	if f.Exported != nil {
		if value, err := h.attr(key, pkcs11.CKA_VALUE); err != nil || !bytes.Equal(value, f.Exported) {
			t.Errorf("%s, %s: key %x, %v, want %x", f.ID, provider, value, err, f.Exported)
		}
	}
	if f.Salt != nil {
		if salt, err := h.attr(key, uint(ck.CKA_SOFTCSP_SALT)); err != nil || !bytes.Equal(salt, f.Salt) {
			t.Errorf("%s, %s: salt %x, %v, want %x", f.ID, provider, salt, err, f.Salt)
		}
	}
	if f.Ciphertext != nil {
		// 0 leaves the effective bits to the key.
		got, ok := h.encrypt(t, key, uint(f.Cipher), f.Mode, f.EffectiveBits(provider, 0), false, f.Plaintext)
		if !ok || !bytes.HasPrefix(got, f.Ciphertext) {
			t.Errorf("%s, %s: ciphertext %x, want %x", f.ID, provider, got, f.Ciphertext)
		}
	}
}

// TestDPAPI opens real DPAPI blobs with keys derived from finished hash values.
func TestDPAPI(t *testing.T) {
	h := capiHost(t)
	if h == nil {
		return
	}
	facts, err := vectors.Lines[vectors.DPAPIFact](knownAnswers, "cryptderivekey/dpapi-facts.jsonl")
	h.must(t, err)
	for _, f := range facts {
		base := h.secret(t, pkcs11.CKK_GENERIC_SECRET, f.HashValue, pkcs11.NewAttribute(pkcs11.CKA_DERIVE, true))
		key, err := h.derive(base, 4, uint(f.Hash)|hashValue, uint(f.Cipher), exportable)
		h.must(t, err)
		if value, err := h.attr(key, pkcs11.CKA_VALUE); err != nil || !bytes.Equal(value, f.Key()) {
			t.Errorf("%s: key %x, %v, want %x", f.Source, value, err, f.Key())
		}
		plain := h.decrypt(t, key, uint(f.Cipher), "CBC", f.Ciphertext)
		if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("%s: the blob opens to something else", f.Source)
		}
	}
	if len(facts) != 4 {
		t.Errorf("%d blobs, want 4", len(facts))
	}
}

// TestUpdateKey changes a key of provider 0 by the session's digest, twice, and sees that a sealed key stays sealed.
func TestUpdateKey(t *testing.T) {
	h := capiHost(t)
	if h == nil {
		return
	}
	feed := func(data string) {
		h.must(t, h.DigestInit(h.s, mechanism(pkcs11.CKM_MD5, nil)))
		h.must(t, h.DigestUpdate(h.s, []byte(data)))
	}
	done := func() {
		_, err := h.DigestFinal(h.s)
		h.must(t, err)
	}
	for _, flags := range []uint{0, exportable} {
		feed("first")
		key, err := h.derive(0, 0, 0, calgRC4, 128<<16|flags, pkcs11.NewAttribute(pkcs11.CKA_DERIVE, true))
		h.must(t, err)
		done()
		value := md5.Sum([]byte("first"))
		for _, secret := range []string{"second", "third"} {
			feed(secret)
			again, err := h.derive(key, 0, 0, calgRC4, updateKey|exportable)
			h.must(t, err)
			done()
			if again != key {
				t.Errorf("the handle changed from %d to %d", key, again)
			}
			next := md5.Sum([]byte(secret))
			value = md5.Sum(slices.Concat(value[:], next[:]))
		}
		plain := h.secret(t, pkcs11.CKK_RC4, value[:], pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true))
		want, _ := h.encrypt(t, plain, calgRC4, "", 0, false, []byte("message"))
		if got, _ := h.encrypt(t, key, calgRC4, "", 0, false, []byte("message")); !bytes.Equal(got, want) {
			t.Errorf("flags %#x: the changed key encrypts to %x, want %x", flags, got, want)
		}
		got, err := h.attr(key, pkcs11.CKA_VALUE)
		if sealed := errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE)); sealed != (flags == 0) || !sealed && !bytes.Equal(got, value[:]) {
			t.Errorf("flags %#x: the changed key is %x, %v", flags, got, err)
		}
		for a, want := range map[ck.AttributeType]uint{ck.CKA_SOFTCSP_ALGID: calgRC4, ck.CKA_SOFTCSP_PERMISSIONS: 0x3b | flags<<2, ck.CKA_SOFTCSP_PROVIDER: 0} {
			if got, err := h.attr(key, uint(a)); err != nil || !bytes.Equal(got, ck.UlongValue(want)) {
				t.Errorf("flags %#x: %v of the changed key is %x, %v", flags, a, got, err)
			}
		}
		if _, err := h.attr(key, 0xc3530180); !errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)) {
			t.Errorf("flags %#x: the base hash can be asked for: %v", flags, err)
		}
		h.destroy(t, key)
	}
}

// TestDeriveErrors checks what a vector cannot: handles, templates and the mechanisms with a hash in their name.
func TestDeriveErrors(t *testing.T) {
	h := capiHost(t)
	if h == nil {
		return
	}
	base := h.secret(t, pkcs11.CKK_GENERIC_SECRET, []byte("base"), pkcs11.NewAttribute(pkcs11.CKA_DERIVE, true))
	noDerive := h.secret(t, pkcs11.CKK_GENERIC_SECRET, []byte("base"), pkcs11.NewAttribute(pkcs11.CKA_DERIVE, false))
	attr := pkcs11.NewAttribute
	for _, c := range []struct {
		name     string
		base     pkcs11.ObjectHandle
		flags    uint
		template []*pkcs11.Attribute
		rv       pkcs11.Error
		device   uint
	}{
		{"good", base, 0, nil, 0, 0},
		{"no such key", 1 << 40, 0, nil, pkcs11.CKR_KEY_HANDLE_INVALID, 0x6},
		{"CKA_DERIVE false", noDerive, 0, nil, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, 0},
		{"readable, not exportable", base, 0, []*pkcs11.Attribute{attr(pkcs11.CKA_SENSITIVE, false)}, pkcs11.CKR_TEMPLATE_INCONSISTENT, 0},
		{"extractable, not exportable", base, 0, []*pkcs11.Attribute{attr(pkcs11.CKA_EXTRACTABLE, true)}, pkcs11.CKR_TEMPLATE_INCONSISTENT, 0},
		{"stricter than exportable", base, exportable, []*pkcs11.Attribute{attr(pkcs11.CKA_EXTRACTABLE, false)}, 0, 0},
		{"another type", base, 0, []*pkcs11.Attribute{attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES)}, pkcs11.CKR_TEMPLATE_INCONSISTENT, 0},
		{"another length", base, 0, []*pkcs11.Attribute{attr(pkcs11.CKA_VALUE_LEN, 15)}, pkcs11.CKR_TEMPLATE_INCONSISTENT, 0},
		{"the type and the length", base, 0, []*pkcs11.Attribute{attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RC2), attr(pkcs11.CKA_VALUE_LEN, 16)}, 0, 0},
		{"the salt given", base, 0, []*pkcs11.Attribute{attr(uint(ck.CKA_SOFTCSP_SALT), []byte{1})}, pkcs11.CKR_ATTRIBUTE_READ_ONLY, 0},
	} {
		key, err := h.derive(c.base, 3, calgMD5, calgRC2, 128<<16|c.flags, c.template...)
		device := h.deviceError(t)
		if c.rv == 0 && err != nil || c.rv != 0 && !errors.Is(err, c.rv) || device != c.device {
			t.Errorf("%s: %v and device error %#x, want %v and %#x", c.name, err, device, c.rv, c.device)
		}
		if err == nil {
			h.destroy(t, key)
		}
	}
	named := mechanism(uint(ck.CKM_SOFTCSP_SHA256_CRYPT_DERIVE_KEY), nil)
	key, err := h.DeriveKey(h.s, named, base, []*pkcs11.Attribute{
		attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES), attr(pkcs11.CKA_VALUE_LEN, 32), attr(pkcs11.CKA_EXTRACTABLE, true),
	})
	h.must(t, err)
	want := sha256.Sum256([]byte("base"))
	if value, err := h.attr(key, pkcs11.CKA_VALUE); err != nil || !bytes.Equal(value, want[:]) {
		t.Errorf("SHA-256 and AES-256: %x, %v, want %x", value, err, want)
	}
	if _, err := h.DeriveKey(h.s, named, base, nil); !errors.Is(err, pkcs11.Error(pkcs11.CKR_TEMPLATE_INCOMPLETE)) {
		t.Errorf("no key type: %v", err)
	}
}
