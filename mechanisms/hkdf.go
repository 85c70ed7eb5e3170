package mechanisms

import (
	"crypto/hkdf"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// hkdfRows are HKDF, RFC 5869: PKCS #11, "HKDF Mechanisms".
var hkdfRows = []Mechanism{
	keyGen(ck.CKM_HKDF_KEY_GEN, ck.CKK_HKDF),
	{Type: ck.CKM_HKDF_DERIVE, Keys: hkdfKeys, Min: 1, Max: maxSecret, Derive: deriveHKDF},
	{Type: ck.CKM_HKDF_DATA, Keys: hkdfKeys, Min: 1, Max: maxSecret, Derive: func(b *Base, p *ck.Param, d *Derived) error {
		d.Data = true
		return deriveHKDF(b, p, d)
	}},
}

var hkdfKeys = []ck.KeyType{ck.CKK_HKDF, ck.CKK_GENERIC_SECRET}

// An hkdfParam is a CK_HKDF_PARAMS, read.
type hkdfParam struct {
	extract, expand bool
	hash            *Hash
	salt, info      []byte
	saltKey         ck.ObjectHandle
}

func readHKDF(p *ck.Param) (r hkdfParam, err error) {
	r.extract, r.expand = p.Bool(), p.Bool()
	p.Align()
	m, source := ck.MechanismType(p.Ulong()), ck.Flags(p.Ulong())
	saltAt, saltLen, saltKey := p.Ulong(), p.Ulong(), ck.ObjectHandle(p.Ulong())
	infoAt, infoLen := p.Ulong(), p.Ulong()
	if r.extract {
		switch source { // what it does not name is ignored
		case ck.CKF_HKDF_SALT_NULL:
		case ck.CKF_HKDF_SALT_DATA:
			r.salt = p.BytesAt(saltAt, saltLen)
		case ck.CKF_HKDF_SALT_KEY:
			r.saltKey = saltKey
		default:
			err = fmt.Errorf("%w: salt of type %d", ck.CKR_MECHANISM_PARAM_INVALID, uint(source))
		}
	}
	if r.expand {
		r.info = p.BytesAt(infoAt, infoLen)
	}
	if err := p.Done(); err != nil {
		return r, err
	}
	if r.hash = findHash(m); r.hash == nil || r.hash.Digest != m || !r.extract && !r.expand || len(r.info) > maxSecret {
		err = ck.FieldError("prfHashMechanism, bExtract, bExpand or ulInfoLen")
	} else if r.extract && source == ck.CKF_HKDF_SALT_KEY && r.saltKey == ck.InvalidHandle {
		err = ck.CKR_KEY_HANDLE_INVALID
	}
	return r, err
}

// size tells how much is to be derived. Without the expansion that is what the hash gives, and a template can only confirm it.
func (r *hkdfParam) size(b *Base, data bool) (t ck.KeyType, n uint, err error) {
	t, n, err = typeAndSize(b.Template)
	full := uint(r.hash.Size)
	switch {
	case err != nil:
	case r.expand && n == 0:
		err = ck.CKR_TEMPLATE_INCOMPLETE
	case r.expand && n > 255*full:
		err = ck.CKR_KEY_SIZE_RANGE
	case !r.expand && n == 0:
		n = full
	case !r.expand && n != full:
		err = ck.CKR_TEMPLATE_INCONSISTENT
	}
	if err == nil && !data && !validSize(t, n) {
		err = ck.CKR_KEY_SIZE_RANGE
	}
	return t, n, err
}

func deriveHKDF(b *Base, p *ck.Param, d *Derived) error {
	r, err := readHKDF(p)
	if err != nil {
		return err
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	t, n, err := r.size(b, d.Data)
	if err != nil {
		return err
	}
	salt := r.salt
	if r.saltKey != ck.InvalidHandle {
		k, err := b.Lookup(r.saltKey)
		if err != nil {
			return err
		}
		salt = k.Value
	}
	secret.Do(func() {
		value := b.Key.Value
		if r.extract {
			if value, err = hkdf.Extract(r.hash.New, value, salt); err != nil {
				return
			}
			defer clear(value)
		}
		if r.expand {
			if value, err = hkdf.Expand(r.hash.New, value, string(r.info), int(n)); err != nil {
				return
			}
			defer clear(value)
		}
		d.Type, d.Value = t, d.buffer(n)
		copy(d.Value, value)
		if !d.Data {
			FixParity(t, d.Value)
		}
	})
	return err
}
