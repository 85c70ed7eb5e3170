package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
)

// ecmqvRows are MQV with elliptic curves: section 6.3.19.
var ecmqvRows = []Mechanism{
	{Type: ck.CKM_ECMQV_DERIVE, Keys: []ck.KeyType{ck.CKK_EC}, Min: ecMin, Max: ecMax, ExtraFlags: weierstrassFlags, Derive: ecmqvDerive},
}

// ecmqvDerive reads a CK_ECMQV_DERIVE_PARAMS and derives: SP 800-56A, section 5.7.2.3. As with X9.42 the first keys are the
// static ones, and our ephemeral public key follows from the private one: its handle is not looked at.
func ecmqvDerive(b *Base, p *ck.Param, d *Derived) error {
	kdf := p.Ulong()
	shared, first := p.BytesAfter(), p.BytesAfter()
	p.Ulong() // the length of a private key, of which there is a handle
	handle := ck.ObjectHandle(p.Ulong())
	second := p.BytesAfter()
	p.Ulong()
	if err := p.Done(); err != nil {
		return err
	}
	f, err := findKDF(kdf, shared)
	if err != nil {
		return err
	}
	if len(first) == 0 || len(second) == 0 {
		return ck.FieldError("ulPublicDataLen or ulPublicDataLen2")
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	c, err := curveOf(b.Key)
	if err != nil {
		return err
	}
	further, err := b.Lookup(handle)
	if err != nil {
		return err
	}
	if further.Class != ck.CKO_PRIVATE_KEY || further.Type != b.Key.Type {
		return ck.CKR_KEY_TYPE_INCONSISTENT
	}
	if other, err := curveOf(further); err != nil || other != c {
		return ck.CKR_DOMAIN_PARAMS_INVALID
	}
	theirStatic, err := c.readPoint(first)
	if err != nil {
		return err
	}
	theirEphemeral, err := c.readPoint(second)
	if err != nil {
		return err
	}
	return f.deriveFrom(b, d, func() ([]byte, error) {
		static, err := privateValue(c, b.Key)
		if err != nil {
			return nil, err
		}
		ephemeral, err := privateValue(c, further)
		if err != nil {
			return nil, err
		}
		own, err := c.Public(ephemeral)
		if err != nil {
			return nil, err
		}
		z, err := c.Generic().MQV(static, ephemeral, own, theirStatic, theirEphemeral)
		return z, curveError(err)
	})
}
