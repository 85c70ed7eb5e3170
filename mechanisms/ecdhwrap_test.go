package mechanisms

import (
	"bytes"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// ecdhWrapParams is a CK_ECDH_AES_KEY_WRAP_PARAMS.
func ecdhWrapParams(bits int, kdf uint, shared []byte) *ck.Param {
	p := params(bits, kdf, len(shared), alone(shared))
	return &p
}

// TestECDHWrap wraps with each curve and function, and takes apart by hand what it made.
func TestECDHWrap(t *testing.T) {
	t.Parallel()
	value := pattern(33)
	for i := range ecdhWrapRows {
		row := &ecdhWrapRows[i]
		n := 0
		for _, c := range curves {
			if c.Agree == nil || !row.Takes(ck.CKO_PUBLIC_KEY, c.Type) {
				continue
			}
			n++
			pub, priv := c.pair(t)
			for _, kdf := range []uint{ck.CKD_NULL, ck.CKD_SHA256_KDF, ck.CKD_SHA1_KDF_SP800} {
				var shared []byte
				if kdf != ck.CKD_NULL {
					shared = []byte("shared")
				}
				param := func() *ck.Param { return ecdhWrapParams(192, kdf, shared) }
				wrapped, err := row.Wrap(pub, param(), value)
				if err != nil {
					t.Fatalf("%v %s: %v", row.Type, c.Name, err)
				}
				got, err := row.Unwrap(priv, param(), wrapped)
				if err != nil || !bytes.Equal(got, value) {
					t.Errorf("%v %s: comes back as %x, %v", row.Type, c.Name, got, err)
				}
				if got := row.byHand(t, c, priv, kdf, shared, wrapped); !bytes.Equal(got, value) {
					t.Errorf("%v %s: by hand %x", row.Type, c.Name, got)
				}
				row.damaged(t, c, priv, param, wrapped)
			}
		}
		if n == 0 {
			t.Errorf("no curve for %v", row.Type)
		}
	}
}

// byHand unwraps with CKM_ECDH1_DERIVE and CKM_AES_KEY_WRAP_KWP.
func (m *Mechanism) byHand(t *testing.T, c *curve, priv *Key, kdf uint, shared, wrapped []byte) []byte {
	t.Helper()
	n := c.Point
	if m.Type == ck.CKM_ECDH_COF_AES_KEY_WRAP {
		n = len(writePoint(make([]byte, n)))
	}
	template := []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}}
	if kdf != ck.CKD_NULL {
		template = append(template, ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(24)})
	}
	p := ecdhParams(kdf, shared, wrapped[:n])
	var d Derived
	if err := Lookup(ck.CKM_ECDH1_DERIVE).Derive(&Base{Key: priv, Template: template}, &p, &d); err != nil {
		t.Fatalf("%v %s: %v", m.Type, c.Name, err)
	}
	got, err := Lookup(ck.CKM_AES_KEY_WRAP_KWP).Unwrap(secretKey(ck.CKK_AES, d.Value[:24]), new(ck.Param), wrapped[n:])
	if err != nil {
		t.Errorf("%v %s: by hand: %v", m.Type, c.Name, err)
	}
	return got
}

// damaged tries what is not what was wrapped.
func (m *Mechanism) damaged(t *testing.T, c *curve, priv *Key, param func() *ck.Param, wrapped []byte) {
	t.Helper()
	for _, n := range []int{0, 1, c.Point, len(wrapped) - 8, len(wrapped) - 1} {
		_, err := m.Unwrap(priv, param(), wrapped[:n])
		if !errors.Is(err, ck.CKR_WRAPPED_KEY_LEN_RANGE) && !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
			t.Errorf("%v %s cut at %d: %v", m.Type, c.Name, n, err)
		}
	}
	for _, i := range []int{c.Point / 2, len(wrapped) - 1} {
		other := bytes.Clone(wrapped)
		other[i] ^= 1
		if _, err := m.Unwrap(priv, param(), other); !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
			t.Errorf("%v %s changed at %d: %v", m.Type, c.Name, i, err)
		}
	}
	if m.Type != ck.CKM_ECDH_AES_KEY_WRAP || c.Type != ck.CKK_EC {
		return
	}
	encoded := append(writePoint(wrapped[:c.Point]), wrapped[c.Point:]...)
	if _, err := m.Unwrap(priv, param(), encoded); err != nil {
		t.Errorf("%v %s with the point in an OCTET STRING: %v", m.Type, c.Name, err)
	}
}

// TestECDHWrapRefuses tries parameters and keys that are none.
func TestECDHWrapRefuses(t *testing.T) {
	t.Parallel()
	c := curveNamed(t, "P-256")
	pub, priv := c.pair(t)
	row := Lookup(ck.CKM_ECDH_AES_KEY_WRAP)
	for _, p := range []func() *ck.Param{
		func() *ck.Param { return ecdhWrapParams(129, ck.CKD_NULL, nil) },
		func() *ck.Param { return ecdhWrapParams(512, ck.CKD_NULL, nil) },
		func() *ck.Param { return ecdhWrapParams(128, ck.CKD_NULL, []byte("x")) },
		func() *ck.Param { return ecdhWrapParams(128, 77, nil) },
		func() *ck.Param { return new(ck.Param) },
	} {
		_, err1 := row.Wrap(pub, p(), pattern(16))
		_, err2 := row.Unwrap(priv, p(), pattern(100))
		if !errors.Is(err1, ck.CKR_MECHANISM_PARAM_INVALID) || !errors.Is(err2, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("%x: %v, %v", bytesOf(*p()), err1, err2)
		}
	}
	good := func() *ck.Param { return ecdhWrapParams(128, ck.CKD_NULL, nil) }
	_, err1 := row.Wrap(priv, good(), pattern(16))
	_, err2 := row.Unwrap(pub, good(), pattern(100))
	if err1 != ck.CKR_KEY_TYPE_INCONSISTENT || err2 != ck.CKR_KEY_TYPE_INCONSISTENT {
		t.Errorf("with the other halves: %v, %v", err1, err2)
	}
	small := curveNamed(t, "P-224") // whose secret is shorter than an AES key of 256 bits
	pub, _ = small.pair(t)
	if _, err := row.Wrap(pub, ecdhWrapParams(256, ck.CKD_NULL, nil), pattern(16)); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
		t.Errorf("a secret that is too short: %v", err)
	}
}
