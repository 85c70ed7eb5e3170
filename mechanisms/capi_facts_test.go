package mechanisms

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A windowsFact is a line of windows-facts.jsonl.
type windowsFact struct {
	ID           string `json:"fact_id"`
	Kind         string
	Providers    []string
	Provider     string
	Hash         string
	HashID       hexNumber `json:"hash_algid"`
	Base         hexBytes  `json:"base_data_hex"`
	Cipher       string
	CipherID     hexNumber `json:"cipher_algid"`
	Bits         uint32    `json:"key_length_bits_requested"`
	Flags        hexNumber `json:"flags_low16"`
	Mode         string
	Plaintext    hexBytes `json:"plaintext_hex"`
	Ciphertext   hexBytes `json:"expected_ciphertext_hex"`
	Exported     hexBytes `json:"expected_exported_key_hex"`
	Salt         hexBytes `json:"expected_salt_hex"`
	Error        string   `json:"expected_error_name"`
	SetEffective uint     `json:"set_effective_keylen_bits"`
	SaltLen      int      `json:"expected_salt_length_bytes"`
	SaltContents string   `json:"expected_salt"`
	KeyLen       int      `json:"key_length_bytes"`
	Key          hexBytes `json:"expected_key_hex"`
	Expected     hexBytes `json:"expected_hex"`
}

// derive derives a key from the value of a base key.
func derive(t *testing.T, provider uint, hash uint, base []byte, algid, flags uint32) (*Derived, error) {
	d := new(Derived)
	key := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_GENERIC_SECRET, Value: base}
	err := capiRow(t).Derive(&Base{Key: key}, capiParam(provider, hash, uint(algid), uint(flags)), d)
	return d, err
}

func TestWindowsFacts(t *testing.T) {
	kinds := map[string]int{}
	for _, f := range readLines[windowsFact](t, "cryptderivekey/windows-facts.jsonl") {
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
	d, err := derive(t, providerNumbers[provider], uint(f.HashID), f.Base, uint32(f.CipherID), f.Bits<<16|uint32(f.Flags))
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
		effective := k.EffectiveBits
		switch {
		case f.SetEffective != 0 && provider == "base":
			effective = 40 // the Base provider refuses to change it, and uses 40
		case f.SetEffective != 0:
			effective = f.SetEffective
		}
		got, ok := crypt(t, k, f.Mode, effective, false, f.Plaintext)
		if !ok || !bytes.HasPrefix(got, f.Ciphertext) {
			t.Errorf("%s: ciphertext %x, want %x", provider, got, f.Ciphertext)
		}
	}
	if !checked {
		t.Error("nothing to check")
	}
}

func (f *windowsFact) checkSaltLength(t *testing.T) {
	d, err := derive(t, providerNumbers[f.Provider], CALG_SHA1, []byte("x"), CALG_RC4, f.Bits<<16|uint32(f.Flags))
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
	d, err := derive(t, provSoftcsp, CALG_SHA1, f.Base, CALG_RC4, uint32(f.KeyLen*8)<<16)
	if f.Key == nil {
		if err != error(NTE_BAD_DATA) {
			t.Errorf("error %v, want NTE_BAD_DATA", err)
		}
		return
	}
	if err != nil || !bytes.Equal(d.Value, f.Key) {
		t.Errorf("key %x, %v, want %x", d.Value, err, f.Key)
	}
}

func (f *windowsFact) checkUse(t *testing.T) {
	d, err := derive(t, 3, CALG_MD2, f.Base, CALG_RC2, f.Bits<<16|uint32(f.Flags))
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

// A dpapiFact is a line of dpapi-facts.jsonl.
type dpapiFact struct {
	Source     string
	Hash       hexNumber `json:"hash_algid"`
	Cipher     hexNumber `json:"cipher_algid"`
	HashValue  hexBytes  `json:"hash_value_hex"`
	Key        hexBytes  `json:"expected_key_hex"`
	OddParity  hexBytes  `json:"expected_key_odd_parity_hex"`
	Ciphertext hexBytes  `json:"ciphertext_hex"`
	SHA256     string    `json:"plaintext_sha256"`
}

// TestDPAPI derives the keys of real DPAPI blobs from finished hash values and opens the blobs.
func TestDPAPI(t *testing.T) {
	facts := readLines[dpapiFact](t, "cryptderivekey/dpapi-facts.jsonl")
	for _, f := range facts {
		d, err := derive(t, 4, uint(f.Hash)|CK_SOFTCSP_HASH_VALUE, f.HashValue, uint32(f.Cipher), CRYPT_EXPORTABLE)
		if err != nil {
			t.Fatalf("%s: %v", f.Source, err)
		}
		want := f.Key
		if f.OddParity != nil {
			want = f.OddParity
		}
		if !bytes.Equal(d.Value, want) {
			t.Errorf("%s: key %x, want %x", f.Source, d.Value, want)
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

// An officeFact is a line of office-facts.jsonl.
type officeFact struct {
	File         string
	AlgID        hexNumber `json:"header_alg_id"`
	Hash         hexNumber `json:"header_alg_id_hash"`
	Base         hexBytes  `json:"base_data_hex"`
	Bits         uint32    `json:"key_length_bits_requested"`
	Provider     string
	Key          hexBytes   `json:"expected_key_hex"`
	BlockKeys    []hexBytes `json:"block_keys_hex"`
	Verifier     hexBytes   `json:"expected_verifier_hex"`
	VerifierHash hexBytes   `json:"expected_verifier_hash_hex"`
	EncVerifier  hexBytes   `json:"encrypted_verifier_hex"`
	EncHash      hexBytes   `json:"encrypted_verifier_hash_hex"`
}

// TestOfficeKeys derives the keys of real Office files, and for RC4 those of the blocks that follow, and opens the
// verifier with them.
func TestOfficeKeys(t *testing.T) {
	facts := readLines[officeFact](t, "office/office-facts.jsonl")
	blocks := 0
	for _, f := range facts {
		d, err := derive(t, providerNumbers[f.Provider], uint(f.Hash), f.Base, uint32(f.AlgID), f.Bits<<16|CRYPT_EXPORTABLE)
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
			d, err := derive(t, providerNumbers[f.Provider], uint(f.Hash), base, uint32(f.AlgID), f.Bits<<16)
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

// Microsoft's page of CryptDeriveKey derives an RC2 key from the MD5 hash of a password.
func ExampleCryptDeriveKey() {
	hash := HashByALGID(CALG_MD5)
	h := hash.New()
	h.Write([]byte("apple-camshaft"))
	var key SessionKey
	defer key.Wipe()
	err := CryptDeriveKey(&key, &DeriveRequest{
		Provider: ProviderByNumber(3),
		ALGID:    CALG_RC2,
		Flags:    128<<16 | CRYPT_EXPORTABLE,
		Hash:     hash,
		Digest:   h.Sum(nil),
	})
	fmt.Printf("%x %d %v\n", key.Value, key.EffectiveBits, err)
	// Output: b5dcb3b0488c0d08b7fd7386b1a90df5 128 <nil>
}
