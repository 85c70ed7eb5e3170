package mechanisms

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A kemSample is a mechanism that encapsulates, with a key pair.
type kemSample struct {
	name      string
	row       *Mechanism
	pub, priv *Key
	param     ck.Param
	whole     uint // the length of the one key there is, 0 where the template chooses
}

func kemSamples(t *testing.T) (all []kemSample) {
	for _, s := range mlkemType.sets {
		pub, priv := mlkemType.generated(t, s)
		all = append(all, kemSample{fmt.Sprintf("ML-KEM %d", s.Set), Lookup(ck.CKM_ML_KEM), pub, priv, ck.Param{}, 32})
	}
	for _, c := range curves {
		if c.Agree == nil {
			continue
		}
		pub, priv := c.pair(t)
		for _, m := range []ck.MechanismType{ck.CKM_ECDH1_DERIVE, ck.CKM_ECDH1_COFACTOR_DERIVE} {
			if row := Lookup(m); row.Takes(ck.CKO_PUBLIC_KEY, c.Type) {
				all = append(all,
					kemSample{fmt.Sprintf("%v %s", m, c.Name), row, pub, priv, ecdhParams(ck.CKD_NULL, nil, nil), 0},
					kemSample{fmt.Sprintf("%v %s with a hash", m, c.Name), row, pub, priv, ecdhParams(ck.CKD_SHA256_KDF, []byte("shared"), nil), 0})
			}
		}
	}
	for _, g := range []kemSample{
		{name: "DH", row: Lookup(ck.CKM_DH_PKCS_DERIVE)}, {name: "X9.42", row: Lookup(ck.CKM_X9_42_DH_DERIVE), param: x942Params(ck.CKD_NULL, nil, nil)},
		{name: "X9.42 with a hash", row: Lookup(ck.CKM_X9_42_DH_DERIVE), param: x942Params(ck.CKD_SHA1_KDF_CONCATENATE, []byte("other"), nil)},
	} {
		file := map[ck.KeyType]string{ck.CKK_DH: "dh", ck.CKK_X9_42_DH: "x942"}[g.row.Keys[0]]
		g.pub, g.priv = groupPair(t, g.row.Keys[0], file)
		all = append(all, g)
	}
	pub, priv := testRSA(t)
	return append(all,
		kemSample{"PKCS #1", Lookup(ck.CKM_RSA_PKCS), pub, priv, ck.Param{}, 0},
		kemSample{"OAEP", Lookup(ck.CKM_RSA_PKCS_OAEP), pub, priv, params(ck.CKM_SHA256, ck.CKG_MGF1_SHA256, 1, 0, 0), 0},
		kemSample{"RSASVE", Lookup(ck.CKM_RSA_X_509), pub, priv, ck.Param{}, uint(len(pub.Attr(ck.CKA_MODULUS)))})
}

// sizedAES asks for a key of n bytes: an AES key, or a generic secret where there is none so long.
func sizedAES(n uint) []ck.Attribute {
	kt := uint(ck.CKK_AES)
	if !validSize(ck.CKK_AES, n) {
		kt = uint(ck.CKK_GENERIC_SECRET)
	}
	return []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(kt)}, {Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(n)}}
}

// encapsulated begins and makes an encapsulation.
func (s *kemSample) encapsulated(template []ck.Attribute, d *Derived) ([]byte, error) {
	p := s.param
	e, err := s.row.Encapsulate(&Base{Key: s.pub, Template: template}, &p)
	if err != nil {
		return nil, err
	}
	ciphertext, err := e.Make(d)
	if err == nil && len(ciphertext) != e.Size {
		err = fmt.Errorf("a ciphertext of %d bytes, and it said %d", len(ciphertext), e.Size)
	}
	return ciphertext, err
}

// TestEncapsulate is the battery of Encapsulate and Decapsulate: both sides have one key, no two are alike, and the key is what
// the template asks for.
func TestEncapsulate(t *testing.T) {
	t.Parallel()
	reached := make(map[ck.MechanismType]bool)
	for _, s := range kemSamples(t) {
		reached[s.row.Type] = true
		n := uint(16)
		if s.whole != 0 {
			n = s.whole
		}
		template := sizedAES(n)
		var last []byte
		for range 2 {
			var a, b Derived
			ciphertext, err := s.encapsulated(template, &a)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			p := s.param
			if err := s.row.Decapsulate(&Base{Key: s.priv, Template: template}, &p, ciphertext, &b); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			if uint(len(a.Value)) != n || !bytes.Equal(a.Value, b.Value) || a.Type != b.Type || bytes.Equal(a.Value, last) {
				t.Errorf("%s: %v %x and %v %x", s.name, a.Type, a.Value, b.Type, b.Value)
			}
			last = bytes.Clone(a.Value)
			for _, bad := range [][]byte{nil, ciphertext[1:], append(bytes.Clone(ciphertext), 0)} {
				p := s.param
				err := s.row.Decapsulate(&Base{Key: s.priv, Template: template}, &p, bad, &b)
				if !errors.Is(err, ck.CKR_WRAPPED_KEY_LEN_RANGE) && !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
					t.Errorf("%s: a ciphertext of %d bytes: %v", s.name, len(bad), err)
				}
			}
		}
		var d Derived
		if _, err := s.encapsulated(sizedAES(1<<15), &d); !errors.Is(err, ck.CKR_KEY_SIZE_RANGE) && !bytes.Contains([]byte(s.name), []byte("hash")) {
			t.Errorf("%s: a key of 2^15 bytes: %v", s.name, err)
		}
		des := []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_DES3))}}
		switch _, err := s.encapsulated(des, &d); {
		case s.whole != 0 && !errors.Is(err, ck.CKR_KEY_SIZE_RANGE), s.whole == 0 && (err != nil || len(d.Value) != 24):
			t.Errorf("%s: a key of DES: %v, %d bytes", s.name, err, len(d.Value))
		}
	}
	for i := range table {
		if m := &table[i]; m.Encapsulate != nil && !reached[m.Type] {
			t.Errorf("%v was not tried", m.Type)
		}
	}
}

// TestEncapsulateParam sees that a public key in the parameter of ECDH is refused, and that a parameter is not looked at where there is none.
func TestEncapsulateParam(t *testing.T) {
	t.Parallel()
	for _, s := range kemSamples(t) {
		s.param = unread(100)
		m := s.row.Type
		bad := m == ck.CKM_ECDH1_DERIVE || m == ck.CKM_ECDH1_COFACTOR_DERIVE
		if bad {
			s.param = ecdhParams(ck.CKD_NULL, nil, []byte{1})
		} else if m == ck.CKM_RSA_PKCS_OAEP || m == ck.CKM_X9_42_DH_DERIVE {
			s.param, bad = params(1, 2, 3), true
		}
		var d Derived
		if _, err := s.encapsulated(sizedAES(32), &d); errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) != bad {
			t.Errorf("%s: %v", s.name, err)
		}
		p := s.param
		if err := s.row.Decapsulate(&Base{Key: s.priv, Template: sizedAES(32)}, &p, make([]byte, 32), &d); errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) != bad {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}
