package mechanisms

import (
	"crypto/subtle"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// genericRows are generic secrets and the simple derivations of PKCS #11, "Miscellaneous simple key derivation mechanisms".
var genericRows = []Mechanism{
	sizesInBits(keyGen(ck.CKM_GENERIC_SECRET_KEY_GEN, ck.CKK_GENERIC_SECRET)),
	{Type: ck.CKM_CONCATENATE_BASE_AND_DATA, Keys: secretKeys, Inherits: true, Derive: combine(false, func(buf, key, data []byte) []byte {
		return append(append(buf, key...), data...)
	})},
	{Type: ck.CKM_CONCATENATE_DATA_AND_BASE, Keys: secretKeys, Inherits: true, Derive: combine(true, func(buf, key, data []byte) []byte {
		return append(append(buf, data...), key...)
	})},
	{Type: ck.CKM_XOR_BASE_AND_DATA, Keys: secretKeys, Inherits: true, Derive: combine(false, func(buf, key, data []byte) []byte {
		buf = append(buf, key[:min(len(key), len(data))]...)
		subtle.XORBytes(buf, buf, data)
		return buf
	})},
	{Type: ck.CKM_CONCATENATE_BASE_AND_KEY, Keys: secretKeys, Inherits: true, Derive: concatenateKeys},
	{Type: ck.CKM_EXTRACT_KEY_FROM_KEY, Keys: secretKeys, Inherits: true, Derive: extractKey},
}

// combine derives from the key and the data of a CK_KEY_DERIVATION_STRING_DATA, which f puts together. behind says that the key comes after the
// data.
func combine(behind bool, f func(buf, key, data []byte) []byte) func(*Base, *ck.Param, *Derived) error {
	return func(b *Base, p *ck.Param, d *Derived) (err error) {
		data := p.Bytes()
		if err := p.Done(); err != nil {
			return err
		}
		if b.Key == nil {
			return ck.CKR_KEY_HANDLE_INVALID
		}
		if len(data) > maxSecret {
			return ck.FieldError("ulLen")
		}
		secret.Do(func() { err = d.setLeading(b, f(d.buf[:0], b.Key.Value, data)) })
		before := 0
		if behind {
			before = len(data)
		}
		d.noteTaken(b.Key, before)
		return err
	}
}

// noteTaken notes how many bytes of a key there are in the new value, in which it begins after before bytes.
func (d *Derived) noteTaken(k *Key, before int) {
	if n := min(len(d.Value)-before, len(k.Value)); n > 0 {
		d.Taken = append(d.Taken, TakenBytes{k, uint(n)})
	}
}

// concatenateKeys derives from the base key and another key, whose handle is the parameter.
func concatenateKeys(b *Base, p *ck.Param, d *Derived) (err error) {
	h := ck.ObjectHandle(p.Ulong())
	if err := p.Done(); err != nil {
		return err
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	other, err := b.Lookup(h)
	if err != nil {
		return err
	}
	secret.Do(func() { err = d.setLeading(b, append(append(d.buf[:0], b.Key.Value...), other.Value...)) })
	d.noteTaken(b.Key, 0)
	d.noteTaken(other, len(b.Key.Value))
	return err
}

// extractKey takes the bits of the key, beginning with the one that CK_EXTRACT_PARAMS names. After the last bit it goes on with the first.
func extractKey(b *Base, p *ck.Param, d *Derived) (err error) {
	first := p.Ulong()
	if err := p.Done(); err != nil {
		return err
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	value := b.Key.Value
	if first >= 8*uint(len(value)) {
		return ck.FieldError("the number of the first bit")
	}
	_, n, err := typeAndSize(b.Template)
	if err != nil {
		return err
	}
	if n == 0 {
		return ck.CKR_TEMPLATE_INCOMPLETE
	}
	secret.Do(func() {
		out, shift := d.buf[:0], first%8
		for i := range value {
			at := int(first/8) + i
			hi, lo := value[at%len(value)], value[(at+1)%len(value)]
			out = append(out, byte((uint(hi)<<8|uint(lo))>>(8-shift)))
		}
		err = d.setLeading(b, out)
	})
	d.noteTaken(b.Key, 0)
	return err
}
