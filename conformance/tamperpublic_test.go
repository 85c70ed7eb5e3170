package conformance

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	gocrypto "crypto"
)

// TestTamperPublic changes public objects in the file of a token, where nobody logs in afterwards: the modulus of a public key, for
// that of a forger, and each bit of what is stored of a certificate. No forged signature is verified, and no changed certificate shown.
func TestTamperPublic(t *testing.T) {
	t.Parallel()
	only(t)
	dir := t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	start := func() *Script {
		return NewScript(func(string) (*Host, error) { return StartHost(driver, module.path, env...) })
	}
	s := start()
	do(t, s, "login",
		"C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_TOKEN=true,CKA_PRIVATE=false,CKA_LABEL=str:signer,CKA_MODULUS_BITS=1024} {CKA_TOKEN=true,CKA_LABEL=str:signer,CKA_SIGN=true} &pub &priv",
		"get s pub CKA_MODULUS",
		"C_CreateObject s {CKA_CLASS=CKO_CERTIFICATE,CKA_CERTIFICATE_TYPE=CKC_X_509,CKA_TOKEN=true,CKA_PRIVATE=false,CKA_LABEL=str:certificate,CKA_SUBJECT=hex:3000,CKA_VALUE=str:what-the-certificate-says} &cert")
	modulus := bytes.Clone(s.Vars.Bytes("a.CKA_MODULUS"))
	do(t, s, "close")
	name, sound := tokenFile(t, dir)
	path := filepath.Join(dir, "tokens", name)

	forger, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("data"))
	forged, err := rsa.SignPKCS1v15(nil, forger, gocrypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	look := []string{"C_Initialize NULL", "slot conformance", "C_OpenSession slot CKF_SERIAL_SESSION NULL NULL &s"}
	find := func(s *Script, template string) (n uint64) {
		do(t, s, "C_FindObjectsInit s "+template, "C_FindObjects s &f[8] 8 &n", "C_FindObjectsFinal s")
		return uint64(s.Vars.Number("n"))
	}
	t.Run("certificate", func(t *testing.T) { tamperCertificate(t, start, look, path, sound) })
	// The key as it is verifies nothing of the forger's; with the forger's modulus it is not there.
	for _, c := range []struct {
		what    string
		content []byte
		keys    uint64
	}{
		{"untouched", sound, 1},
		{"another modulus", bytes.ReplaceAll(sound, modulus, forger.N.FillBytes(make([]byte, len(modulus)))), 0},
		{"a flipped bit", bytes.ReplaceAll(sound, modulus, append([]byte{modulus[0] ^ 1}, modulus[1:]...)), 0},
	} {
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := start()
		do(t, s, look...)
		if n := find(s, "{CKA_CLASS=CKO_PUBLIC_KEY}"); n != c.keys {
			t.Errorf("%s: %d public keys, want %d", c.what, n, c.keys)
		}
		if c.keys == 1 {
			do(t, s, "C_VerifyInit s CKM_SHA256_RSA_PKCS f[0]", "C_Verify s str:data hex:"+hex.EncodeToString(forged)+" -> CKR_SIGNATURE_INVALID")
		}
		if n := find(s, "{CKA_CLASS=CKO_CERTIFICATE}"); n != 1 {
			t.Errorf("%s: %d certificates", c.what, n)
		}
		do(t, s, "close")
	}
}

// tamperCertificate changes bytes of what is stored of a certificate: it is not shown.
func tamperCertificate(t *testing.T, start func() *Script, look []string, path string, sound []byte) {
	at := bytes.Index(sound, []byte("what-the-certificate-says"))
	for i := at - 60; i < at+25; i += 12 {
		changed := bytes.Clone(sound)
		changed[i] ^= 4
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		s := start()
		var err error
		for _, l := range append(look[:len(look):len(look)], "C_FindObjectsInit s {CKA_CLASS=CKO_CERTIFICATE}", "C_FindObjects s &f[8] 8 &n", "C_FindObjectsFinal s") {
			if err == nil {
				err = s.Line(l)
			}
		}
		if err == nil && s.Vars.Number("n") != 0 {
			t.Errorf("a certificate with another byte at %d is shown", i-at)
		}
		_ = s.Close()
	}
}
