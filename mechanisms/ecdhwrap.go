package mechanisms

import (
	"crypto/rand"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// ecdhWrapRows wrap keys with an AES key. That is what the wrapping key and a key pair made for the purpose agree on: sections 6.3.20 to 6.3.22. The
// public key of that pair comes first in the wrapped key. CKM_ECDH_COF_AES_KEY_WRAP has it in an
// OCTET STRING; of CKM_ECDH_AES_KEY_WRAP, which is older, the standard does not say in what form it is: it is the bare point here.
var ecdhWrapRows = []Mechanism{
	ecdhWrapRow(ck.CKM_ECDH_AES_KEY_WRAP, false, ecMin, ecMax, weierstrassFlags, ck.CKK_EC, ck.CKK_EC_MONTGOMERY),
	ecdhWrapRow(ck.CKM_ECDH_COF_AES_KEY_WRAP, true, ecMin, ecMax, weierstrassFlags, ck.CKK_EC),
	ecdhWrapRow(ck.CKM_ECDH_X_AES_KEY_WRAP, false, cfrgMin, cfrgMax, namedFlags, ck.CKK_EC_MONTGOMERY),
}

func ecdhWrapRow(t ck.MechanismType, encoded bool, smallest, largest uint, flags ck.Flags, keys ...ck.KeyType) Mechanism {
	return Mechanism{Type: t, Keys: keys, Min: smallest, Max: largest, ExtraFlags: flags, Authentic: true, Seals: true,
		Wrap: func(k *Key, p *ck.Param, value []byte) ([]byte, error) {
			return ecdhWrap(k, p, value, encoded)
		},
		Unwrap: func(k *Key, p *ck.Param, wrapped []byte) ([]byte, error) {
			return ecdhUnwrap(k, p, wrapped, encoded)
		}}
}

// readECDHWrap reads a CK_ECDH_AES_KEY_WRAP_PARAMS: the length of the AES key in bytes, and the function that makes it.
func readECDHWrap(p *ck.Param) (size uint, f *ecdhKDF, err error) {
	bits, kdf := p.Ulong(), p.Ulong()
	shared := p.BytesAfter()
	if err := p.Done(); err != nil {
		return 0, nil, err
	}
	if bits%8 != 0 || !validSize(ck.CKK_AES, bits/8) {
		return 0, nil, ck.FieldError("ulAESKeyBits")
	}
	f, err = findKDF(kdf, shared)
	return bits / 8, f, err
}

// wrappingKey makes the AES key of what two keys agree on. Without a hash it is the first bytes of the secret, where CKM_ECDH1_DERIVE takes the
// last. The caller wipes it.
func (f *ecdhKDF) wrappingKey(agree agreement, point []byte, size uint) (*Key, error) {
	z, err := agree(point)
	if err != nil {
		return nil, err
	}
	defer clear(z)
	aes := make([]byte, size)
	switch {
	case f.hash != nil:
		f.derive(aes, z)
	case len(z) < len(aes):
		return nil, ck.FieldError("ulAESKeyBits or kdf")
	default:
		copy(aes, z)
	}
	return &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: aes}, nil
}

func ecdhWrap(k *Key, p *ck.Param, value []byte, encoded bool) (wrapped []byte, err error) {
	size, f, err := readECDHWrap(p)
	if err != nil {
		return nil, err
	}
	c, err := curveOf(k)
	if err != nil {
		return nil, err
	}
	peer, err := publicPoint(c, k)
	if err != nil {
		return nil, err
	}
	secret.Do(func() {
		var private, point, inner []byte
		if private, point, err = c.generate(rand.Reader); err != nil {
			return
		}
		defer clear(private)
		var agree agreement
		if agree, err = c.Agree(private); err != nil {
			return
		}
		var aes *Key
		if aes, err = f.wrappingKey(agree, peer, size); err != nil {
			return
		}
		defer clear(aes.Value)
		if inner, err = kwpColumns.Wrap(aes, new(ck.Param), value); err != nil {
			return
		}
		if encoded {
			point = writePoint(point)
		}
		wrapped = append(append(make([]byte, 0, len(point)+len(inner)), point...), inner...)
	})
	return wrapped, err
}

func ecdhUnwrap(k *Key, p *ck.Param, wrapped []byte, encoded bool) (value []byte, err error) {
	size, f, err := readECDHWrap(p)
	if err != nil {
		return nil, err
	}
	if k.Class != ck.CKO_PRIVATE_KEY {
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	form, err := k.Prepared(ck.CKM_ECDH1_DERIVE, prepareECDH)
	if err != nil {
		return nil, err
	}
	key := form.(*ecdhPrivate)
	point, inner, err := key.c.split(wrapped, encoded)
	if err != nil {
		return nil, err
	}
	secret.Do(func() {
		var aes *Key
		if aes, err = f.wrappingKey(key.agree, point, size); err != nil {
			return
		}
		defer clear(aes.Value)
		value, err = kwpColumns.Unwrap(aes, new(ck.Param), inner)
	})
	return value, err
}

// split parts a wrapped key into the public key and the rest. Where the point is expected bare, one in an OCTET STRING is taken too: the bytes at
// its place are no point on the curve then.
func (c *curve) split(wrapped []byte, encoded bool) (point, inner []byte, err error) {
	if !encoded && len(wrapped) > c.Point {
		if point, err := c.Check(wrapped[:c.Point]); err == nil {
			return point, wrapped[c.Point:], nil
		}
	}
	in := cryptobyte.String(wrapped)
	var body cryptobyte.String
	if len(wrapped) <= c.Point {
		return nil, nil, ck.CKR_WRAPPED_KEY_LEN_RANGE
	}
	if !in.ReadASN1(&body, der.OCTET_STRING) {
		return nil, nil, ck.CKR_WRAPPED_KEY_INVALID
	}
	if point, err = c.Check(body); err != nil {
		return nil, nil, ck.CKR_WRAPPED_KEY_INVALID
	}
	if len(in) == 0 {
		return nil, nil, ck.CKR_WRAPPED_KEY_LEN_RANGE
	}
	return point, in, nil
}
