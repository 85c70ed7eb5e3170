package mechanisms

import (
	"crypto/rand"
	"errors"
	"io"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// An Encapsulation is a key encapsulation that has begun: its key and its parameter have been checked.
type Encapsulation struct {
	// Size is the length of the ciphertext in bytes.
	Size int
	// Make makes the key, and returns its ciphertext.
	Make func(d *Derived) (ciphertext []byte, err error)
}

// setWhole makes a shared secret of fixed length the value of the key that the template asks for. It is not shortened: a template that asks for
// another length is an error.
func (d *Derived) setWhole(template []ck.Attribute, shared []byte) error {
	t, n, err := typeAndSize(template)
	if err != nil {
		return err
	}
	if size := uint(len(shared)); n != 0 && n != size || !validSize(t, size) {
		return ck.CKR_KEY_SIZE_RANGE
	}
	d.Type, d.Value = t, append(d.buf[:0], shared...)
	return nil
}

// decapsulated turns an error about a public key that came as a ciphertext into the code of C_DecapsulateKey: section 5.18.9.
func decapsulated(err error) error {
	if errors.Is(err, ck.CKR_PUBLIC_KEY_INVALID) {
		return ck.CKR_WRAPPED_KEY_INVALID
	}
	return err
}

// rsaEncapsulates gives a row that wraps keys the columns of encapsulation (sections 6.1.6 and 6.1.9). To encapsulate is to generate a key and wrap
// it, and to decapsulate is to unwrap it.
func rsaEncapsulates(m Mechanism) Mechanism {
	wrap, unwrap, encrypt := m.Wrap, m.Unwrap, m.Encrypt
	m.Encapsulate = func(b *Base, p *ck.Param) (*Encapsulation, error) {
		pub, err := rsaPublicKey(b.Key)
		if err != nil {
			return nil, err
		}
		again := *p
		if _, err := encrypt(b.Key, &again); err != nil { // which reads the parameter
			return nil, err
		}
		t, n, err := typeAndRequiredSize(b.Template)
		if err != nil {
			return nil, err
		}
		return &Encapsulation{pub.Size(), func(d *Derived) (ciphertext []byte, err error) {
			d.Type = t
			if d.Value, err = generate(rand.Reader, findKeyType(t), n); err != nil {
				return nil, err
			}
			return wrap(b.Key, p, d.Value)
		}}, nil
	}
	m.Decapsulate = func(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error {
		t, n, err := typeAndSize(b.Template)
		if err != nil {
			return err
		}
		secret.Do(func() { d.Type = t; d.Value, err = unwrap(b.Key, p, ciphertext) })
		if err != nil && !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
			return err
		}
		// A wrong padding and a length that the key cannot have are the same error, after the same steps.
		size := uint(len(d.Value))
		if valid := validSize(t, size); err != nil || !valid || n != 0 && n != size {
			return ck.CKR_WRAPPED_KEY_INVALID
		}
		return nil
	}
	return m
}

// rsaSecretValue gives a row the columns of RSASVE (SP 800-56B, section 7.2.1): the key is a random number below the modulus, and as long as that.
func rsaSecretValue(m Mechanism) Mechanism {
	m.Encapsulate = func(b *Base, p *ck.Param) (*Encapsulation, error) {
		pub, err := rsaPublicKey(b.Key)
		if err := errors.Join(err, p.None()); err != nil {
			return nil, err
		}
		return &Encapsulation{pub.Size(), func(d *Derived) (ciphertext []byte, err error) {
			secret.Do(func() {
				z := make([]byte, pub.Size())
				defer clear(z)
				for range 1000 { // at least half of the draws are below the modulus; that one is 0 or 1 is not to be expected
					if _, err = io.ReadFull(rand.Reader, z); err != nil {
						err = errors.Join(ck.CKR_DEVICE_ERROR, err)
						return
					}
					z[0] &= byte(0xff >> (8*len(z) - pub.N.BitLen()))
					if ciphertext, err = rsaEncrypt(pub, z); err == nil {
						break
					}
				}
				if err == nil {
					err = d.setWhole(b.Template, z)
				}
			})
			return ciphertext, err
		}}, nil
	}
	m.Decapsulate = func(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error {
		priv, err := rsaKey(b.Key)
		if err := errors.Join(err, p.None()); err != nil {
			return err
		}
		if len(ciphertext) != priv.Size() {
			return ck.CKR_WRAPPED_KEY_LEN_RANGE
		}
		secret.Do(func() {
			var z []byte
			if z, err = rsaRawPrivate(priv, ciphertext); errors.Is(err, ck.CKR_DATA_INVALID) {
				err = ck.CKR_WRAPPED_KEY_INVALID
			}
			if err == nil {
				err = d.setWhole(b.Template, z)
			}
			clear(z)
		})
		return err
	}
	return m
}

// readECDHKem reads a CK_ECDH1_DERIVE_PARAMS of an encapsulation, which has no public key: that is the ciphertext.
func readECDHKem(p *ck.Param) (*ecdhKDF, error) {
	kdf, shared, public := p.Ulong(), p.BytesAfter(), p.BytesAfter()
	if err := p.Done(); err != nil {
		return nil, err
	}
	if len(public) != 0 {
		return nil, ck.FieldError("ulPublicDataLen")
	}
	return findKDF(kdf, shared)
}

// ecdhEncapsulates gives a row of ECDH the columns of encapsulation: the ciphertext is the public key of a key pair that is made for it (sections
// 6.3.17 and 6.3.18).
func ecdhEncapsulates(m Mechanism) Mechanism {
	m.Encapsulate = func(b *Base, p *ck.Param) (*Encapsulation, error) {
		f, err := readECDHKem(p)
		if err != nil {
			return nil, err
		}
		c, err := curveOf(b.Key)
		if err != nil {
			return nil, err
		}
		point, err := publicPoint(c, b.Key)
		if err != nil {
			return nil, err
		}
		return &Encapsulation{c.Point, func(d *Derived) (ciphertext []byte, err error) {
			secret.Do(func() {
				var private []byte
				if private, ciphertext, err = c.generate(rand.Reader); err != nil {
					return
				}
				defer clear(private)
				var agree agreement
				if agree, err = c.Agree(private); err == nil {
					err = f.deriveWith(b, d, agree, point)
				}
			})
			return ciphertext, err
		}}, nil
	}
	m.Decapsulate = func(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error {
		f, err := readECDHKem(p)
		if err != nil {
			return err
		}
		form, err := b.Key.Prepared(ck.CKM_ECDH1_DERIVE, prepareECDH)
		if err != nil {
			return err
		}
		key := form.(*ecdhPrivate)
		point, err := key.c.readPoint(ciphertext)
		if err != nil {
			return decapsulated(err)
		}
		secret.Do(func() { err = f.deriveWith(b, d, key.agree, ck.Clone(point)) })
		return decapsulated(err)
	}
	return m
}

// deriveWith makes the new key of what two keys agree on.
func (f *ecdhKDF) deriveWith(b *Base, d *Derived, agree agreement, point []byte) error {
	z, err := agree(point)
	if err == nil {
		err = f.setKey(b, d, z)
		clear(z)
	}
	return err
}
