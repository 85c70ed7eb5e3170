package mechanisms

import (
	"bytes"
	"encoding/binary"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// sshRows are the derivation of the keys of SSH, for which PKCS #11 has no number: ours takes a CK_SOFTCSP_SSHKDF_PARAMS.
var sshRows = []Mechanism{
	{Type: ck.CKM_SOFTCSP_SSHKDF_DERIVE, Keys: genericKeys, Min: 1, Max: maxSecret, Derive: deriveSSH},
}

// deriveSSH is RFC 4253, 7.2. With the letters A and B it makes an initial IV, which is a data object and no key.
func deriveSSH(b *Base, p *ck.Param, d *Derived) error {
	m, letter, number := ck.MechanismType(p.Ulong()), p.Fixed(1), p.Bool()
	p.Align()
	exchange, session := p.Bytes(), p.Bytes()
	if err := p.Done(); err != nil {
		return err
	}
	h := findHash(m)
	if h == nil || h.Digest != m || letter[0] < 'A' || letter[0] > 'F' {
		return ck.FieldError("prfHashMechanism or derivedKeyType")
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	d.Data = letter[0] <= 'B'
	t, n, err := typeAndSize(b.Template)
	switch {
	case err != nil:
		return err
	case n == 0:
		return ck.CKR_TEMPLATE_INCOMPLETE
	case n > maxSecret || !d.Data && !validSize(t, n):
		return ck.CKR_KEY_SIZE_RANGE
	}
	secret.Do(func() {
		value := b.Key.Value
		if number {
			value = sshNumber(value)
			defer clear(value)
		}
		d.Type, d.Value = t, d.buffer(n)
		f, sum := h.New(), make([]byte, 0, maxHashSize)
		for done := 0; done < len(d.Value); done += len(sum) {
			f.Reset()
			f.Write(value)
			f.Write(exchange)
			if done == 0 {
				f.Write(letter)
				f.Write(session)
			} else {
				f.Write(d.Value[:done])
			}
			sum = f.Sum(sum[:0])
			copy(d.Value[done:], sum)
		}
		clear(sum)
		f.Reset()
		if !d.Data {
			FixParity(t, d.Value)
		}
	})
	return nil
}

// sshNumber encodes a number as an mpint: RFC 4251, 5.
func sshNumber(value []byte) []byte {
	value = bytes.TrimLeft(value, "\x00")
	sign := 0 // a zero in front of what would be a negative number
	if len(value) > 0 && value[0] >= 0x80 {
		sign = 1
	}
	out := make([]byte, 4+sign+len(value))
	binary.BigEndian.PutUint32(out, uint32(sign+len(value)))
	copy(out[4+sign:], value)
	return out
}
