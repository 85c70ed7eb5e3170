package token

import (
	"bytes"
	"crypto/rand"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// A paddingCase is what somebody asks who wants to know whether a padding is right: two inputs that are both refused.
type paddingCase struct {
	name       string
	ask        func(input []byte) error
	want       ck.RV
	wrong, off []byte // with a wrong padding, and with a right one around what can be no key
}

// paddingCases has a key pair of RSA and a key of AES.
func paddingCases(t *testing.T) []paddingCase {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	on := func(types ...ck.AttributeType) (list []ck.Attribute) {
		for _, a := range types {
			list = append(list, attr(a, true))
		}
		return list
	}
	pub, priv, err := m.GenerateKeyPair(s, rsaPair, append(on(ck.CKA_ENCRYPT), attr(ck.CKA_MODULUS_BITS, 1024)),
		on(ck.CKA_UNWRAP, ck.CKA_DECRYPT, ck.CKA_DECAPSULATE))
	must(t, err)
	key, err := m.CreateObject(s, aesTemplate(false, "k", on(ck.CKA_UNWRAP)...))
	must(t, err)
	encrypted := func(mech *ck.Mechanism, k ck.ObjectHandle, data []byte) []byte {
		must(t, m.EncryptInit(s, mech, k))
		out := ck.Into(make([]byte, 128))
		must(t, m.Encrypt(s, data, &out))
		return out.Data[:out.N]
	}
	pkcs, raw := &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, &ck.Mechanism{Type: ck.CKM_RSA_X_509}
	padded := func(kind byte, n int) []byte { // RFC 8017, section 7.2.1
		em := bytes.Repeat([]byte{0x55}, 128)
		em[0], em[1], em[127-n] = 0, kind, 0
		return encrypted(raw, pub, em)
	}
	iv := make([]byte, 16)
	cbc := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_CBC, Param: ck.NewParam(iv, nil)} }
	cbcPad := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_CBC_PAD, Param: ck.NewParam(iv, nil)} }
	ends := func(pad byte) []byte { return encrypted(cbc(), key, append(bytes.Repeat([]byte{0x55}, 31), pad)) }
	aes := []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES)}
	private := []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_EC)}
	sized := append(slices.Clone(aes), attr(ck.CKA_VALUE_LEN, 16))
	unwrap := func(mech func() *ck.Mechanism, with ck.ObjectHandle, template []ck.Attribute) func([]byte) error {
		return func(in []byte) error { _, err := m.UnwrapKey(s, mech(), with, in, template); return err }
	}
	isPKCS := func() *ck.Mechanism { return pkcs }
	return []paddingCase{
		{"C_UnwrapKey, CKM_RSA_PKCS", unwrap(isPKCS, priv, aes), ck.CKR_WRAPPED_KEY_INVALID, padded(3, 16), padded(2, 17)},
		{"C_UnwrapKey, CKM_RSA_PKCS, CKA_VALUE_LEN", unwrap(isPKCS, priv, sized), ck.CKR_WRAPPED_KEY_INVALID, padded(3, 16), padded(2, 32)},
		{"C_UnwrapKey, CKM_RSA_PKCS, a private key", unwrap(isPKCS, priv, private), ck.CKR_WRAPPED_KEY_INVALID, padded(3, 50), padded(2, 50)},
		{"C_UnwrapKey, CKM_AES_CBC_PAD", unwrap(cbcPad, key, aes), ck.CKR_WRAPPED_KEY_INVALID, ends(0x54), ends(1)},
		{"C_DecapsulateKey, CKM_RSA_PKCS", func(in []byte) error { _, err := m.DecapsulateKey(s, pkcs, priv, sized, in); return err },
			ck.CKR_WRAPPED_KEY_INVALID, padded(3, 16), padded(2, 17)},
		{"C_Decrypt, CKM_RSA_PKCS", func(in []byte) error {
			if err := m.DecryptInit(s, pkcs, priv); err != nil {
				return err
			}
			out := ck.Into(make([]byte, 128))
			return m.Decrypt(s, in, &out)
		}, ck.CKR_ENCRYPTED_DATA_INVALID, padded(3, 16), padded(2, 120)}, // of the wrong kind, and too short
	}
}

// TestPaddingError sees that a key that is wrong with a right padding is refused as a wrong padding is, whatever the template.
func TestPaddingError(t *testing.T) {
	for _, c := range paddingCases(t) {
		want(t, c.name+", a wrong padding", c.ask(c.wrong), c.want)
		want(t, c.name+", no key", c.ask(c.off), c.want)
	}
}

// TestPaddingTime measures whether the one takes another time than the other: Welch's t of samples that were taken in turn, without the
// slowest tenth. Noise can be anything once, so that a case fails where it does three times, and differences of less than 50 ns are not
// told apart from those of where code and data lie.
func TestPaddingTime(t *testing.T) {
	if os.Getenv("SOFTCSP_LONG") == "" {
		t.Skip("long: SOFTCSP_LONG=1")
	}
	const samples, most, least = 10000, 5, 50
	for _, c := range paddingCases(t) {
		for try := 1; ; try++ {
			var times [2][]float64
			var order [samples]byte
			rand.Read(order[:]) //nolint:errcheck // it does not fail
			for _, o := range order {
				for i := range 2 {
					which := (i + int(o)) & 1
					input := [2][]byte{c.wrong, c.off}[which]
					start := time.Now()
					err := c.ask(input)
					times[which] = append(times[which], float64(time.Since(start)))
					want(t, c.name, err, c.want)
				}
			}
			d, welch := compared(times)
			t.Logf("%s: %+.0f ns, t = %.1f at 2 x %d", c.name, d, welch, samples)
			if math.Abs(welch) < most || math.Abs(d) < least {
				break
			}
			if try == 3 {
				t.Errorf("%s: a wrong padding takes another time: t = %.1f", c.name, welch)
				break
			}
		}
	}
}

// compared returns the difference of the means, and Welch's t.
func compared(times [2][]float64) (difference, t float64) {
	var mean, spread [2]float64
	for i, x := range times {
		slices.Sort(x)
		x = x[:len(x)*9/10]
		for _, v := range x {
			mean[i] += v / float64(len(x))
		}
		for _, v := range x {
			spread[i] += (v - mean[i]) * (v - mean[i]) / float64(len(x)-1) / float64(len(x))
		}
	}
	difference = mean[1] - mean[0]
	return difference, difference / math.Sqrt(spread[0]+spread[1])
}
