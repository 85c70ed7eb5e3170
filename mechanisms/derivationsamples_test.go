package mechanisms

import (
	"bytes"
	"maps"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// otherKey is the handle of a key beside the base key.
const otherKey = 7

// otherValue is its value.
var otherValue = pattern(20)

// richParams are the parameters whose structures point to others.
var richParams = merged(pbeParams(), tlsParams(), ikeParams(), map[ck.MechanismType][]any{
	ck.CKM_CONCATENATE_BASE_AND_KEY: {otherKey},
	ck.CKM_HKDF_DERIVE:              hkdfFields(true, true, ck.CKM_SHA256, ck.CKF_HKDF_SALT_DATA, pattern(8), 0, pattern(9)),
	ck.CKM_HKDF_DATA:                hkdfFields(true, true, ck.CKM_SHA256, ck.CKF_HKDF_SALT_KEY, nil, otherKey, nil),
	ck.CKM_SP800_108_COUNTER_KDF: kdf108Fields(ck.CKM_SP800_108_COUNTER_KDF, ck.CKM_SHA256_HMAC, nil, []kdf108Arg{
		number(ck.CK_SP800_108_ITERATION_VARIABLE, 16), {ck.CK_SP800_108_KEY_HANDLE, ck.UlongValue(otherKey)}, dkmLength(1, 16)}),
	ck.CKM_SP800_108_FEEDBACK_KDF: kdf108Fields(ck.CKM_SP800_108_FEEDBACK_KDF, ck.CKM_SHA256_HMAC, pattern(3), []kdf108Arg{
		{ck.CK_SP800_108_ITERATION_VARIABLE, nil}, number(ck.CK_SP800_108_COUNTER, 8), {ck.CK_SP800_108_BYTE_ARRAY, pattern(4)}}),
	ck.CKM_SP800_108_DOUBLE_PIPELINE_KDF: kdf108Fields(ck.CKM_SP800_108_DOUBLE_PIPELINE_KDF, ck.CKM_SHA256_HMAC, nil, []kdf108Arg{
		{ck.CK_SP800_108_ITERATION_VARIABLE, nil}, {ck.CK_SP800_108_BYTE_ARRAY, pattern(4)}}),
	ck.CKM_PKCS5_PBKD2: pbkdf2Fields(ck.CKP_PKCS5_PBKD2_HMAC_SHA256, []byte("password"), []byte("salt"), 2),
})

func merged(all ...map[ck.MechanismType][]any) map[ck.MechanismType][]any {
	m := make(map[ck.MechanismType][]any)
	for _, part := range all {
		maps.Copy(m, part)
	}
	return m
}

// ownSize is the size of the keys of mechanisms that make one size only.
var ownSize = tlsSizes()

// size is a CKA_VALUE_LEN for what the sample derives.
func (s *sample) size() uint {
	if n := ownSize[s.row.Type]; n != 0 {
		return n
	}
	if s.row.Type == ck.CKM_IKE_PRF_DERIVE {
		return 32 // the size of its hash
	}
	return 4
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
