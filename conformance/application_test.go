package conformance

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
)

// An application is a Go program that uses a module through miekg/pkcs11, as most Go programs do.
type application struct {
	*pkcs11.Ctx
	t    *testing.T
	slot uint
	s    pkcs11.SessionHandle
}

// inGo runs f in a process of its own, which has the module's environment from the beginning and no other test's Go runtime.
func inGo(t *testing.T, m target, f func(*application)) {
	t.Helper()
	slow(t)
	if os.Getenv("CONFORMANCE_ALONE") == t.Name() {
		a := &application{Ctx: pkcs11.New(m.path), t: t}
		if a.Ctx == nil {
			t.Fatalf("%s does not load", m.path)
		}
		f(a)
		a.Destroy()
		return
	}
	env, err := m.place(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), env...), "CONFORMANCE_ALONE="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")) {
		t.Errorf("in its own process: %v\n%s", err, out)
	}
}

func (a *application) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// expect wants a certain return value.
func (a *application) expect(err error, want ...pkcs11.Error) {
	a.t.Helper()
	var got pkcs11.Error
	if !errors.As(err, &got) || !slices.Contains(want, got) {
		a.t.Fatalf("%v, expected one of %v", err, want)
	}
}

// find returns the slot of the token with a label, or one with no token.
func (a *application) find(label string) uint {
	a.t.Helper()
	slots, err := a.GetSlotList(true)
	a.must(err)
	for _, s := range slots {
		info, err := a.GetTokenInfo(s)
		a.must(err)
		if info.Label == label || label == "" && info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			return s
		}
	}
	a.t.Fatalf("no token %q", label)
	return 0
}

// begin is what every start of the program is; the first makes the token.
func (a *application) begin(first bool) {
	a.must(a.Initialize())
	if first {
		slot := a.find("")
		a.must(a.InitToken(slot, soPIN, "application"))
	}
	a.slot = a.find("application")
	a.open()
	if first {
		a.must(a.Login(a.s, pkcs11.CKU_SO, soPIN))
		a.must(a.InitPIN(a.s, userPIN))
		a.must(a.Logout(a.s))
	}
	a.must(a.Login(a.s, pkcs11.CKU_USER, userPIN))
}

func (a *application) open() {
	s, err := a.OpenSession(a.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	a.must(err)
	a.s = s
}

func attr(t uint, v any) *pkcs11.Attribute { return pkcs11.NewAttribute(t, v) }

func mech(m uint, p any) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(m, p)}
}

// TestApplication is a reasonable life of an application, with our module and with SoftHSM2.
func TestApplication(t *testing.T) {
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			inGo(t, m, func(a *application) {
				a.begin(true)
				sealed := a.sealWithGCM(a.generate())
				a.sign()
				a.wrap()
				a.digest()
				a.attributes()
				if m.name == "softcsp" {
					a.cryptDeriveKey()
				}
				a.must(a.Finalize())

				a.begin(false)
				a.openSealed(sealed)
				a.expect(a.SetPIN(a.s, "wrong-pin", "user-87654321"), pkcs11.CKR_PIN_INCORRECT)
				a.must(a.SetPIN(a.s, userPIN, "user-87654321"))
				a.must(a.Logout(a.s))
				a.expect(a.Login(a.s, pkcs11.CKU_USER, userPIN), pkcs11.CKR_PIN_INCORRECT)
				a.must(a.Login(a.s, pkcs11.CKU_USER, "user-87654321"))
				a.must(a.Finalize())
			})
		})
	}
}

func (a *application) generate() pkcs11.ObjectHandle {
	k, err := a.GenerateKey(a.s, mech(pkcs11.CKM_AES_KEY_GEN, nil), []*pkcs11.Attribute{
		attr(pkcs11.CKA_VALUE_LEN, 32), attr(pkcs11.CKA_TOKEN, true), attr(pkcs11.CKA_LABEL, "sealing"), attr(pkcs11.CKA_ID, []byte{1, 2, 3}),
		attr(pkcs11.CKA_ENCRYPT, true), attr(pkcs11.CKA_DECRYPT, true), attr(pkcs11.CKA_SENSITIVE, true), attr(pkcs11.CKA_EXTRACTABLE, false),
	})
	a.must(err)
	_, err = a.GetAttributeValue(a.s, k, []*pkcs11.Attribute{attr(pkcs11.CKA_VALUE, nil)})
	a.expect(err, pkcs11.CKR_ATTRIBUTE_SENSITIVE)
	return k
}

func (a *application) gcm(k pkcs11.ObjectHandle, encrypt bool, data []byte) ([]byte, error) {
	params := pkcs11.NewGCMParams(bytes.Repeat([]byte{7}, 12), []byte("header"), 128)
	defer params.Free()
	if encrypt {
		a.must(a.EncryptInit(a.s, mech(pkcs11.CKM_AES_GCM, params), k))
		return a.Encrypt(a.s, data)
	}
	a.must(a.DecryptInit(a.s, mech(pkcs11.CKM_AES_GCM, params), k))
	return a.Decrypt(a.s, data)
}

const message = "what the application has to say"

func (a *application) sealWithGCM(k pkcs11.ObjectHandle) []byte {
	sealed, err := a.gcm(k, true, []byte(message))
	a.must(err)
	if len(sealed) != len(message)+16 || bytes.Contains(sealed, []byte("application")) {
		a.t.Fatalf("sealed to %x", sealed)
	}
	opened, err := a.gcm(k, false, sealed)
	a.must(err)
	if string(opened) != message {
		a.t.Fatalf("opened to %q", opened)
	}
	bad := bytes.Clone(sealed)
	bad[0] ^= 1
	_, err = a.gcm(k, false, bad)
	a.expect(err, pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_GENERAL_ERROR) // the latter is SoftHSM2's
	return sealed
}

func (a *application) openSealed(sealed []byte) {
	a.must(a.FindObjectsInit(a.s, []*pkcs11.Attribute{attr(pkcs11.CKA_LABEL, "sealing"), attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY)}))
	found, _, err := a.FindObjects(a.s, 10)
	a.must(err)
	a.must(a.FindObjectsFinal(a.s))
	if len(found) != 1 {
		a.t.Fatalf("found %d keys", len(found))
	}
	opened, err := a.gcm(found[0], false, sealed)
	a.must(err)
	if string(opened) != message {
		a.t.Fatalf("opened to %q", opened)
	}
}

func (a *application) secret(value []byte, more ...*pkcs11.Attribute) pkcs11.ObjectHandle {
	k, err := a.CreateObject(a.s, append([]*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET), attr(pkcs11.CKA_VALUE, value),
	}, more...))
	a.must(err)
	return k
}

func (a *application) sign() {
	secret := bytes.Repeat([]byte("k"), 32)
	k := a.secret(secret, attr(pkcs11.CKA_SIGN, true), attr(pkcs11.CKA_VERIFY, true))
	a.must(a.SignInit(a.s, mech(pkcs11.CKM_SHA256_HMAC, nil), k))
	sig, err := a.Sign(a.s, []byte(message))
	a.must(err)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(message))
	if !bytes.Equal(sig, h.Sum(nil)) {
		a.t.Fatalf("signed %x", sig)
	}
	a.must(a.VerifyInit(a.s, mech(pkcs11.CKM_SHA256_HMAC, nil), k))
	a.must(a.Verify(a.s, []byte(message), sig))
	sig[0] ^= 1
	a.must(a.VerifyInit(a.s, mech(pkcs11.CKM_SHA256_HMAC, nil), k))
	a.expect(a.Verify(a.s, []byte(message), sig), pkcs11.CKR_SIGNATURE_INVALID)
}

func (a *application) wrap() {
	aes := func(extractable bool) pkcs11.ObjectHandle {
		k, err := a.GenerateKey(a.s, mech(pkcs11.CKM_AES_KEY_GEN, nil), []*pkcs11.Attribute{
			attr(pkcs11.CKA_VALUE_LEN, 32), attr(pkcs11.CKA_WRAP, true), attr(pkcs11.CKA_UNWRAP, true), attr(pkcs11.CKA_ENCRYPT, true),
			attr(pkcs11.CKA_EXTRACTABLE, extractable), attr(pkcs11.CKA_SENSITIVE, true),
		})
		a.must(err)
		return k
	}
	wrapping, key := aes(false), aes(true)
	wrapped, err := a.WrapKey(a.s, mech(pkcs11.CKM_AES_KEY_WRAP, nil), wrapping, key)
	a.must(err)
	again, err := a.UnwrapKey(a.s, mech(pkcs11.CKM_AES_KEY_WRAP, nil), wrapping, wrapped, []*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES), attr(pkcs11.CKA_ENCRYPT, true),
	})
	a.must(err)
	var results [2][]byte
	for i, k := range []pkcs11.ObjectHandle{key, again} {
		a.must(a.EncryptInit(a.s, mech(pkcs11.CKM_AES_CBC_PAD, make([]byte, 16)), k))
		results[i], err = a.Encrypt(a.s, []byte(message))
		a.must(err)
	}
	if !bytes.Equal(results[0], results[1]) {
		a.t.Fatal("the key that came back is another")
	}
	_, err = a.WrapKey(a.s, mech(pkcs11.CKM_AES_KEY_WRAP, nil), key, wrapping)
	a.expect(err, pkcs11.CKR_KEY_UNEXTRACTABLE)
}

func (a *application) digest() {
	a.must(a.DigestInit(a.s, mech(pkcs11.CKM_SHA256, nil)))
	whole, err := a.Digest(a.s, []byte(message))
	a.must(err)
	a.must(a.DigestInit(a.s, mech(pkcs11.CKM_SHA256, nil)))
	a.must(a.DigestUpdate(a.s, []byte(message[:7])))
	a.must(a.DigestUpdate(a.s, []byte(message[7:])))
	parts, err := a.DigestFinal(a.s)
	a.must(err)
	want := sha256.Sum256([]byte(message))
	if !bytes.Equal(whole, want[:]) || !bytes.Equal(parts, want[:]) {
		a.t.Fatalf("digests %x and %x", whole, parts)
	}
	r, err := a.GenerateRandom(a.s, 40)
	a.must(err)
	if len(r) != 40 || bytes.Equal(r, make([]byte, 40)) {
		a.t.Fatalf("random %x", r)
	}
}

func (a *application) attributes() {
	k := a.secret([]byte("0123456789abcdef"), attr(pkcs11.CKA_LABEL, "before"))
	a.must(a.SetAttributeValue(a.s, k, []*pkcs11.Attribute{attr(pkcs11.CKA_LABEL, "after"), attr(pkcs11.CKA_ID, []byte{9})}))
	got, err := a.GetAttributeValue(a.s, k, []*pkcs11.Attribute{attr(pkcs11.CKA_LABEL, nil), attr(pkcs11.CKA_ID, nil)})
	a.must(err)
	if string(got[0].Value) != "after" || !bytes.Equal(got[1].Value, []byte{9}) {
		a.t.Fatalf("attributes %q %x", got[0].Value, got[1].Value)
	}
	c, err := a.CopyObject(a.s, k, []*pkcs11.Attribute{attr(pkcs11.CKA_LABEL, "copy")})
	a.must(err)
	a.must(a.DestroyObject(a.s, c))
	a.must(a.DestroyObject(a.s, k))
	a.expect(a.DestroyObject(a.s, k), pkcs11.CKR_OBJECT_HANDLE_INVALID)
}

// cryptDeriveKey is the mechanism that is softcsp's own, in two ways: with a parameter, and named after its hash.
func (a *application) cryptDeriveKey() {
	base := a.secret([]byte("apple-camshaft"), attr(pkcs11.CKA_DERIVE, true))
	param := make([]byte, 0, 32)
	for _, n := range []uint32{0, 0x8003, 0x6602, 128<<16 | 1} { // provider 0, MD5, RC2, 128 bits and exportable
		param = append(param, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), 0, 0, 0, 0)
	}
	sum := md5.Sum([]byte("apple-camshaft"))
	for _, d := range []struct {
		m *pkcs11.Mechanism
		t []*pkcs11.Attribute
	}{
		{pkcs11.NewMechanism(0xC3530001, param), []*pkcs11.Attribute{attr(pkcs11.CKA_EXTRACTABLE, true), attr(pkcs11.CKA_SENSITIVE, false)}},
		{pkcs11.NewMechanism(0xC3530012, nil), []*pkcs11.Attribute{
			attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RC2), attr(pkcs11.CKA_VALUE_LEN, 16), attr(pkcs11.CKA_EXTRACTABLE, true), attr(pkcs11.CKA_SENSITIVE, false)}},
	} {
		k, err := a.DeriveKey(a.s, []*pkcs11.Mechanism{d.m}, base, d.t)
		a.must(err)
		got, err := a.GetAttributeValue(a.s, k, []*pkcs11.Attribute{attr(pkcs11.CKA_VALUE, nil), attr(pkcs11.CKA_KEY_TYPE, nil)})
		a.must(err)
		if !bytes.Equal(got[0].Value, sum[:]) || got[1].Value[0] != pkcs11.CKK_RC2 {
			a.t.Fatalf("derived %x", got[0].Value)
		}
	}
}

// TestGoroutines has sixteen goroutines at work, while the collectors of both Go runtimes run.
func TestGoroutines(t *testing.T) {
	only(t)
	inGo(t, module, func(a *application) {
		a.begin(true)
		key := a.generate()
		errs := make(chan error, 16)
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				if err := a.hammer(g, key); err != nil {
					errs <- err
				}
			})
		}
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
				}
			}
		}()
		wg.Wait()
		close(stop)
		close(errs)
		for err := range errs {
			a.t.Error(err)
		}
		a.must(a.Finalize())
	})
}

// hammer does everything in one goroutine, in a session of its own.
func (a *application) hammer(g int, key pkcs11.ObjectHandle) error {
	s, err := a.OpenSession(a.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	for i := range 150 {
		text := []byte(strings.Repeat(fmt.Sprintf("goroutine %d round %d ", g, i), 50))
		if err := a.once(s, key, text); err != nil {
			return fmt.Errorf("goroutine %d, round %d: %w", g, i, err)
		}
	}
	return a.CloseSession(s)
}

func (a *application) once(s pkcs11.SessionHandle, key pkcs11.ObjectHandle, text []byte) error {
	params := pkcs11.NewGCMParams(bytes.Repeat([]byte{7}, 12), text[:20], 128)
	defer params.Free()
	if err := a.EncryptInit(s, mech(pkcs11.CKM_AES_GCM, params), key); err != nil {
		return err
	}
	sealed, err := a.Encrypt(s, text)
	if err != nil {
		return err
	}
	if err := a.DecryptInit(s, mech(pkcs11.CKM_AES_GCM, params), key); err != nil {
		return err
	}
	if opened, err := a.Decrypt(s, sealed); err != nil || !bytes.Equal(opened, text) {
		return fmt.Errorf("decrypted to %.20q: %w", opened, err)
	}
	if err := a.DigestInit(s, mech(pkcs11.CKM_SHA256, nil)); err != nil {
		return err
	}
	want := sha256.Sum256(text)
	if sum, err := a.Digest(s, text); err != nil || !bytes.Equal(sum, want[:]) {
		return fmt.Errorf("digest %x: %w", sum, err)
	}
	k, err := a.GenerateKey(s, mech(pkcs11.CKM_AES_KEY_GEN, nil), []*pkcs11.Attribute{attr(pkcs11.CKA_VALUE_LEN, 16), attr(pkcs11.CKA_LABEL, text[:20])})
	if err != nil {
		return err
	}
	return a.DestroyObject(s, k)
}
