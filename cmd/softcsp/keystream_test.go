package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
)

// TestStreams signs, makes MACs of, encrypts and decrypts a file of 64 MiB, and sees that the memory that takes does not depend on how long it is.
func TestStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("works through much data")
	}
	const size, most = 64 << 20, 4 << 20
	k, dir := newKeyring(t), t.TempDir()
	k.app.out = io.Discard
	plain, sealed, sig := filepath.Join(dir, "plain"), filepath.Join(dir, "sealed"), filepath.Join(dir, "sig")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(plain, size); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []ck.KeyType{ck.CKK_RSA, ck.CKK_ML_DSA, ck.CKK_AES, ck.CKK_GENERIC_SECRET} {
		if err := k.key(kind); err != nil {
			t.Fatal(err)
		}
	}
	for name, run := range k.longWork(plain, sealed, sig) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := run(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Errorf("%s: %d bytes are allocated in all, for a file of %d", name, n, size)
		}
	}
}

// longWork is what the verbs do with a long file, in order.
func (k *keyring) longWork(plain, sealed, sig string) iter.Seq2[string, func() error] {
	where := func(kind ck.KeyType) *target { return &target{object: objectChoice{what: "key", label: kind.String()}} }
	with := func(m, hash string) choiceOfMechanism {
		x := choiceOfMechanism{name: m, flags: map[string]string{}}
		if hash != "" {
			x.flags["hash"] = hash
		}
		return x
	}
	signs := func(kind ck.KeyType, hash string) func() error {
		x := signing{target: where(kind), mechanism: with("", hash), in: plain, out: sig}
		return func() error { return x.sign(k.session) }
	}
	verifies := signing{target: where(ck.CKK_RSA), mechanism: with("", ""), in: plain, signature: sig, verify: true}
	macs := func(kind ck.KeyType) func() error {
		x := mac{target: where(kind), mechanism: with("", ""), in: plain}
		return func() error { return x.run(k.session) }
	}
	crypts := func(m, in, out string, decrypt bool) func() error {
		x := crypting{target: where(ck.CKK_AES), mechanism: with(m, ""), in: in, out: out, decrypt: decrypt}
		return func() error { return x.run(k.session) }
	}
	return func(yield func(string, func() error) bool) {
		_ = yield("sign", signs(ck.CKK_RSA, "")) && yield("verify", func() error { return verifies.check(k.session) }) &&
			yield("sign with ML-DSA", signs(ck.CKK_ML_DSA, "sha512")) && yield("mac", macs(ck.CKK_GENERIC_SECRET)) && yield("cmac", macs(ck.CKK_AES)) &&
			yield("encrypt with GCM", crypts("CKM_AES_GCM", plain, "-", false)) && yield("encrypt", crypts("", plain, sealed, false)) &&
			yield("decrypt", crypts("", sealed, "-", true))
	}
}

// TestTooLong sees that what does not fit into memory is an error, and not the end of the program.
func TestTooLong(t *testing.T) {
	err := (&app{quiet: true, err: io.Discard}).parts(bytes.NewReader([]byte{1}), 1, "signing", func([]byte) error {
		ck.Allocate(2*ck.MostCopied + 1)
		return nil
	})
	if ck.Code(err) != ck.CKR_HOST_MEMORY || !strings.Contains(explainUse("signing", ck.CKM_EDDSA, err).Error(), "one that hashes takes any length") {
		t.Error(err)
	}
}

// TestSealedAsOthersDo opens with Go's ciphers what is encrypted, with the nonce in front and the tag behind.
func TestSealedAsOthersDo(t *testing.T) {
	k, dir := newKeyring(t), t.TempDir()
	plain, sealed := filepath.Join(dir, "plain"), filepath.Join(dir, "sealed")
	text := bytes.Repeat([]byte("a text longer than a part\n"), 5000)
	if err := os.WriteFile(plain, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, m := range map[ck.KeyType]ck.MechanismType{ck.CKK_AES: ck.CKM_AES_GCM, ck.CKK_CHACHA20: ck.CKM_CHACHA20_POLY1305} {
		value := bytes.Repeat([]byte{byte(kind)}, 32)
		_, err := k.CreateObject(k.handle, append(k.uses(ck.CKO_SECRET_KEY), classIs(ck.CKO_SECRET_KEY), ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(kind))},
			ck.Attribute{Type: ck.CKA_VALUE, Value: value}, ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(m.String())}))
		if err != nil {
			t.Fatal(err)
		}
		x := crypting{target: &target{object: objectChoice{what: "key", label: m.String()}}, in: plain, out: sealed,
			mechanism: choiceOfMechanism{name: m.String(), flags: map[string]string{"aad": "text:beside"}}}
		if err := x.run(k.session); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(sealed)
		if err != nil {
			t.Fatal(err)
		}
		open, err := chacha20poly1305.New(value)
		if kind == ck.CKK_AES {
			var block cipher.Block
			if block, err = aes.NewCipher(value); err == nil {
				open, err = cipher.NewGCM(block)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := open.Open(nil, b[:12], b[12:], []byte("beside"))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%v: %v, %d bytes", m, err, len(got))
		}
	}
}
