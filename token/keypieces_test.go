package token

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// never makes a key that may not leave, of which bytes may be taken.
func never(t *testing.T, m *Module, s ck.SessionHandle, length int) ck.ObjectHandle {
	t.Helper()
	k, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, rows(ck.CKA_VALUE_LEN, length, ck.CKA_EXTRACTABLE, false, ck.CKA_DERIVE, true))
	must(t, err)
	return k
}

// TestJoin looks at what may be known of keys that are made of parts.
func TestJoin(t *testing.T) {
	key := func(length, known, taken uint) piece {
		return piece{protection{length: length, knownBytes: known}, taken}
	}
	for _, c := range []struct {
		what   string
		n      uint
		pieces []piece
		known  uint
		want   ck.RV
	}{
		{"all of a key", 16, []piece{key(16, 0, 16)}, 0, ck.CKR_OK},
		{"all of a short key", 1, []piece{key(1, 0, 1)}, 0, ck.CKR_OK},
		{"a key and data", 29, []piece{key(16, 0, 16)}, 13, ck.CKR_OK},
		{"a part", 14, []piece{key(32, 0, 14)}, 0, ck.CKR_OK},
		{"a small part", 13, []piece{key(32, 0, 13)}, 0, ck.CKR_KEY_SIZE_RANGE},
		{"a part of a key and data", 14, []piece{key(29, 13, 14)}, 0, ck.CKR_KEY_SIZE_RANGE},
		{"a part of a key and data, without more than the data", 28, []piece{key(45, 13, 28)}, 13, ck.CKR_OK},
		{"two keys", 48, []piece{key(32, 0, 32), key(16, 0, 16)}, 32, ck.CKR_OK},
		{"two keys, the short one first", 48, []piece{key(16, 0, 16), key(32, 0, 32)}, 32, ck.CKR_OK},
		{"a part of two keys", 30, []piece{key(48, 32, 30)}, 0, ck.CKR_KEY_SIZE_RANGE},
		{"a key and a byte of another", 33, []piece{key(32, 0, 32), key(16, 0, 1)}, 0, ck.CKR_KEY_SIZE_RANGE},
		{"of which nothing is known but that it is whole", 16, []piece{key(16, 16, 16)}, 16, ck.CKR_OK},
		{"a part of such", 15, []piece{key(16, 16, 15)}, 0, ck.CKR_KEY_SIZE_RANGE},
	} {
		known, err := joinPieces(c.n, c.pieces, false)
		want(t, c.what, err, c.want)
		if err == nil && known != c.known {
			t.Errorf("%s: %d bytes may be known, want %d", c.what, known, c.known)
		}
	}
	open := piece{protection{extractable: true, sensitive: true, length: 32}, 1}
	_, err := joinPieces(1, []piece{open}, false)
	want(t, "of a key that may leave", err, ck.CKR_OK)
	_, err = joinPieces(1, []piece{open}, true)
	want(t, "of a sensitive key that may leave, in a strict token", err, ck.CKR_KEY_SIZE_RANGE)
}

// TestPiecesKept sees that what is known of a key is kept with it, in the token and in copies.
func TestPiecesKept(t *testing.T) {
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	base := never(t, m, s, 32)
	var joined ck.ObjectHandle
	data := make([]byte, 13)
	must(t, m.DeriveKey(s, inMemory(ck.CKM_CONCATENATE_BASE_AND_DATA, ulongs(at(1), 13), data), base, rows(ck.CKA_DERIVE, true, ck.CKA_TOKEN, true, ck.CKA_LABEL, "joined"), &joined))
	copied, err := m.CopyObject(s, joined, rows(ck.CKA_TOKEN, false))
	must(t, err)
	other, os := started(t, conf)
	window := func(m *Module, s ck.SessionHandle, k ck.ObjectHandle) error {
		var part ck.ObjectHandle
		return m.DeriveKey(s, inMemory(ck.CKM_EXTRACT_KEY_FROM_KEY, ulongs(8*31)), k, rows(ck.CKA_VALUE_LEN, 14), &part)
	}
	want(t, "the key", window(m, s, joined), ck.CKR_KEY_SIZE_RANGE)
	want(t, "its copy", window(m, s, copied), ck.CKR_KEY_SIZE_RANGE)
	want(t, "elsewhere", window(other, os, find(t, other, os, attr(ck.CKA_LABEL, "joined"))[0]), ck.CKR_KEY_SIZE_RANGE)
	if _, err := read(m, s, joined, knownBytes); ck.Code(err) != ck.CKR_ATTRIBUTE_TYPE_INVALID {
		t.Errorf("applications see how many bytes are known: %v", err)
	}
	var part ck.ObjectHandle
	ike := func() *ck.Mechanism {
		return inMemory(ck.CKM_IKE1_EXTENDED_DERIVE, ulongs(uint(ck.CKM_SHA256_HMAC), 0, 0, 0, 0))
	}
	want(t, "the beginning, as IKE takes it", m.DeriveKey(s, ike(), base, rows(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_VALUE_LEN, 1), &part), ck.CKR_KEY_SIZE_RANGE)
	must(t, m.DeriveKey(s, ike(), base, rows(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_VALUE_LEN, 16), &part))
}

// TestTells uses keys that may not leave with what would tell them, and others.
func TestTells(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	version := make([]byte, 2)
	master := func(base ck.ObjectHandle) error {
		var k ck.ObjectHandle
		return m.DeriveKey(s, inMemory(ck.CKM_TLS12_MASTER_KEY_DERIVE, ulongs(at(1), 32, at(1), 32, at(2), uint(ck.CKM_SHA256)), make([]byte, 32), version), base, nil, &k)
	}
	want(t, "the version of any key", master(never(t, m, s, 48)), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	if !bytes.Equal(version, make([]byte, 2)) {
		t.Errorf("version %x", version)
	}
	pms, err := m.GenerateKey(s, inMemory(ck.CKM_TLS_PRE_MASTER_KEY_GEN, []byte{3, 3}), rows(ck.CKA_DERIVE, true))
	must(t, err)
	must(t, master(pms))
	var turned ck.ObjectHandle
	must(t, m.DeriveKey(s, inMemory(ck.CKM_EXTRACT_KEY_FROM_KEY, ulongs(16)), pms, rows(ck.CKA_VALUE_LEN, 48, ck.CKA_DERIVE, true), &turned))
	want(t, "the version of a part", master(turned), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	secret, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, rows(ck.CKA_VALUE_LEN, 48, ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, true, ck.CKA_DERIVE, true))
	must(t, err)
	kw, w, generic := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, generate(t, m, s), rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_SENSITIVE, true, ck.CKA_DERIVE, true)
	unwrapped, err := m.UnwrapKey(s, kw, w, wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, secret), generic)
	must(t, err)
	want(t, "the version of what was wrapped here", master(unwrapped), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)

	known, err := m.CreateObject(s, with(aesKey, ck.CKA_DERIVE, true, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true))
	must(t, err)
	mac := func(t ck.MechanismType, k ck.ObjectHandle) *ck.Mechanism {
		return inMemory(ck.CKM_SP800_108_COUNTER_KDF, ulongs(uint(t), 2, at(1), 0, 0),
			ulongs(ck.CK_SP800_108_ITERATION_VARIABLE, at(2), 16, ck.CK_SP800_108_KEY_HANDLE, at(3), 8), ulongs(0, 16), ulongs(uint(k)))
	}
	readable := rows(ck.CKA_VALUE_LEN, 16, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
	victim, err := m.CreateObject(s, with(rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_DERIVE, true), ck.CKA_VALUE, "another value 16", ck.CKA_SENSITIVE, true))
	must(t, err)
	var k ck.ObjectHandle
	want(t, "the MAC of a key, under one that is known", m.DeriveKey(s, mac(ck.CKM_AES_CMAC, victim), known, readable, &k), ck.CKR_TEMPLATE_INCONSISTENT)
	must(t, m.DeriveKey(s, mac(ck.CKM_SHA256_HMAC, victim), known, readable, &k))
	// Byte after byte of the MAC could be found by trying, and then the key.
	short := func(n int) []ck.Attribute { return rows(ck.CKA_VALUE_LEN, n, ck.CKA_SIGN, true) }
	want(t, "a byte of the MAC of a key", m.DeriveKey(s, mac(ck.CKM_AES_CMAC, victim), known, short(1), &k), ck.CKR_KEY_SIZE_RANGE)
	want(t, "all but a part of the MAC of a key", m.DeriveKey(s, mac(ck.CKM_AES_CMAC, victim), known, short(13), &k), ck.CKR_KEY_SIZE_RANGE)
	must(t, m.DeriveKey(s, mac(ck.CKM_AES_CMAC, victim), known, short(14), &k))
	want(t, "the MAC of a key as one of RC4", m.DeriveKey(s, mac(ck.CKM_AES_CMAC, victim), known, with(short(16), ck.CKA_KEY_TYPE, ck.CKK_RC4), &k), ck.CKR_TEMPLATE_INCONSISTENT)
	des, err := m.CreateObject(s, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_DES3, ck.CKA_VALUE, "\x01\x02\x04\x08\x10\x20\x40\x80\x02\x04\x08\x10\x20\x40\x80\x01\x04\x08\x10\x20\x40\x80\x01\x02", ck.CKA_DERIVE, true))
	must(t, err)
	want(t, "a MAC with a short state", m.DeriveKey(s, mac(ck.CKM_DES3_CMAC, victim), des, short(16), &k), ck.CKR_KEY_SIZE_RANGE)
	further := func(n int) *ck.Mechanism {
		return inMemory(ck.CKM_SP800_108_COUNTER_KDF, ulongs(uint(ck.CKM_AES_CMAC), 2, at(1), 1, at(4)),
			ulongs(ck.CK_SP800_108_ITERATION_VARIABLE, at(2), 16, ck.CK_SP800_108_KEY_HANDLE, at(3), 8), ulongs(0, 16), ulongs(uint(victim)),
			ulongs(at(5), 1, at(6)), ulongs(uint(ck.CKA_VALUE_LEN), at(7), 8), make([]byte, 8), ulongs(uint(n)))
	}
	want(t, "a byte of the MAC of a key, beside a whole one", m.DeriveKey(s, further(1), known, short(16), &k), ck.CKR_KEY_SIZE_RANGE)
	must(t, m.DeriveKey(s, further(16), known, short(16), &k))

	for _, c := range []struct {
		what string
		gen  ck.MechanismType
		mech *ck.Mechanism
		want ck.RV
	}{
		{"8 effective bits", ck.CKM_RC2_KEY_GEN, inMemory(ck.CKM_RC2_ECB, ulongs(8)), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"64 effective bits", ck.CKM_RC2_KEY_GEN, inMemory(ck.CKM_RC2_ECB, ulongs(64)), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"40 effective bits", ck.CKM_RC2_KEY_GEN, inMemory(ck.CKM_RC2_ECB, ulongs(40)), ck.CKR_OK},
		{"128 effective bits", ck.CKM_RC2_KEY_GEN, inMemory(ck.CKM_RC2_ECB, ulongs(128)), ck.CKR_OK},
		{"no rounds", ck.CKM_RC5_KEY_GEN, inMemory(ck.CKM_RC5_ECB, ulongs(4, 0)), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"short words", ck.CKM_RC5_KEY_GEN, inMemory(ck.CKM_RC5_ECB, ulongs(2, 12)), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"12 rounds", ck.CKM_RC5_KEY_GEN, inMemory(ck.CKM_RC5_ECB, ulongs(4, 12)), ck.CKR_OK},
	} {
		for _, extractable := range []bool{false, true} {
			k, err := m.GenerateKey(s, &ck.Mechanism{Type: c.gen}, rows(ck.CKA_VALUE_LEN, 16, ck.CKA_EXTRACTABLE, extractable))
			must(t, err)
			rv := c.want
			if extractable {
				rv = ck.CKR_OK
			}
			mech := *c.mech
			want(t, c.what, m.EncryptInit(s, &mech, k), rv)
			_ = m.SessionCancel(s, ck.CKF_ENCRYPT)
		}
	}
	poly, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_POLY1305_KEY_GEN}, nil)
	must(t, err)
	want(t, "a tag", m.SignInit(s, &ck.Mechanism{Type: ck.CKM_POLY1305}, poly), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, m.VerifyInit(s, &ck.Mechanism{Type: ck.CKM_POLY1305}, poly))
}

// TestPolicyOfOthers holds the second key of a derivation to the sizes that the policy has for the mechanism.
func TestPolicyOfOthers(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	long, short := never(t, m, s, 32), never(t, m, s, 16)
	sessionOf(t, m, s).restriction = limited(ck.CKM_CONCATENATE_BASE_AND_KEY, 256)
	join := func(base, other ck.ObjectHandle) error {
		var k ck.ObjectHandle
		return m.DeriveKey(s, inMemory(ck.CKM_CONCATENATE_BASE_AND_KEY, ulongs(uint(other))), base, nil, &k)
	}
	must(t, join(long, long))
	want(t, "a short base", join(short, long), ck.CKR_KEY_SIZE_RANGE)
	want(t, "a short second key", join(long, short), ck.CKR_KEY_SIZE_RANGE)
}

// limited is a policy that lets a mechanism alone be used, with keys of so many bits at least.
func limited(t ck.MechanismType, bits uint) restriction {
	return restriction{t: {Operations: operationFlags, MinBits: bits}}
}

// TestSplits uses keys that may not leave where each half of them is used apart from the other.
func TestSplits(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	randoms := func() [][]byte { return [][]byte{make([]byte, 32), make([]byte, 32)} }
	kdf := func(base ck.ObjectHandle, prf ck.MechanismType) error {
		var k ck.ObjectHandle
		return m.DeriveKey(s, inMemory(ck.CKM_TLS_KDF, ulongs(uint(prf), at(1), 4, at(2), 32, at(3), 32, 0, 0), append([][]byte{[]byte("test")}, randoms()...)...), base, rows(ck.CKA_VALUE_LEN, 16), &k)
	}
	master := func(base ck.ObjectHandle) error {
		var k ck.ObjectHandle
		return m.DeriveKey(s, inMemory(ck.CKM_TLS_MASTER_KEY_DERIVE_DH, ulongs(at(1), 32, at(2), 32, 0), randoms()...), base, nil, &k)
	}
	mac := func(prf ck.MechanismType) *ck.Mechanism { return inMemory(ck.CKM_TLS_MAC, ulongs(uint(prf), 12, 1)) }
	joined := func(base ck.ObjectHandle, n uint, template ...any) (k ck.ObjectHandle) {
		must(t, m.DeriveKey(s, inMemory(ck.CKM_CONCATENATE_BASE_AND_DATA, ulongs(at(1), n), make([]byte, n)), base, rows(append(template, ck.CKA_DERIVE, true)...), &k))
		return k
	}
	for _, c := range []struct {
		length int
		want   ck.RV
	}{{9, ck.CKR_OK}, {14, ck.CKR_KEY_SIZE_RANGE}, {19, ck.CKR_KEY_SIZE_RANGE}, {20, ck.CKR_OK}, {46, ck.CKR_OK}} {
		whole := never(t, m, s, c.length)
		long := joined(whole, uint(48-c.length))
		for what, k := range map[string]ck.ObjectHandle{"a key": whole, "a key and data": long} {
			what = fmt.Sprintf("%s, %d bytes: ", what, c.length)
			rv := c.want
			if k == long && c.length < guessable {
				rv = ck.CKR_KEY_SIZE_RANGE // there is no telling that what is not known of it is as little
			}
			want(t, what+"exporter", kdf(k, ck.CKM_TLS_PRF), rv)
			want(t, what+"master secret", master(k), rv)
			want(t, what+"MAC", m.SignInit(s, mac(ck.CKM_TLS_PRF), k), rv)
			_ = m.SessionCancel(s, ck.CKF_SIGN)
			must(t, m.VerifyInit(s, mac(ck.CKM_TLS_PRF), k)) // it says yes or no
			must(t, m.SessionCancel(s, ck.CKF_VERIFY))
			must(t, kdf(k, ck.CKM_SHA256)) // the PRF of TLS 1.2 has the key whole
			must(t, m.SignInit(s, mac(ck.CKM_SHA256), k))
			must(t, m.SessionCancel(s, ck.CKF_SIGN))
		}
		var key ck.ObjectHandle
		block := inMemory(ck.CKM_TLS_KEY_AND_MAC_DERIVE, ulongs(160, 128, 0, 0, at(1), 32, at(2), 32, at(3)), append(randoms(), make([]byte, 48))...)
		rv := c.want
		if c.length < guessable {
			rv = ck.CKR_KEY_SIZE_RANGE
		}
		want(t, "key block", m.DeriveKey(s, block, long, rows(ck.CKA_KEY_TYPE, ck.CKK_AES), &key), rv)
	}
	xts := func(k ck.ObjectHandle) error { return m.EncryptInit(s, inMemory(ck.CKM_AES_XTS, make([]byte, 16)), k) }
	want(t, "XTS", xts(joined(never(t, m, s, 16), 16, ck.CKA_KEY_TYPE, ck.CKK_AES_XTS, ck.CKA_VALUE_LEN, 32)), ck.CKR_KEY_SIZE_RANGE)
	must(t, xts(joined(never(t, m, s, 32), 1, ck.CKA_KEY_TYPE, ck.CKK_AES_XTS, ck.CKA_VALUE_LEN, 32)))
	must(t, m.SessionCancel(s, ck.CKF_ENCRYPT))
	open, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, rows(ck.CKA_VALUE_LEN, 16, ck.CKA_EXTRACTABLE, true, ck.CKA_SENSITIVE, false, ck.CKA_DERIVE, true))
	must(t, err)
	must(t, kdf(open, ck.CKM_TLS_PRF)) // it may leave anyway
}

// TestParity counts no bit of a DES key that the others tell.
func TestParity(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_DES3_KEY_GEN}, rows(ck.CKA_EXTRACTABLE, false, ck.CKA_DERIVE, true))
	must(t, err)
	for n, rv := range map[int]ck.RV{14: ck.CKR_KEY_SIZE_RANGE, 16: ck.CKR_KEY_SIZE_RANGE, 17: ck.CKR_OK, 24: ck.CKR_OK} {
		var part ck.ObjectHandle
		want(t, fmt.Sprint(n, " bytes"), m.DeriveKey(s, inMemory(ck.CKM_EXTRACT_KEY_FROM_KEY, ulongs(0)), k, rows(ck.CKA_VALUE_LEN, n), &part), rv)
	}
}
