package capi_test

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/internal/vectors"
)

// knownAnswers is the folder of the known answers.
var knownAnswers = os.DirFS("../testdata")

func readLines[T any](t *testing.T, name string) []T {
	t.Helper()
	all, err := vectors.Lines[T](knownAnswers, name)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func provider(name string) *capi.Provider {
	return capi.ProviderByNumber(uint32(vectors.CAPIProvider[name]))
}

// errorName is the name of an error, "" for none.
func errorName(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sum is the value of a hash object that was fed data, a chunk at a time.
func sum(h *capi.Hash, data []byte, chunk int) []byte {
	f := h.New()
	for part := range slices.Chunk(data, cmp.Or(chunk, max(1, len(data)))) {
		f.Write(part)
	}
	return f.Sum(nil)
}

// TestWineVectors makes the calls that were measured with Wine, but those about handles, and compares the key and its parameters.
func TestWineVectors(t *testing.T) {
	all, err := vectors.WineVectors(knownAnswers, "cryptderivekey/wine-vectors.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	var derived, refused, none int
	for i := range all {
		v := &all[i]
		switch v.Request.Scenario {
		case "normal", "own_context", "silent_context", "csp_normal", "duplicate_hash", "finished_hash", "hash_not_fed", "hash_fed_zero_bytes",
			"other_prov_hash", "csp_other_context":
		default:
			none++
			continue
		}
		hash, value := hashObject(v)
		if hash == nil {
			none++
			continue
		}
		key, err := capi.DeriveKey(provider(v.Request.Provider), capi.AlgID(v.Request.Cipher), hash, value, uint32(v.Request.Flags))
		if errorName(err) != v.Error() {
			t.Errorf("%s: error %v, want %q", v.ID, err, v.Error())
		}
		if err != nil {
			refused++
			continue
		}
		derived++
		if v.Result.Key != nil {
			compare(t, v, key)
		}
	}
	t.Logf("%d keys, %d refusals; %d vectors about handles", derived, refused, none)
	if derived != 2277 || refused != 1406 || none != 221 {
		t.Error("not the number of checks that there should be")
	}
}

// hashObject makes the hash object of a vector and finishes it. The Hash is nil where CryptCreateHash refuses the key of a MAC.
func hashObject(v *vectors.Wine) (h *capi.Hash, value []byte) {
	r := &v.Request
	switch id := capi.AlgID(r.Hash); id {
	case capi.CALG_MAC:
		if v.Error() == "NTE_BAD_KEY" {
			return nil, nil
		}
		value = mac(capi.AlgID(r.MACCipher), r.MACKey, r.Base)
		return capi.NewMAC(len(value)), value
	case capi.CALG_HMAC:
		h, _ = capi.NewHMAC(capi.HashByID(capi.AlgID(r.HMACInner)), r.MACKey, nil, nil)
	default:
		h = capi.HashByID(id)
	}
	if r.HashValue != nil {
		return h, r.HashValue
	}
	return h, sum(h, r.Base, r.Chunk)
}

// mac is the value of a CALG_MAC object: the last block of the padded data in CBC mode.
func mac(id capi.AlgID, key, data []byte) []byte {
	block, err := des.NewCipher(key)
	if id == capi.CALG_AES_128 {
		block, err = aes.NewCipher(key)
	}
	if err != nil {
		panic(err)
	}
	size := block.BlockSize()
	n := size - len(data)%size
	padded := append(slices.Clone(data), bytes.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, make([]byte, size)).CryptBlocks(padded, padded)
	return padded[len(padded)-size:]
}

func compare(t *testing.T, v *vectors.Wine, key *capi.SessionKey) {
	t.Helper()
	want := &v.Result.Params
	if !bytes.Equal(key.Value, v.Result.Key) {
		t.Errorf("%s: key %x, want %x", v.ID, key.Value, v.Result.Key)
	}
	if (key.Salt == nil) != (want.Salt == nil) || !bytes.Equal(key.Salt, want.Salt) {
		t.Errorf("%s: salt %x, want %x", v.ID, key.Salt, want.Salt)
	}
	for name, pair := range map[string][2]uint{
		"KP_KEYLEN":           {uint(len(key.Value)) * 8, want.KeyLen},
		"KP_EFFECTIVE_KEYLEN": {uint(key.EffectiveBits), want.Effective},
		"KP_PERMISSIONS":      {uint(key.Permissions), uint(want.Permissions)},
		"KP_ALGID":            {uint(key.Cipher.ID), uint(v.Request.Cipher)},
		"KP_BLOCKLEN":         {uint(key.Cipher.BlockBits), want.Block},
		"KP_IV":               {uint(key.IVLen()), want.IVLen},
		"KP_MODE":             {uint(key.Cipher.Mode), uint(want.Mode)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s %#x, want %#x", v.ID, name, pair[0], pair[1])
		}
	}
}

// TestWindowsFacts compares with what Windows is known to answer: keys, salts and errors.
func TestWindowsFacts(t *testing.T) {
	var keys, salts, errors, lengths int
	for _, f := range readLines[vectors.WindowsFact](t, "cryptderivekey/windows-facts.jsonl") {
		names := f.Providers
		hash, algid := capi.HashByID(capi.AlgID(f.Hash)), capi.AlgID(f.Cipher)
		switch f.Kind {
		case "derive_known_answer", "derive_error":
		case "salt_length":
			names, hash, algid, f.Base = []string{f.Provider}, capi.SHA1, capi.CALG_RC4, []byte("x")
		default:
			continue
		}
		for _, name := range names {
			key, err := capi.DeriveKey(provider(name), algid, hash, sum(hash, f.Base, 0), uint32(f.DWFlags()))
			switch {
			case f.Error != "":
				if errors++; err == nil || f.Error != "any failure" && errorName(err) != f.Error {
					t.Errorf("%s, %s: error %v, want %s", f.ID, name, err, f.Error)
				}
				continue
			case err != nil:
				t.Errorf("%s, %s: %v", f.ID, name, err)
				continue
			}
			if f.Exported != nil {
				if keys++; !bytes.Equal(key.Value, f.Exported) {
					t.Errorf("%s, %s: key %x, want %x", f.ID, name, key.Value, f.Exported)
				}
			}
			if f.Salt != nil {
				if salts++; !bytes.Equal(key.Salt, f.Salt) {
					t.Errorf("%s, %s: salt %x, want %x", f.ID, name, key.Salt, f.Salt)
				}
			}
			if f.Kind == "salt_length" {
				lengths++
				zero := bytes.Equal(key.Salt, make([]byte, len(key.Salt)))
				if len(key.Salt) != f.SaltLen || zero != (f.SaltContents == "zero") {
					t.Errorf("%s: salt %x, want %d bytes, %s", f.ID, key.Salt, f.SaltLen, f.SaltContents)
				}
			}
		}
	}
	t.Logf("%d keys, %d salts, %d lengths of salts, %d errors", keys, salts, lengths, errors)
	if keys == 0 || salts == 0 || errors < 22 || lengths != 11 {
		t.Error("not the number of checks that there should be")
	}
}

// TestDPAPI derives the keys of real DPAPI blobs from finished hash values.
func TestDPAPI(t *testing.T) {
	for _, f := range readLines[vectors.DPAPIFact](t, "cryptderivekey/dpapi-facts.jsonl") {
		key, err := capi.DeriveKey(capi.MSEnhancedAES, capi.AlgID(f.Cipher), capi.HashByID(capi.AlgID(f.Hash)), f.HashValue, 0)
		if err != nil || !bytes.Equal(key.Value, f.Key()) {
			t.Errorf("%s: key %v, %v, want %x", f.Source, key, err, f.Key())
		}
	}
}

// TestOfficeKeys derives the keys of real Office files. The two 40-bit ones are listed with their salt.
func TestOfficeKeys(t *testing.T) {
	for _, f := range readLines[vectors.OfficeFact](t, "office/office-facts.jsonl") {
		hash := capi.HashByID(capi.AlgID(f.Hash))
		key, err := capi.DeriveKey(provider(f.Provider), capi.AlgID(f.Cipher), hash, sum(hash, f.Base, 0), uint32(f.Bits)<<16)
		if err != nil || !bytes.Equal(slices.Concat(key.Value, key.Salt), f.Key) {
			t.Errorf("%s: key %v, %v, want %x", f.File, key, err, f.Key)
		}
	}
}
