package csp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/internal/vectors"
)

// modesOf are the modes that facts name.
var modesOf = map[string]uint32{"CBC": capi.CRYPT_MODE_CBC, "ECB": capi.CRYPT_MODE_ECB, "CFB8": capi.CRYPT_MODE_CFB}

// TestWindowsFacts makes the calls whose answers on Windows are known.
func TestWindowsFacts(t *testing.T) {
	facts, err := vectors.Lines[vectors.WindowsFact](knownAnswers, "cryptderivekey/windows-facts.jsonl")
	must(t, err)
	s := testSystem(t)
	answers, refusals := 0, 0
	for _, f := range facts {
		if f.Kind != "derive_known_answer" && f.Kind != "derive_error" && f.Kind != "salt_length" {
			continue
		}
		for _, name := range append(f.Providers, f.Provider) {
			p, ok := providersOf[name]
			if !ok {
				continue
			}
			c, err := s.AcquireContext("", p.name, p.typ, capi.CRYPT_VERIFYCONTEXT)
			must(t, err)
			var k *Key
			if f.Kind == "salt_length" { // of CryptGenKey, RC4
				k, err = c.GenKey(capi.CALG_RC4, uint32(f.DWFlags()))
			} else {
				k, err = c.deriveFact(&f)
			}
			if f.Error != "" {
				refusals++
				if err == nil || f.Error != "any failure" && capi.Code(err).Error() != f.Error {
					t.Errorf("%s, %s: %v, want %s", f.ID, name, err, f.Error)
				}
			} else {
				must(t, err)
				answers++
				f := f
				k.checkFact(t, &f, name)
			}
			must(t, c.Release(0))
		}
	}
	t.Logf("%d answers, %d refusals", answers, refusals)
	if answers != 148 || refusals != 54 {
		t.Error("not the number of checks that there should be")
	}
}

func (c *Context) deriveFact(f *vectors.WindowsFact) (*Key, error) {
	h, err := c.CreateHash(capi.AlgID(f.Hash), nil, 0)
	if err != nil {
		return nil, err
	}
	if err := h.HashData(f.Base, 0); err != nil {
		return nil, err
	}
	return c.DeriveKey(capi.AlgID(f.Cipher), h, uint32(f.DWFlags()))
}

func (k *Key) checkFact(t *testing.T, f *vectors.WindowsFact, provider string) {
	t.Helper()
	if f.Kind == "salt_length" {
		salt, err := k.Param(capi.KP_SALT, 0)
		if zero := bytes.Count(salt, []byte{0}) == len(salt); err != nil || len(salt) != f.SaltLen || len(salt) != 0 && zero != (f.SaltContents == "zero") {
			t.Errorf("%s, %s: salt %x, %v, want %d bytes, %s", f.ID, provider, salt, err, f.SaltLen, f.SaltContents)
		}
		return
	}
	if f.Exported != nil {
		blob, err := k.Export(nil, capi.PLAINTEXTKEYBLOB, 0)
		if err != nil || !bytes.Equal(blob[headerLen+4:], f.Exported) {
			t.Errorf("%s, %s: key %x, %v, want %x", f.ID, provider, blob, err, f.Exported)
		}
	}
	if f.Salt != nil {
		if salt, err := k.Param(capi.KP_SALT, 0); err != nil || !bytes.Equal(salt, f.Salt) {
			t.Errorf("%s, %s: salt %x, %v, want %x", f.ID, provider, salt, err, f.Salt)
		}
	}
	if f.Ciphertext == nil {
		return
	}
	if f.SetEffective != 0 {
		err := k.SetParam(capi.KP_EFFECTIVE_KEYLEN, dword(uint32(f.SetEffective)), 0)
		if refused := provider == "base" && f.SetEffective != 40; refused != (err != nil) {
			t.Errorf("%s, %s: KP_EFFECTIVE_KEYLEN: %v", f.ID, provider, err)
		}
	}
	if mode, ok := modesOf[f.Mode]; ok {
		must(t, k.SetParam(capi.KP_MODE, dword(mode), 0))
	}
	if got := encrypted(t, k, string(f.Plaintext)); !bytes.HasPrefix(got, f.Ciphertext) {
		t.Errorf("%s, %s: ciphertext %x, want %x", f.ID, provider, got, f.Ciphertext)
	}
}

// TestMACs makes a MAC and an HMAC with derived keys, whose values on Windows are known.
func TestMACs(t *testing.T) {
	facts, err := vectors.Lines[vectors.WindowsFact](knownAnswers, "cryptderivekey/windows-facts.jsonl")
	must(t, err)
	c, err := testSystem(t).AcquireContext("", capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, capi.CRYPT_VERIFYCONTEXT)
	must(t, err)
	data, tried := make([]byte, 256), 0
	for i := range data {
		data[i] = byte(i)
	}
	base := bytes.Repeat(data, 8)[:2000]
	for _, f := range facts {
		if f.Kind != "use_of_derived_key" {
			continue
		}
		tried++
		k, err := c.DeriveKey(capi.CALG_RC2, hashOf(t, c, capi.CALG_MD2, string(base)), uint32(f.DWFlags()))
		must(t, err)
		var h *Hash
		if f.Bits == 40 {
			h, err = c.CreateHash(capi.CALG_MAC, k, 0)
			must(t, err)
		} else {
			h, err = c.CreateHash(capi.CALG_HMAC, k, 0)
			must(t, err)
			must(t, h.SetHMACInfo(HMACInfo{HashAlgid: capi.CALG_MD5}))
		}
		must(t, k.Destroy())
		must(t, h.HashData(data[:100], 0))
		d, err := h.Duplicate(0)
		must(t, err)
		for _, h := range []*Hash{h, d} { // each keeps what it needs of the key
			must(t, h.HashData(data[100:], 0))
			if got, err := h.Value(); err != nil || !bytes.Equal(got, f.Expected) {
				t.Errorf("%s: %x, %v, want %x", f.ID, got, err, f.Expected)
			}
			must(t, h.Destroy())
		}
	}
	if tried != 2 {
		t.Errorf("%d facts, want 2", tried)
	}
}

// TestDPAPI opens real DPAPI blobs with keys derived from hash values that are set.
func TestDPAPI(t *testing.T) {
	facts, err := vectors.Lines[vectors.DPAPIFact](knownAnswers, "cryptderivekey/dpapi-facts.jsonl")
	must(t, err)
	c, err := testSystem(t).AcquireContext("", "", capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
	must(t, err)
	for _, f := range facts {
		h, err := c.CreateHash(capi.AlgID(f.Hash), nil, 0)
		must(t, err)
		must(t, h.SetValue(f.HashValue))
		k, err := c.DeriveKey(capi.AlgID(f.Cipher), h, capi.CRYPT_EXPORTABLE)
		must(t, err)
		if blob, err := k.Export(nil, capi.PLAINTEXTKEYBLOB, 0); err != nil || !bytes.Equal(blob[headerLen+4:], f.Key()) {
			t.Errorf("%s: key %x, %v, want %x", f.Source, blob, err, f.Key())
		}
		plain := slices.Clone([]byte(f.Ciphertext))
		n, err := k.Decrypt(nil, true, 0, plain)
		must(t, err)
		if sum := sha256.Sum256(plain[:n]); hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("%s: the blob opens to something else", f.Source)
		}
	}
	if len(facts) != 4 {
		t.Errorf("%d blobs, want 4", len(facts))
	}
}

// TestOffice opens the verifiers of real Office files.
func TestOffice(t *testing.T) {
	facts, err := vectors.Lines[vectors.OfficeFact](knownAnswers, "office/office-facts.jsonl")
	must(t, err)
	s := testSystem(t)
	for _, f := range facts {
		p := providersOf[f.Provider]
		c, err := s.AcquireContext("", p.name, p.typ, capi.CRYPT_VERIFYCONTEXT)
		must(t, err)
		k, err := c.DeriveKey(capi.AlgID(f.Cipher), hashOf(t, c, capi.AlgID(f.Hash), string(f.Base)), uint32(f.Bits)<<16)
		must(t, err)
		must(t, k.SetParam(capi.KP_MODE, dword(capi.CRYPT_MODE_ECB), 0))
		both := slices.Concat(f.EncVerifier, f.EncHash)
		_, err = k.Decrypt(nil, false, 0, both)
		if must(t, err); !bytes.HasPrefix(both, slices.Concat(f.Verifier, f.VerifierHash)) {
			t.Errorf("%s: verifier %x, want %x %x", f.File, both, f.Verifier, f.VerifierHash)
		}
	}
	if len(facts) != 11 {
		t.Errorf("%d files, want 11", len(facts))
	}
}
