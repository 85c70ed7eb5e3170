package conformance

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/miekg/pkcs11"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

var knownAnswers = os.DirFS("../testdata")

// wineScenarios says how the scenarios of the vectors are tried through C_DeriveKey.
var wineScenarios = map[string]string{
	"normal": "derive", "own_context": "derive", "silent_context": "derive", "csp_normal": "derive",
	"duplicate_hash": "derive", "finished_hash": "derive", "hash_not_fed": "derive", "hash_fed_zero_bytes": "derive",
	"other_prov_hash": "derive", "csp_other_context": "derive",
	"csp_bad_hash": "no hash", "csp_null_hash": "no hash", "csp_hprov_as_hash": "no hash",
	"csp_bad_hprov": "no provider", "csp_null_hprov": "no provider",
	// Handles that advapi32 refuses before any provider sees them, and the pointer for the result: of CryptoAPI alone.
	"null_hprov": "none", "garbage_hprov": "none", "minus1_hprov": "none", "released_prov": "none", "hash_as_hprov": "none",
	"null_hash": "none", "garbage_hash": "none", "minus1_hash": "none", "destroyed_hash": "none", "key_as_hash": "none",
	"hprov_as_hash": "none", "null_phkey": "none", "csp_null_phkey": "none",
}

// wineCount counts what was checked.
type wineCount struct{ keys, refusals, values, salts, ciphertexts, none int }

// TestWineVectors derives every key that was measured with Wine through the library: from the value of a base key, from
// the session's digest, and from a finished hash value.
func TestWineVectors(t *testing.T) {
	h := capiHost(t)
	if h == nil {
		return
	}
	all, err := vectors.WineVectors(knownAnswers, "cryptderivekey/wine-vectors.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	var n wineCount
	for i := range all {
		v := wineVector{&all[i], h, &n}
		ways := v.ways(t)
		if len(ways) == 0 {
			n.none++
		}
		for _, w := range ways {
			v.try(t, w)
		}
	}
	t.Logf("%+v", n)
	// Without equivalent: 156 about handles and pointers of CryptoAPI, 5 MAC objects that Wine refuses to make, and 19 MAC and
	// HMAC objects that have no hash of their length or that the rule would hash with again.
	if want := (wineCount{keys: 6598, refusals: 4177, values: 3259, salts: 840, ciphertexts: 24794, none: 180}); n != want {
		t.Errorf("checked %+v, want %+v", n, want)
	}
}

// A wineVector is a vector and where it is tried.
type wineVector struct {
	*vectors.Wine
	*capiSession
	n *wineCount
}

// A baseData is one way to give C_DeriveKey its base data.
type baseData struct {
	name     string
	provider uint
	hash     uint
	digest   uint   // the mechanism, for a digest operation
	key      []byte // the value of a base key
}

// digests are the mechanisms of the hashes.
var digests = map[vectors.Number]uint{
	calgMD2: pkcs11.CKM_MD2, calgMD4: uint(ck.CKM_SOFTCSP_MD4), calgMD5: pkcs11.CKM_MD5, calgSHA1: pkcs11.CKM_SHA_1,
	calgSHA256: pkcs11.CKM_SHA256, calgSHA384: pkcs11.CKM_SHA384, calgSHA512: pkcs11.CKM_SHA512,
}

// ways lists the ways in which a vector can be tried; without any it has no equivalent in PKCS#11.
func (v *wineVector) ways(t *testing.T) []baseData {
	r := &v.Request
	provider := vectors.CAPIProvider[r.Provider]
	hash := uint(r.Hash)
	switch how := wineScenarios[r.Scenario]; how {
	case "no hash":
		return []baseData{{name: "no hash", provider: provider}, {name: "no hash, but named", provider: provider, hash: hash}}
	case "no provider":
		return []baseData{{name: "no provider", provider: 5, hash: hash, key: r.Base}}
	case "none":
		return nil
	case "":
		t.Fatalf("%s: unknown scenario %s", v.ID, r.Scenario)
	}
	switch {
	case r.Hash == calgMAC, r.Hash == calgHMAC:
		return v.macWays(provider)
	case r.HashValue != nil:
		return []baseData{{name: "hash value", provider: provider, hash: hash | hashValue, key: r.HashValue}}
	}
	var ways []baseData
	if m, ok := digests[r.Hash]; ok {
		ways = append(ways, baseData{name: "digest", provider: provider, digest: m},
			baseData{name: "digest, named", provider: provider, hash: hash, digest: m})
	}
	if len(r.Base) != 0 { // PKCS#11 has no empty keys
		ways = append(ways, baseData{name: "key", provider: provider, hash: hash, key: r.Base})
	}
	return ways
}

// macWays gives the value of a MAC object as that of a hash of the same length: possible where there is one and the
// rule does not hash again.
func (v *wineVector) macWays(provider uint) []baseData {
	hash := uint(v.Request.HMACInner)
	value := v.Result.HashValue
	if hash == 0 && len(value) == 16 {
		hash = calgMD5
	}
	aes := v.Request.Cipher >= calgAES128
	if hash == 0 || value == nil || len(v.Result.Key) > len(value) || aes && v.Request.Cipher <= calgAES256 && len(value) <= 20 {
		return nil
	}
	return []baseData{{name: "hash value", provider: provider, hash: hash | hashValue, key: value}}
}

// try derives the key in one way and checks all that the vector knows of it.
func (v *wineVector) try(t *testing.T, w baseData) {
	base := v.begin(t, w, v.Request.Chunk)
	key, err := v.derive(base, w.provider, w.hash, uint(v.Request.Cipher), uint(v.Request.Flags))
	device := v.deviceError(t)
	if want := v.Error(); want != "" || err != nil {
		v.n.refusals++
		if code := deviceErrors[want]; !errors.Is(err, code.rv) || device != code.device {
			t.Errorf("%s, %s: %v and device error %#x, want %s", v.ID, w.name, err, device, want)
		}
		v.afterFailure(t, w)
	} else {
		v.n.keys++
		if device != 0 {
			t.Errorf("%s, %s: device error %#x after a success", v.ID, w.name, device)
		}
		v.check(t, w, key)
		v.afterSuccess(t, w, key)
		v.destroy(t, key)
	}
	if base != 0 {
		v.destroy(t, base)
	}
}

// begin makes the base key of a way, or feeds a digest operation.
func (v *wineVector) begin(t *testing.T, w baseData, chunk int) pkcs11.ObjectHandle {
	t.Helper()
	if w.key != nil {
		return v.secret(t, pkcs11.CKK_GENERIC_SECRET, w.key, pkcs11.NewAttribute(pkcs11.CKA_DERIVE, true))
	}
	if w.digest != 0 {
		v.must(t, v.DigestInit(v.s, mechanism(w.digest, nil)))
		for data := range slices.Chunk(v.Request.Base, cmp.Or(chunk, max(1, len(v.Request.Base)))) {
			v.must(t, v.DigestUpdate(v.s, data))
		}
	}
	return 0
}

// afterFailure checks that a digest operation is as it was.
func (v *wineVector) afterFailure(t *testing.T, w baseData) {
	if w.digest == 0 {
		return
	}
	if err := v.DigestUpdate(v.s, []byte("more")); err != nil {
		t.Errorf("%s, %s: C_DigestUpdate after a failure: %v", v.ID, w.name, err)
	}
	_, err := v.DigestFinal(v.s)
	v.must(t, err)
}

// afterSuccess checks that a digest operation is finished: it takes nothing more, gives the same key again, and tells the
// hash value.
func (v *wineVector) afterSuccess(t *testing.T, w baseData, key pkcs11.ObjectHandle) {
	if w.digest == 0 {
		return
	}
	state := deviceErrors["NTE_BAD_HASH_STATE"]
	if err := v.DigestUpdate(v.s, []byte("more")); !errors.Is(err, state.rv) || v.deviceError(t) != state.device {
		t.Errorf("%s: C_DigestUpdate after a derivation: %v, device error %#x", v.ID, err, v.deviceError(t))
	}
	if err := v.DigestKey(v.s, key); !errors.Is(err, state.rv) || v.deviceError(t) != state.device {
		t.Errorf("%s: C_DigestKey after a derivation: %v, device error %#x", v.ID, err, v.deviceError(t))
	}
	again, err := v.derive(0, w.provider, w.hash, uint(v.Request.Cipher), uint(v.Request.Flags)|exportable)
	v.must(t, err)
	if got, err := v.attr(again, pkcs11.CKA_VALUE); v.Result.Key != nil && (err != nil || !bytes.Equal(got, v.Result.Key)) {
		t.Errorf("%s: the second key is %x, %v, want %x", v.ID, got, err, v.Result.Key)
	}
	v.destroy(t, again)
	value, err := v.DigestFinal(v.s)
	if err != nil || v.Result.HashValue != nil && !bytes.Equal(value, v.Result.HashValue) {
		t.Errorf("%s: hash value %x, %v, want %x", v.ID, value, err, v.Result.HashValue)
	}
}

// check compares a key with what the vector knows: its attributes, its value if that may be seen, and its ciphertexts.
func (v *wineVector) check(t *testing.T, w baseData, key pkcs11.ObjectHandle) {
	t.Helper()
	want := &v.Result
	if want.Key == nil {
		return
	}
	p := &want.Params
	for a, u := range map[ck.AttributeType]uint{
		ck.CKA_SOFTCSP_ALGID: uint(v.Request.Cipher), ck.CKA_SOFTCSP_PROVIDER: w.provider,
		ck.CKA_SOFTCSP_EFFECTIVE_BITS: p.Effective, ck.CKA_SOFTCSP_PERMISSIONS: uint(p.Permissions),
	} {
		if got, err := v.attr(key, uint(a)); err != nil || !bytes.Equal(got, ck.UlongValue(u)) {
			t.Errorf("%s, %s: %v is %x, %v, want %#x", v.ID, w.name, a, got, err, u)
		}
	}
	salt, err := v.attr(key, uint(ck.CKA_SOFTCSP_SALT))
	if p.Salt == nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)) || p.Salt != nil && (err != nil || !bytes.Equal(salt, p.Salt)) {
		t.Errorf("%s, %s: salt %x, %v, want %x", v.ID, w.name, salt, err, p.Salt)
	}
	if len(p.Salt) != 0 {
		v.n.salts++
	}
	v.checkValue(t, w, key)
	v.checkCiphertexts(t, w, key)
}

// checkValue reads the value of an exportable key, and sees that no other can be read.
func (v *wineVector) checkValue(t *testing.T, w baseData, key pkcs11.ObjectHandle) {
	t.Helper()
	value, err := v.attr(key, pkcs11.CKA_VALUE)
	free := v.Request.Flags&exportable != 0
	if free {
		v.n.values++
		if err != nil || !bytes.Equal(value, v.Result.Key) {
			t.Errorf("%s, %s: value %x, %v, want %x", v.ID, w.name, value, err, v.Result.Key)
		}
	} else if !errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE)) {
		t.Errorf("%s, %s: the value of a key that is not exportable: %x, %v", v.ID, w.name, value, err)
	}
	for a, want := range map[uint]bool{
		pkcs11.CKA_EXTRACTABLE: free, pkcs11.CKA_SENSITIVE: !free,
		pkcs11.CKA_ALWAYS_AUTHENTICATE: v.Request.Flags&userProtected != 0,
	} {
		got, err := v.attr(key, a)
		if err != nil || !bytes.Equal(got, ck.BoolValue(want)) {
			t.Errorf("%s, %s: attribute %#x is %x, %v, want %v", v.ID, w.name, a, got, err, want)
		}
	}
}

// checkCiphertexts encrypts in each mode. Where Windows puts no salt into a key and Wine does, the key encrypts as its
// value alone.
func (v *wineVector) checkCiphertexts(t *testing.T, w baseData, key pkcs11.ObjectHandle) {
	t.Helper()
	protected := v.Request.Flags&userProtected != 0
	var plain pkcs11.ObjectHandle
	if v.OnWindows {
		plain = v.secret(t, keyTypes[uint(v.Request.Cipher)], v.Result.Key, pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true))
		defer v.destroy(t, plain)
	}
	for _, c := range []struct {
		mode string
		want []byte
	}{{"CBC", v.Result.Default}, {"CBC", v.Result.CBC}, {"ECB", v.Result.ECB}, {"CFB8", v.Result.CFB}} {
		got, ok := v.encrypt(t, key, uint(v.Request.Cipher), c.mode, v.Result.Params.Effective, protected, v.Plaintext)
		if !ok {
			continue
		}
		if v.OnWindows {
			c.want, _ = v.encrypt(t, plain, uint(v.Request.Cipher), c.mode, v.Result.Params.Effective, false, v.Plaintext)
		}
		v.n.ciphertexts++
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s, %s: %s gives %x, want %x", v.ID, w.name, c.mode, got, c.want)
		}
	}
}
