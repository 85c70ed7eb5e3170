package softcsp

import (
	"github.com/softcsp/softcsp/ck"
)

// GeneratePrivateKey makes a key pair in the token.
func (t *Token) GeneratePrivateKey(k KeyType, o KeyOptions) (*PrivateKey, error) {
	f, bits, set, err := k.parse(true)
	if err != nil {
		return nil, err
	}
	o = o.withID()
	public, private := o.publicTemplate(f.public), o.template(ck.CKO_PRIVATE_KEY, f.private)
	if f.sizes {
		public = append(public, ulong(ck.CKA_MODULUS_BITS, bits), ck.Attribute{Type: ck.CKA_PUBLIC_EXPONENT, Value: []byte{1, 0, 1}})
	} else {
		public = append(public, ck.Attribute{Type: f.setType, Value: set})
	}
	var handle ck.ObjectHandle
	err = t.where(&o)(func(s ck.SessionHandle) (err error) {
		_, handle, err = t.module.GenerateKeyPair(s, mechanism(f.generate, nil), public, private)
		return err
	})
	if err != nil {
		return nil, failed("generating a key pair", err)
	}
	return t.privateKey(handle)
}

// GenerateSecretKey makes a secret key in the token.
func (t *Token) GenerateSecretKey(k KeyType, o KeyOptions) (*SecretKey, error) {
	f, bits, _, err := k.parse(false)
	if err != nil {
		return nil, err
	}
	o = o.withID()
	template := o.template(ck.CKO_SECRET_KEY, f.secret)
	if f.sizes {
		template = append(template, ulong(ck.CKA_VALUE_LEN, bits/8))
	}
	return t.makeSecretKey(&o, "generating a key", func(s ck.SessionHandle) (ck.ObjectHandle, error) {
		return t.module.GenerateKey(s, mechanism(f.generate, nil), template)
	})
}

// makeSecretKey makes a secret key by a call. What it does is said in errors.
func (t *Token) makeSecretKey(o *KeyOptions, what string, call func(ck.SessionHandle) (ck.ObjectHandle, error)) (*SecretKey, error) {
	var handle ck.ObjectHandle
	err := t.where(o)(func(s ck.SessionHandle) (err error) {
		handle, err = call(s)
		return err
	})
	if err != nil {
		return nil, failed(what, err)
	}
	return t.secretKey(handle)
}
