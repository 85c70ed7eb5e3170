package mechanisms

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// expandByHand is the 0x36/0x5c expansion in its plainest form.
func expandByHand(h *Hash, value []byte) (e []byte) {
	for _, c := range []byte{0x36, 0x5c} {
		pad := bytes.Repeat([]byte{c}, 64)
		for i, b := range value {
			pad[i] ^= b
		}
		f := h.New()
		f.Write(pad)
		e = f.Sum(e)
	}
	return e
}

// TestOwnProvider checks provider 0: every hash, any number of bytes that the cipher allows, as far as the hash reaches.
func TestOwnProvider(t *testing.T) {
	t.Parallel()
	base := []byte("correct horse")
	for _, h := range append(slices.Clone(hashes), asDigest(capi.SSL3SHAMD5)) {
		f := h.New()
		f.Write(base)
		value := f.Sum(nil)
		expanded := expandByHand(h, value)
		for _, c := range []struct {
			algid          capi.AlgID
			minLen, maxLen int
		}{{capi.CALG_RC2, 1, 128}, {capi.CALG_RC4, 1, 256}, {capi.CALG_RC5, 1, 255}, {capi.CALG_AES_256, 32, 32}} {
			for n := range 300 {
				var d Derived
				err := cryptDeriveKeyRow(t).Derive(&Base{Hash: h, Digest: value}, cryptParam(0, 0, c.algid, uint(n*8)<<16|capi.CRYPT_EXPORTABLE), &d)
				size := n
				if n == 0 {
					size = max(16, c.minLen)
				}
				if size < c.minLen || size > c.maxLen || size > 2*h.Size {
					if err != error(deviceErrors[capi.NTE_BAD_DATA]) {
						t.Fatalf("%s, %#x, %d bytes: error %v, want NTE_BAD_DATA", h.Name, c.algid, n, err)
					}
					continue
				}
				material := value
				if size > len(value) || c.algid == capi.CALG_AES_256 && len(value) <= 20 {
					material = expanded
				}
				if err != nil || !bytes.Equal(d.Value, material[:size]) {
					t.Fatalf("%s, %#x, %d bytes: key %x, %v, want %x", h.Name, c.algid, n, d.Value, err, material[:size])
				}
			}
		}
	}
}

func TestOwnProviderSalt(t *testing.T) {
	t.Parallel()
	h := sha1.Sum([]byte("salted"))
	m := md5.Sum([]byte("salted"))
	for _, c := range []struct {
		algid       capi.AlgID
		bits, flags uint32
		hash        capi.AlgID
		want        []byte
	}{
		{capi.CALG_RC2, 40, 0, capi.CALG_SHA1, make([]byte, 11)},
		{capi.CALG_RC2, 40, capi.CRYPT_NO_SALT, capi.CALG_SHA1, nil},
		{capi.CALG_RC2, 40, capi.CRYPT_CREATE_SALT, capi.CALG_SHA1, h[5:16]},
		{capi.CALG_RC4, 40, capi.CRYPT_CREATE_SALT | capi.CRYPT_NO_SALT, capi.CALG_MD5, m[5:]},
		{capi.CALG_RC4, 8, capi.CRYPT_CREATE_SALT, capi.CALG_MD5, m[1:]},
		{capi.CALG_RC4, 56, capi.CRYPT_CREATE_SALT, capi.CALG_SHA1, h[7:16]},
		{capi.CALG_RC4, 56, 0, capi.CALG_SHA1, nil},
		{capi.CALG_RC4, 128, capi.CRYPT_CREATE_SALT, capi.CALG_SHA1, nil},
		{capi.CALG_RC4, 200, capi.CRYPT_CREATE_SALT, capi.CALG_SHA1, nil},
		{capi.CALG_RC5, 40, 0, capi.CALG_SHA1, nil},
		{capi.CALG_RC5, 40, capi.CRYPT_CREATE_SALT, capi.CALG_SHA1, nil},
		{capi.CALG_AES_128, 0, capi.CRYPT_CREATE_SALT, capi.CALG_SHA1, nil},
	} {
		d, err := derive(t, 0, c.hash, []byte("salted"), c.algid, c.bits<<16|c.flags)
		if err != nil {
			t.Fatal(err)
		}
		if salt, has := d.attr(ck.CKA_SOFTCSP_SALT); !has || !bytes.Equal(salt, c.want) {
			t.Errorf("%#x, %d bits, flags %#x: salt %x, want %x", c.algid, c.bits, c.flags, salt, c.want)
		}
	}
	// CRYPT_CREATE_SALT takes what is left of the hash and adds nothing, where the Microsoft providers add zeros.
	short := asDigest(capi.NewMAC(8))
	value := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	for provider, want := range map[uint][]byte{0: {6, 7, 8}, 2: {6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}} {
		var d Derived
		if err := cryptDeriveKeyRow(t).Derive(&Base{Hash: short, Digest: value}, cryptParam(provider, 0, capi.CALG_RC4, 40<<16|capi.CRYPT_CREATE_SALT), &d); err != nil {
			t.Fatal(err)
		}
		if salt, _ := d.attr(ck.CKA_SOFTCSP_SALT); !bytes.Equal(salt, want) {
			t.Errorf("provider %d: salt %x, want %x", provider, salt, want)
		}
	}
}

// TestUpdateKey checks CRYPT_UPDATE_KEY: the base hash value of the changed key is H(h || h').
func TestUpdateKey(t *testing.T) {
	t.Parallel()
	const flags = 128<<16 | capi.CRYPT_EXPORTABLE
	first, err := derive(t, 0, capi.CALG_MD5, []byte("first"), capi.CALG_RC2, flags)
	if err != nil {
		t.Fatal(err)
	}
	h, h2 := md5.Sum([]byte("first")), md5.Sum([]byte("second"))
	both := md5.Sum(slices.Concat(h[:], h2[:]))
	data := &Key{Class: ck.CKO_SECRET_KEY, Value: []byte("second")}
	old := first.key(t)
	for name, c := range map[string]struct {
		base Base
		hash capi.AlgID
	}{
		"key":            {Base{Target: old, Key: data}, capi.CALG_MD5},
		"digest":         {Base{Target: old, Hash: asDigest(capi.MD5), Digest: h2[:]}, capi.CALG_MD5},
		"digest, no id":  {Base{Target: old, Hash: asDigest(capi.MD5), Digest: h2[:]}, 0},
		"base is target": {Base{Key: old, Hash: asDigest(capi.MD5), Digest: h2[:]}, 0},
	} {
		var d Derived
		// Without a length the key keeps its own.
		for _, f := range []uint{flags, capi.CRYPT_EXPORTABLE} {
			if err := cryptDeriveKeyRow(t).Derive(&c.base, cryptParam(0, c.hash, capi.CALG_RC2, f&^capi.CRYPT_EXPORTABLE|capi.CRYPT_UPDATE_KEY), &d); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !bytes.Equal(d.Value, both[:]) || !d.Replaces || d.UsesDigest != (c.base.Digest != nil) {
				t.Errorf("%s: key %x, Replaces %v, UsesDigest %v, want %x", name, d.Value, d.Replaces, d.UsesDigest, both)
			}
			if kept, _ := d.attr(CKA_SOFTCSP_BASE_HASH); !bytes.Equal(kept, append([]byte{0x03, 0x80, 0, 0}, both[:]...)) {
				t.Errorf("%s: base hash %x", name, kept)
			}
			if p := d.attrUlong(t, ck.CKA_SOFTCSP_PERMISSIONS); p != 0x3f {
				t.Errorf("%s: permissions %#x, want those that the key had", name, p)
			}
			for _, a := range []ck.AttributeType{ck.CKA_EXTRACTABLE, ck.CKA_SENSITIVE} {
				if _, has := d.attr(a); has || d.Defaults != nil {
					t.Errorf("%s: an update decides %v", name, a)
				}
			}
		}
	}
}

func TestUpdateKeyErrors(t *testing.T) {
	t.Parallel()
	first, err := derive(t, 0, capi.CALG_MD5, []byte("first"), capi.CALG_RC2, 0)
	if err != nil {
		t.Fatal(err)
	}
	target := first.key(t)
	foreign := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_RC2, Value: make([]byte, 16)}
	data := &Key{Class: ck.CKO_SECRET_KEY, Value: []byte("second")}
	for _, c := range []struct {
		target      *Key
		hash, algid capi.AlgID
		want        error
	}{
		{nil, capi.CALG_MD5, capi.CALG_RC2, deviceErrors[capi.ERROR_INVALID_HANDLE]},
		{foreign, capi.CALG_MD5, capi.CALG_RC2, deviceErrors[capi.NTE_BAD_KEY]},
		{target, capi.CALG_SHA1, capi.CALG_RC2, deviceErrors[capi.NTE_BAD_HASH]},
		{target, capi.CALG_MD5, capi.CALG_RC4, deviceErrors[capi.NTE_BAD_ALGID]},
		{target, capi.CALG_MD5, capi.CALG_RC2, nil},
	} {
		var d Derived
		if err := cryptDeriveKeyRow(t).Derive(&Base{Key: data, Target: c.target}, cryptParam(0, c.hash, c.algid, capi.CRYPT_UPDATE_KEY), &d); err != c.want {
			t.Errorf("%#x, %#x: error %v, want %v", c.hash, c.algid, err, c.want)
		}
		// The Microsoft providers ignore the flag, and the target with it.
		for _, p := range []uint{2, 3, 4} {
			if err := cryptDeriveKeyRow(t).Derive(&Base{Key: data, Target: c.target}, cryptParam(p, c.hash, c.algid, capi.CRYPT_UPDATE_KEY), &d); err != nil || d.Replaces {
				t.Errorf("provider %d: %v, Replaces %v", p, err, d.Replaces)
			}
		}
	}
}

func TestCAPIParameter(t *testing.T) {
	t.Parallel()
	key := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_GENERIC_SECRET, Value: []byte("base")}
	digest := md5.Sum([]byte("base"))
	withDigest := Base{Hash: asDigest(capi.MD5), Digest: digest[:]}
	for _, c := range []struct {
		name                         string
		base                         Base
		provider, hash, algid, flags uint
		want                         error
	}{
		{"good", Base{Key: key}, 3, uint(capi.CALG_MD5), uint(capi.CALG_RC2), 0, nil},
		{"unknown provider", Base{Key: key}, 5, uint(capi.CALG_MD5), uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_UID]},
		{"provider above 32 bits", Base{Key: key}, 1 << 32, uint(capi.CALG_MD5), uint(capi.CALG_RC2), 0, deviceErrors[capi.ERROR_INVALID_PARAMETER]},
		{"hash above 32 bits", Base{Key: key}, 3, uint(capi.CALG_MD5) | 1<<40, uint(capi.CALG_RC2), 0, deviceErrors[capi.ERROR_INVALID_PARAMETER]},
		{"algorithm above 32 bits", Base{Key: key}, 3, uint(capi.CALG_MD5), uint(capi.CALG_RC2) | 1<<63, 0, deviceErrors[capi.ERROR_INVALID_PARAMETER]},
		{"flags above 32 bits", Base{Key: key}, 3, uint(capi.CALG_MD5), uint(capi.CALG_RC2), 1 << 32, deviceErrors[capi.ERROR_INVALID_PARAMETER]},
		{"unknown hash", Base{Key: key}, 3, 0x8123, uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_ALGID]},
		{"no hash", Base{Key: key}, 3, 0, uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_ALGID]},
		{"cipher as hash", Base{Key: key}, 3, uint(capi.CALG_RC2), uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_ALGID]},
		{"HMAC as hash", Base{Key: key}, 3, uint(capi.CALG_HMAC), uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_ALGID]},
		{"SHA-2 and Enhanced", Base{Key: key}, 3, uint(capi.CALG_SHA_256), uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_ALGID]},
		{"hash before class", Base{Key: key}, 3, uint(capi.CALG_SHA_256), 0x4c01, 0, deviceErrors[capi.NTE_BAD_ALGID]},
		{"class", Base{Key: key}, 3, uint(capi.CALG_MD5), 0x4c01, 1 << 16, deviceErrors[capi.NTE_FAIL]},
		{"algorithm before length", Base{Key: key}, 1, uint(capi.CALG_MD5), uint(capi.CALG_3DES), 1 << 16, deviceErrors[capi.NTE_BAD_ALGID]},
		{"hash value of another length", Base{Key: key}, 3, uint(capi.CALG_MD5) | CK_SOFTCSP_HASH_VALUE, uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_DATA]},
		{"private key", Base{Key: &Key{Class: ck.CKO_PRIVATE_KEY}}, 3, uint(capi.CALG_MD5), uint(capi.CALG_RC2), 0, ck.CKR_KEY_TYPE_INCONSISTENT},
		{"nothing", Base{}, 3, uint(capi.CALG_MD5), uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_HASH]},
		{"digest", withDigest, 3, uint(capi.CALG_MD5), uint(capi.CALG_RC2), 0, nil},
		{"digest of another hash", withDigest, 3, uint(capi.CALG_SHA1), uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_HASH]},
		{"digest and HASH_VALUE", withDigest, 3, uint(capi.CALG_MD5) | CK_SOFTCSP_HASH_VALUE, uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_HASH]},
		{"key and digest", Base{Key: key, Hash: withDigest.Hash, Digest: withDigest.Digest}, 3, uint(capi.CALG_SHA1), uint(capi.CALG_RC2), 0, nil},
		{"digest of SHA-224", Base{Hash: hashNamed(t, "SHA-224"), Digest: make([]byte, 28)}, 4, 0, uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_ALGID]},
		{"digest of SHA-224, provider 0", Base{Hash: hashNamed(t, "SHA-224"), Digest: make([]byte, 28)}, 0, 0, uint(capi.CALG_RC2), 0, nil},
		{"digest of a wrong length", Base{Hash: withDigest.Hash, Digest: digest[1:]}, 3, 0, uint(capi.CALG_RC2), 0, deviceErrors[capi.NTE_BAD_HASH]},
	} {
		var d Derived
		if err := cryptDeriveKeyRow(t).Derive(&c.base, cryptParam(c.provider, c.hash, c.algid, c.flags), &d); err != c.want {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
	whole := cryptParam(3, capi.CALG_MD5, capi.CALG_RC2, 0).Rest()
	for n := range len(whole) + 8 {
		p := ck.NewParam(append(slices.Clone(whole), make([]byte, 8)...)[:n], nil)
		var d Derived
		if err := cryptDeriveKeyRow(t).Derive(&Base{Key: key}, &p, &d); (err != error(deviceErrors[capi.ERROR_INVALID_PARAMETER])) != (n == len(whole)) {
			t.Errorf("%d bytes of parameter: %v", n, err)
		}
	}
}

func hashNamed(t *testing.T, name string) *Hash {
	i := slices.IndexFunc(hashes, func(h *Hash) bool { return h.Name == name })
	if i < 0 {
		t.Fatalf("no hash %s", name)
	}
	return hashes[i]
}

func ulongAttr(a ck.AttributeType, u uint) ck.Attribute {
	return ck.Attribute{Type: a, Value: ck.UlongValue(u)}
}

// TestNamedMechanisms checks the mechanisms with a hash in their name: provider 0, and the template says the rest.
func TestNamedMechanisms(t *testing.T) {
	t.Parallel()
	base := []byte("base data")
	m, s1, s256, s384, s512 := md5.Sum(base), sha1.Sum(base), sha256.Sum256(base), sha512.Sum384(base), sha512.Sum512(base)
	want := map[ck.MechanismType][]byte{
		ck.CKM_SOFTCSP_MD2_CRYPT_DERIVE_KEY: nil, ck.CKM_SOFTCSP_MD4_CRYPT_DERIVE_KEY: nil,
		ck.CKM_SOFTCSP_MD5_CRYPT_DERIVE_KEY: m[:], ck.CKM_SOFTCSP_SHA1_CRYPT_DERIVE_KEY: s1[:],
		ck.CKM_SOFTCSP_SHA256_CRYPT_DERIVE_KEY: s256[:], ck.CKM_SOFTCSP_SHA384_CRYPT_DERIVE_KEY: s384[:],
		ck.CKM_SOFTCSP_SHA512_CRYPT_DERIVE_KEY: s512[:],
	}
	for i := range cryptDeriveKeyRows[1:] {
		row := &cryptDeriveKeyRows[i+1]
		h, ok := want[row.Type]
		if !ok {
			t.Fatalf("%v?", row.Type)
		}
		var d Derived
		p := ck.NewParam(nil, nil)
		b := Base{Key: &Key{Class: ck.CKO_SECRET_KEY, Value: base}, Template: []ck.Attribute{ulongAttr(ck.CKA_KEY_TYPE, uint(ck.CKK_RC4))}}
		if err := row.Derive(&b, &p, &d); err != nil || len(d.Value) != 16 || h != nil && !bytes.Equal(d.Value, h[:16]) {
			t.Errorf("%v: key %x, %v", row.Type, d.Value, err)
		}
		if p := d.attrUlong(t, ck.CKA_SOFTCSP_PROVIDER); p != 0 {
			t.Errorf("%v: provider %d", row.Type, p)
		}
		b.Key, b.Hash, b.Digest = nil, hashNamed(t, "SHA-224"), make([]byte, 28)
		if err := row.Derive(&b, &p, &d); err != error(deviceErrors[capi.NTE_BAD_HASH]) {
			t.Errorf("%v: error %v with a digest of another hash", row.Type, err)
		}
		p = ck.NewParam([]byte{1}, nil) // is not looked at
		if err := row.Derive(&b, &p, &d); err != error(deviceErrors[capi.NTE_BAD_HASH]) {
			t.Errorf("%v: error %v with a parameter", row.Type, err)
		}
	}
}

func TestNamedMechanismTemplates(t *testing.T) {
	t.Parallel()
	row := Lookup(ck.CKM_SOFTCSP_SHA1_CRYPT_DERIVE_KEY)
	const none = ^uint(0)
	for _, c := range []struct {
		keyType  ck.KeyType
		valueLen uint
		algid    capi.AlgID
		want     error
	}{
		{ck.CKK_AES, 16, capi.CALG_AES_128, nil}, {ck.CKK_AES, 24, capi.CALG_AES_192, nil}, {ck.CKK_AES, 32, capi.CALG_AES_256, nil},
		{ck.CKK_AES, none, 0, ck.CKR_TEMPLATE_INCOMPLETE}, {ck.CKK_AES, 17, 0, deviceErrors[capi.NTE_BAD_DATA]},
		{ck.CKK_DES, none, capi.CALG_DES, nil}, {ck.CKK_DES, 8, capi.CALG_DES, nil}, {ck.CKK_DES, 7, 0, ck.CKR_TEMPLATE_INCONSISTENT},
		{ck.CKK_DES2, none, capi.CALG_3DES_112, nil}, {ck.CKK_DES3, 24, capi.CALG_3DES, nil},
		{ck.CKK_RC2, 40, capi.CALG_RC2, nil}, {ck.CKK_RC2, 41, 0, deviceErrors[capi.NTE_BAD_DATA]}, {ck.CKK_RC2, 0, 0, deviceErrors[capi.NTE_BAD_DATA]},
		{ck.CKK_RC4, 5, capi.CALG_RC4, nil}, {ck.CKK_RC5, none, capi.CALG_RC5, nil}, {ck.CKK_RC5, 255, 0, deviceErrors[capi.NTE_BAD_DATA]},
		{ck.CKK_RC4, 1 << 60, 0, deviceErrors[capi.NTE_BAD_DATA]},
		{ck.CKK_GENERIC_SECRET, 16, 0, ck.CKR_TEMPLATE_INCONSISTENT}, {ck.KeyType(none), none, 0, ck.CKR_TEMPLATE_INCOMPLETE},
	} {
		var template []ck.Attribute
		if c.keyType != ck.KeyType(none) {
			template = append(template, ulongAttr(ck.CKA_KEY_TYPE, uint(c.keyType)))
		}
		if c.valueLen != none {
			template = append(template, ulongAttr(ck.CKA_VALUE_LEN, c.valueLen))
		}
		for _, exportable := range []bool{false, true} {
			var d Derived
			var p ck.Param
			asked := append(template, ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(exportable)})
			err := row.Derive(&Base{Key: &Key{Class: ck.CKO_SECRET_KEY, Value: []byte("x")}, Template: asked}, &p, &d)
			if err != c.want {
				t.Fatalf("%v, %d: error %v, want %v", c.keyType, c.valueLen, err, c.want)
			}
			if err != nil {
				continue
			}
			if a := d.attrUlong(t, ck.CKA_SOFTCSP_ALGID); a != uint(c.algid) || d.Type != c.keyType {
				t.Errorf("%v, %d: ALGID %#x", c.keyType, c.valueLen, a)
			}
			if _, sealed := d.attr(ck.CKA_SENSITIVE); sealed == exportable {
				t.Errorf("%v: exportable %v, sealed %v", c.keyType, exportable, sealed)
			}
		}
	}
}

// TestTemplateLength checks that a template's CKA_VALUE_LEN must agree with the algorithm and length of the parameter.
func TestTemplateLength(t *testing.T) {
	t.Parallel()
	key := &Key{Class: ck.CKO_SECRET_KEY, Value: []byte("x")}
	for _, c := range []struct {
		attr ck.Attribute
		want error
	}{
		{ulongAttr(ck.CKA_VALUE_LEN, 16), nil},
		{ulongAttr(ck.CKA_VALUE_LEN, 15), ck.CKR_TEMPLATE_INCONSISTENT},
		{ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: []byte{16}}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		var d Derived
		err := cryptDeriveKeyRow(t).Derive(&Base{Key: key, Template: []ck.Attribute{c.attr}}, cryptParam(3, capi.CALG_MD5, capi.CALG_RC2, 0), &d)
		if !errors.Is(err, c.want) && err != c.want || err != nil && d.Value != nil {
			t.Errorf("%x: error %v, want %v", c.attr.Value, err, c.want)
		}
	}
}

// FuzzDerive looks for a parameter, base data or template that upsets the derivation.
func FuzzDerive(f *testing.F) {
	for _, algid := range []capi.AlgID{capi.CALG_DES, capi.CALG_RC2, capi.CALG_3DES, capi.CALG_RC5, capi.CALG_AES_192, capi.CALG_RC4, 0x4c01} {
		for provider := range uint(6) {
			f.Add(cryptParam(provider, capi.CALG_SHA1, algid, 40<<16|capi.CRYPT_CREATE_SALT|capi.CRYPT_UPDATE_KEY).Rest(), []byte("base"), uint64(ck.CKK_RC2), uint64(5))
		}
	}
	f.Fuzz(func(t *testing.T, param, data []byte, keyType, valueLen uint64) {
		template := []ck.Attribute{ulongAttr(ck.CKA_KEY_TYPE, uint(keyType)), ulongAttr(ck.CKA_VALUE_LEN, uint(valueLen))}
		key := &Key{Class: ck.CKO_SECRET_KEY, Value: data, Attr: func(ck.AttributeType) []byte { return data }}
		for i := range cryptDeriveKeyRows {
			for _, b := range []Base{
				{Key: key}, {Key: key, Template: template}, {Key: key, Target: key},
				{Key: key, Hash: hashes[0], Digest: data}, {Hash: asDigest(capi.SSL3SHAMD5), Digest: data, Target: key},
			} {
				var d Derived
				p := ck.NewParam(param, nil)
				err := cryptDeriveKeyRows[i].Derive(&b, &p, &d)
				if (err == nil) != (len(d.Value) != 0) {
					t.Errorf("%v: key of %d bytes, error %v", cryptDeriveKeyRows[i].Type, len(d.Value), err)
				}
			}
		}
	})
}

// BenchmarkDerive is what C_DeriveKey spends here: MD5 to a 128-bit RC2 key, and the wiping.
func BenchmarkDerive(b *testing.B) {
	row := cryptDeriveKeyRow(b)
	base := &Base{Key: &Key{Class: ck.CKO_SECRET_KEY, Value: []byte("apple-camshaft")}}
	param := cryptParam(3, capi.CALG_MD5, capi.CALG_RC2, 128<<16).Rest()
	var d Derived
	var p ck.Param
	b.ReportAllocs()
	for b.Loop() {
		p = ck.NewParam(param, nil)
		if err := row.Derive(base, &p, &d); err != nil {
			b.Fatal(err)
		}
		d.Wipe()
	}
}

// TestHeader holds the numbers of softcsp.h, which is written by hand, against those of the code.
func TestHeader(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../include/softcsp/softcsp.h")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{
		"CALG_MD2": uint64(capi.CALG_MD2), "CALG_MD4": uint64(capi.CALG_MD4), "CALG_MD5": uint64(capi.CALG_MD5), "CALG_SHA1": uint64(capi.CALG_SHA1),
		"CALG_SSL3_SHAMD5": uint64(capi.CALG_SSL3_SHAMD5), "CALG_SHA_256": uint64(capi.CALG_SHA_256), "CALG_SHA_384": uint64(capi.CALG_SHA_384), "CALG_SHA_512": uint64(capi.CALG_SHA_512),
		"CALG_DES": uint64(capi.CALG_DES), "CALG_RC2": uint64(capi.CALG_RC2), "CALG_3DES": uint64(capi.CALG_3DES), "CALG_3DES_112": uint64(capi.CALG_3DES_112), "CALG_RC5": uint64(capi.CALG_RC5),
		"CALG_AES_128": uint64(capi.CALG_AES_128), "CALG_AES_192": uint64(capi.CALG_AES_192), "CALG_AES_256": uint64(capi.CALG_AES_256), "CALG_RC4": uint64(capi.CALG_RC4),
		"CRYPT_EXPORTABLE": capi.CRYPT_EXPORTABLE, "CRYPT_USER_PROTECTED": capi.CRYPT_USER_PROTECTED, "CRYPT_CREATE_SALT": capi.CRYPT_CREATE_SALT,
		"CRYPT_UPDATE_KEY": capi.CRYPT_UPDATE_KEY, "CRYPT_NO_SALT": capi.CRYPT_NO_SALT, "CK_SOFTCSP_HASH_VALUE": CK_SOFTCSP_HASH_VALUE,
		"CK_SOFTCSP_PROVIDER_SOFTCSP": 0, "CK_SOFTCSP_PROVIDER_MS_BASE": 1, "CK_SOFTCSP_PROVIDER_MS_STRONG": 2,
		"CK_SOFTCSP_PROVIDER_MS_ENHANCED": 3, "CK_SOFTCSP_PROVIDER_MS_ENH_RSA_AES": 4,
	}
	for _, m := range Types() {
		if strings.HasPrefix(m.String(), "CKM_SOFTCSP_") {
			want[m.String()] = uint64(m)
		}
	}
	for a := ck.CKA_SOFTCSP_ALGID; a <= ck.CKA_SOFTCSP_PROVIDER; a++ {
		want[a.String()] = uint64(a)
	}
	for _, e := range []*ck.DeviceError{deviceErrors[capi.ERROR_INVALID_HANDLE], deviceErrors[capi.ERROR_INVALID_PARAMETER], deviceErrors[capi.NTE_BAD_UID], deviceErrors[capi.NTE_BAD_HASH], deviceErrors[capi.NTE_BAD_KEY],
		deviceErrors[capi.NTE_BAD_DATA], deviceErrors[capi.NTE_BAD_ALGID], deviceErrors[capi.NTE_BAD_FLAGS], deviceErrors[capi.NTE_BAD_HASH_STATE], deviceErrors[capi.NTE_FAIL], deviceErrors[capi.NTE_SILENT_CONTEXT]} {
		want[e.Name] = uint64(e.Code)
		if !regexp.MustCompile(`#define ` + e.Name + ` .*` + e.RV.Error()).Match(text) {
			t.Errorf("softcsp.h does not say that %s is %v", e.Name, e.RV)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^#define (\w+) (\w+)`).FindAllStringSubmatch(string(text), -1) {
		value, err := strconv.ParseUint(strings.TrimRight(m[2], "UL"), 0, 64)
		w, ok := want[m[1]]
		if t, isKeyType := ck.ParseKeyType(m[1]); isKeyType {
			w, ok = uint64(t), true
		}
		if err != nil || !ok || value != w {
			t.Errorf("%s is %s in softcsp.h, want %#x", m[1], m[2], w)
		}
		delete(want, m[1])
	}
	for name, value := range want {
		t.Errorf("not in include/softcsp/softcsp.h: #define %s 0x%XUL", name, value)
	}
}
