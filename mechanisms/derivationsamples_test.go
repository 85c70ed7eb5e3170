package mechanisms

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// otherKey is the handle of a key beside the base key.
const otherKey = 7

// otherValue is its value.
var otherValue = vectors.ExampleKey.Value(ck.CKA_VALUE)

// size is how many bytes the sample can derive: n, if it can, or as many as it makes unasked.
func (s *sample) size(n uint) uint {
	if only := onlySize(s.row); only != 0 {
		return only
	}
	var d Derived
	defer d.Wipe()
	generic := template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_GENERIC_SECRET))
	for _, template := range [][]ck.Attribute{append(length(int(n)), generic...), generic} {
		p := s.param()
		if s.row.Derive(&Base{Key: s.key, Template: template, Lookup: s.lookup}, &p, &d) == nil {
			return uint(len(d.Value))
		}
	}
	return n
}

// lookup finds otherKey.
func (s *sample) lookup(h ck.ObjectHandle) (*Key, error) {
	if h != otherKey {
		return nil, ck.CKR_KEY_HANDLE_INVALID
	}
	return secretKey(ck.CKK_GENERIC_SECRET, otherValue), nil
}

func cbool(b bool) []byte { return bytes.Clone(ck.BoolValue(b)) }

// hkdfFields are the fields of a CK_HKDF_PARAMS.
func hkdfFields(extract, expand bool, hash ck.MechanismType, source ck.Flags, salt []byte, key int, info []byte) []any {
	return []any{cbool(extract), cbool(expand), make([]byte, 6), hash, uint(source), pointed(salt), key, pointed(info)}
}

// pbkdf2Fields are the fields of a CK_PKCS5_PBKD2_PARAMS2.
func pbkdf2Fields(prf uint, password, salt []byte, iterations int) []any {
	return []any{ck.CKZ_SALT_SPECIFIED, pointed(salt), iterations, prf, pointed(nil), pointed(password)}
}

// runDerivations runs the vectors of derivations whose parameters point to structures.
func runDerivations(t *testing.T, seen *tried) {
	seen.add(ck.CKM_CONCATENATE_BASE_AND_KEY) // TestConcatenateKeys
	t.Run("SP800-108", func(t *testing.T) { runKDF108(t, seen) })
	t.Run("IKE", func(t *testing.T) { runIKE(t, seen) })
	t.Run("TLS", func(t *testing.T) { runTLS(t, seen) })
	t.Run("PBE", func(t *testing.T) { runPBE(t, seen) })
}

// derived derives with fields as the parameter.
func derived(m ck.MechanismType, k *Key, lookup func(ck.ObjectHandle) (*Key, error), template []ck.Attribute, fields ...any) ([]byte, error) {
	var d Derived
	p := params(fields...)
	err := Lookup(m).Derive(&Base{Key: k, Template: template, Lookup: lookup}, &p, &d)
	return bytes.Clone(d.Value), err
}

func length(n int) []ck.Attribute { return template(uint(ck.CKA_VALUE_LEN), uint(n)) }

// fromPassword generates with fields as the parameter.
func fromPassword(m ck.MechanismType, template []ck.Attribute, fields ...any) ([]byte, error) {
	var d Derived
	p := params(fields...)
	err := Lookup(m).FromPassword(&p, template, &d)
	return bytes.Clone(d.Value), err
}
