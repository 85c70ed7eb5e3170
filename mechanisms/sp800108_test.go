package mechanisms

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A kdf108Arg is a CK_PRF_DATA_PARAM.
type kdf108Arg struct {
	kind uint
	data []byte
}

// number is a counter of some width.
func number(kind, bits uint) kdf108Arg {
	c := vectors.CounterArg(kind, bits)
	return kdf108Arg{c.Kind, c.Data}
}

// dkmLength is the length of the derived material by a method.
func dkmLength(method, bits uint) kdf108Arg {
	return kdf108Arg{ck.CK_SP800_108_DKM_LENGTH, append(append(ck.UlongValue(method), make([]byte, 8)...), ck.UlongValue(bits)...)}
}

// kdf108Fields are the fields of the parameter of a mode.
func kdf108Fields(mode, prf ck.MechanismType, iv []byte, args []kdf108Arg, further ...any) []any {
	var list []vectors.KDF108Arg
	for _, a := range args {
		list = append(list, vectors.KDF108Arg{Kind: a.kind, Data: a.data})
	}
	return vectors.KDF108Fields(mode, prf, iv, list, further...)
}

func runKDF108(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata/derive"), "sp800108.txt")
	if err != nil || len(records) < 35 {
		t.Fatalf("%d vectors, %v", len(records), err)
	}
	for i := range records {
		v := vector{Record: &records[i]}
		mode, ok1 := ck.ParseMechanismType(v.Fields["Mode"])
		prf, ok2 := ck.ParseMechanismType(v.Fields["PRF"])
		var width uint
		_, err := fmt.Sscan(v.Fields["Width"], &width)
		args, err2 := vectors.KDF108Args(mode, v.Fields["Data"], width)
		k := secretKey(ck.CKK_GENERIC_SECRET, v.bytes("Key"))
		if name := v.Fields["KeyType"]; name != "" {
			k.Type, _ = ck.ParseKeyType(name)
		}
		want := v.bytes("Value")
		if err := errors.Join(err, err2, v.err); err != nil || !ok1 || !ok2 {
			t.Fatalf("%s: %v", v.At, err)
		}
		seen.add(mode)
		got, err := derived(mode, k, nil, length(len(want)), vectors.KDF108Fields(mode, prf, v.bytes("IV"), args)...)
		if err := errors.Join(err, same("value", got, want)); err != nil {
			t.Errorf("%s: %v", v.At, err)
		}
	}
}

// TestKDF108AdditionalKeys derives two keys: each begins with a segment of its own, and the length counts keys or segments.
func TestKDF108AdditionalKeys(t *testing.T) {
	t.Parallel()
	const mode = ck.CKM_SP800_108_COUNTER_KDF
	k := secretKey(ck.CKK_GENERIC_SECRET, pattern(20))
	for method, bits := range map[uint]byte{ck.CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS: 64 * 8 >> 8, ck.CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS: 96 * 8 >> 8} {
		handle := make([]byte, 8)
		size := structs{uint(ck.CKA_VALUE_LEN), pointed(ck.UlongValue(16)), uint(ck.CKA_KEY_TYPE), pointed(ck.UlongValue(uint(ck.CKK_AES)))}
		args := []kdf108Arg{number(ck.CK_SP800_108_ITERATION_VARIABLE, 8), {ck.CK_SP800_108_BYTE_ARRAY, pattern(5)}, dkmLength(method, 16)}
		p := params(kdf108Fields(mode, ck.CKM_SHA256_HMAC, nil, args, size, 2, alone(handle))...)
		var d Derived
		if err := Lookup(mode).Derive(&Base{Key: k, Template: length(48)}, &p, &d); err != nil {
			t.Fatal(err)
		}
		args[2] = kdf108Arg{ck.CK_SP800_108_BYTE_ARRAY, []byte{bits, 0}}
		stream, err := derived(mode, k, nil, length(96), kdf108Fields(mode, ck.CKM_SHA256_HMAC, nil, args)...)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.AdditionalKeys) != 1 || d.AdditionalKeys[0].Type != ck.CKK_AES || !bytes.Equal(d.Value, stream[:48]) || !bytes.Equal(d.AdditionalKeys[0].Value, stream[64:80]) {
			t.Errorf("%x and %v of %x", d.Value, d.AdditionalKeys, stream)
		}
		if len(d.AdditionalKeys[0].Handle) != 8 || len(d.AdditionalKeys[0].Template) != 2 {
			t.Errorf("%v", d.AdditionalKeys[0])
		}
	}
}

// TestKDF108Bad tries what is wrong, and sees that a template at fault is told.
func TestKDF108Bad(t *testing.T) {
	t.Parallel()
	const mode = ck.CKM_SP800_108_COUNTER_KDF
	k := secretKey(ck.CKK_GENERIC_SECRET, pattern(20))
	i, x := number(ck.CK_SP800_108_ITERATION_VARIABLE, 8), kdf108Arg{ck.CK_SP800_108_BYTE_ARRAY, pattern(5)}
	for name, c := range map[string]struct {
		mode, prf ck.MechanismType
		args      []kdf108Arg
		size      int
		err       error
	}{
		"no counter":            {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{x}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"two counters":          {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i, x, i}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"an optional counter":   {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i, number(ck.CK_SP800_108_COUNTER, 8)}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"a width of 7":          {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{number(ck.CK_SP800_108_ITERATION_VARIABLE, 7)}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"a width of 72":         {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{number(ck.CK_SP800_108_ITERATION_VARIABLE, 72)}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"no width":              {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{number(ck.CK_SP800_108_ITERATION_VARIABLE, 0)}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"an unknown field":      {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i, {6, pattern(8)}}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"an empty array":        {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i, {ck.CK_SP800_108_BYTE_ARRAY, nil}}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"a method 3":            {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i, dkmLength(3, 8)}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"a length without room": {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i, dkmLength(1, 8)}, 32, ck.CKR_MECHANISM_PARAM_INVALID},
		"MD5":                   {mode, ck.CKM_MD5_HMAC, []kdf108Arg{i}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
		"CMAC of no AES key":    {mode, ck.CKM_AES_CMAC, []kdf108Arg{i}, 4, ck.CKR_KEY_TYPE_INCONSISTENT},
		"256 segments":          {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i}, 255*32 + 1, ck.CKR_KEY_SIZE_RANGE},
		"no such key":           {mode, ck.CKM_SHA256_HMAC, []kdf108Arg{i, {ck.CK_SP800_108_KEY_HANDLE, ck.UlongValue(9)}}, 4, ck.CKR_KEY_HANDLE_INVALID},
		"a formatted K":         {ck.CKM_SP800_108_FEEDBACK_KDF, ck.CKM_SHA256_HMAC, []kdf108Arg{i}, 4, ck.CKR_MECHANISM_PARAM_INVALID},
	} {
		if _, err := derived(c.mode, k, (&sample{}).lookup, length(c.size), kdf108Fields(c.mode, c.prf, nil, c.args)...); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
	handle := pattern(8)
	size := structs{uint(ck.CKA_VALUE_LEN), pointed(ck.UlongValue(17)), uint(ck.CKA_KEY_TYPE), pointed(ck.UlongValue(uint(ck.CKK_AES)))}
	_, err := derived(mode, k, nil, length(48), kdf108Fields(mode, ck.CKM_SHA256_HMAC, nil, []kdf108Arg{i, x}, size, 2, alone(handle))...)
	if err != ck.CKR_KEY_SIZE_RANGE || !bytes.Equal(handle, make([]byte, 8)) {
		t.Errorf("%v, handle %x", err, handle)
	}
}
