package mechanisms

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// mqvSide makes what each side of MQV has: a base with the second key to be found, the numbers, and the points.
func (c *curve) mqvSide(t *testing.T) (base *Base, numbers [2]*big.Int, points [2][]byte) {
	t.Helper()
	var keys [2]*Key
	for i := range keys {
		value, point, err := c.generate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[i], numbers[i], points[i] = c.private(value), new(big.Int).SetBytes(value), point
	}
	return &Base{Key: keys[0], Lookup: func(h ck.ObjectHandle) (*Key, error) {
		if h != otherKey {
			return nil, ck.CKR_KEY_HANDLE_INVALID
		}
		return keys[1], nil
	}}, numbers, points
}

// TestECMQV lets two sides agree, and compares with the definition, in which all points are multiples of the generator.
func TestECMQV(t *testing.T) {
	t.Parallel()
	row := Lookup(ck.CKM_ECMQV_DERIVE)
	for _, c := range curves {
		if c.Group == nil {
			continue
		}
		a, xa, pa := c.mqvSide(t)
		b, xb, pb := c.mqvSide(t)
		derive := func(base *Base, kdf uint, points [2][]byte, handle int) ([]byte, error) {
			p := params(kdf, 0, 0, len(points[0]), alone(points[0]), 0, handle, len(points[1]), alone(points[1]), 0)
			var d Derived
			err := row.Derive(base, &p, &d)
			return bytes.Clone(d.Value), err
		}
		left, err1 := derive(a, ck.CKD_NULL, pb, otherKey)
		right, err2 := derive(b, ck.CKD_NULL, pa, otherKey)
		n := c.Group.N
		half := new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen()+1)/2)
		implicit := func(x [2]*big.Int, points [2][]byte) *big.Int {
			s := new(big.Int).SetBytes(points[1][1 : 1+c.Point/2])
			return s.Mod(s, half).Add(s, half).Mul(s, x[0]).Add(s, x[1])
		}
		k := implicit(xa, pa)
		k.Mul(k, implicit(xb, pb)).Mod(k, n)
		want, err3 := c.Public(k.FillBytes(make([]byte, c.Size)))
		if err := errors.Join(err1, err2, err3); err != nil || !bytes.Equal(left, right) || !bytes.Equal(left, want[1:1+c.Point/2]) {
			t.Errorf("%s: %v\n%x\n%x\n%x", c.Name, err, left, right, want)
		}
		for name, d := range map[string]struct {
			kdf    uint
			points [2][]byte
			handle int
			want   error
		}{
			"no key":      {ck.CKD_NULL, pb, 1, ck.CKR_KEY_HANDLE_INVALID},
			"no point":    {ck.CKD_NULL, [2][]byte{pb[0], nil}, otherKey, ck.CKR_MECHANISM_PARAM_INVALID},
			"a bad point": {ck.CKD_NULL, [2][]byte{pb[0], {4, 1}}, otherKey, ck.CKR_PUBLIC_KEY_INVALID},
			"no function": {77, pb, otherKey, ck.CKR_MECHANISM_PARAM_INVALID},
			"no length":   {ck.CKD_SHA256_KDF, pb, otherKey, ck.CKR_TEMPLATE_INCOMPLETE},
		} {
			if _, err := derive(a, d.kdf, d.points, d.handle); !errors.Is(err, d.want) {
				t.Errorf("%s, %s: %v", c.Name, name, err)
			}
		}
		other := curveNamed(t, map[bool]string{true: "P-384", false: "P-256"}[c.Name == "P-256"])
		mixed, _, _ := other.mqvSide(t)
		mixed.Key = a.Key
		if _, err := derive(mixed, ck.CKD_NULL, pb, otherKey); !errors.Is(err, ck.CKR_DOMAIN_PARAMS_INVALID) {
			t.Errorf("%s: with a key of %s: %v", c.Name, other.Name, err)
		}
	}
}
