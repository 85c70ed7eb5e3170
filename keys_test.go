package softcsp

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"errors"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// pairs are keys of Go's, one of each type.
func pairs(t *testing.T) map[KeyType]crypto.PrivateKey {
	t.Helper()
	list := map[KeyType]crypto.PrivateKey{
		"rsa:2048": must(rsa.GenerateKey(rand.Reader, 2048))(t),
		X25519:     must(ecdh.X25519().GenerateKey(rand.Reader))(t),
		MLKEM768:   must(mlkem.GenerateKey768())(t), "ml-kem:1024": must(mlkem.GenerateKey1024())(t),
	}
	_, list[Ed25519], _ = ed25519.GenerateKey(rand.Reader)
	for _, c := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		list[curveName(c)] = must(ecdsa.GenerateKey(c, rand.Reader))(t)
	}
	return list
}

// public is the public half of a key of Go's.
func public(key crypto.PrivateKey) crypto.PublicKey {
	p, _, err := halves(key)
	if err != nil {
		panic(err)
	}
	return p
}

// equal compares public keys. Those of ML-KEM have no Equal.
func equal(a, b crypto.PublicKey) bool {
	if a, ok := a.(interface{ Equal(crypto.PublicKey) bool }); ok {
		return a.Equal(b)
	}
	return bytes.Equal(a.(crypto.Encapsulator).Bytes(), b.(crypto.Encapsulator).Bytes())
}

// TestPairs imports and generates a pair of each type, and has Go's own key or public key check what it computes.
func TestPairs(t *testing.T) {
	token := memory(t)
	for kind, key := range pairs(t) {
		t.Run(string(kind), func(t *testing.T) {
			imported := must(token.ImportPrivateKey(key, KeyOptions{Label: string(kind)}))(t)
			if !equal(imported.Public(), public(key)) {
				t.Errorf("the public key is %v", imported.Public())
			}
			checkPair(t, imported)
			if exchange, err := imported.KeyExchanger(); err == nil {
				peer := must(exchange.Curve().GenerateKey(rand.Reader))(t)
				own, ok := key.(*ecdh.PrivateKey)
				if !ok {
					own = must(key.(*ecdsa.PrivateKey).ECDH())(t)
				}
				if got, want := must(exchange.ECDH(peer.PublicKey()))(t), must(own.ECDH(peer.PublicKey()))(t); !bytes.Equal(got, want) {
					t.Errorf("agreed on %x, and not %x", got, want)
				}
			}
			generated := must(token.GeneratePrivateKey(kind, KeyOptions{}))(t)
			if equal(generated.Public(), public(key)) {
				t.Error("the same key was generated")
			}
			checkPair(t, generated)
		})
	}
}

// checkPair has Go check what a key computes.
func checkPair(t *testing.T, k *PrivateKey) {
	t.Helper()
	switch public := k.Public().(type) {
	case *rsa.PublicKey:
		checkRSASignatures(t, k, public)
		checkRSADecryption(t, k, public)
	case *ecdsa.PublicKey:
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256} {
			digest := random(hash.Size())
			if s := must(k.Sign(nil, digest, hash))(t); !ecdsa.VerifyASN1(public, digest, s) {
				t.Errorf("a signature of a hash of %v is wrong", hash)
			}
		}
	case ed25519.PublicKey:
		checkEd25519(t, k, public)
	case crypto.Encapsulator:
		private := must(k.Decapsulator())(t)
		want, ciphertext := public.Encapsulate()
		if got := must(private.Decapsulate(ciphertext))(t); !bytes.Equal(got, want) {
			t.Errorf("decapsulated %x, and not %x", got, want)
		}
		if _, err := private.Decapsulate(ciphertext[1:]); err == nil {
			t.Error("a short ciphertext was taken")
		}
	}
}

func checkRSASignatures(t *testing.T, k *PrivateKey, public *rsa.PublicKey) {
	t.Helper()
	for _, row := range hashes {
		digest := random(row.hash.Size())
		if err := rsa.VerifyPKCS1v15(public, row.hash, digest, must(k.Sign(nil, digest, row.hash))(t)); err != nil {
			t.Errorf("%v: %v", row.hash, err)
		}
		if row.hash == crypto.MD5 {
			continue
		}
		for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, 7} {
			o := &rsa.PSSOptions{SaltLength: salt, Hash: row.hash}
			if err := rsa.VerifyPSS(public, row.hash, digest, must(k.Sign(nil, digest, o))(t), o); err != nil {
				t.Errorf("%v with salt %d: %v", row.hash, salt, err)
			}
		}
	}
	raw := []byte("no hash at all")
	if err := rsa.VerifyPKCS1v15(public, 0, raw, must(k.Sign(nil, raw, crypto.Hash(0)))(t)); err != nil {
		t.Error(err)
	}
	if _, err := k.Sign(nil, raw, crypto.SHA256); err == nil {
		t.Error("a hash of the wrong length was signed")
	}
	sum := crypto.SHA256.New()
	sum.Write(raw)
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum.Sum(nil), must(k.SignMessage(nil, raw, crypto.SHA256))(t)); err != nil {
		t.Error(err)
	}
}

// version15 are the options of PKCS #1 v1.5.
//
//lint:ignore SA1019 crypto/tls and older formats still ask for it
type version15 = rsa.PKCS1v15DecryptOptions

func checkRSADecryption(t *testing.T, k *PrivateKey, public *rsa.PublicKey) {
	t.Helper()
	d := must(k.Decrypter())(t)
	message := random(32)
	for _, o := range []*rsa.OAEPOptions{
		{Hash: crypto.SHA1}, {Hash: crypto.SHA256, Label: []byte("label")}, {Hash: crypto.SHA512, MGFHash: crypto.SHA1}, {Hash: crypto.SHA3_256},
	} {
		sealed := must(rsa.EncryptOAEPWithOptions(rand.Reader, public, message, o))(t)
		if got, err := d.Decrypt(nil, sealed, o); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%+v: %x, %v", o, got, err)
		}
		sealed[9]++
		if _, err := d.Decrypt(nil, sealed, o); !errors.Is(err, rsa.ErrDecryption) {
			t.Errorf("what was changed: %v", err)
		}
	}
	sealed := must(rsa.EncryptPKCS1v15(rand.Reader, public, message))(t) //lint:ignore SA1019 the programs of others still do
	for _, o := range []crypto.DecrypterOpts{nil, &version15{}, &version15{SessionKeyLen: 32}} {
		if got, err := d.Decrypt(nil, sealed, o); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%+v: %x, %v", o, got, err)
		}
	}
	for _, n := range []int{16, 31, 33, 48} { // of another length than was encrypted
		got, err := d.Decrypt(nil, sealed, &version15{SessionKeyLen: n})
		if err != nil || len(got) != n || bytes.Contains(message, got[:8]) {
			t.Errorf("%d bytes: %x, %v", n, got, err)
		}
	}
	if _, err := d.Decrypt(nil, sealed, crypto.SHA256); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	sealed[9]++
	if _, err := d.Decrypt(nil, sealed, nil); !errors.Is(err, rsa.ErrDecryption) {
		t.Error(err)
	}
}

// TestSessionKey wants each byte of the padding to count, and none of them to tell.
func TestSessionKey(t *testing.T) {
	const size, n = 128, 32
	key := bytes.Repeat([]byte{0xab}, n)
	block := append(append([]byte{0, 2}, bytes.Repeat([]byte{1}, size-3-n)...), append([]byte{0}, key...)...)
	if got := must(sessionKey(block, n))(t); !bytes.Equal(got, key) {
		t.Fatalf("the key is %x", got)
	}
	for i := range size - n {
		wrong := bytes.Clone(block)
		wrong[i] ^= 1 // 1 becomes 0 in the padding, and 0 becomes 1 at its ends
		if got := must(sessionKey(wrong, n))(t); bytes.Equal(got, key) {
			t.Errorf("byte %d does not count", i)
		}
	}
	if _, err := sessionKey(block, size-10); !errors.Is(err, rsa.ErrDecryption) {
		t.Error(err)
	}
}

func checkEd25519(t *testing.T, k *PrivateKey, public ed25519.PublicKey) {
	t.Helper()
	message := []byte("message")
	for _, o := range []*ed25519.Options{{}, {Context: "context"}} {
		if err := ed25519.VerifyWithOptions(public, message, must(k.Sign(nil, message, o))(t), o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []*ed25519.Options{{}, {Context: "context"}, {Hash: crypto.SHA512}, {Hash: crypto.SHA512, Context: "context"}} {
		signed := message
		if o.Hash != 0 {
			h := o.Hash.New()
			h.Write(message)
			signed = h.Sum(nil)
		}
		if err := ed25519.VerifyWithOptions(public, signed, must(k.SignMessage(nil, message, o))(t), o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := k.Sign(nil, random(64), crypto.SHA512); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	for _, o := range []crypto.SignerOpts{crypto.SHA256, &ed25519.Options{Context: string(random(256))}} {
		if _, err := k.SignMessage(nil, message, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// TestUnsupported asks keys for what their types cannot do.
func TestUnsupported(t *testing.T) {
	token := memory(t)
	ed := must(token.GeneratePrivateKey(Ed25519, KeyOptions{}))(t)
	x := must(token.GeneratePrivateKey(X25519, KeyOptions{}))(t)
	mac := must(token.GenerateSecretKey(HMAC256, KeyOptions{}))(t)
	_, err1 := ed.Decrypter()
	_, err2 := ed.KeyExchanger()
	_, err3 := ed.Decapsulator()
	_, err4 := x.Sign(nil, random(32), crypto.SHA256)
	_, err5 := mac.AEAD()
	_, err6 := token.ImportPrivateKey("text", KeyOptions{})
	_, err7 := mac.MAC(crypto.BLAKE2b_256, nil)
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	for _, k := range []KeyType{"", "rsa:x", "rsa:0", "ec:p255", "ec", "ed25519:1", "aes:256", "ed448"} {
		if _, err := token.GeneratePrivateKey(k, KeyOptions{}); err == nil {
			t.Errorf("a pair of type %q was made", k)
		}
	}
	for _, k := range []KeyType{"", "aes:129", "aes:100000000000", "ec:p256", "chacha20:256"} {
		if _, err := token.GenerateSecretKey(k, KeyOptions{}); err == nil {
			t.Errorf("a key of type %q was made", k)
		}
	}
	if _, err := token.ImportSecretKey(random(16), AES256, KeyOptions{}); err == nil {
		t.Error("16 bytes were taken for 256 bits")
	}
}

// TestHPKE opens messages to keys in a token, with Go's own HPKE.
func TestHPKE(t *testing.T) {
	token := memory(t)
	for _, kind := range []KeyType{P256, P384, P521, X25519, MLKEM768, "ml-kem:1024"} {
		key := must(token.GeneratePrivateKey(kind, KeyOptions{}))(t)
		var private hpke.PrivateKey
		if kem, err := key.Decapsulator(); err == nil {
			private = must(hpke.NewMLKEMPrivateKey(kem))(t)
		} else {
			private = must(hpke.NewDHKEMPrivateKey(must(key.KeyExchanger())(t)))(t)
		}
		sealed := must(hpke.Seal(private.PublicKey(), hpke.HKDFSHA256(), hpke.AES128GCM(), nil, []byte("message")))(t)
		if plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES128GCM(), nil, sealed); err != nil || string(plain) != "message" {
			t.Errorf("%s: %q, %v", kind, plain, err)
		}
	}
}

// TestAEAD compares with Go's own ciphers.
func TestAEAD(t *testing.T) {
	token := memory(t)
	for _, c := range []struct {
		kind KeyType
		size int
		make func(key []byte) (cipher.AEAD, error)
	}{
		{"aes:128", 16, gcm}, {"aes:192", 24, gcm}, {AES256, 32, gcm}, {ChaCha20, 32, chacha20poly1305.New},
	} {
		value := random(c.size)
		key := must(token.ImportSecretKey(value, c.kind, KeyOptions{}))(t)
		if key.Type() != c.kind {
			t.Errorf("%s is %s", c.kind, key.Type())
		}
		own, want := must(key.AEAD())(t), must(c.make(value))(t)
		if own.NonceSize() != want.NonceSize() || own.Overhead() != want.Overhead() {
			t.Errorf("%s: sizes", c.kind)
		}
		for _, n := range []int{0, 1, 15, 16, 1000, 1 << 20} {
			nonce, data := random(12), random(n%37)
			message := random(n)
			sealed := own.Seal([]byte("before"), nonce, message, data)
			if !bytes.Equal(sealed, want.Seal([]byte("before"), nonce, message, data)) {
				t.Fatalf("%s: %d bytes are encrypted to something else", c.kind, n)
			}
			if plain, err := own.Open(nil, nonce, sealed[6:], data); err != nil || !bytes.Equal(plain, message) {
				t.Errorf("%s: %v", c.kind, err)
			}
			in := bytes.Clone(sealed[6:]) // in its own place
			if plain, err := own.Open(in[:0], nonce, in, data); err != nil || !bytes.Equal(plain, message) {
				t.Errorf("%s in place: %v", c.kind, err)
			}
			sealed[len(sealed)-1]++
			if _, err := own.Open(nil, nonce, sealed[6:], data); err == nil {
				t.Errorf("%s: what was changed was opened", c.kind)
			}
		}
		if _, err := own.Open(nil, make([]byte, 12), random(15), nil); err == nil {
			t.Errorf("%s: what is shorter than a tag was opened", c.kind)
		}
		for _, f := range []func(){
			func() { own.Seal(nil, make([]byte, 8), nil, nil) },
			func() { _, _ = own.Open(nil, make([]byte, 8), make([]byte, 16), nil) },
		} {
			if panicked(f) == nil {
				t.Errorf("%s: a short nonce was taken", c.kind)
			}
		}
		if err := key.Delete(); err != nil {
			t.Error(err)
		}
		if err, _ := panicked(func() { own.Seal(nil, make([]byte, 12), nil, nil) }).(error); !errors.Is(err, ck.CKR_KEY_HANDLE_INVALID) {
			t.Errorf("%s: a deleted key: %v", c.kind, err)
		}
	}
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// panicked is what f panics with.
func panicked(f func()) (with any) {
	defer func() { with = recover() }()
	f()
	return nil
}

func TestMAC(t *testing.T) {
	token := memory(t)
	value := random(32)
	key := must(token.ImportSecretKey(value, HMAC256, KeyOptions{}))(t)
	for _, row := range hashes {
		h := hmac.New(row.hash.New, value)
		h.Write([]byte("message"))
		if got := must(key.MAC(row.hash, []byte("message")))(t); !bytes.Equal(got, h.Sum(nil)) {
			t.Errorf("%v: %x", row.hash, got)
		}
	}
}

func TestEncrypt(t *testing.T) {
	token := memory(t)
	value, iv, message := random(16), random(16), random(48)
	key := must(token.ImportSecretKey(value, "aes", KeyOptions{}))(t)
	want := make([]byte, 48)
	cipher.NewCBCEncrypter(must(aes.NewCipher(value))(t), iv).CryptBlocks(want, message)
	if got := must(key.Encrypt(ck.CKM_AES_CBC, iv, message))(t); !bytes.Equal(got, want) {
		t.Errorf("encrypted to %x", got)
	}
	for _, m := range []ck.MechanismType{ck.CKM_AES_CBC, ck.CKM_AES_CBC_PAD} {
		if got := must(key.Decrypt(m, iv, must(key.Encrypt(m, iv, message))(t)))(t); !bytes.Equal(got, message) {
			t.Errorf("%v: decrypted to %x", m, got)
		}
	}
	if _, err := key.Encrypt(ck.CKM_AES_CBC, iv[1:], message); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
		t.Error(err)
	}
	old := must(token.CryptDeriveKey([]byte("password"), Derivation{
		Provider: capi.MSBase, Hash: capi.CALG_MD5, Algorithm: capi.CALG_RC2, Flags: capi.CRYPT_NO_SALT,
	}, KeyOptions{Temporary: true}))(t)
	parameter := append(ck.AppendUlong(nil, 40), make([]byte, 8)...)
	if got := must(old.Decrypt(ck.CKM_RC2_CBC_PAD, parameter, must(old.Encrypt(ck.CKM_RC2_CBC_PAD, parameter, message))(t)))(t); !bytes.Equal(got, message) {
		t.Errorf("decrypted to %x", got)
	}
	for _, kind := range []KeyType{"des", "des2", "des3", "rc2:128", "rc4:40", "rc5:128"} {
		if k := must(token.GenerateSecretKey(kind, KeyOptions{}))(t); k.Type() != kind {
			t.Errorf("%s is %s", kind, k.Type())
		}
	}
}

// TestBytes reads keys that may leave the token, and others.
func TestBytes(t *testing.T) {
	token := memory(t)
	value := random(32)
	key := must(token.ImportSecretKey(value, AES256, KeyOptions{Extractable: true}))(t)
	if got := must(key.Bytes())(t); !bytes.Equal(got, value) {
		t.Errorf("the key is %x", got)
	}
	key = must(token.ImportSecretKey(value, AES256, KeyOptions{}))(t)
	if got, err := key.Bytes(); !errors.Is(err, ck.CKR_ATTRIBUTE_SENSITIVE) || got != nil {
		t.Errorf("%x, %v", got, err)
	}
}

// TestWrap takes keys of each kind out of a token and into another one.
func TestWrap(t *testing.T) {
	from, to := memory(t), memory(t)
	value := random(32)
	out := must(from.ImportSecretKey(value, AES256, KeyOptions{}))(t)
	in := must(to.ImportSecretKey(value, AES256, KeyOptions{}))(t)
	o := KeyOptions{Label: "travels", Extractable: true}

	secret := must(from.GenerateSecretKey(HMAC256, o))(t)
	arrived := must(in.UnwrapSecretKey(must(out.WrapKey(secret))(t), "hmac", o))(t)
	if a, b := must(secret.MAC(crypto.SHA256, nil))(t), must(arrived.MAC(crypto.SHA256, nil))(t); !bytes.Equal(a, b) {
		t.Error("another key has arrived")
	}
	for _, kind := range []KeyType{"rsa:2048", P256, Ed25519, X25519, MLKEM768} {
		key := must(from.GeneratePrivateKey(kind, o))(t)
		wrapped := must(out.WrapKey(key))(t)
		arrived := must(in.UnwrapPrivateKey(wrapped, kind, o))(t)
		if !equal(key.Public(), arrived.Public()) {
			t.Errorf("%s: another key has arrived", kind)
		}
		checkPair(t, arrived)
		wrapped[5]++
		if _, err := in.UnwrapPrivateKey(wrapped, kind, o); err == nil {
			t.Errorf("%s: what was changed has arrived", kind)
		}
		if err := arrived.Delete(); err != nil {
			t.Error(err)
		}
		if _, err := out.WrapKey(must(from.GeneratePrivateKey(kind, KeyOptions{}))(t)); !errors.Is(err, ck.CKR_KEY_UNEXTRACTABLE) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := out.WrapKey(in); err == nil {
		t.Error("a key of another token was wrapped")
	}
	if left, err := to.search([]ck.Attribute{ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY)}); err != nil || len(left) != 0 {
		t.Errorf("%d public keys are left, %v", len(left), err)
	}
}
