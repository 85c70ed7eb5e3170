package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/store"
)

// A world is a token, and two modules that use it as two processes would.
type world struct {
	dir  string
	a, b *Module
	slot ck.SlotID
	s, r ck.SessionHandle // read-write sessions of a and b
	log  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), a: New(), b: New()}
	w.log = filepath.Join(w.dir, "log")
	for _, m := range []*Module{w.a, w.b} {
		must(t, m.Initialize(ck.InitArgs{Reserved: "tokendir='" + w.dir + "' kdf='test' log='info' log_file='" + w.log + "'"}))
		t.Cleanup(func() { must(t, m.Finalize()) })
	}
	w.slot = lastSlot(t, w.a)
	must(t, w.a.InitToken(w.slot, []byte(soPIN), []byte(pad("test token"))))
	_, err := w.b.GetSlotList(true)
	must(t, err)
	w.s, w.r = open(t, w.a, w.slot, true), open(t, w.b, w.slot, true)
	must(t, w.a.Login(w.s, ck.CKU_SO, []byte(soPIN)))
	must(t, w.a.InitPIN(w.s, []byte(userPIN)))
	must(t, w.a.Logout(w.s))
	return w
}

func (w *world) login(t *testing.T) {
	t.Helper()
	must(t, w.a.Login(w.s, ck.CKU_USER, []byte(userPIN)))
}

// leave writes what is asked for as who has the file, and no other scruple.
func (w *world) leave(t *testing.T, id store.ID, u store.Unvouched, template ...ck.Attribute) store.ID {
	t.Helper()
	p, err := store.OpenPlace(&config.Config{Store: "bolt", TokenDir: w.dir})
	must(t, err)
	defer func() { _ = p.Close() }()
	list, _, err := p.List()
	must(t, err)
	tok, err := p.Token(list[0])
	must(t, err)
	u.Data = ck.AppendTemplate(nil, template)
	must(t, tok.AddUnvouched(&id, u))
	return id
}

// p256 is secp256r1 as CKA_EC_PARAMS.
var p256 = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}

// signer returns the template of a public key, and a signature of "data" that it verifies.
func signer(t *testing.T, label string) (template []ck.Attribute, signature []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	point, err := key.PublicKey.Bytes()
	must(t, err)
	digest := sha256.Sum256([]byte("data"))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	must(t, err)
	return []ck.Attribute{
		attr(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_EC), attr(ck.CKA_TOKEN, true), attr(ck.CKA_LABEL, label),
		attr(ck.CKA_EC_PARAMS, p256), attr(ck.CKA_EC_POINT, append([]byte{4, byte(len(point))}, point...)), attr(ck.CKA_VERIFY, true),
	}, append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func note(label, value string, more ...ck.Attribute) []ck.Attribute {
	return append([]ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_DATA), attr(ck.CKA_TOKEN, true), attr(ck.CKA_LABEL, label), attr(ck.CKA_VALUE, value)}, more...)
}

// labelOf returns the CKA_LABEL of a template.
func labelOf(template []ck.Attribute) ck.Attribute {
	for _, a := range template {
		if a.Type == ck.CKA_LABEL {
			return a
		}
	}
	panic("no label")
}

// counter returns a function that counts the token objects that a session sees.
func counter(t *testing.T) func(m *Module, s ck.SessionHandle, want int, template ...ck.Attribute) {
	return func(m *Module, s ck.SessionHandle, want int, template ...ck.Attribute) {
		t.Helper()
		if got := find(t, m, s, append(template, attr(ck.CKA_TOKEN, true))...); len(got) != want {
			t.Errorf("%d objects like %v, want %d", len(got), template, want)
		}
	}
}

// TestPublicObjectsWithoutLogin makes, changes, copies and destroys public objects without a login; another process sees each at
// once, and the next login has them sealed, with the handles that they had.
func TestPublicObjectsWithoutLogin(t *testing.T) {
	w := newWorld(t)
	count := counter(t)
	key, _ := signer(t, "key")
	c := certificateOf(t)
	certificate := rows(ck.CKA_SUBJECT, c.RawSubject, ck.CKA_VALUE, c.Raw)
	for _, template := range [][]ck.Attribute{
		note("first", "one"), key,
		append(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509, ck.CKA_TOKEN, true, ck.CKA_LABEL, "certificate"), certificate...),
	} {
		h, err := w.a.CreateObject(w.s, template)
		if err != nil {
			t.Fatalf("%v: %v", template[0], err)
		}
		count(w.a, w.s, 1, labelOf(template))
		count(w.b, w.r, 1, labelOf(template))
		if v, err := read(w.a, w.s, h, ck.CKA_PRIVATE); err != nil || v[0] != 0 {
			t.Errorf("CKA_PRIVATE %v, %v", v, err)
		}
	}
	first := find(t, w.a, w.s, attr(ck.CKA_LABEL, "first"))[0]
	must(t, w.a.SetAttributeValue(w.s, first, []ck.Attribute{attr(ck.CKA_LABEL, "second")}))
	count(w.b, w.r, 0, attr(ck.CKA_LABEL, "first"))
	count(w.b, w.r, 1, attr(ck.CKA_LABEL, "second"), attr(ck.CKA_VALUE, "one"))
	other, err := w.a.CopyObject(w.s, first, []ck.Attribute{attr(ck.CKA_LABEL, "copy")})
	must(t, err)
	count(w.b, w.r, 1, attr(ck.CKA_LABEL, "copy"), attr(ck.CKA_VALUE, "one"))
	must(t, w.a.DestroyObject(w.s, other))
	count(w.b, w.r, 0, attr(ck.CKA_LABEL, "copy"))
	want(t, "the handle of what was destroyed", w.a.DestroyObject(w.s, other), ck.CKR_OBJECT_HANDLE_INVALID)
	count(w.b, w.r, 3)

	w.login(t)
	count(w.a, w.s, 3)
	count(w.b, w.r, 3)
	if v, err := read(w.a, w.s, first, ck.CKA_LABEL); err != nil || string(v) != "second" {
		t.Errorf("after the login: %q, %v", v, err)
	}
	log, err := os.ReadFile(w.log)
	must(t, err)
	if n := strings.Count(string(log), "made without a login"); n != 3 {
		t.Errorf("the log tells of %d objects:\n%s", n, log)
	}
}

// TestVouchedWithoutLogin changes and destroys without a login what is vouched for, also while somebody else is logged in.
func TestVouchedWithoutLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := counter(t)
	key, _ := signer(t, "key")
	c := certificateOf(t)
	for _, template := range [][]ck.Attribute{
		note("second", "one"), key,
		append(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509, ck.CKA_TOKEN, true, ck.CKA_LABEL, "certificate"), rows(ck.CKA_SUBJECT, c.RawSubject, ck.CKA_VALUE, c.Raw)...),
	} {
		_, err := w.a.CreateObject(w.s, template)
		must(t, err)
	}
	w.login(t)
	must(t, w.a.Logout(w.s))
	must(t, w.b.SetAttributeValue(w.r, find(t, w.b, w.r, attr(ck.CKA_LABEL, "second"))[0], []ck.Attribute{attr(ck.CKA_LABEL, "third")}))
	theirs := find(t, w.b, w.r, attr(ck.CKA_LABEL, "certificate"))[0]
	must(t, w.b.SetAttributeValue(w.r, theirs, []ck.Attribute{attr(ck.CKA_LABEL, "renamed")}))
	must(t, w.b.SetAttributeValue(w.r, theirs, []ck.Attribute{attr(ck.CKA_ID, "id")}))
	count(w.a, w.s, 1, attr(ck.CKA_LABEL, "renamed"), attr(ck.CKA_ID, "id"))
	must(t, w.b.DestroyObject(w.r, find(t, w.b, w.r, attr(ck.CKA_LABEL, "key"))[0]))
	count(w.a, w.s, 0, attr(ck.CKA_LABEL, "key"))
	w.login(t)
	count(w.a, w.s, 2)
	// A role of a pair is recorded whatever is asked for its public half, and whatever else is.
	pub, priv, err := w.a.GenerateKeyPair(w.s, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, []ck.Attribute{attr(ck.CKA_TOKEN, true), attr(ck.CKA_PRIVATE, false), attr(ck.CKA_LABEL, "pair"), attr(ck.CKA_EC_PARAMS, p256)}, []ck.Attribute{attr(ck.CKA_TOKEN, true), attr(ck.CKA_LABEL, "pair")})
	must(t, err)
	must(t, w.b.SetAttributeValue(w.r, find(t, w.b, w.r, attr(ck.CKA_LABEL, "pair"))[0], []ck.Attribute{attr(ck.CKA_LABEL, "half")}))
	must(t, w.a.SignInit(w.s, &ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, priv))
	signed := make([]byte, 64)
	out := ck.Into(signed)
	must(t, w.a.Sign(w.s, []byte("data"), &out))
	count(w.a, w.s, 1, attr(ck.CKA_LABEL, "half"))
	must(t, w.a.DestroyObject(w.s, pub))
	must(t, w.a.DestroyObject(w.s, priv))
	// Who is logged in and finds what was asked for since has it sealed before it changes it.
	must(t, w.b.SetAttributeValue(w.r, find(t, w.b, w.r, attr(ck.CKA_LABEL, "third"))[0], []ck.Attribute{attr(ck.CKA_LABEL, "fourth")}))
	late, err := w.b.CreateObject(w.r, note("late", "x"))
	must(t, err)
	must(t, w.a.SetAttributeValue(w.s, find(t, w.a, w.s, attr(ck.CKA_LABEL, "fourth"))[0], []ck.Attribute{attr(ck.CKA_LABEL, "fifth")}))
	count(w.b, w.r, 1, attr(ck.CKA_LABEL, "fifth"), attr(ck.CKA_VALUE, "one"))
	must(t, w.a.DestroyObject(w.s, find(t, w.a, w.s, attr(ck.CKA_LABEL, "late"))[0]))
	_, err = read(w.b, w.r, late, ck.CKA_LABEL)
	want(t, "an object that another process has destroyed", err, ck.CKR_OBJECT_HANDLE_INVALID)
	count(w.b, w.r, 2)
}

// TestNotWithoutLogin is what stays forbidden.
func TestNotWithoutLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t)
	secret, err := w.a.CreateObject(w.s, aesTemplate(true, "secret", attr(ck.CKA_PRIVATE, false)))
	must(t, err)
	fixed, err := w.a.CreateObject(w.s, note("fixed", "x", attr(ck.CKA_PRIVATE, false), attr(ck.CKA_MODIFIABLE, false), attr(ck.CKA_DESTROYABLE, false)))
	must(t, err)
	must(t, w.a.Logout(w.s))
	for _, template := range [][]ck.Attribute{
		note("private", "x", attr(ck.CKA_PRIVATE, true)), aesTemplate(true, "aes"), aesTemplate(true, "aes", attr(ck.CKA_PRIVATE, false)),
	} {
		_, err := w.a.CreateObject(w.s, template)
		want(t, "a private object or a secret", err, ck.CKR_USER_NOT_LOGGED_IN)
	}
	key, _ := signer(t, "key")
	_, err = w.a.CreateObject(w.s, append(key, attr(ck.CKA_TRUSTED, true)))
	want(t, "CKA_TRUSTED", err, ck.CKR_ATTRIBUTE_READ_ONLY)
	want(t, "a secret key", w.a.SetAttributeValue(w.s, secret, []ck.Attribute{attr(ck.CKA_LABEL, "y")}), ck.CKR_USER_NOT_LOGGED_IN)
	want(t, "a secret key", w.a.DestroyObject(w.s, secret), ck.CKR_USER_NOT_LOGGED_IN)
	want(t, "CKA_MODIFIABLE false", w.a.SetAttributeValue(w.s, fixed, []ck.Attribute{attr(ck.CKA_LABEL, "y")}), ck.CKR_ACTION_PROHIBITED)
	want(t, "CKA_DESTROYABLE false", w.a.DestroyObject(w.s, fixed), ck.CKR_ACTION_PROHIBITED)
	ro := open(t, w.a, w.slot, false)
	_, err = w.a.CreateObject(ro, note("x", "y"))
	want(t, "a read-only session", err, ck.CKR_SESSION_READ_ONLY)
	_, err = w.a.CreateObject(w.s, note("large", string(make([]byte, 65<<10))))
	want(t, "64 KiB", err, ck.CKR_DEVICE_MEMORY)
	for n := 0; n < 256; n++ {
		_, err := w.a.CreateObject(w.s, note("many", "x"))
		must(t, err)
	}
	_, err = w.a.CreateObject(w.s, note("many", "x"))
	want(t, "the 257th", err, ck.CKR_DEVICE_MEMORY)
	_, _, err = w.a.GenerateKeyPair(w.s, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, []ck.Attribute{attr(ck.CKA_TOKEN, true), attr(ck.CKA_EC_PARAMS, p256)}, []ck.Attribute{attr(ck.CKA_PRIVATE, false)})
	want(t, "a generated pair", err, ck.CKR_USER_NOT_LOGGED_IN)
	w.login(t)
	_, err = w.a.CreateObject(w.s, note("many", "x"))
	must(t, err)
}

// TestUnvouchedVerifiesNothing holds that no signature is verified with a key that nobody has vouched for, new or changed.
func TestUnvouchedVerifiesNothing(t *testing.T) {
	w := newWorld(t)
	template, signature := signer(t, "key")
	h, err := w.a.CreateObject(w.s, template)
	must(t, err)
	verify := func(h ck.ObjectHandle) error {
		if err := w.a.VerifyInit(w.s, &ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, h); err != nil {
			return err
		}
		return w.a.Verify(w.s, []byte("data"), signature)
	}
	want(t, "a new key", verify(h), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	w.login(t)
	must(t, verify(h))
	must(t, w.a.Logout(w.s))
	must(t, verify(h))
	must(t, w.a.SetAttributeValue(w.s, h, []ck.Attribute{attr(ck.CKA_LABEL, "other")}))
	want(t, "a changed key", verify(h), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	session := append(template[:2:2], template[3:]...)
	own, err := w.a.CreateObject(w.s, session)
	must(t, err)
	must(t, verify(own)) // a session object is the application's own
}

// TestForgedRequests writes into the file what no call would: it changes nothing, and a login clears it away.
func TestForgedRequests(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	template, signature := signer(t, "key")
	h, err := w.a.CreateObject(w.s, append(template, attr(ck.CKA_PRIVATE, false)))
	must(t, err)
	fixed, err := w.a.CreateObject(w.s, note("fixed", "x", attr(ck.CKA_PRIVATE, false), attr(ck.CKA_DESTROYABLE, false)))
	must(t, err)
	_, err = w.a.CreateObject(w.s, aesTemplate(true, "aes"))
	must(t, err)
	_, o, err := sessionOf(t, w.a, w.s).object(h)
	must(t, err)
	id := o.id
	o.release()
	_, o, err = sessionOf(t, w.a, w.s).object(fixed)
	must(t, err)
	lasting := o.id
	o.release()
	must(t, w.a.Logout(w.s))

	another, forged := signer(t, "key")
	verify := func(signature []byte) error {
		must(t, w.a.VerifyInit(w.s, &ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, h))
		return w.a.Verify(w.s, []byte("data"), signature)
	}
	w.leave(t, lasting, store.Unvouched{Kind: store.Destroyed})
	w.leave(t, id, store.Unvouched{Kind: store.Altered}, another[5]) // CKA_EC_POINT
	for n, a := range []ck.Attribute{attr(ck.CKA_TRUSTED, true), attr(ck.CKA_LOCAL, true), attr(ck.CKA_PRIVATE, true), attr(ck.CKA_CLASS, ck.CKO_DATA), attr(roleWrapping, true), another[5]} {
		w.leave(t, id, store.Unvouched{Kind: store.Altered, Number: uint64(n) + 1}, a, attr(ck.CKA_LABEL, "forged"))
		must(t, verify(signature))
		if err := verify(forged); err == nil {
			t.Fatal("a forged signature is verified")
		}
		if v, err := read(w.a, w.s, h, ck.CKA_LABEL); err != nil || string(v) != "key" {
			t.Errorf("with %v the label is %q, %v", a, v, err)
		}
	}
	for _, template := range [][]ck.Attribute{
		nil, aesTemplate(true, "planted"), aesTemplate(true, "planted", attr(ck.CKA_PRIVATE, false)), note("planted", "x", attr(ck.CKA_PRIVATE, true)),
		append(another, attr(ck.CKA_TRUSTED, true)), append(another, attr(ck.CKA_LOCAL, true)), append(another, attr(roleWrapping, true)),
		{attr(ck.CKA_CLASS, ck.CKO_DATA), attr(ck.CKA_TOKEN, false), attr(ck.CKA_LABEL, "planted")},
	} {
		w.leave(t, store.ID{}, store.Unvouched{Kind: store.Created}, template...)
	}
	before := find(t, w.a, w.s, attr(ck.CKA_TOKEN, true))
	w.login(t)
	after := find(t, w.a, w.s, attr(ck.CKA_TOKEN, true))
	if len(before) != 2 || len(after) != 3 {
		t.Errorf("%d objects before the login, %d after it", len(before), len(after))
	}
	must(t, verify(signature))
	log, err := os.ReadFile(w.log)
	must(t, err)
	if n := bytes.Count(log, []byte("is refused")); n != 10 {
		t.Errorf("%d refusals in the log:\n%s", n, log)
	}
	must(t, w.a.SetAttributeValue(w.s, h, []ck.Attribute{attr(ck.CKA_LABEL, "free")}))
}
