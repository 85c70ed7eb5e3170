// Package keyfile reads and writes the files that keys travel in, for any type of key that the mechanisms know. Read finds out from the bytes
// what a file is, and makes of it the attributes of objects for C_CreateObject.
//
// Within the package a private key is a PrivateKeyInfo (PKCS #8) and a public key a SubjectPublicKeyInfo: each format is turned into these, or
// made from them, and package mechanisms knows what is in them. So a type of key that it learns is known here.
//
// What is hostile in a file costs neither memory nor time beyond bounds, and no password is asked for before something needs it.
package keyfile

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/certinfo"
	"github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// MaxSize is the length in bytes of the longest file that Read takes, and maxEntries how many keys and certificates may be in it: to check a long key
// takes a second.
const (
	MaxSize    = 16 << 20
	maxEntries = 1000
)

var (
	// ErrPassword says that a password is wrong, or that a file was changed: most formats cannot tell the two apart.
	ErrPassword = errors.New("the password is wrong")
	// ErrUnknown says that the bytes are in no format that is known.
	ErrUnknown = errors.New("this is no key or certificate in a format that is known")
)

// Options say what the bytes of a file do not.
type Options struct {
	// Password returns the password of an encrypted file. It is called once at most, and only if it is needed. What it returns is wiped.
	Password func() ([]byte, error)
	// Secret is the type of a secret key in a file of its bytes, or of hex digits. Without it a file is never taken for one.
	Secret *ck.KeyType
	// Form says how the bytes of a secret key are written: one of Forms, or "" for hex digits if there is nothing else.
	Form string
}

// Forms are the ways in which the bytes of a secret key are written.
var Forms = []string{"raw", "hex", "base64"}

// An Entry is a key or a certificate of a file.
type Entry struct {
	Class ck.ObjectClass
	Type  ck.KeyType // of a key
	// Attributes are what the object consists of, with its class and type, and for C_CreateObject.
	Attributes []ck.Attribute
	// PublicKeyInfo is the SubjectPublicKeyInfo of both halves of a pair, and of a certificate; nil of a secret key.
	PublicKeyInfo []byte
	// Name is what the file calls it, "" if it does not.
	Name string
}

// Contents are what a file holds. A private key is followed by its public key, whether or not the file has that, and certificates come last.
type Contents struct {
	Format  string // for people: "PKCS #8, encrypted"
	Entries []Entry
}

// Wipe overwrites the values of the keys.
func (c *Contents) Wipe() {
	for _, e := range c.Entries {
		if e.Class == ck.CKO_PRIVATE_KEY || e.Class == ck.CKO_SECRET_KEY {
			wipe(e.Attributes)
		}
	}
}

func wipe(attrs []ck.Attribute) {
	for _, a := range attrs {
		if a.Type != ck.CKA_ALLOWED_MECHANISMS { // which keys share
			clear(a.Value)
		}
	}
}

// ID is the CKA_ID that both halves of a pair and its certificates share: the SHA-1 hash of the bits of the public key, as certificates name keys
// (RFC 5280, section 4.2.1.2, method 1). It is nil of a secret key.
func (e *Entry) ID() []byte {
	in := cryptobyte.String(e.PublicKeyInfo)
	var body, algorithm cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&algorithm, der.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&bits) {
		return nil
	}
	sum := sha1.Sum(bits)
	return sum[:]
}

// Find returns the entry of a class that belongs to a public key, nil if there is none.
func (c *Contents) Find(class ck.ObjectClass, publicKeyInfo []byte) *Entry {
	for i := range c.Entries {
		if e := &c.Entries[i]; e.Class == class && bytes.Equal(e.PublicKeyInfo, publicKeyInfo) {
			return e
		}
	}
	return nil
}

// Read reads a file. It does not keep data, which the caller wipes.
func Read(data []byte, o Options) (c *Contents, err error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("the file is longer than %d MiB", MaxSize>>20)
	}
	secret.Do(func() {
		r := &reader{options: o, costs: maxCost}
		defer r.close()
		if err = r.read(data); err == nil {
			err = r.finish()
		}
		if err != nil {
			r.Wipe()
			return
		}
		c = &Contents{r.Format, r.Entries}
	})
	return c, err
}

// A reader reads one file.
type reader struct {
	Contents
	options  Options
	password []byte // once it was asked for
	asked    bool
	costs    int      // what passwords may still cost, in repetitions of a hash
	publics  [][]byte // the public keys that stand in the file by themselves
	names    []string // and what they are called
	aSet     bool     // the keys need not belong together
	ecParams []byte   // of the block EC PARAMETERS, before a key that may not name its curve
}

func (r *reader) close() { clear(r.password) }

// askPassword returns the password of the file.
func (r *reader) askPassword() ([]byte, error) {
	if r.asked {
		return r.password, nil
	}
	if r.options.Password == nil {
		return nil, errors.New("the file is encrypted, and there is no password")
	}
	b, err := r.options.Password()
	if err != nil {
		return nil, err
	}
	r.password, r.asked = b, true
	return b, nil
}

// room sees that one more entry is not too many.
func (r *reader) room() error {
	if len(r.Entries)+len(r.publics) >= maxEntries {
		return fmt.Errorf("there are more than %d keys and certificates in the file", maxEntries)
	}
	return nil
}

// found tells what the file is. The first word counts.
func (r *reader) found(format string) {
	if r.Format == "" {
		r.Format = format
	}
}

// addPrivate adds a private key, and the public key that belongs to it.
func (r *reader) addPrivate(info []byte, name string) error {
	if err := r.room(); err != nil {
		return err
	}
	oid, params, key, err := readPrivateKeyInfo(info)
	if err != nil {
		return keyError("private key", err)
	}
	if oid.Equal(oidEC) {
		if _, err := mechanisms.CurveOf(params); err != nil {
			return keyError("private key", err)
		}
	}
	if !oid.Equal(oidPSS) {
		return r.addPrivateWith(info, name)
	}
	info = privateKeyInfo(oidRSA, asn1.NullBytes, key)
	defer clear(info)
	return r.addPrivateWith(info, name, ck.Attribute{Type: ck.CKA_ALLOWED_MECHANISMS, Value: pssOnly})
}

// addPrivateWith adds a private key with attributes that both halves have beside.
func (r *reader) addPrivateWith(info []byte, name string, both ...ck.Attribute) error {
	t, err := mechanisms.PrivateKeyType(info)
	if err != nil {
		return keyError("private key", err)
	}
	attrs, err := mechanisms.UnmarshalPrivate(t, info)
	if err != nil {
		return keyError("private key", err)
	}
	for i := range attrs { // some of them are parts of info
		attrs[i].Value = bytes.Clone(attrs[i].Value)
	}
	get := func(t ck.AttributeType) []byte { return find(attrs, t) }
	added, err := mechanisms.Complete(ck.CKO_PRIVATE_KEY, t, get)
	if err != nil {
		wipe(attrs)
		return keyError("private key", err)
	}
	public, err := mechanisms.PublicOf(&mechanisms.Key{Class: ck.CKO_PRIVATE_KEY, Type: t, Attr: get})
	spki := find(added, ck.CKA_PUBLIC_KEY_INFO)
	if t == ck.CKK_ML_KEM || t == ck.CKK_ML_DSA {
		// The token computes the value from the seed.
		attrs = without(attrs, ck.CKA_VALUE, find(attrs, ck.CKA_SEED) != nil)
	}
	for _, a := range added {
		if a.Type != ck.CKA_PUBLIC_KEY_INFO {
			clear(a.Value)
		}
	}
	if err != nil {
		wipe(attrs)
		return keyError("private key", err)
	}
	r.Entries = append(r.Entries,
		Entry{ck.CKO_PRIVATE_KEY, t, withType(ck.CKO_PRIVATE_KEY, t, append(attrs, both...)), spki, name},
		Entry{ck.CKO_PUBLIC_KEY, t, withType(ck.CKO_PUBLIC_KEY, t, append(public, both...)), spki, name})
	return nil
}

// without returns attributes without those of a type, which it wipes, if that is wanted.
func without(attrs []ck.Attribute, t ck.AttributeType, wanted bool) []ck.Attribute {
	var rest []ck.Attribute
	for _, a := range attrs {
		if wanted && a.Type == t {
			clear(a.Value)
		} else {
			rest = append(rest, a)
		}
	}
	return rest
}

// addPublic notes a public key.
func (r *reader) addPublic(info []byte, name string) error {
	if err := r.room(); err != nil {
		return err
	}
	plain, _ := plainRSA(info)
	if _, _, err := mechanisms.UnmarshalPublic(plain); err != nil {
		return keyError("public key", err)
	}
	r.publics, r.names = append(r.publics, bytes.Clone(info)), append(r.names, name)
	return nil
}

// addCertificate adds a certificate.
func (r *reader) addCertificate(encoded []byte, name string) error {
	if err := r.room(); err != nil {
		return err
	}
	e, err := certificate(encoded, name)
	if err == nil {
		r.Entries = append(r.Entries, e)
	}
	return err
}

// addSecret adds a secret key.
func (r *reader) addSecret(t ck.KeyType, value []byte, name string) error {
	if err := r.room(); err != nil {
		return err
	}
	if err := mechanisms.ValidValue(t, value); err != nil {
		return fmt.Errorf("%d bytes are no key of type %v", len(value), t)
	}
	r.Entries = append(r.Entries, Entry{ck.CKO_SECRET_KEY, t,
		withType(ck.CKO_SECRET_KEY, t, []ck.Attribute{{Type: ck.CKA_VALUE, Value: bytes.Clone(value)}}), nil, name})
	return nil
}

// finish adds the public keys that stand alone, and sees that what belongs together does.
func (r *reader) finish() error {
	privates := 0
	for _, e := range r.Entries {
		if e.Class == ck.CKO_PRIVATE_KEY {
			privates++
		}
	}
	for i, info := range r.publics {
		plain, pss := plainRSA(info)
		t, attrs, err := mechanisms.UnmarshalPublic(plain)
		if err != nil {
			return keyError("public key", err)
		}
		if pss {
			attrs = append(attrs, ck.Attribute{Type: ck.CKA_ALLOWED_MECHANISMS, Value: pssOnly})
		}
		spki := canonical(plain)
		switch {
		case r.Find(ck.CKO_PUBLIC_KEY, spki) != nil:
			continue
		case privates == 1 && len(r.publics) == 1 && !r.aSet:
			return errors.New("the public key in the file is not that of the private key")
		}
		r.Entries = append(r.Entries, Entry{ck.CKO_PUBLIC_KEY, t, withType(ck.CKO_PUBLIC_KEY, t, attrs), spki, r.names[i]})
	}
	r.order()
	if len(r.Entries) == 0 {
		return errors.New("there is no key and no certificate in the file")
	}
	return nil
}

// order brings certificates to the end, and leaves out what is there twice.
func (r *reader) order() {
	var keys, certificates []Entry
	for _, e := range r.Entries {
		switch {
		case e.Class != ck.CKO_CERTIFICATE:
			keys = appendNew(keys, e)
		default:
			certificates = appendNew(certificates, e)
		}
	}
	r.Entries = append(keys, certificates...)
}

// appendNew appends an entry unless the list has one that is the same.
func appendNew(list []Entry, e Entry) []Entry {
	value := find(e.Attributes, ck.CKA_VALUE)
	for _, old := range list {
		same := e.PublicKeyInfo != nil && bytes.Equal(old.PublicKeyInfo, e.PublicKeyInfo)
		if old.Class == e.Class && same && (e.Class != ck.CKO_CERTIFICATE || bytes.Equal(value, find(old.Attributes, ck.CKA_VALUE))) {
			return list
		}
	}
	return append(list, e)
}

// keyError says what is wrong with a key, in words for people.
func keyError(what string, err error) error {
	switch ck.Code(err) {
	case ck.CKR_KEY_TYPE_INCONSISTENT:
		return fmt.Errorf("a %s of a type that softcsp does not have: %w", what, err)
	case ck.CKR_CURVE_NOT_SUPPORTED:
		return fmt.Errorf("a %s on a curve that softcsp does not have: %w", what, err)
	}
	return fmt.Errorf("the %s is damaged, or its parts do not belong together: %w", what, err)
}

// find returns the value of an attribute, nil without one.
func find(attrs []ck.Attribute, t ck.AttributeType) []byte {
	for _, a := range attrs {
		if a.Type == t {
			return a.Value
		}
	}
	return nil
}

// withType puts the class and the type before the attributes of a key.
func withType(class ck.ObjectClass, t ck.KeyType, attrs []ck.Attribute) []ck.Attribute {
	return append([]ck.Attribute{
		{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(class))}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(t))},
	}, attrs...)
}

// certificate makes the entry of an X.509 certificate.
func certificate(encoded []byte, name string) (Entry, error) {
	encoded = bytes.Clone(encoded)
	c, err := certinfo.Parse(encoded)
	if err != nil {
		return Entry{}, fmt.Errorf("the certificate is damaged: %w", errDER)
	}
	attrs := []ck.Attribute{
		{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_CERTIFICATE))},
		{Type: ck.CKA_CERTIFICATE_TYPE, Value: ck.UlongValue(uint(ck.CKC_X_509))},
		{Type: ck.CKA_VALUE, Value: encoded},
		{Type: ck.CKA_SUBJECT, Value: c.Subject}, {Type: ck.CKA_ISSUER, Value: c.Issuer}, {Type: ck.CKA_SERIAL_NUMBER, Value: c.Serial},
	}
	if name == "" {
		name = certinfo.CommonName(c.Subject)
	}
	return Entry{Class: ck.CKO_CERTIFICATE, Attributes: attrs, PublicKeyInfo: canonical(bytes.Clone(c.PublicKeyInfo)), Name: name}, nil
}

// canonical is a SubjectPublicKeyInfo as the token writes it: with the identifier of the curve, an uncompressed point, and of RSA without a purpose. One
// of a key that is not known stays as it is.
func canonical(info []byte) []byte {
	info, _ = plainRSA(info)
	t, attrs, err := mechanisms.UnmarshalPublic(info)
	if err != nil {
		return info
	}
	added, err := mechanisms.Complete(ck.CKO_PUBLIC_KEY, t, func(t ck.AttributeType) []byte { return find(attrs, t) })
	if err != nil {
		return info
	}
	return find(added, ck.CKA_PUBLIC_KEY_INFO)
}

// errDER is the error of what is not encoded as it should be.
var errDER = errors.New("it is not encoded as it should be")
