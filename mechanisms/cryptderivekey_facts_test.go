package mechanisms

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A windowsFact is a fact about Windows, with the checks that go with it.
type windowsFact struct{ *vectors.WindowsFact }

// derive derives a key from the value of a base key.
func derive(t *testing.T, provider uint, hash capi.AlgID, base []byte, cipher capi.AlgID, flags uint32) (*Derived, error) {
	d := new(Derived)
	key := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_GENERIC_SECRET, Value: base}
	err := cryptDeriveKeyRow(t).Derive(&Base{Key: key}, cryptParam(provider, hash, cipher, uint(flags)), d)
	return d, err
}

func TestWindowsFacts(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	for _, line := range readLines[vectors.WindowsFact](t, "cryptderivekey/windows-facts.jsonl") {
		f := windowsFact{&line}
		t.Run(f.ID, func(t *testing.T) {
			switch f.Kind {
			case "derive_known_answer", "derive_error":
				for _, p := range f.Providers {
					f.checkDerivation(t, p)
				}
			case "salt_length":
				f.checkSaltLength(t)
			case "bcrypt_derive":
				f.checkBCrypt(t)
			case "use_of_derived_key":
				f.checkUse(t)
			case "api_error":
				// Handles of CryptoAPI: no mechanism sees them.
			default:
				t.Fatalf("unknown kind %s", f.Kind)
			}
		})
		kinds[f.Kind]++
	}
	t.Log(kinds)
	if kinds["derive_known_answer"] != 79 || kinds["derive_error"] != 22 || kinds["salt_length"] != 11 || kinds["bcrypt_derive"] != 3 || kinds["use_of_derived_key"] != 2 {
		t.Error("not the number of facts that there should be")
	}
}

func (f *windowsFact) checkDerivation(t *testing.T, provider string) {
	d, err := derive(t, vectors.CAPIProvider[provider], capi.AlgID(f.Hash), f.Base, capi.AlgID(f.Cipher), uint32(f.DWFlags()))
	if f.Error != "" {
		if err == nil || f.Error != "any failure" && deviceName(err) != f.Error {
			t.Errorf("%s: error %v, want %s", provider, err, f.Error)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", provider, err)
	}
	checked := false
	if f.Exported != nil {
		checked = true
		if !bytes.Equal(d.Value, f.Exported) {
			t.Errorf("%s: key %x, want %x", provider, d.Value, f.Exported)
		}
	}
	if f.Salt != nil {
		checked = true
		if salt, _ := d.attr(ck.CKA_SOFTCSP_SALT); !bytes.Equal(salt, f.Salt) {
			t.Errorf("%s: salt %x, want %x", provider, salt, f.Salt)
		}
	}
	if f.Ciphertext != nil {
		checked = true
		k := d.key(t)
		got, ok := crypt(t, k, f.Mode, f.EffectiveBits(provider, k.EffectiveBits), false, f.Plaintext)
		if !ok || !bytes.HasPrefix(got, f.Ciphertext) {
			t.Errorf("%s: ciphertext %x, want %x", provider, got, f.Ciphertext)
		}
	}
	if !checked {
		t.Error("nothing to check")
	}
}

func (f *windowsFact) checkSaltLength(t *testing.T) {
	d, err := derive(t, vectors.CAPIProvider[f.Provider], capi.CALG_SHA1, []byte("x"), capi.CALG_RC4, uint32(f.DWFlags()))
	if err != nil {
		t.Fatal(err)
	}
	salt, _ := d.attr(ck.CKA_SOFTCSP_SALT)
	zero := bytes.Equal(salt, make([]byte, len(salt)))
	if len(salt) != f.SaltLen || zero != (f.SaltContents == "zero") {
		t.Errorf("salt %x, want %d bytes, %s", salt, f.SaltLen, f.SaltContents)
	}
}

// checkBCrypt holds provider 0, which has keys of any length, against BCryptDeriveKeyCapi without a target algorithm.
func (f *windowsFact) checkBCrypt(t *testing.T) {
	d, err := derive(t, 0, capi.CALG_SHA1, f.Base, capi.CALG_RC4, uint32(f.KeyLen*8)<<16)
	if f.Key == nil {
		if err != error(deviceErrors[capi.NTE_BAD_DATA]) {
			t.Errorf("error %v, want NTE_BAD_DATA", err)
		}
		return
	}
	if err != nil || !bytes.Equal(d.Value, f.Key) {
		t.Errorf("key %x, %v, want %x", d.Value, err, f.Key)
	}
}

func (f *windowsFact) checkUse(t *testing.T) {
	d, err := derive(t, 3, capi.CALG_MD2, f.Base, capi.CALG_RC2, uint32(f.DWFlags()))
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	var got []byte
	switch f.ID {
	case "win-119":
		m := hmac.New(md5.New, d.Value)
		m.Write(data)
		got = m.Sum(nil)
	case "win-120": // CALG_MAC is the last block in CBC mode
		got, _ = crypt(t, d.key(t), "CBC", 40, false, data)
		got = got[len(got)-8:]
	}
	if !bytes.Equal(got, f.Expected) {
		t.Errorf("%x, want %x", got, f.Expected)
	}
}

// TestDPAPI derives the keys of real DPAPI blobs from finished hash values and opens the blobs.
func TestDPAPI(t *testing.T) {
	t.Parallel()
	facts := readLines[vectors.DPAPIFact](t, "cryptderivekey/dpapi-facts.jsonl")
	for _, f := range facts {
		d, err := derive(t, 4, capi.AlgID(f.Hash)|CK_SOFTCSP_HASH_VALUE, f.HashValue, capi.AlgID(f.Cipher), capi.CRYPT_EXPORTABLE)
		if err != nil {
			t.Fatalf("%s: %v", f.Source, err)
		}
		if !bytes.Equal(d.Value, f.Key()) {
			t.Errorf("%s: key %x, want %x", f.Source, d.Value, f.Key())
		}
		plain, _ := crypt(t, d.key(t), "CBC", 0, true, f.Ciphertext)
		if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("%s: the blob opens to something else", f.Source)
		}
	}
	if len(facts) != 4 {
		t.Errorf("%d blobs, want 4", len(facts))
	}
}

// TestOfficeKeys derives the keys of real Office files, and for RC4 those of the blocks that follow, and opens the
// verifier with them.
func TestOfficeKeys(t *testing.T) {
	t.Parallel()
	facts := readLines[vectors.OfficeFact](t, "office/office-facts.jsonl")
	blocks := 0
	for _, f := range facts {
		d, err := derive(t, vectors.CAPIProvider[f.Provider], capi.AlgID(f.Hash), f.Base, capi.AlgID(f.Cipher), uint32(f.Bits)<<16|capi.CRYPT_EXPORTABLE)
		if err != nil {
			t.Fatalf("%s: %v", f.File, err)
		}
		salt, _ := d.attr(ck.CKA_SOFTCSP_SALT)
		if whole := slices.Concat(d.Value, salt); !bytes.Equal(whole, f.Key) { // the two 40-bit keys are listed with their salt
			t.Errorf("%s: key and salt %x, want %x", f.File, whole, f.Key)
		}
		both := slices.Concat(f.EncVerifier, f.EncHash)
		if got := openVerifier(t, d.key(t), both); !bytes.HasPrefix(got, slices.Concat(f.Verifier, f.VerifierHash)) {
			t.Errorf("%s: verifier %x, want %x %x", f.File, got, f.Verifier, f.VerifierHash)
		}
		for i, want := range f.BlockKeys {
			base := slices.Concat(f.Base[:len(f.Base)-4], []byte{byte(i), 0, 0, 0})
			d, err := derive(t, vectors.CAPIProvider[f.Provider], capi.AlgID(f.Hash), base, capi.AlgID(f.Cipher), uint32(f.Bits)<<16)
			if err != nil || !bytes.Equal(d.Value, want) {
				t.Errorf("%s: key of block %d %x, %v, want %x", f.File, i, d.Value, err, want)
			}
			blocks++
		}
	}
	t.Logf("%d files, %d keys of blocks", len(facts), blocks)
	if len(facts) != 11 || blocks == 0 {
		t.Error("not the number of keys that there should be")
	}
}

// openVerifier decrypts as the files are encrypted: ECB without padding, or RC4.
func openVerifier(t *testing.T, k *Key, data []byte) []byte {
	got, ok := crypt(t, k, "ECB", 0, true, data)
	if !ok {
		t.Fatal("no cipher")
	}
	return got
}
