package conformance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestUsedKeys searches for keys that are in use, which lie prepared in the memory of ciphers: they are in no core dump of the
// host, and not in a child that it forks.
func TestUsedKeys(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	dir := t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := NewScript(func(string) (*Host, error) { return StartHost(driver, module.path, append(env, "TMPDIR="+dir)...) })
	secrets := keysInUse(t, s)
	pid := s.host.PID()
	if _, err := s.host.ask("wipe"); err != nil {
		t.Fatal(err)
	}
	answer, err := s.host.ask("fork")
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(answer))
	if err != nil {
		t.Fatalf("fork: %q", answer)
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) { // is the search blind?
		found, err := scan(pid, everything, map[string][]byte{name: secrets[name]})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 && !strings.HasSuffix(name, "?") {
			t.Errorf("%s is in use, and not found", name)
		}
	}
	for _, place := range []struct {
		name string
		pid  int
		what extent
	}{{"a core dump of the host", pid, coreDump}, {"a forked child", child, everything}} {
		found, err := scan(place.pid, place.what, secrets)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Errorf("in %s: %s", place.name, f)
		}
	}
	do(t, s, "close")
}

// keysInUse makes keys of all kinds, uses them, and returns what of them is to be searched for. What need not be anywhere
// in memory has a name that ends in "?".
func keysInUse(t *testing.T, s *Script) map[string][]byte {
	t.Helper()
	secrets := map[string][]byte{}
	do(t, s, "C_Initialize NULL", "freeslot", "C_InitToken slot str:87654321 @pad:32:inuse", "slot inuse",
		"C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &s", "C_Login s CKU_SO str:87654321", "C_InitPIN s str:1234", "C_Logout s",
		"C_Login s CKU_USER str:1234")
	for _, name := range []string{"aes", "hmac"} {
		key := make([]byte, 32)
		rand.Read(key)
		s.Vars.SetBytes(name+"_key", key)
		secrets[name+" key"] = key
	}
	secrets["aes round key"] = lastRoundKey(secrets["aes key"])
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := ecKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"p": rsaKey.Primes[0].Bytes(), "q": rsaKey.Primes[1].Bytes(), "d": rsaKey.D.Bytes(), "dp?": rsaKey.Precomputed.Dp.Bytes(), "scalar": scalar} {
		s.Vars.SetBytes(name, b)
		secrets[name] = bytes.Clone(b[:min(32, len(b))])
		slices.Reverse(b)
		secrets[name+" by words?"] = b[:min(32, len(b))]
	}
	s.Vars.SetBytes("modulus", rsaKey.N.Bytes())
	do(t, s, "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_ENCRYPT=true,CKA_DECRYPT=true,CKA_VALUE=aes_key} &a",
		"C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SIGN=true,CKA_VALUE=hmac_key} &h",
		"C_CreateObject s {CKA_CLASS=CKO_PRIVATE_KEY,CKA_KEY_TYPE=CKK_RSA,CKA_SIGN=true,CKA_MODULUS=modulus,CKA_PUBLIC_EXPONENT=hex:010001,CKA_PRIVATE_EXPONENT=d,CKA_PRIME_1=p,CKA_PRIME_2=q} &r",
		"C_CreateObject s {CKA_CLASS=CKO_PRIVATE_KEY,CKA_KEY_TYPE=CKK_EC,CKA_SIGN=true,CKA_EC_PARAMS=hex:06082a8648ce3d030107,CKA_VALUE=scalar} &e")
	for range 3 {
		do(t, s, "C_EncryptInit s CKM_AES_CBC_PAD:rep:16:00 a", "C_Encrypt s rep:100:61 ct=out:112",
			"C_DecryptInit s CKM_AES_CBC_PAD:rep:16:00 a", "C_Decrypt s ct out:112",
			"C_SignInit s CKM_SHA256_HMAC h", "C_Sign s str:abc out:32",
			"C_SignInit s CKM_SHA256_RSA_PKCS r", "C_Sign s str:abc out:256",
			"C_SignInit s CKM_ECDSA e", "C_Sign s rep:32:61 out:64")
	}
	do(t, s, "C_EncryptInit s CKM_AES_CBC:rep:16:00 a", "C_EncryptUpdate s rep:16:61 out:16")
	return secrets
}

// lastRoundKey is the last of the round keys of AES-256 (FIPS 197, section 5.2), which nobody has who has not expanded the key.
func lastRoundKey(key []byte) []byte {
	w := bytes.Clone(key)
	for i := 8; i < 60; i++ {
		t := bytes.Clone(w[4*i-4:])
		if i%8 == 0 {
			t = append(t[1:], t[0])
		}
		for k := range t {
			if i%4 == 0 {
				t[k] = sBox(t[k])
			}
			if i%8 == 0 && k == 0 {
				t[k] ^= 1 << (i/8 - 1)
			}
			w = append(w, w[4*(i-8)+k]^t[k])
		}
	}
	return w[224:240]
}

// sBox is SubBytes of one byte (FIPS 197, section 5.1.1).
func sBox(x byte) byte {
	inverse := byte(0)
	for i := range 256 {
		if times(x, byte(i)) == 1 {
			inverse = byte(i)
		}
	}
	y := byte(0x63)
	for i := range 5 {
		y ^= bits.RotateLeft8(inverse, i)
	}
	return y
}

// times multiplies in the field of AES.
func times(a, b byte) (p byte) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		a = a<<1 ^ a>>7*0x1b
	}
	return p
}

// TestLastRoundKey compares with appendix A.3 of FIPS 197.
func TestLastRoundKey(t *testing.T) {
	t.Parallel()
	key, _ := hex.DecodeString("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	if got := hex.EncodeToString(lastRoundKey(key)); got != "fe4890d1e6188d0b046df344706c631e" {
		t.Error(got)
	}
}
