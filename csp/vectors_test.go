package csp

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/internal/vectors"
)

var knownAnswers = os.DirFS("../testdata")

// nothing is an environment without a variable.
func nothing(string) string { return "" }

// testSystem is a System without settings.
func testSystem(t testing.TB) *System {
	s := New(nothing)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// providersOf are the providers that vectors name.
var providersOf = map[string]struct {
	name string
	typ  uint32
}{
	"softcsp": {capi.SOFTCSP_PROV, capi.PROV_RSA_AES}, "base": {capi.MS_DEF_PROV, capi.PROV_RSA_FULL}, "strong": {capi.MS_STRONG_PROV, capi.PROV_RSA_FULL},
	"enhanced": {capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL}, "aes": {capi.MS_ENH_RSA_AES_PROV, capi.PROV_RSA_AES},
}

// A wineRun is the functions of CryptoAPI, driven through handles as the program did that measured Wine.
type wineRun struct {
	*testing.T
	*Handles
	provs               map[string]Handle
	equal, keys, errors int
	ciphertexts, blobs  int
}

func newRun(t *testing.T) *wineRun {
	r := &wineRun{T: t, Handles: NewHandles(testSystem(t)), provs: map[string]Handle{}}
	for name, p := range providersOf {
		h, err := r.AcquireContext("", p.name, p.typ, capi.CRYPT_VERIFYCONTEXT)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.provs[name] = h
	}
	return r
}

// TestWineVectors makes every call that was measured with Wine, those about handles included, and compares what came of it.
func TestWineVectors(t *testing.T) {
	all, err := vectors.WineVectors(knownAnswers, "cryptderivekey/wine-vectors.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(t)
	for i := range all {
		if r.try(&all[i]) {
			r.equal++
		}
	}
	t.Logf("%d of %d vectors: %d keys, %d errors, %d ciphertexts, %d blobs", r.equal, len(all), r.keys, r.errors, r.ciphertexts, r.blobs)
	if r.equal != len(all) || r.keys != 2277 || r.errors != 1627 || r.ciphertexts != 8872 || r.blobs != 3417 {
		t.Error("not the number of checks that there should be")
	}
}

// try makes the call of a vector and compares.
func (r *wineRun) try(v *vectors.Wine) bool {
	prov := r.provs[v.Request.Provider]
	hash, ok, err := r.hashObject(prov, v)
	if err != nil {
		r.errors++
		return r.same(v, "CryptCreateHash", capi.Code(err), 0)
	}
	if !ok {
		return false
	}
	key, err := r.derive(v, prov, hash)
	if want := v.Error(); want != "" || err != nil {
		r.errors++
		return r.same(v, "CryptDeriveKey", capi.Code(err), key)
	}
	r.keys++
	good := r.check(v, prov, key)
	good = r.after(v, prov, hash) && good
	for _, err := range []error{r.DestroyKey(key), r.DestroyHash(hash)} {
		if err != nil {
			r.Errorf("%s: %v", v.ID, err)
			return false
		}
	}
	return good
}

// same compares an error, and sees that there is no key.
func (r *wineRun) same(v *vectors.Wine, what string, got capi.Error, key Handle) bool {
	want := v.Error()
	if got.Error() != want || key != 0 {
		r.Errorf("%s, %s: %s gives %v, want %s", v.ID, v.Request.Scenario, what, got, want)
		return false
	}
	return true
}

// hashObject makes and feeds the hash object of a vector.
func (r *wineRun) hashObject(prov Handle, v *vectors.Wine) (Handle, bool, error) {
	q := &v.Request
	if q.Scenario == "other_prov_hash" || q.Scenario == "csp_other_context" {
		p := providersOf[q.Provider]
		other, err := r.AcquireContext("", p.name, p.typ, capi.CRYPT_VERIFYCONTEXT)
		if err != nil {
			r.Fatal(err)
		}
		prov = other
	}
	c, err := r.Context(prov)
	if err != nil {
		r.Fatal(err)
	}
	mac, err := r.macKey(c, v)
	if err != nil {
		r.Fatalf("%s: key of the MAC: %v", v.ID, err)
	}
	h, err := c.CreateHash(capi.AlgID(q.Hash), mac, 0)
	if err != nil {
		return 0, false, err
	}
	if capi.AlgID(q.Hash) == capi.CALG_HMAC {
		if err := h.SetHMACInfo(HMACInfo{HashAlgid: capi.AlgID(q.HMACInner)}); err != nil {
			r.Fatalf("%s: %v", v.ID, err)
		}
	}
	if mac != nil {
		if err := mac.Destroy(); err != nil { // the hash object keeps it
			r.Fatal(err)
		}
	}
	if q.HashValue != nil {
		err = h.SetValue(q.HashValue)
	} else {
		for chunk := range slices.Chunk(q.Base, cmp.Or(q.Chunk, max(1, len(q.Base)))) {
			if err == nil {
				err = h.HashData(chunk, 0)
			}
		}
	}
	if q.Scenario == "finished_hash" {
		_, err = h.Value()
	}
	if q.Scenario == "duplicate_hash" && err == nil {
		d, e := h.Duplicate(0)
		err = cmp.Or(e, h.Destroy())
		h = d
	}
	if err != nil {
		r.Errorf("%s: %v", v.ID, err)
		return 0, false, nil
	}
	handle, err := r.AddHash(h, nil)
	return handle, true, err
}

// macKey imports the key of a MAC or HMAC object.
func (r *wineRun) macKey(c *Context, v *vectors.Wine) (*Key, error) {
	q := &v.Request
	if q.MACKey == nil {
		return nil, nil
	}
	blob := append(capi.BlobHeader(capi.PLAINTEXTKEYBLOB, capi.AlgID(q.MACCipher)), dword(uint32(len(q.MACKey)))...)
	flags := uint32(0)
	if capi.AlgID(q.MACCipher) == capi.CALG_RC2 {
		flags = capi.CRYPT_IPSEC_HMAC_KEY
	}
	return c.Import(append(blob, q.MACKey...), nil, flags)
}

// derive calls CryptDeriveKey with the handles that the scenario asks for.
func (r *wineRun) derive(v *vectors.Wine, prov, hash Handle) (key Handle, err error) {
	q := &v.Request
	algid, flags := capi.AlgID(q.Cipher), uint32(q.Flags)
	c, _ := r.Context(prov)
	own := func(flags uint32) {
		p := providersOf[q.Provider]
		if prov, err = r.AcquireContext("", p.name, p.typ, capi.CRYPT_VERIFYCONTEXT|flags); err != nil {
			r.Fatal(err)
		}
	}
	out := &key
	switch q.Scenario {
	case "null_hprov":
		prov = 0
	case "garbage_hprov":
		prov = 0xdeadbeef
	case "minus1_hprov":
		prov = ^Handle(0)
	case "released_prov":
		own(0)
		if err := r.ReleaseContext(prov, 0); err != nil {
			r.Fatal(err)
		}
	case "hash_as_hprov":
		prov = hash
	case "null_hash":
		hash = 0
	case "garbage_hash":
		hash = 0xdeadbeef
	case "minus1_hash":
		hash = ^Handle(0)
	case "destroyed_hash":
		if err := r.DestroyHash(hash); err != nil {
			r.Fatal(err)
		}
	case "key_as_hash":
		if hash, err = r.AddKey(c.GenKey(capi.CALG_RC4, 0)); err != nil {
			r.Fatal(err)
		}
	case "hprov_as_hash":
		hash = prov
	case "null_phkey", "csp_null_phkey":
		out = nil
	case "own_context":
		own(0)
	case "silent_context":
		own(capi.CRYPT_SILENT)
	// What a provider itself says of handles, past those of advapi32.
	case "csp_bad_hprov", "csp_null_hprov":
		h, _ := r.Hash(hash)
		_, err = (*Context)(nil).DeriveKey(algid, h, flags)
		return 0, err
	case "csp_bad_hash", "csp_null_hash", "csp_hprov_as_hash":
		_, err = c.DeriveKey(algid, nil, flags)
		return 0, err
	case "normal", "csp_normal", "duplicate_hash", "finished_hash", "hash_not_fed", "hash_fed_zero_bytes", "other_prov_hash", "csp_other_context":
	default:
		r.Fatalf("%s: unknown scenario %s", v.ID, q.Scenario)
	}
	err = r.DeriveKey(prov, algid, hash, flags, out)
	return key, err
}

// after sees that the hash object is finished, and gives the same key again.
func (r *wineRun) after(v *vectors.Wine, prov, hash Handle) bool {
	h, _ := r.Hash(hash)
	c, _ := r.Context(prov)
	k, err := c.GenKey(capi.CALG_DES, 0)
	if err != nil {
		r.Fatal(err)
	}
	defer k.Destroy() //nolint:errcheck // it is there
	good := true
	want := []capi.Error{capi.NTE_BAD_HASH_STATE, capi.NTE_BAD_HASH_STATE}
	if capi.AlgID(v.Request.Hash) == capi.CALG_SSL3_SHAMD5 {
		want = []capi.Error{capi.NTE_BAD_ALGID, capi.NTE_BAD_ALGID}
	}
	for i, err := range []error{h.HashData([]byte("more"), 0), h.HashSessionKey(k, 0)} {
		if capi.Code(err) != want[i] {
			r.Errorf("%s: adding data after a derivation: %v", v.ID, err)
			good = false
		}
	}
	value, err := h.Value()
	if err != nil || v.Result.HashValue != nil && !bytes.Equal(value, v.Result.HashValue) {
		r.Errorf("%s: hash value %x, %v, want %x", v.ID, value, err, v.Result.HashValue)
		good = false
	}
	if v.Result.Key == nil {
		return good
	}
	again, err := c.DeriveKey(capi.AlgID(v.Request.Cipher), h, uint32(v.Request.Flags)|capi.CRYPT_EXPORTABLE)
	if err != nil {
		r.Errorf("%s: the second time: %v", v.ID, err)
		return false
	}
	defer again.Destroy() //nolint:errcheck // it is there
	return r.checkBlob(v, again) && good
}

// check compares a key with what the vector knows of it.
func (r *wineRun) check(v *vectors.Wine, prov, key Handle) bool {
	k, err := r.Key(key)
	if err != nil {
		r.Errorf("%s: %v", v.ID, err)
		return false
	}
	want := &v.Result
	if want.Key == nil {
		return true
	}
	good := true
	p := &want.Params
	for param, u := range map[uint32]uint32{
		capi.KP_ALGID: uint32(v.Request.Cipher), capi.KP_KEYLEN: uint32(p.KeyLen), capi.KP_EFFECTIVE_KEYLEN: uint32(p.Effective),
		capi.KP_BLOCKLEN: uint32(p.Block), capi.KP_MODE: p.Mode, capi.KP_MODE_BITS: 0, capi.KP_PADDING: capi.PKCS5_PADDING, capi.KP_PERMISSIONS: uint32(p.Permissions),
	} {
		if got, err := k.Number(param); err != nil || got != u {
			r.Errorf("%s: parameter %d is %#x, %v, want %#x", v.ID, param, got, err, u)
			good = false
		}
	}
	salt, err := k.Param(capi.KP_SALT, 0)
	if p.Salt == nil && capi.Code(err) != capi.NTE_BAD_KEY || p.Salt != nil && (err != nil || !bytes.Equal(salt, p.Salt)) {
		r.Errorf("%s: salt %x, %v, want %x", v.ID, salt, err, p.Salt)
		good = false
	}
	if iv, err := k.Param(capi.KP_IV, 0); err != nil || !bytes.Equal(iv, make([]byte, p.IVLen)) {
		r.Errorf("%s: IV %x, %v", v.ID, iv, err)
		good = false
	}
	return r.checkBlob(v, k) && r.checkCiphertexts(v, k) && good
}

// checkBlob exports the key.
func (r *wineRun) checkBlob(v *vectors.Wine, k *Key) bool {
	blob, err := k.Export(nil, capi.PLAINTEXTKEYBLOB, 0)
	if n, _ := k.Number(capi.KP_PERMISSIONS); n&capi.CRYPT_EXPORT == 0 {
		if capi.Code(err) != capi.NTE_BAD_KEY_STATE {
			r.Errorf("%s: export of a key that is not exportable: %x, %v", v.ID, blob, err)
		}
		return capi.Code(err) == capi.NTE_BAD_KEY_STATE
	}
	want := append(capi.BlobHeader(capi.PLAINTEXTKEYBLOB, capi.AlgID(v.Request.Cipher)), dword(uint32(len(v.Result.Key)))...)
	want = append(want, v.Result.Key...)
	r.blobs++
	if err != nil || !bytes.Equal(blob, want) {
		r.Errorf("%s: blob %x, %v, want %x", v.ID, blob, err, want)
		return false
	}
	return true
}

// checkCiphertexts encrypts in each mode, and decrypts again.
func (r *wineRun) checkCiphertexts(v *vectors.Wine, k *Key) bool {
	good := true
	for _, c := range []struct {
		mode uint32
		want []byte
	}{{0, v.Result.Default}, {capi.CRYPT_MODE_ECB, v.Result.ECB}, {capi.CRYPT_MODE_CBC, v.Result.CBC}, {capi.CRYPT_MODE_CFB, v.Result.CFB}} {
		if v.OnWindows {
			continue // Windows puts no salt into the key, and Wine does
		}
		if c.mode != 0 {
			if err := k.SetParam(capi.KP_MODE, dword(c.mode), 0); err != nil {
				r.Errorf("%s: KP_MODE %d: %v", v.ID, c.mode, err)
				good = false
			}
		}
		buf := append(append([]byte(nil), v.Plaintext...), make([]byte, 16)...)
		n, err := k.Encrypt(nil, true, 0, buf, len(v.Plaintext))
		r.ciphertexts++
		if err != nil || !bytes.Equal(buf[:n], c.want) {
			r.Errorf("%s: mode %d gives %x, %v, want %x", v.ID, c.mode, buf[:n], err, c.want)
			good = false
			continue
		}
		if n, err = k.Decrypt(nil, true, 0, buf[:n]); err != nil || !bytes.Equal(buf[:n], v.Plaintext) {
			r.Errorf("%s: mode %d decrypts to %x, %v", v.ID, c.mode, buf[:n], err)
			good = false
		}
	}
	return good
}
