package mechanisms

import (
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// ikeRows are the derivations of IKE, RFC 2409 and RFC 7296, with HMAC as the pseudo-random function: PKCS #11, "IKE
// Mechanisms". CKM_IKE1_EXTENDED_DERIVE may copy the first bytes of its base key, hence Inherits.
var ikeRows = []Mechanism{
	{Type: ck.CKM_IKE_PRF_DERIVE, Keys: ikeKeys, Min: 1, Max: maxSecret, Derive: ikePRF},
	{Type: ck.CKM_IKE1_PRF_DERIVE, Keys: ikeKeys, Min: 1, Max: maxSecret, Derive: ike1PRF},
	{Type: ck.CKM_IKE1_EXTENDED_DERIVE, Keys: ikeKeys, Min: 1, Max: maxSecret, Inherits: true, Derive: ike1Extended},
	{Type: ck.CKM_IKE2_PRF_PLUS_DERIVE, Keys: ikeKeys, Min: 1, Max: maxSecret, Derive: ike2PRFPlus},
}

// ikeKeys are generic secrets and the keys of HMACs.
var ikeKeys = func() []ck.KeyType {
	keys := []ck.KeyType{ck.CKK_GENERIC_SECRET}
	for _, h := range hashes {
		if h.KeyType != 0 && h.HMAC != 0 && findKeyType(h.KeyType) != nil {
			keys = append(keys, h.KeyType)
		}
	}
	return keys
}()

// ikeHash finds the hash of an HMAC.
func ikeHash(m ck.MechanismType) (*Hash, error) {
	h := findHash(m)
	if h == nil || h.HMAC != m {
		return nil, ck.FieldError("prfMechanism")
	}
	return h, nil
}

// hasAttribute reports whether a template has an attribute.
func hasAttribute(template []ck.Attribute, t ck.AttributeType) bool {
	return slices.ContainsFunc(template, func(a ck.Attribute) bool { return a.Type == t })
}

// lookupValue returns the value of a key that the parameter names, nil where it names none.
func (b *Base) lookupValue(has bool, h ck.ObjectHandle) ([]byte, error) {
	if !has {
		return nil, nil
	}
	k, err := b.Lookup(h)
	if err != nil {
		return nil, err
	}
	return k.Value, nil
}

// ikePRF makes the first key of an exchange. Its parameter is a CK_IKE_PRF_DERIVE_PARAMS.
func ikePRF(b *Base, p *ck.Param, d *Derived) error {
	m := ck.MechanismType(p.Ulong())
	dataAsKey, rekey := p.Bool(), p.Bool()
	p.Align()
	ni, nr := p.Bytes(), p.Bytes()
	newKey := ck.ObjectHandle(p.Ulong())
	if err := p.Done(); err != nil {
		return err
	}
	h, err := ikeHash(m)
	if err != nil {
		return err
	}
	if dataAsKey && rekey {
		return ck.CKR_ARGUMENTS_BAD
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	other, err := b.lookupValue(rekey, newKey)
	if err != nil {
		return err
	}
	t, n, err := typeAndSize(b.Template)
	switch {
	case err != nil:
		return err
	case n != 0 && n != uint(h.Size):
		return ck.CKR_KEY_SIZE_RANGE
	case !hasAttribute(b.Template, ck.CKA_KEY_TYPE) && slices.Contains(ikeKeys, h.KeyType):
		t = h.KeyType
	}
	return d.fillWithPRF(h, t, uint(h.Size), func(prf func(*Key, ...[]byte) []byte, out []byte) {
		if dataAsKey {
			copy(out, prf(&Key{Value: slices.Concat(ni, nr)}, b.Key.Value))
			return
		}
		copy(out, prf(b.Key, other, ni, nr))
	})
}

// fillWithPRF fills the value of a key of n bytes with a pseudo-random function.
func (d *Derived) fillWithPRF(h *Hash, t ck.KeyType, n uint, fill func(prf func(k *Key, data ...[]byte) []byte, out []byte)) error {
	if !validSize(t, n) {
		return ck.CKR_KEY_SIZE_RANGE
	}
	d.Type, d.Value = t, d.buffer(n)
	var err error
	secret.Do(func() {
		fill(func(k *Key, data ...[]byte) []byte {
			f, _, e := newPRF(h.HMAC, k)
			if e != nil {
				err = e
				return nil
			}
			return f(nil, data...)
		}, d.Value)
		FixParity(t, d.Value)
	})
	return err
}

// ike1PRF makes SKEYID_d, SKEYID_a and SKEYID_e. Its parameter is a CK_IKE1_PRF_DERIVE_PARAMS.
func ike1PRF(b *Base, p *ck.Param, d *Derived) error {
	m, hasPrev := ck.MechanismType(p.Ulong()), p.Bool()
	p.Align()
	gxy, prev := ck.ObjectHandle(p.Ulong()), ck.ObjectHandle(p.Ulong())
	initiator, responder := p.Bytes(), p.Bytes()
	number := p.Fixed(1)
	p.Align()
	if err := p.Done(); err != nil {
		return err
	}
	h, err := ikeHash(m)
	if err != nil {
		return err
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	shared, err := b.lookupValue(true, gxy)
	if err != nil {
		return err
	}
	before, err := b.lookupValue(hasPrev, prev)
	if err != nil {
		return err
	}
	t, n, err := typeAndSize(b.Template)
	switch {
	case err != nil:
		return err
	case !hasAttribute(b.Template, ck.CKA_KEY_TYPE):
		return ck.CKR_TEMPLATE_INCOMPLETE
	case n == 0:
		n = uint(h.Size)
	case n > uint(h.Size):
		return ck.CKR_KEY_SIZE_RANGE
	}
	return d.fillWithPRF(h, t, n, func(prf func(*Key, ...[]byte) []byte, out []byte) {
		copy(out, prf(b.Key, before, shared, initiator, responder, number))
	})
}

// ike1Extended makes longer keys: RFC 2409, section 5.5 and appendix B. Its parameter is a CK_IKE1_EXTENDED_DERIVE_PARAMS.
func ike1Extended(b *Base, p *ck.Param, d *Derived) error {
	h, gxy, extra, t, n, err := b.readIKELong(p)
	if err != nil {
		return err
	}
	if gxy == nil && n <= uint(h.Size) {
		if n > uint(len(b.Key.Value)) {
			return ck.CKR_KEY_SIZE_RANGE
		}
		err = d.fillWithPRF(h, t, n, func(_ func(*Key, ...[]byte) []byte, out []byte) { copy(out, b.Key.Value) })
		d.noteTaken(b.Key, 0)
		return err
	}
	first := [][]byte{gxy, extra}
	if gxy == nil && len(extra) == 0 {
		first = [][]byte{{0}}
	}
	return d.fillWithPRF(h, t, n, func(prf func(*Key, ...[]byte) []byte, out []byte) {
		block := prf(b.Key, first...)
		for out = out[copy(out, block):]; len(out) > 0; out = out[copy(out, block):] {
			block = prf(b.Key, block, gxy, extra)
		}
	})
}

// ike2PRFPlus is prf+ of RFC 7296, section 2.13. Its parameter is a CK_IKE2_PRF_PLUS_DERIVE_PARAMS.
func ike2PRFPlus(b *Base, p *ck.Param, d *Derived) error {
	h, seed, data, t, n, err := b.readIKELong(p)
	if err != nil {
		return err
	}
	return d.fillWithPRF(h, t, n, func(prf func(*Key, ...[]byte) []byte, out []byte) {
		var block []byte
		for i := byte(1); len(out) > 0; i++ {
			block = prf(b.Key, block, seed, data, []byte{i})
			out = out[copy(out, block):]
		}
	})
}

// readIKELong reads the two parameters of the same form, with a key that need not be there and data, and the template.
func (b *Base) readIKELong(p *ck.Param) (h *Hash, key, data []byte, t ck.KeyType, n uint, err error) {
	m, has := ck.MechanismType(p.Ulong()), p.Bool()
	p.Align()
	handle := ck.ObjectHandle(p.Ulong())
	data = p.Bytes()
	if err = p.Done(); err != nil {
		return
	}
	if h, err = ikeHash(m); err != nil {
		return
	}
	if b.Key == nil {
		err = ck.CKR_KEY_HANDLE_INVALID
		return
	}
	if t, n, err = typeAndRequiredSize(b.Template); err != nil {
		return
	}
	if n > 255*uint(h.Size) {
		err = ck.CKR_KEY_SIZE_RANGE
		return
	}
	key, err = b.lookupValue(has, handle)
	return
}
