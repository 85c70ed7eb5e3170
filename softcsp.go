// Package softcsp is keys that stay in a token, for Go programs: the software HSM of libsoftcsp.so without C, without the library, and
// over the same token files.
//
// [Open] opens a token that there is, [Create] makes one, and [NewMemory] makes one that lives no longer than it is open, for tests.
// A [PrivateKey] is a [crypto.Signer], so that crypto/tls, crypto/x509 and golang.org/x/crypto/ssh use it as they use keys of Go's own. A
// [SecretKey] gives a [cipher.AEAD], computes MACs, and wraps other keys. [Token.CryptDeriveKey] derives keys from passwords as programs
// for Windows do.
//
// # Names
//
// A token, a key or a certificate is named by a text: its label, or a PKCS #11 URI (RFC 7512) such as
// "pkcs11:object=web;id=%01", as "softcsp object list" shows it. A token may also be named by its serial number. Where a name fits
// nothing the error is [ErrNotFound]; where it fits several objects the error says so, and an id in a URI tells them apart.
//
// # Errors
//
// An error of the token wraps the return code of PKCS #11, so that errors.Is(err, ck.CKR_PIN_INCORRECT) asks for one; that one says how many
// tries the PIN has left. What a key cannot do
// because of its type is [errors.ErrUnsupported]. After [Token.Close] everything fails with [ErrClosed]. No error has a PIN, a
// key or a message in it.
//
// # Concurrency
//
// Everything may be used by many goroutines at once. Close waits for calls in progress. Other processes may use the same token
// at the same time.
package softcsp

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
	"github.com/softcsp/softcsp/token"
)

// Options say which token is meant, where it lives, and how to log in. The zero Options are the one token of the user's own directory,
// without a login.
type Options struct {
	// Token is the name of the token. It may be empty where there is one token only.
	Token string
	// PIN returns the user PIN, for the login and again for each use of a key that asks for it (CKA_ALWAYS_AUTHENTICATE), which several
	// goroutines may do at once. It must not use the token. The slice is cleared after use. Without PIN there is no login: certificates and
	// other public objects are seen, and no key is.
	PIN func() ([]byte, error)
	// Dir is the token directory, where it is not the one of the configuration.
	Dir string
	// Config is the configuration file, where it is not the one that the library would read: see docs/configuration.md.
	Config string
}

// A Token is an open token.
type Token struct {
	module *token.Module
	slot   ck.SlotID
	info   ck.TokenInfo
	pin    func() ([]byte, error)
	login  ck.SessionHandle // is open as long as the token is, and holds the login and the keys that are not kept

	mu      sync.Mutex
	idle    []ck.SessionHandle
	wake    *sync.Cond // a session is idle, or was closed
	busy    int        // sessions in use
	closing bool
}

// Open opens a token that there is.
func Open(o Options) (*Token, error) {
	module, err := start(o.pairs())
	if err != nil {
		return nil, err
	}
	slot, err := findToken(module, o.Token)
	if err != nil {
		_ = module.Finalize()
		return nil, err
	}
	return open(module, slot, o.PIN)
}

// Create makes a token with the label o.Token and the PINs of its user, o.PIN, and of its security officer, who sets the user's PIN
// anew if it is lost. There must not be a token with that label in the directory.
func Create(o Options, soPIN []byte) (*Token, error) {
	if o.PIN == nil || o.Token == "" || pkcs11uri.Is(o.Token) {
		return nil, errors.New("softcsp: a new token needs a label and a PIN")
	}
	module, err := start(o.pairs())
	if err != nil {
		return nil, err
	}
	slot, err := create(module, o, soPIN)
	if err != nil {
		_ = module.Finalize()
		return nil, failed("making the token", err)
	}
	return open(module, slot, o.PIN)
}

// NewMemory makes a token in memory, which is gone when it is closed. It reads no configuration and writes no file.
func NewMemory() (*Token, error) {
	module := token.New()
	none := func(string) string { return "" }
	if err := module.Initialize(ck.InitArgs{Reserved: "store='memory' kdf='test'", Getenv: none}); err != nil {
		return nil, failed("", err)
	}
	o := Options{Token: "memory", PIN: func() ([]byte, error) { return []byte("memory"), nil }}
	slot, err := create(module, o, []byte("memory"))
	if err != nil {
		_ = module.Finalize()
		return nil, failed("making a token in memory", err)
	}
	return open(module, slot, o.PIN)
}

// pairs are the settings that o makes.
func (o *Options) pairs() (pairs []string) {
	if o.Dir != "" {
		pairs = append(pairs, "tokendir", o.Dir)
	}
	if o.Config != "" {
		pairs = append(pairs, "conf", o.Config)
	}
	return pairs
}

// start starts a module with settings.
func start(pairs []string) (*token.Module, error) {
	text, err := config.Reserved(pairs...)
	if err != nil {
		return nil, failed("", err)
	}
	module := token.New()
	if err := module.Initialize(ck.InitArgs{Reserved: text}); err != nil {
		return nil, failed("", err)
	}
	return module, nil
}

// create makes the token that o describes.
func create(module *token.Module, o Options, soPIN []byte) (ck.SlotID, error) {
	if _, err := findToken(module, o.Token); !errors.Is(err, ErrNotFound) {
		return 0, cmp.Or(err, fmt.Errorf("there is a token %q already", o.Token))
	}
	slot, err := module.EmptySlot()
	if err != nil {
		return 0, err
	}
	pin, err := o.PIN()
	if err != nil {
		return 0, err
	}
	defer clear(pin)
	label := []byte(fmt.Sprintf("%-32s", o.Token))
	if len(label) != 32 {
		return 0, fmt.Errorf("the label has more than 32 bytes")
	}
	return slot, module.MakeToken(slot, soPIN, pin, label)
}

// findToken finds the slot of the token of that name.
func findToken(module *token.Module, name string) (ck.SlotID, error) {
	slots, err := module.GetSlotList(true)
	if err != nil {
		return 0, failed("looking for tokens", err)
	}
	var found []ck.SlotID
	var unread error
	for _, slot := range slots {
		info, err := module.GetTokenInfo(slot)
		switch {
		case errors.Is(err, ck.CKR_SLOT_ID_INVALID), errors.Is(err, ck.CKR_TOKEN_NOT_PRESENT):
			continue // gone since
		case err != nil: // damaged, say
			unread = err
			continue
		case info.Flags&ck.CKF_TOKEN_INITIALIZED == 0:
			continue // yet to be made
		}
		ok, err := isToken(name, info)
		if err != nil {
			return 0, err
		}
		if ok {
			found = append(found, slot)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1 && name == "":
		return 0, fmt.Errorf("softcsp: there are %d tokens: name one in Options.Token", len(found))
	case len(found) > 1:
		return 0, fmt.Errorf("softcsp: %d tokens are meant by %q: name one by its serial number", len(found), name)
	}
	return 0, noToken(module.Config().TokenDir, name, unread)
}

// noToken is the error where no token has that name, or where there is none at all. There may be one that could not be read.
func noToken(dir, name string, unread error) error {
	err := fmt.Errorf("%w: there is no token", ErrNotFound)
	if name != "" {
		err = fmt.Errorf("%w %q", err, name)
	}
	if dir != "" {
		err = fmt.Errorf("%w in %s", err, dir)
	}
	if unread != nil {
		err = fmt.Errorf("%w; one that is there cannot be read: %w", err, unread)
	}
	return err
}

// isToken reports whether a token has that name.
func isToken(name string, info ck.TokenInfo) (bool, error) {
	if !pkcs11uri.Is(name) {
		return name == "" || name == info.Label || name == info.SerialNumber, nil
	}
	u, err := parseURI(name)
	if err != nil {
		return false, err
	}
	return ofToken(u, info), nil
}

// parseURI reads a URI. What it says of PINs is refused, so that nobody relies on what is not followed.
func parseURI(name string) (*pkcs11uri.URI, error) {
	u, err := pkcs11uri.Parse(name)
	if err != nil {
		return nil, failed("", err)
	}
	for _, attribute := range []string{"pin-value", "pin-source"} {
		if _, ok := u.Get(attribute); ok {
			return nil, fmt.Errorf("softcsp: %s in a URI is not followed: use Options.PIN", attribute)
		}
	}
	return u, nil
}

// ofToken reports whether what a URI says of the token is true of one.
func ofToken(u *pkcs11uri.URI, info ck.TokenInfo) bool {
	for name, is := range map[string]string{
		"token": info.Label, "serial": info.SerialNumber, "model": info.Model, "manufacturer": info.ManufacturerID,
	} {
		if want, ok := u.Get(name); ok && want != is {
			return false
		}
	}
	return true
}

// open opens the token in a slot. It owns the module.
func open(module *token.Module, slot ck.SlotID, pin func() ([]byte, error)) (*Token, error) {
	t := &Token{module: module, slot: slot, pin: pin}
	t.wake = sync.NewCond(&t.mu)
	if err := t.start(); err != nil {
		_ = module.Finalize()
		return nil, err
	}
	return t, nil
}

// start opens the session that holds the login, and logs in.
func (t *Token) start() (err error) {
	if t.info, err = t.module.GetTokenInfo(t.slot); err != nil {
		return failed("reading the token", err)
	}
	if t.login, err = t.module.OpenSession(t.slot, t.sessionFlags()); err != nil {
		return failed("opening a session", err)
	}
	if t.pin == nil {
		return nil
	}
	return t.authenticate(t.login, ck.CKU_USER)
}

// authenticate gives the PIN in a session.
func (t *Token) authenticate(session ck.SessionHandle, as ck.UserType) error {
	if t.pin == nil {
		return fmt.Errorf("softcsp: %w: Options.PIN is needed", ck.CKR_USER_NOT_LOGGED_IN)
	}
	pin, err := t.pin()
	if err != nil {
		return failed("reading the PIN", err)
	}
	defer clear(pin)
	if err := t.module.Login(session, as, pin); err != nil {
		return t.loginError(err)
	}
	return nil
}

// Close ends the login and forgets all keys. It waits for calls in progress.
func (t *Token) Close() error {
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		return ErrClosed
	}
	t.closing = true
	t.wake.Broadcast()
	for t.busy > 0 {
		t.wake.Wait()
	}
	t.mu.Unlock()
	if err := t.module.Finalize(); err != nil {
		return failed("closing the token", err)
	}
	return nil
}

// URI returns the PKCS #11 URI of the token. It is a name for Options.Token.
func (t *Token) URI() string { return t.uri().String() }

func (t *Token) uri() *pkcs11uri.URI {
	u := new(pkcs11uri.URI)
	u.Set("model", t.info.Model)
	u.Set("manufacturer", t.info.ManufacturerID)
	u.Set("serial", t.info.SerialNumber)
	u.Set("token", t.info.Label)
	return u
}

// PrivateKey finds a private key.
func (t *Token) PrivateKey(name string) (*PrivateKey, error) {
	o, err := t.find(name, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return nil, err
	}
	return t.privateKey(o)
}

// PrivateKeys returns the private keys of the token whose types Go has: RSA, ECDSA and ECDH on the curves of NIST, Ed25519, X25519 and
// ML-KEM. It ends with the first error.
func (t *Token) PrivateKeys() iter.Seq2[*PrivateKey, error] {
	return all(t, ck.CKO_PRIVATE_KEY, t.privateKey)
}

// SecretKey finds a secret key.
func (t *Token) SecretKey(name string) (*SecretKey, error) {
	o, err := t.find(name, ck.CKO_SECRET_KEY)
	if err != nil {
		return nil, err
	}
	return t.secretKey(o)
}

// SecretKeys returns the secret keys of the token. It ends with the first error.
func (t *Token) SecretKeys() iter.Seq2[*SecretKey, error] {
	return all(t, ck.CKO_SECRET_KEY, t.secretKey)
}

// find finds the one object of a class that a name means.
func (t *Token) find(name string, class ck.ObjectClass) (ck.ObjectHandle, error) {
	template := []ck.Attribute{ulong(ck.CKA_CLASS, class)}
	switch {
	case name == "":
		return 0, errors.New("softcsp: the name is empty")
	case !pkcs11uri.Is(name):
		template = append(template, ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(name)})
	default:
		u, err := parseURI(name)
		if err != nil {
			return 0, err
		}
		if want, ok := u.Get("type"); !ofToken(u, t.info) || ok && want != typeNames[class] {
			return 0, fmt.Errorf("%w: no %s in token %q: %s is of another token or type", ErrNotFound, called[class], t.info.Label, name)
		}
		for attribute, typ := range map[string]ck.AttributeType{"object": ck.CKA_LABEL, "id": ck.CKA_ID} {
			if v, ok := u.Get(attribute); ok {
				template = append(template, ck.Attribute{Type: typ, Value: []byte(v)})
			}
		}
	}
	list, err := t.search(template)
	switch {
	case err != nil:
		return 0, err
	case len(list) > 1:
		return 0, fmt.Errorf("softcsp: token %q has %d of %s %q: name one by its id in a URI", t.info.Label, len(list), called[class], name)
	case len(list) == 0 && t.pin == nil && class != ck.CKO_CERTIFICATE:
		return 0, fmt.Errorf("%w: no %s %q in token %q that is seen without Options.PIN", ErrNotFound, called[class], name, t.info.Label)
	case len(list) == 0:
		return 0, fmt.Errorf("%w: no %s %q in token %q", ErrNotFound, called[class], name, t.info.Label)
	}
	return list[0], nil
}

// typeNames are what classes are called in URIs.
var typeNames = map[ck.ObjectClass]string{
	ck.CKO_CERTIFICATE: "cert", ck.CKO_PRIVATE_KEY: "private", ck.CKO_SECRET_KEY: "secret-key",
}

// called are what classes are called in errors.
var called = map[ck.ObjectClass]string{ck.CKO_CERTIFICATE: "certificate", ck.CKO_PRIVATE_KEY: "private key", ck.CKO_SECRET_KEY: "secret key"}

// all makes the objects of a class, and passes over those of types that are not supported and those that another process deletes meanwhile.
func all[T any](t *Token, class ck.ObjectClass, read func(ck.ObjectHandle) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		list, err := t.search([]ck.Attribute{ulong(ck.CKA_CLASS, class)})
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		for _, o := range list {
			x, err := read(o)
			if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
				continue
			}
			if !yield(x, err) || err != nil {
				return
			}
		}
	}
}
