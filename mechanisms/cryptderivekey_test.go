package mechanisms

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// How the scenarios of the vectors are tried here. What is not named has no equivalent: its error is about a handle of
// CryptoAPI (0, garbage, freed, of the wrong kind) or the pointer for the result, which a mechanism does not see.
var scenarios = map[string]string{
	"normal": "derive", "own_context": "derive", "silent_context": "derive", "csp_normal": "derive",
	// The hash object was copied, finished before, fed nothing, or made in another context: only its value counts.
	"duplicate_hash": "derive", "finished_hash": "derive", "hash_not_fed": "derive", "hash_fed_zero_bytes": "derive",
	"other_prov_hash": "derive", "csp_other_context": "derive",
	// The provider met no hash object where one should be: no base key, and no digest.
	"csp_bad_hash": "no hash", "csp_null_hash": "no hash", "csp_hprov_as_hash": "no hash",
	// The provider's own handle was bad: a number that is no provider's.
	"csp_bad_hprov": "no provider", "csp_null_hprov": "no provider",
}

var withoutEquivalent = map[string]bool{
	"null_hprov": true, "garbage_hprov": true, "minus1_hprov": true, "released_prov": true, "hash_as_hprov": true,
	"null_hash": true, "garbage_hash": true, "minus1_hash": true, "destroyed_hash": true, "key_as_hash": true,
	"hprov_as_hash": true, "null_phkey": true, "csp_null_phkey": true,
}

// capiRow is the row that takes parameters.
func cryptDeriveKeyRow(t testing.TB) *Mechanism {
	row := Lookup(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY)
	if row == nil {
		t.Fatal("CKM_SOFTCSP_CRYPT_DERIVE_KEY is not in the table")
	}
	return row
}

func deviceName(err error) string {
	var d *ck.DeviceError
	if errors.As(err, &d) {
		return d.Name
	}
	return fmt.Sprint(err)
}

func TestWineVectors(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("thousands of vectors, each in several ways")
	}
	var derived, refused, ciphertexts, ownCiphertexts, none int
	all, err := vectors.WineVectors(knownAnswers, "cryptderivekey/wine-vectors.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		v := wineVector{&all[i]}
		how := scenarios[v.Request.Scenario]
		r := &v.Request
		switch {
		case withoutEquivalent[r.Scenario]:
			none++
			continue
		case v.Error() == "NTE_BAD_KEY": // CALG_MAC with a key that CryptCreateHash refuses
			none++
			continue
		case how == "":
			t.Fatalf("%s: unknown scenario %s", v.ID, r.Scenario)
		}
		for name, base := range v.bases(t, how) {
			provider := vectors.CAPIProvider[r.Provider]
			if how == "no provider" {
				provider = uint(len(capi.Providers()))
			}
			var d Derived
			err := cryptDeriveKeyRow(t).Derive(&base.Base, cryptParam(provider, base.hash, uint(r.Cipher), uint(r.Flags)), &d)
			if want := v.Error(); want != "" || err != nil {
				if err == nil || deviceName(err) != want {
					t.Errorf("%s, %s: error %v, want %s", v.ID, name, err, want)
				}
				if d.Value != nil || len(d.Attributes) != 0 || d.UsesDigest {
					t.Errorf("%s, %s: something is left after a failure", v.ID, name)
				}
				refused++
				continue
			}
			if v.check(t, name, &d, base.Key == nil) {
				derived++
			}
			if v.Result.Key == nil {
				continue
			}
			if !v.OnWindows {
				ciphertexts += v.checkCiphertexts(t, name, &d)
			} else {
				ownCiphertexts += v.checkUnsalted(t, name, &d)
			}
		}
	}
	t.Logf("over all ways to give the base data: %d keys, %d refusals, %d ciphertexts, %d ciphertexts where Windows has no salt and Wine has; %d vectors without equivalent",
		derived, refused, ciphertexts, ownCiphertexts, none)
	if derived != 8842 || refused != 5722 || none != 161 || ciphertexts != 33032 || ownCiphertexts != 420 {
		t.Error("not the number of checks that there should be")
	}
}

// A wineVector is a vector, with the checks that go with it.
type wineVector struct{ *vectors.Wine }

// A vectorBase is one way to give a mechanism the base data of a vector, with the ulHashAlgId that goes with it.
type vectorBase struct {
	Base
	hash uint
}

// bases makes the ways: the session's digest, and a base key that holds the data, or the hash value.
func (v *wineVector) bases(t *testing.T, how string) map[string]vectorBase {
	r := &v.Request
	if how == "no hash" {
		return map[string]vectorBase{"no hash": {}, "no hash, but named": {hash: uint(r.Hash)}}
	}
	h, value := hashObject(t, v.Wine)
	if v.Result.HashValue != nil && !bytes.Equal(value, v.Result.HashValue) {
		t.Errorf("%s: hash value %x, want %x", v.ID, value, v.Result.HashValue)
	}
	all := map[string]vectorBase{"digest": {Base: Base{Hash: h, Digest: value}}}
	id := h.CryptoAPI.ID
	if id == capi.CALG_MAC || id == capi.CALG_HMAC {
		return all
	}
	all["digest, named"] = vectorBase{Base: Base{Hash: h, Digest: value}, hash: uint(id)}
	key := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_GENERIC_SECRET, Value: value}
	all["hash value in a key"] = vectorBase{Base: Base{Key: key}, hash: uint(id) | CK_SOFTCSP_HASH_VALUE}
	if r.HashValue == nil {
		key := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_GENERIC_SECRET, Value: r.Base}
		all["key"] = vectorBase{Base: Base{Key: key}, hash: uint(id)}
	}
	return all
}

// check compares the key and its parameters, and reports whether the vector knows them.
func (v *wineVector) check(t *testing.T, name string, d *Derived, digest bool) bool {
	t.Helper()
	if d.UsesDigest != digest || d.Replaces {
		t.Errorf("%s, %s: UsesDigest %v, Replaces %v", v.ID, name, d.UsesDigest, d.Replaces)
	}
	want := &v.Result
	if want.Key == nil {
		return false
	}
	if !bytes.Equal(d.Value, want.Key) {
		t.Errorf("%s, %s: key %x, want %x", v.ID, name, d.Value, want.Key)
	}
	salt, has := d.attr(ck.CKA_SOFTCSP_SALT)
	if has != (want.Params.Salt != nil) || !bytes.Equal(salt, want.Params.Salt) {
		t.Errorf("%s, %s: salt %x (%v), want %x", v.ID, name, salt, has, want.Params.Salt)
	}
	c := d.session.Cipher
	for what, pair := range map[string][2]uint{
		"KP_KEYLEN":           {uint(len(d.Value)) * 8, want.Params.KeyLen},
		"KP_EFFECTIVE_KEYLEN": {d.attrUlong(t, ck.CKA_SOFTCSP_EFFECTIVE_BITS), want.Params.Effective},
		"KP_PERMISSIONS":      {d.attrUlong(t, ck.CKA_SOFTCSP_PERMISSIONS), uint(want.Params.Permissions)},
		"KP_ALGID":            {d.attrUlong(t, ck.CKA_SOFTCSP_ALGID), uint(v.Request.Cipher)},
		"provider":            {d.attrUlong(t, ck.CKA_SOFTCSP_PROVIDER), vectors.CAPIProvider[v.Request.Provider]},
		"KP_BLOCKLEN":         {uint(c.BlockBits), want.Params.Block},
		"KP_IV":               {uint(d.session.IVLen()), want.Params.IVLen},
		"KP_MODE":             {uint(c.Mode), uint(want.Params.Mode)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s, %s: %s %#x, want %#x", v.ID, name, what, pair[0], pair[1])
		}
	}
	v.checkPolicy(t, name, d)
	return true
}

// checkPolicy checks what the flags say about the use of the key.
func (v *wineVector) checkPolicy(t *testing.T, name string, d *Derived) {
	t.Helper()
	_, sealed := d.attr(ck.CKA_EXTRACTABLE)
	if exportable := v.Request.Flags&capi.CRYPT_EXPORTABLE != 0; exportable == sealed {
		t.Errorf("%s, %s: exportable %v, but CKA_EXTRACTABLE decided %v", v.ID, name, exportable, sealed)
	}
	_, protected := d.attr(ck.CKA_ALWAYS_AUTHENTICATE)
	if protected != (v.Request.Flags&capi.CRYPT_USER_PROTECTED != 0) {
		t.Errorf("%s, %s: CKA_ALWAYS_AUTHENTICATE %v", v.ID, name, protected)
	}
	if _, has := d.attr(CKA_SOFTCSP_BASE_HASH); has {
		t.Errorf("%s, %s: a Microsoft provider keeps the base hash", v.ID, name)
	}
}

// checkCiphertexts compares what the key encrypts to in each mode, and returns how many were compared.
func (v *wineVector) checkCiphertexts(t *testing.T, name string, d *Derived) (n int) {
	t.Helper()
	k := d.key(t)
	for _, c := range []struct {
		mode string
		want []byte
	}{{"CBC", v.Result.Default}, {"CBC", v.Result.CBC}, {"ECB", v.Result.ECB}, {"CFB8", v.Result.CFB}} {
		got, ok := crypt(t, k, c.mode, k.EffectiveBits, false, v.Plaintext)
		if !ok {
			continue
		}
		n++
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s, %s: %s gives %x, want %x", v.ID, name, c.mode, got, c.want)
		}
	}
	return n
}

// checkUnsalted checks that a key encrypts as its value alone does.
func (v *wineVector) checkUnsalted(t *testing.T, name string, d *Derived) (n int) {
	t.Helper()
	k := d.key(t)
	plain := &Key{Class: k.Class, Type: k.Type, Value: k.Value}
	for _, mode := range []string{"CBC", "ECB", "CFB8"} {
		got, _ := crypt(t, k, mode, k.EffectiveBits, false, v.Plaintext)
		want, _ := crypt(t, plain, mode, k.EffectiveBits, false, v.Plaintext)
		n++
		if len(want) == 0 || !bytes.Equal(got, want) || bytes.Equal(got, v.Result.CBC) {
			t.Errorf("%s, %s: %s gives %x, the value alone %x", v.ID, name, mode, got, want)
		}
	}
	return n
}
