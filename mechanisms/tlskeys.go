package mechanisms

import (
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// A keyMaterial is a CK_SSL3_KEY_MAT_PARAMS or a CK_TLS12_KEY_MAT_PARAMS, read.
type keyMaterial struct {
	mac, key, iv uint // in bytes
	export       bool
	randoms      tlsRandoms
	hash         *Hash
	handles      [4][]byte // the MAC keys of client and server, and their keys
	ivs          [2][]byte
}

// keyMaterialSize is the size of a CK_SSL3_KEY_MAT_OUT.
const keyMaterialSize = 48

// maxKeyMaterial is how long a key, a MAC key or an IV can be, in bits.
const maxKeyMaterial = 8 * 64

func readKeyMaterial(p *ck.Param, m ck.MechanismType) (r keyMaterial, err error) {
	r.mac, r.key, r.iv = p.Ulong(), p.Ulong(), p.Ulong()
	r.export = p.Bool()
	p.Align()
	r.randoms = readRandoms(p)
	out := p.Structs(1, keyMaterialSize)
	tls12 := m == ck.CKM_TLS12_KEY_AND_MAC_DERIVE || m == ck.CKM_TLS12_KEY_SAFE_DERIVE
	var prf ck.MechanismType
	if tls12 {
		prf = ck.MechanismType(p.Ulong())
	}
	if m == ck.CKM_TLS12_KEY_SAFE_DERIVE {
		r.iv = 0
	}
	if err := p.Done(); err != nil {
		return r, err
	}
	for _, bits := range []*uint{&r.mac, &r.key, &r.iv} {
		if *bits%8 != 0 || *bits > maxKeyMaterial {
			return r, ck.FieldError("ulMacSizeInBits, ulKeySizeInBits or ulIVSizeInBits")
		}
		*bits /= 8
	}
	for i := range r.handles {
		r.handles[i] = out.Fixed(8)
	}
	for i := range r.ivs {
		if at := out.Ulong(); r.iv != 0 {
			r.ivs[i] = out.BytesAt(at, r.iv)
		}
	}
	if err := out.Done(); err != nil {
		return r, err
	}
	// The keys of export ciphers were weakened on purpose, and TLS 1.1 dropped them. To derive IVs only would be to give away bytes of the key block.
	if r.export || r.mac == 0 && r.key == 0 {
		return r, ck.FieldError("bIsExport, ulMacSizeInBits or ulKeySizeInBits")
	}
	if tls12 {
		if r.hash, err = tlsHash(prf); err == nil && r.hash == nil {
			err = ck.FieldError("prfHashMechanism")
		}
	}
	return r, err
}

// tlsKeyBlock makes the key block of RFC 5246, section 6.3.
func tlsKeyBlock(r *keyMaterial, out, master []byte) {
	newTLSPRF(r.hash, master).Fill(out, []byte("key expansion"), r.randoms.server, r.randoms.client)
}

// keyAndMAC makes the row of a derivation of four keys and two IVs. The keys are protected as their base is.
func keyAndMAC(m ck.MechanismType, block func(r *keyMaterial, out, master []byte)) Mechanism {
	return Mechanism{Type: m, Keys: genericKeys, Min: masterSize, Max: masterSize, NoHandle: true, Derive: func(b *Base, p *ck.Param, d *Derived) error {
		r, err := readKeyMaterial(p, m)
		if err != nil {
			return err
		}
		t, _, err := typeAndSize(b.Template)
		switch {
		case err != nil:
			return err
		case b.Key == nil:
			return ck.CKR_KEY_HANDLE_INVALID
		case len(b.Key.Value) != masterSize:
			return ck.CKR_KEY_SIZE_RANGE
		case r.key != 0 && !validSize(t, r.key):
			return ck.CKR_KEY_SIZE_RANGE
		}
		d.UsesHalvesApart = m == ck.CKM_TLS_KEY_AND_MAC_DERIVE
		secret.Do(func() {
			out := make([]byte, 2*(r.mac+r.key+r.iv))
			block(&r, out, b.Key.Value)
			r.distribute(b, d, t, out)
		})
		return nil
	}}
}

// The purposes of keys: section 6.39.10.
var (
	macPurposes    = purposes(ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_DERIVE)
	cipherPurposes = purposes(ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_DERIVE)
)

var allPurposes = []ck.AttributeType{
	ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_DERIVE,
}

// purposes returns attributes that are true for the purposes named and false for the others.
func purposes(on ...ck.AttributeType) (list []ck.Attribute) {
	for _, t := range allPurposes {
		list = append(list, ck.Attribute{Type: t, Value: ck.BoolValue(slices.Contains(on, t))})
	}
	return list
}

// macTemplate is the part of a template that holds for MAC keys too: without type, length and purposes.
func macTemplate(template []ck.Attribute) []ck.Attribute {
	return slices.DeleteFunc(slices.Clone(template), func(a ck.Attribute) bool {
		return a.Type == ck.CKA_KEY_TYPE || a.Type == ck.CKA_VALUE_LEN || slices.Contains(allPurposes, a.Type)
	})
}

// distribute deals out the key block.
func (r *keyMaterial) distribute(b *Base, d *Derived, t ck.KeyType, block []byte) {
	next := func(n uint) []byte {
		part := block[:n:n]
		block = block[n:]
		return part
	}
	protection, mac := b.Key.protection(), macTemplate(b.Template)
	for i, h := range r.handles {
		f := AdditionalKey{Type: ck.CKK_GENERIC_SECRET, Template: mac, Defaults: macPurposes, Attributes: protection, Handle: h}
		n := r.mac
		if i >= 2 {
			f.Type, f.Template, f.Defaults, n = t, b.Template, cipherPurposes, r.key
		}
		if n == 0 {
			d.Results = append(d.Results, Result{h, make([]byte, 8)})
			continue
		}
		f.Value = next(n)
		FixParity(f.Type, f.Value)
		d.AdditionalKeys = append(d.AdditionalKeys, f)
	}
	for _, iv := range r.ivs {
		d.Results = append(d.Results, Result{iv, next(r.iv)})
	}
}
