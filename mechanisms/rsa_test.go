package mechanisms

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// pairKey makes one key of a pair from its attributes.
func pairKey(class ck.ObjectClass, t ck.KeyType, attrs []ck.Attribute) *Key {
	return &Key{Class: class, Type: t, Attr: func(t ck.AttributeType) []byte { return findAttr(attrs, t) }}
}

// testRSA is the key of testdata/rsa.
func testRSA(t testing.TB) (pub, priv *Key) {
	t.Helper()
	value, err := os.ReadFile("testdata/rsa/key.der")
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := UnmarshalPrivate(ck.CKK_RSA, value)
	if err != nil {
		t.Fatal(err)
	}
	return pairKey(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, attrs[:2]), pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, attrs)
}

func signed(m *Mechanism, k *Key, p ck.Param, data []byte) ([]byte, error) {
	s, err := m.Sign(k, &p)
	if err != nil {
		return nil, err
	}
	if err := s.Update(data); err != nil {
		return nil, err
	}
	sig := make([]byte, s.Size())
	n, err := s.Sign(sig)
	return sig[:n], err
}

func verified(m *Mechanism, k *Key, p ck.Param, data, sig []byte) error {
	v, err := m.Verify(k, &p)
	if err != nil {
		return err
	}
	if err := v.Update(data); err != nil {
		return err
	}
	return v.Verify(sig)
}

// rsaParams are parameters of the mechanisms that have one.
func rsaParams(m ck.MechanismType) ck.Param {
	oaep := []any{uint(ck.CKM_SHA256), ck.CKG_MGF1_SHA1, ck.CKZ_DATA_SPECIFIED, pointed("label")}
	switch m {
	case ck.CKM_RSA_PKCS_OAEP:
		return params(oaep...)
	case ck.CKM_RSA_AES_KEY_WRAP:
		return params(256, structs(oaep))
	case ck.CKM_RSA_PKCS_PSS:
		return params(uint(ck.CKM_SHA256), ck.CKG_MGF1_SHA256, 32)
	}
	for _, h := range rsaHashes {
		if h.PSS == m {
			return params(uint(h.Digest), ck.CKG_MGF1_SHA1, 9)
		}
	}
	return params()
}

// TestRSA is the battery of the mechanisms that take RSA keys: what one key does the other undoes, in parts too, nothing
// else is taken, and a parameter that is cut is refused.
func TestRSA(t *testing.T) {
	t.Parallel()
	pub, priv := testRSA(t)
	n := 0
	for i := range table {
		m := &table[i]
		if len(m.Keys) != 1 || m.Keys[0] != ck.CKK_RSA {
			continue
		}
		n++
		if m.Sign != nil {
			rsaSignBattery(t, m, pub, priv)
		}
		if m.Encrypt != nil {
			rsaCryptBattery(t, m, pub, priv)
		}
		if m.Wrap != nil {
			rsaWrapBattery(t, m, pub, priv)
		}
		rsaParamBattery(t, m, pub, priv)
	}
	if n < 20 {
		t.Errorf("%d mechanisms", n)
	}
}

func rsaSignBattery(t *testing.T, m *Mechanism, pub, priv *Key) {
	data := pattern(32)
	if m.Type == ck.CKM_RSA_X9_31 { // which wants a trailer
		data = append(data, 0x34, 0xcc)
	}
	sig, err := signed(m, priv, rsaParams(m.Type), data)
	if err != nil || len(sig) != 256 {
		t.Fatalf("%v: %d bytes, %v", m.Type, len(sig), err)
	}
	p := rsaParams(m.Type)
	v, err := m.Verify(pub, &p)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range data {
		if err := v.Update([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Verify(sig); err != nil {
		t.Errorf("%v in parts: %v", m.Type, err)
	}
	if err := v.Verify(sig); err != ck.CKR_OPERATION_NOT_INITIALIZED {
		t.Errorf("%v verifies twice: %v", m.Type, err)
	}
	if err := v.Update(data); err != ck.CKR_OPERATION_NOT_INITIALIZED {
		t.Errorf("%v goes on after its end: %v", m.Type, err)
	}
	for name, c := range map[string]struct {
		data, sig []byte
		want      error
	}{
		"other data":        {append([]byte{1}, data[1:]...), sig, ck.CKR_SIGNATURE_INVALID},
		"other signature":   {data, append([]byte{sig[0] ^ 1}, sig[1:]...), ck.CKR_SIGNATURE_INVALID},
		"above the modulus": {data, bytes.Repeat([]byte{0xff}, 256), ck.CKR_SIGNATURE_INVALID},
		"short signature":   {data, sig[1:], ck.CKR_SIGNATURE_LEN_RANGE},
		"no signature":      {data, nil, ck.CKR_SIGNATURE_LEN_RANGE},
	} {
		if err := verified(m, pub, rsaParams(m.Type), c.data, c.sig); err != c.want {
			t.Errorf("%v: %s: %v, want %v", m.Type, name, err, c.want)
		}
	}
	for limit, want := range map[ck.MechanismType]int{ck.CKM_RSA_PKCS: 245, ck.CKM_RSA_X_509: 256, ck.CKM_RSA_PKCS_PSS: 32} {
		if m.Type != limit {
			continue
		}
		if _, err := signed(m, priv, rsaParams(m.Type), pattern(want)); err != nil {
			t.Errorf("%v of %d bytes: %v", m.Type, want, err)
		}
		if _, err := signed(m, priv, rsaParams(m.Type), pattern(want+1)); err != ck.CKR_DATA_LEN_RANGE {
			t.Errorf("%v of %d bytes: %v", m.Type, want+1, err)
		}
	}
}

func rsaCryptBattery(t *testing.T, m *Mechanism, pub, priv *Key) {
	data := append([]byte{0}, pattern(20)...)
	p := rsaParams(m.Type)
	ct, err := whole(m.Encrypt, pub, &p, data)
	if err != nil || len(ct) != 256 {
		t.Fatalf("%v: %d bytes, %v", m.Type, len(ct), err)
	}
	p = rsaParams(m.Type)
	c, err := m.Decrypt(priv, &p)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a buffer that was too small is no end
		dst := make([]byte, c.WholeLen(len(ct)))
		n, err := c.Whole(dst, ct)
		if err != nil || !bytes.HasSuffix(dst[:n], data) || m.Type != ck.CKM_RSA_X_509 && n != len(data) {
			t.Errorf("%v: %x, %v", m.Type, dst[:n], err)
		}
	}
	for _, b := range ct {
		if _, err := c.Update(nil, []byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	dst := make([]byte, c.FinalLen())
	if n, err := c.Final(dst); err != nil || !bytes.HasSuffix(dst[:n], data) {
		t.Errorf("%v in parts: %x, %v", m.Type, dst[:n], err)
	}
	for name, c := range map[string]struct {
		ct   []byte
		want error
	}{
		"short": {ct[1:], ck.CKR_ENCRYPTED_DATA_LEN_RANGE}, "long": {append(ct, 0), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		"nothing": {nil, ck.CKR_ENCRYPTED_DATA_LEN_RANGE}, "above the modulus": {bytes.Repeat([]byte{0xff}, 256), ck.CKR_ENCRYPTED_DATA_INVALID},
	} {
		p := rsaParams(m.Type)
		if got, err := whole(m.Decrypt, priv, &p, c.ct); err != c.want {
			t.Errorf("%v: %s: %x, %v", m.Type, name, got, err)
		}
	}
	p = rsaParams(m.Type)
	if _, err := whole(m.Encrypt, pub, &p, pattern(257)); err != ck.CKR_DATA_LEN_RANGE {
		t.Errorf("%v of 257 bytes: %v", m.Type, err)
	}
}

func rsaWrapBattery(t *testing.T, m *Mechanism, pub, priv *Key) {
	for _, n := range []int{1, 16, 33} {
		p := rsaParams(m.Type)
		wrapped, err := m.Wrap(pub, &p, pattern(n))
		if err != nil {
			t.Fatalf("%v: %v", m.Type, err)
		}
		p = rsaParams(m.Type)
		if got, err := m.Unwrap(priv, &p, wrapped); err != nil || m.KeyAtEnd && len(got) != 256 || !m.KeyAtEnd && len(got) != n || !bytes.HasSuffix(got, pattern(n)) {
			t.Errorf("%v: %x, %v", m.Type, got, err)
		}
		for _, c := range []struct {
			wrapped []byte
			want    error
		}{{wrapped[:255], ck.CKR_WRAPPED_KEY_LEN_RANGE}, {bytes.Repeat([]byte{0x55}, len(wrapped)), ck.CKR_WRAPPED_KEY_INVALID}} {
			p = rsaParams(m.Type)
			if _, err := m.Unwrap(priv, &p, c.wrapped); !errors.Is(err, c.want) && !(m.KeyAtEnd && err == nil) { // any number is one that was wrapped
				t.Errorf("%v: %v, want %v", m.Type, err, c.want)
			}
		}
	}
	p := rsaParams(m.Type)
	if _, err := m.Wrap(pub, &p, pattern(300)); m.Type != ck.CKM_RSA_AES_KEY_WRAP && err != ck.CKR_KEY_SIZE_RANGE {
		t.Errorf("%v of 300 bytes: %v", m.Type, err)
	}
}

func rsaParamBattery(t *testing.T, m *Mechanism, pub, priv *Key) {
	good := rsaParams(m.Type)
	if !good.Present() {
		return // TestParamLength holds that it is not looked at
	}
	all := append(bytesOf(good), make([]byte, 9)...)
	follow := func(_ uint64, n uint) []byte { return make([]byte, min(n, 1<<16)) }
	for n := range all {
		if n == good.Len() {
			continue
		}
		for _, k := range []*Key{pub, priv} {
			for column, err := range (&sample{row: m, key: k}).calls(ck.NewParam(all[:n], follow)) {
				private := column == "Sign" || column == "Decrypt" || column == "Unwrap"
				if private == (k == priv) && !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) && err != ck.CKR_WRAPPED_KEY_LEN_RANGE {
					t.Errorf("%v: %s with %d bytes of %d of a parameter: %v", m.Type, column, n, good.Len(), err)
				}
			}
		}
	}
}
