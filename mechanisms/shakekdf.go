package mechanisms

import (
	"crypto/sha3"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// shakeRows are the derivations with SHAKE (PKCS #11, "SHAKE Key Derivation").
var shakeRows = []Mechanism{
	{Type: ck.CKM_SHAKE_128_KEY_DERIVATION, Keys: secretKeys, Derive: deriveSHAKE(sha3.NewSHAKE128)},
	{Type: ck.CKM_SHAKE_256_KEY_DERIVATION, Keys: secretKeys, Derive: deriveSHAKE(sha3.NewSHAKE256)},
}

func deriveSHAKE(start func() *sha3.SHAKE) func(*Base, *ck.Param, *Derived) error {
	return func(b *Base, p *ck.Param, d *Derived) error {
		if err := p.None(); err != nil {
			return err
		}
		if b.Key == nil {
			return ck.CKR_KEY_HANDLE_INVALID
		}
		t, n, err := typeAndSize(b.Template)
		switch {
		case err != nil:
			return err
		case n == 0:
			return ck.CKR_TEMPLATE_INCOMPLETE
		case !validSize(t, n):
			return ck.CKR_KEY_SIZE_RANGE
		}
		secret.Do(func() {
			out := d.buf[:0]
			if n > uint(len(d.buf)) {
				out = make([]byte, 0, n)
			}
			s := start()
			s.Write(b.Key.Value)
			s.Read(out[:n])
			err = d.setLeading(b, out[:n])
		})
		return err
	}
}
