package token

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

func hkdfMechanism(t ck.MechanismType, salt ck.ObjectHandle) *ck.Mechanism {
	source := uint(ck.CKF_HKDF_SALT_NULL)
	if salt != 0 {
		source = uint(ck.CKF_HKDF_SALT_KEY)
	}
	return inMemory(t, append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, ulongs(uint(ck.CKM_SHA256), source, 0, 0, uint(salt), 0, 0)...))
}

// TestHKDFData sees that CKM_HKDF_DATA makes a data object with what CKM_HKDF_DERIVE makes a key of.
func TestHKDFData(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	base, err := m.CreateObject(s, baseKey("a base key"))
	must(t, err)
	salt, err := m.CreateObject(s, baseKey("salt"))
	must(t, err)
	var key, data ck.ObjectHandle
	open := []ck.Attribute{attr(ck.CKA_VALUE_LEN, 40), attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)}
	must(t, m.DeriveKey(s, hkdfMechanism(ck.CKM_HKDF_DERIVE, salt), base, open, &key))
	must(t, m.DeriveKey(s, hkdfMechanism(ck.CKM_HKDF_DATA, salt), base, []ck.Attribute{attr(ck.CKA_VALUE_LEN, 40), attr(ck.CKA_LABEL, "data")}, &data))
	if v := value(t, m, s, data, ck.CKA_VALUE); len(v) != 40 || !bytes.Equal(v, value(t, m, s, key, ck.CKA_VALUE)) {
		t.Errorf("%x", v)
	}
	if c := value(t, m, s, data, ck.CKA_CLASS); !bytes.Equal(c, dataClass) {
		t.Errorf("class %x", c)
	}
	want(t, "no key", m.DeriveKey(s, hkdfMechanism(ck.CKM_HKDF_DERIVE, 4711), base, open, &key), ck.CKR_KEY_HANDLE_INVALID)
	want(t, "data for a key", m.DeriveKey(s, hkdfMechanism(ck.CKM_HKDF_DERIVE, data), base, open, &key), ck.CKR_KEY_HANDLE_INVALID)
	must(t, m.SetAttributeValue(s, salt, []ck.Attribute{attr(ck.CKA_DERIVE, false)}))
	want(t, "a salt that is not for deriving", m.DeriveKey(s, hkdfMechanism(ck.CKM_HKDF_DERIVE, salt), base, open, &key), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// TestConcatenateInherits sees that a key of two is no less protected than either: section 6.43.
func TestConcatenateInherits(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	hard := []ck.Attribute{attr(ck.CKA_DERIVE, true), attr(ck.CKA_VALUE_LEN, 16), attr(ck.CKA_SENSITIVE, true), attr(ck.CKA_EXTRACTABLE, false)}
	soft := append(baseKey("open"), attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true))
	sealed, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, hard)
	must(t, err)
	open, err := m.CreateObject(s, soft)
	must(t, err)
	concatenate := func(other ck.ObjectHandle) *ck.Mechanism {
		return inMemory(ck.CKM_CONCATENATE_BASE_AND_KEY, ulongs(uint(other)))
	}
	var k ck.ObjectHandle
	for _, pair := range [][2]ck.ObjectHandle{{sealed, open}, {open, sealed}} {
		must(t, m.DeriveKey(s, concatenate(pair[1]), pair[0], nil, &k))
		for a, on := range map[ck.AttributeType]byte{ck.CKA_SENSITIVE: 1, ck.CKA_EXTRACTABLE: 0, ck.CKA_ALWAYS_SENSITIVE: 0, ck.CKA_NEVER_EXTRACTABLE: 0} {
			if v := value(t, m, s, k, a); v[0] != on {
				t.Errorf("%v: %v is %d", pair, a, v[0])
			}
		}
		want(t, "weaker", m.DeriveKey(s, concatenate(pair[1]), pair[0], []ck.Attribute{attr(ck.CKA_SENSITIVE, false)}, &k), ck.CKR_TEMPLATE_INCONSISTENT)
		want(t, "weaker", m.DeriveKey(s, concatenate(pair[1]), pair[0], []ck.Attribute{attr(ck.CKA_EXTRACTABLE, true)}, &k), ck.CKR_TEMPLATE_INCONSISTENT)
	}
	must(t, m.DeriveKey(s, concatenate(sealed), sealed, nil, &k))
	if v := value(t, m, s, k, ck.CKA_ALWAYS_SENSITIVE); v[0] != 1 {
		t.Error("two keys that were always sensitive make one that was not")
	}
	want(t, "no variable", m.DeriveKey(s, concatenate(sealed), sealed, nil, nil), ck.CKR_ARGUMENTS_BAD)
}

// kdf108Mechanism is CKM_SP800_108_COUNTER_KDF with an additional key to derive, whose template is rows and whose handle is out.
func kdf108Mechanism(other ck.ObjectHandle, out []byte, rows ...ck.Attribute) *ck.Mechanism {
	memory := [][]byte{nil, nil, make([]byte, 8, 16), ulongs(uint(other)), nil, out}
	memory[2] = append(memory[2], ulongs(16)...)
	memory[0] = ulongs(ck.CK_SP800_108_ITERATION_VARIABLE, at(3), 16, ck.CK_SP800_108_KEY_HANDLE, at(4), 8)
	memory[1] = ulongs(at(5), uint(len(rows)), at(6))
	for _, a := range rows {
		memory = append(memory, a.Value)
		memory[4] = append(memory[4], ulongs(uint(a.Type), at(uint(len(memory))), uint(len(a.Value)))...)
	}
	return inMemory(ck.CKM_SP800_108_COUNTER_KDF, ulongs(uint(ck.CKM_SHA256_HMAC), 2, at(1), 1, at(2)), memory...)
}

// TestAdditionalDerivedKeys derives two keys in one call: both, or neither.
func TestAdditionalDerivedKeys(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	base, err := m.CreateObject(s, append(baseKey("base"), attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	sealed, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, []ck.Attribute{attr(ck.CKA_DERIVE, true), attr(ck.CKA_SENSITIVE, true), attr(ck.CKA_VALUE_LEN, 16)})
	must(t, err)
	for _, durable := range []bool{false, true} {
		out := ulongs(1)
		var first ck.ObjectHandle
		more := []ck.Attribute{attr(ck.CKA_VALUE_LEN, 16), attr(ck.CKA_KEY_TYPE, ck.CKK_AES), attr(ck.CKA_TOKEN, durable), attr(ck.CKA_LABEL, "further")}
		must(t, m.DeriveKey(s, kdf108Mechanism(sealed, out, more...), base, []ck.Attribute{attr(ck.CKA_VALUE_LEN, 40), attr(ck.CKA_TOKEN, durable)}, &first))
		second := ck.ObjectHandle(number(out))
		a, b := value(t, m, s, first, ck.CKA_VALUE), value(t, m, s, second, ck.CKA_VALUE) // open, as the base key is
		if len(a) != 40 || len(b) != 16 || bytes.Contains(a, b) {
			t.Errorf("%x and %x", a, b)
		}
		if v := value(t, m, s, second, ck.CKA_TOKEN); v[0] == 1 != durable {
			t.Errorf("CKA_TOKEN is %d", v[0])
		}
		before := len(find(t, m, s))
		for name, bad := range map[string][]ck.Attribute{
			"a value":       {attr(ck.CKA_VALUE_LEN, 16), attr(ck.CKA_VALUE, "x")},
			"a data object": {attr(ck.CKA_VALUE_LEN, 16), attr(ck.CKA_CLASS, ck.CKO_DATA)},
			"no size":       {attr(ck.CKA_KEY_TYPE, ck.CKK_AES)},
		} {
			out := ulongs(1)
			if err := m.DeriveKey(s, kdf108Mechanism(sealed, out, bad...), base, []ck.Attribute{attr(ck.CKA_VALUE_LEN, 40), attr(ck.CKA_TOKEN, durable)}, &first); err == nil {
				t.Errorf("%s: no error", name)
			}
			if number(out) != ck.InvalidHandle {
				t.Errorf("%s: the handle is %d", name, number(out))
			}
		}
		if after := len(find(t, m, s)); after != before {
			t.Errorf("%d objects after %d", after, before)
		}
	}
	// Section 6.42.8: a key that was always sensitive among several makes the new one so.
	out := ulongs(1)
	var first ck.ObjectHandle
	hard := []ck.Attribute{attr(ck.CKA_VALUE_LEN, 16), attr(ck.CKA_SENSITIVE, true), attr(ck.CKA_EXTRACTABLE, false)}
	must(t, m.DeriveKey(s, kdf108Mechanism(sealed, out, hard...), base, []ck.Attribute{attr(ck.CKA_VALUE_LEN, 16)}, &first))
	for h, want := range map[ck.ObjectHandle]byte{first: 0, ck.ObjectHandle(number(out)): 1} {
		for _, a := range []ck.AttributeType{ck.CKA_ALWAYS_SENSITIVE, ck.CKA_NEVER_EXTRACTABLE} {
			if v := value(t, m, s, h, a); v[0] != want {
				t.Errorf("%v is %d, want %d", a, v[0], want)
			}
		}
	}
}

// A CKA_DERIVE_TEMPLATE that says how long a key is keeps its beginning from being derived as a key of its own, which could be guessed a
// byte at a time.
func TestDerivedBeginnings(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	says := ck.AppendTemplate(nil, rows(ck.CKA_VALUE_LEN, 32, ck.CKA_SENSITIVE, true))
	k, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, rows(ck.CKA_DERIVE, true, ck.CKA_SENSITIVE, true, ck.CKA_VALUE_LEN, 48, ck.CKA_DERIVE_TEMPLATE, says))
	must(t, err)
	length := func(n int) []ck.Attribute {
		return rows(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_VALUE_LEN, n)
	}
	tls := func(bits uint) *ck.Mechanism {
		random := make([]byte, 32)
		return inMemory(ck.CKM_TLS12_KEY_SAFE_DERIVE, ulongs(0, bits, 0, 0, at(1), 32, at(1), 32, at(2), uint(ck.CKM_SHA256)), random, make([]byte, 48))
	}
	for what, derive := range map[string]func(n int, h *ck.ObjectHandle) error{
		"HKDF": func(n int, h *ck.ObjectHandle) error {
			return m.DeriveKey(s, hkdfMechanism(ck.CKM_HKDF_DERIVE, 0), k, length(n), h)
		},
		"SP 800-108": func(n int, h *ck.ObjectHandle) error {
			return m.DeriveKey(s, kdf108Mechanism(k, ulongs(0), length(32)...), k, length(n), h)
		},
		"the second of SP 800-108": func(n int, h *ck.ObjectHandle) error {
			return m.DeriveKey(s, kdf108Mechanism(k, ulongs(0), length(n)...), k, length(32), h)
		},
		"a hash": func(n int, h *ck.ObjectHandle) error {
			return m.DeriveKey(s, inMemory(ck.CKM_SHA256_KEY_DERIVATION, nil), k, length(n), h)
		},
		"TLS": func(n int, h *ck.ObjectHandle) error {
			return m.DeriveKey(s, tls(8*uint(n)), k, rows(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), h)
		},
	} {
		var h ck.ObjectHandle
		for _, n := range []int{1, 31} {
			want(t, fmt.Sprint(n, " bytes by ", what), derive(n, &h), ck.CKR_TEMPLATE_INCONSISTENT)
		}
		if err := derive(32, &h); err != nil {
			t.Errorf("32 bytes by %s: %v", what, err)
		}
	}
	var h ck.ObjectHandle
	want(t, "data", m.DeriveKey(s, hkdfMechanism(ck.CKM_HKDF_DATA, 0), k, rows(ck.CKA_CLASS, ck.CKO_DATA, ck.CKA_VALUE_LEN, 32), &h), ck.CKR_TEMPLATE_INCONSISTENT)
}

// baseKey is a template of base data.
func baseKey(value string) []ck.Attribute {
	return []ck.Attribute{
		attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), attr(ck.CKA_VALUE, value), attr(ck.CKA_DERIVE, true),
	}
}

// TestInheritance derives from a sensitive key by a mechanism that hands on its bytes: section 6.43.
func TestInheritance(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	base, err := m.CreateObject(s, append(baseKey("sensitive"), attr(ck.CKA_SENSITIVE, true)))
	must(t, err)
	data := []byte("0123456789")
	mech := func() *ck.Mechanism {
		b := ck.AppendUlong(ck.AppendUlong(nil, 1), uint(len(data)))
		return &ck.Mechanism{Type: ck.CKM_CONCATENATE_BASE_AND_DATA, Param: ck.NewParam(b, func(uint64, uint) []byte { return data })}
	}
	var k ck.ObjectHandle
	for _, a := range []ck.Attribute{attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)} {
		want(t, a.Type.String(), m.DeriveKey(s, mech(), base, []ck.Attribute{a}, &k), ck.CKR_TEMPLATE_INCONSISTENT)
	}
	must(t, m.DeriveKey(s, mech(), base, nil, &k))
	_, err = read(m, s, k, ck.CKA_VALUE)
	want(t, "value", err, ck.CKR_ATTRIBUTE_SENSITIVE)
}
