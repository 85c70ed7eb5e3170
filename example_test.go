package softcsp_test

import (
	"bytes"
	"crypto"
	"crypto/hpke"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/softcsp/softcsp"
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// Programs open a token that "softcsp token init" or [softcsp.Create] has made.
func ExampleOpen() {
	dir, pinFile := exampleToken()
	defer os.RemoveAll(dir)

	token, err := softcsp.Open(softcsp.Options{
		Token: "services",
		Dir:   dir, // without it: where softcsp and libsoftcsp.so look
		PIN: func() ([]byte, error) {
			pin, err := os.ReadFile(pinFile)
			return bytes.TrimRight(pin, "\n"), err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()

	key, err := token.PrivateKey("web")
	if errors.Is(err, softcsp.ErrNotFound) {
		key, err = token.GeneratePrivateKey(softcsp.P256, softcsp.KeyOptions{Label: "web"})
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %T\n", key.Label(), key.Public())
	// Output: web: *ecdsa.PublicKey
}

// exampleToken makes a token in a directory of its own, and a file with its PIN.
func exampleToken() (dir, pinFile string) {
	dir, err := os.MkdirTemp("", "softcsp")
	if err != nil {
		log.Fatal(err)
	}
	pinFile = filepath.Join(dir, "pin")
	if err := os.WriteFile(pinFile, []byte("123456\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	pin := func() ([]byte, error) { return []byte("123456"), nil }
	token, err := softcsp.Create(softcsp.Options{Token: "services", Dir: dir, PIN: pin}, []byte("87654321"))
	if err != nil {
		log.Fatal(err)
	}
	token.Close()
	return dir, pinFile
}

// A server over TLS whose key does not leave the token.
func Example_tlsServer() {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()
	key, err := token.GeneratePrivateKey(softcsp.P256, softcsp.KeyOptions{Label: "web"})
	if err != nil {
		log.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, exampleServer, exampleServer, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	if err := token.ImportCertificate(leaf, "web"); err != nil {
		log.Fatal(err)
	}

	certificate, err := key.TLSCertificate()
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello over", tls.VersionName(r.TLS.Version))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	defer server.Close()

	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}}
	answer, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(body))
	// Output: hello over TLS 1.3
}

var exampleServer = &x509.Certificate{
	SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
	NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(0, 3, 0),
	IsCA: true, BasicConstraintsValid: true,
}

// A certification authority that signs what is asked of it with a key in the token.
func Example_authority() {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()

	root, err := token.GeneratePrivateKey(softcsp.P384, softcsp.KeyOptions{Label: "root"})
	if err != nil {
		log.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example Root"},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, root.Public(), root)
	if err != nil {
		log.Fatal(err)
	}
	if authority, err = x509.ParseCertificate(der); err != nil {
		log.Fatal(err)
	}

	request, err := x509.ParseCertificateRequest(exampleRequest())
	if err != nil || request.CheckSignature() != nil {
		log.Fatal("no request, or one that its key did not sign")
	}
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: request.Subject, DNSNames: request.DNSNames,
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(0, 3, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}, authority, request.PublicKey, root)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}

	roots := x509.NewCertPool()
	roots.AddCert(authority)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "www.example.org"})
	fmt.Println(leaf.Issuer, leaf.Subject, err)
	// Output: CN=Example Root CN=www.example.org <nil>
}

// exampleRequest is what somebody sends to an authority.
func exampleRequest() []byte {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()
	key, err := token.GeneratePrivateKey(softcsp.Ed25519, softcsp.KeyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "www.example.org"}, DNSNames: []string{"www.example.org"},
	}, key)
	if err != nil {
		log.Fatal(err)
	}
	return der
}

// A key of the token as golang.org/x/crypto/ssh takes it, for [ssh.PublicKeys] in a client or for [ssh.ServerConfig.AddHostKey].
func Example_ssh() {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()

	key, err := token.GeneratePrivateKey(softcsp.Ed25519, softcsp.KeyOptions{Label: "login"})
	if err != nil {
		log.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		log.Fatal(err)
	}
	signature, err := signer.Sign(rand.Reader, []byte("challenge"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signer.PublicKey().Type(), signer.PublicKey().Verify([]byte("challenge"), signature))
	// Output: ssh-ed25519 <nil>
}

func ExampleSecretKey_AEAD() {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()

	key, err := token.GenerateSecretKey(softcsp.AES256, softcsp.KeyOptions{Label: "backups"})
	if err != nil {
		log.Fatal(err)
	}
	aead, err := key.AEAD()
	if err != nil {
		log.Fatal(err)
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	sealed := aead.Seal(nonce, nonce, []byte("the camshaft turns"), []byte("page 1"))

	plain, err := aead.Open(nil, sealed[:len(nonce)], sealed[len(nonce):], []byte("page 1"))
	fmt.Println(string(plain), err)
	_, err = aead.Open(nil, sealed[:len(nonce)], sealed[len(nonce):], []byte("page 2"))
	fmt.Println(err != nil)
	// Output:
	// the camshaft turns <nil>
	// true
}

// A key that a program for Windows derives from a password: it stays in the token, and decrypts what that program encrypted.
func ExampleToken_CryptDeriveKey() {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()

	key, err := token.CryptDeriveKey([]byte("Hello, World!"), softcsp.Derivation{
		Provider:  capi.MSEnhancedAES,
		Hash:      capi.CALG_SHA1,
		Algorithm: capi.CALG_AES_128,
	}, softcsp.KeyOptions{Label: "report"})
	if err != nil {
		log.Fatal(err)
	}
	iv := make([]byte, 16) // what CryptEncrypt begins with
	ciphertext, err := key.Encrypt(ck.CKM_AES_CBC_PAD, iv, []byte("The camshaft turns."))
	if err != nil {
		log.Fatal(err)
	}
	plaintext, err := key.Decrypt(ck.CKM_AES_CBC_PAD, iv, ciphertext)
	fmt.Println(key.Type(), len(ciphertext), string(plaintext), err)
	_, err = key.Bytes()
	fmt.Println(errors.Is(err, ck.CKR_ATTRIBUTE_SENSITIVE))
	// Output:
	// aes:128 32 The camshaft turns. <nil>
	// true
}

// A key that travels from one token to another, wrapped by a key that both have.
func ExampleSecretKey_WrapKey() {
	from, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer from.Close()
	to, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer to.Close()
	shared := make([]byte, 32)
	rand.Read(shared)
	wrapping, err := from.ImportSecretKey(shared, softcsp.AES256, softcsp.KeyOptions{Label: "transport"})
	if err != nil {
		log.Fatal(err)
	}
	unwrapping, err := to.ImportSecretKey(shared, softcsp.AES256, softcsp.KeyOptions{Label: "transport"})
	if err != nil {
		log.Fatal(err)
	}

	key, err := from.GeneratePrivateKey(softcsp.Ed25519, softcsp.KeyOptions{Label: "signing", Extractable: true})
	if err != nil {
		log.Fatal(err)
	}
	wrapped, err := wrapping.WrapKey(key)
	if err != nil {
		log.Fatal(err)
	}
	arrived, err := unwrapping.UnwrapPrivateKey(wrapped, softcsp.Ed25519, softcsp.KeyOptions{Label: "signing"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(arrived.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()))
	// Output: true
}

// A message to a key in the token, with HPKE (RFC 9180).
func ExamplePrivateKey_KeyExchanger() {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()

	key, err := token.GeneratePrivateKey(softcsp.X25519, softcsp.KeyOptions{Label: "inbox"})
	if err != nil {
		log.Fatal(err)
	}
	exchanger, err := key.KeyExchanger()
	if err != nil {
		log.Fatal(err)
	}
	private, err := hpke.NewDHKEMPrivateKey(exchanger)
	if err != nil {
		log.Fatal(err)
	}
	sealed, err := hpke.Seal(private.PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, []byte("hello"))
	if err != nil {
		log.Fatal(err)
	}
	plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, sealed)
	fmt.Println(string(plain), err)
	// Output: hello <nil>
}

func ExampleToken_PrivateKeys() {
	token, err := softcsp.NewMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer token.Close()
	for _, kind := range []softcsp.KeyType{softcsp.P256, softcsp.Ed25519} {
		if _, err := token.GeneratePrivateKey(kind, softcsp.KeyOptions{Label: "signing"}); err != nil {
			log.Fatal(err)
		}
	}

	for key, err := range token.PrivateKeys() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %T\n", key.Label(), key.Public())
	}
	// Unordered output:
	// signing: *ecdsa.PublicKey
	// signing: ed25519.PublicKey
}
