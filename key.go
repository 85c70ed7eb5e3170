package softcsp

import (
	"bytes"
	"crypto/rand"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// KeyOptions say what a new key is to be like. The zero KeyOptions are a key that is kept in the token, never leaves it, and does what keys
// of its type are for.
type KeyOptions struct {
	// Label is what the key is called.
	Label string
	// ID is the key's CKA_ID, which other programs find a certificate's key by. Where it is nil it is random, and the same for both halves
	// of a pair.
	ID []byte
	// Extractable lets the key leave the token: by SecretKey.Bytes, or wrapped by another key.
	Extractable bool
	// Temporary keys are in no file, and gone with Token.Close.
	Temporary bool
	// Attributes are further attributes of the private or secret key, in the terms of PKCS #11. They stand above what this
	// package decides otherwise.
	Attributes []ck.Attribute
}

// A Key is a *PrivateKey or a *SecretKey, which another key can wrap.
type Key interface {
	Label() string
	ID() []byte
	URI() string
	Delete() error
	inToken() *object
}

var (
	_ Key = (*PrivateKey)(nil)
	_ Key = (*SecretKey)(nil)
)

// An object is what keys of all kinds have.
type object struct {
	token       *Token
	handle      ck.ObjectHandle
	class       ck.ObjectClass
	keyType     ck.KeyType
	label       string
	id          []byte
	asksForPIN  bool // each use of the key needs the PIN
	information []byte
}

// objectTypes are the attributes that readObject reads.
var objectTypes = []ck.AttributeType{ck.CKA_KEY_TYPE, ck.CKA_LABEL, ck.CKA_ID, ck.CKA_ALWAYS_AUTHENTICATE, ck.CKA_PUBLIC_KEY_INFO}

func (t *Token) readObject(o ck.ObjectHandle, class ck.ObjectClass) (object, error) {
	v, err := t.attributes(o, objectTypes...)
	if err != nil {
		return object{}, err
	}
	keyType, err := ck.Ulong(v[0])
	if err != nil {
		return object{}, failed("reading the key's type", err)
	}
	return object{
		token: t, handle: o, class: class, keyType: ck.KeyType(keyType),
		label: string(v[1]), id: v[2], asksForPIN: bytes.Equal(v[3], ck.BoolValue(true)), information: v[4],
	}, nil
}

func (o *object) inToken() *object { return o }

// Label returns what the key is called.
func (o *object) Label() string { return o.label }

// ID returns the CKA_ID of the key.
func (o *object) ID() []byte { return bytes.Clone(o.id) }

// URI returns the PKCS #11 URI of the key, which other programs find it by.
func (o *object) URI() string {
	u := o.token.uri()
	if o.label != "" {
		u.Set("object", o.label)
	}
	if len(o.id) > 0 {
		u.Set("id", string(o.id))
	}
	u.Set("type", typeNames[o.class])
	return u.String()
}

// Delete deletes the key, and of a pair both halves. Certificates stay.
func (o *object) Delete() error {
	handles := []ck.ObjectHandle{o.handle}
	if o.class == ck.CKO_PRIVATE_KEY && len(o.id) > 0 && len(o.information) > 0 {
		public, err := o.token.search([]ck.Attribute{
			ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), {Type: ck.CKA_ID, Value: o.id}, {Type: ck.CKA_PUBLIC_KEY_INFO, Value: o.information},
		})
		if err != nil {
			return err
		}
		handles = append(handles, public...)
	}
	return o.token.do(func(s ck.SessionHandle) error {
		for _, h := range handles {
			if err := o.token.module.DestroyObject(s, h); err != nil {
				return failed("deleting the key", err)
			}
		}
		return nil
	})
}

// begin begins an operation with the key, by one of the Init functions, and gives the PIN where the key asks for it.
func (o *object) begin(s ck.SessionHandle, start func(ck.SessionHandle, *ck.Mechanism, ck.ObjectHandle) error, m *ck.Mechanism) error {
	if err := start(s, m, o.handle); err != nil || !o.asksForPIN {
		return err
	}
	return o.token.authenticate(s, ck.CKU_CONTEXT_SPECIFIC)
}

// operate begins an operation with the key and carries it out, by a function that writes into a buffer of so many bytes at least.
func (o *object) operate(
	start func(ck.SessionHandle, *ck.Mechanism, ck.ObjectHandle) error, m *ck.Mechanism,
	run func(ck.SessionHandle, []byte, *ck.Buffer) error, input []byte, room int,
) (output []byte, err error) {
	err = o.token.do(func(s ck.SessionHandle) error {
		if err := o.begin(s, start, m); err != nil {
			return err
		}
		out := ck.Into(make([]byte, room))
		if err := run(s, input, &out); err != nil {
			return err
		}
		output = out.Data[:out.N]
		return nil
	})
	return output, err
}

// withID gives options an ID where there is none.
func (o KeyOptions) withID() KeyOptions {
	if o.ID == nil {
		o.ID = make([]byte, 20)
		rand.Read(o.ID)
	}
	return o
}

// template is the attributes of a new private or secret key for the purposes given.
func (o *KeyOptions) template(class ck.ObjectClass, purposes []ck.AttributeType) []ck.Attribute {
	t := []ck.Attribute{
		ulong(ck.CKA_CLASS, class), flag(ck.CKA_TOKEN, !o.Temporary), flag(ck.CKA_PRIVATE, true),
		flag(ck.CKA_EXTRACTABLE, o.Extractable), flag(ck.CKA_SENSITIVE, !o.Extractable),
	}
	return merge(append(o.named(t), flags(purposes)...), o.Attributes)
}

// publicTemplate is the attributes of the public half.
func (o *KeyOptions) publicTemplate(purposes []ck.AttributeType) []ck.Attribute {
	t := []ck.Attribute{ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), flag(ck.CKA_TOKEN, !o.Temporary), flag(ck.CKA_PRIVATE, false)}
	return append(o.named(t), flags(purposes)...)
}

func (o *KeyOptions) named(t []ck.Attribute) []ck.Attribute {
	return append(t, ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(o.Label)}, ck.Attribute{Type: ck.CKA_ID, Value: o.ID})
}

// flags are attributes that are true.
func flags(types []ck.AttributeType) (list []ck.Attribute) {
	for _, t := range types {
		list = append(list, flag(t, true))
	}
	return list
}

// merge puts attributes in the places of those of their types, or behind them.
func merge(list, further []ck.Attribute) []ck.Attribute {
	for _, a := range further {
		i := slices.IndexFunc(list, func(b ck.Attribute) bool { return a.Type == b.Type })
		if i < 0 {
			list = append(list, a)
		} else {
			list[i] = a
		}
	}
	return list
}

// where chooses the session that makes an object.
func (t *Token) where(o *KeyOptions) func(func(ck.SessionHandle) error) error {
	if o.Temporary {
		return t.doKept
	}
	return t.do
}
