package mechanisms

import (
	"bytes"
	"errors"
	"fmt"
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

// TestHKDFSteps takes the two steps one after the other, with the salt as data, as a key and not at all.
func TestHKDFSteps(t *testing.T) {
	t.Parallel()
	s := sample{}
	k := secretKey(ck.CKK_GENERIC_SECRET, pattern(33))
	for _, salt := range []struct {
		source ck.Flags
		data   []byte
		key    int
		same   []byte
	}{
		{ck.CKF_HKDF_SALT_DATA, pattern(5), 0, pattern(5)},
		{ck.CKF_HKDF_SALT_KEY, nil, otherKey, otherValue},
		{ck.CKF_HKDF_SALT_NULL, pattern(5), otherKey, nil},
	} {
		prk, err := derived(ck.CKM_HKDF_DERIVE, k, s.lookup, nil, hkdfFields(true, false, ck.CKM_SHA384, salt.source, salt.data, salt.key, nil)...)
		if err != nil || len(prk) != 48 {
			t.Fatalf("%d bytes, %v", len(prk), err)
		}
		got, err := derived(ck.CKM_HKDF_DERIVE, secretKey(ck.CKK_HKDF, prk), nil, length(99), hkdfFields(false, true, ck.CKM_SHA384, 9, nil, 0, pattern(3))...)
		if err != nil {
			t.Fatal(err)
		}
		want, err := derived(ck.CKM_HKDF_DERIVE, k, nil, length(99), hkdfFields(true, true, ck.CKM_SHA384, ck.CKF_HKDF_SALT_DATA, salt.same, 0, pattern(3))...)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %x, want %x, %v", salt, got, want, err)
		}
	}
	for _, c := range []struct {
		fields   []any
		template []ck.Attribute
		err      error
	}{
		{hkdfFields(false, false, ck.CKM_SHA256, 1, nil, 0, nil), length(4), ck.CKR_MECHANISM_PARAM_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256_HMAC, 1, nil, 0, nil), length(4), ck.CKR_MECHANISM_PARAM_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, 3, nil, 0, nil), length(4), ck.CKR_MECHANISM_PARAM_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, ck.CKF_HKDF_SALT_KEY, nil, 8, nil), length(4), ck.CKR_KEY_HANDLE_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, ck.CKF_HKDF_SALT_KEY, nil, 0, nil), length(4), ck.CKR_KEY_HANDLE_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, 1, nil, 0, nil), nil, ck.CKR_TEMPLATE_INCOMPLETE},
		{hkdfFields(true, true, ck.CKM_SHA256, 1, nil, 0, nil), length(255*32 + 1), ck.CKR_KEY_SIZE_RANGE},
		{hkdfFields(true, false, ck.CKM_SHA256, 1, nil, 0, nil), length(31), ck.CKR_TEMPLATE_INCONSISTENT},
	} {
		if _, err := derived(ck.CKM_HKDF_DERIVE, k, s.lookup, c.template, c.fields...); !errors.Is(err, c.err) {
			t.Errorf("%v: %v, want %v", c.fields, err, c.err)
		}
	}
}

// TestConcatenateKeys is the example of PKCS #11, "Concatenation of a base key and another key".
func TestConcatenateKeys(t *testing.T) {
	t.Parallel()
	base := secretKey(ck.CKK_GENERIC_SECRET, []byte{0x01, 0x23, 0x45, 0x67})
	lookup := func(ck.ObjectHandle) (*Key, error) { return secretKey(ck.CKK_AES, []byte{0x89, 0xab, 0xcd, 0xef}), nil }
	got, err := derived(ck.CKM_CONCATENATE_BASE_AND_KEY, base, lookup, nil, 1)
	if err != nil || fmt.Sprintf("%x", got) != "0123456789abcdef" {
		t.Errorf("%x, %v", got, err)
	}
}

// fromPassword generates with fields as the parameter.
func fromPassword(m ck.MechanismType, template []ck.Attribute, fields ...any) ([]byte, error) {
	var d Derived
	p := params(fields...)
	err := Lookup(m).FromPassword(&p, template, &d)
	return bytes.Clone(d.Value), err
}

// TestPBKDF2 tries what has no vectors of Wycheproof's, and what is wrong. The values are Python's hashlib.pbkdf2_hmac's.
func TestPBKDF2(t *testing.T) {
	t.Parallel()
	for prf, want := range map[uint]string{
		ck.CKP_PKCS5_PBKD2_HMAC_SHA512_224: "954b4da75a1bfd685efe6fd8629bc1fee8500c55bac38bf66a0ea05af18022b197d87913b90feeca",
		ck.CKP_PKCS5_PBKD2_HMAC_SHA512_256: "f94252b31eddbdfa213498897558956c8a6abfc52bcfa810fa33fd84561daeb4e6055f52346ef243",
	} {
		got, err := fromPassword(ck.CKM_PKCS5_PBKD2, length(40), pbkdf2Fields(prf, []byte("password"), []byte("salt"), 100)...)
		if err != nil || fmt.Sprintf("%x", got) != want {
			t.Errorf("%d: %x, %v", prf, got, err)
		}
	}
	good := func() []any { return pbkdf2Fields(ck.CKP_PKCS5_PBKD2_HMAC_SHA1, []byte("p"), []byte("s"), 1) }
	for at, bad := range map[int]any{0: 2, 1: pointed(nil), 2: 0, 3: ck.CKP_PKCS5_PBKD2_HMAC_GOSTR3411, 4: pointed("data"), 5: pointed(make([]byte, longPassword))} {
		fields := good()
		fields[at] = bad
		want := error(ck.CKR_MECHANISM_PARAM_INVALID)
		if at == 1 { // PKCS #5 wants a salt, and does not say how long
			want = nil
		}
		if _, err := fromPassword(ck.CKM_PKCS5_PBKD2, length(16), fields...); !errors.Is(err, want) {
			t.Errorf("field %d, %v: %v", at, bad, err)
		}
	}
	for _, c := range []struct {
		template []ck.Attribute
		err      error
	}{
		{nil, ck.CKR_TEMPLATE_INCOMPLETE},
		{template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_AES)), ck.CKR_TEMPLATE_INCOMPLETE},
		{template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_AES), uint(ck.CKA_VALUE_LEN), 17), ck.CKR_KEY_SIZE_RANGE},
		{template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_DES3)), nil},
	} {
		if _, err := fromPassword(ck.CKM_PKCS5_PBKD2, c.template, good()...); err != c.err {
			t.Errorf("%v: %v, want %v", c.template, err, c.err)
		}
	}
}
