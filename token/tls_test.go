package token

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestTLSKeys goes the way of TLS 1.2: a pre-master secret, a master secret, four keys and two IVs.
func TestTLSKeys(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	pms, err := m.GenerateKey(s, inMemory(ck.CKM_TLS_PRE_MASTER_KEY_GEN, []byte{3, 3}), []ck.Attribute{attr(ck.CKA_DERIVE, true), attr(ck.CKA_SENSITIVE, true)})
	must(t, err)
	random, version := bytes.Repeat([]byte{7}, 32), make([]byte, 2)
	var master ck.ObjectHandle
	must(t, m.DeriveKey(s, inMemory(ck.CKM_TLS12_MASTER_KEY_DERIVE, ulongs(at(1), 32, at(1), 32, at(2), uint(ck.CKM_SHA256)), random, version), pms,
		[]ck.Attribute{attr(ck.CKA_DERIVE, true), attr(ck.CKA_SENSITIVE, true)}, &master))
	if !bytes.Equal(version, []byte{3, 3}) {
		t.Errorf("version %x", version)
	}
	out, iv1, iv2 := ulongs(1, 1, 1, 1, at(3), at(4)), make([]byte, 4), make([]byte, 4)
	material := func() *ck.Mechanism {
		return inMemory(ck.CKM_TLS12_KEY_AND_MAC_DERIVE, ulongs(256, 128, 32, 0, at(1), 32, at(1), 32, at(2), uint(ck.CKM_SHA256)), random, out, iv1, iv2)
	}
	before := len(find(t, m, s))
	want(t, "weaker", m.DeriveKey(s, material(), master, []ck.Attribute{attr(ck.CKA_KEY_TYPE, ck.CKK_AES), attr(ck.CKA_EXTRACTABLE, true)}, nil), ck.CKR_TEMPLATE_INCONSISTENT)
	if len(find(t, m, s)) != before || !bytes.Equal(iv1, make([]byte, 4)) {
		t.Error("a derivation that failed leaves something")
	}
	must(t, m.DeriveKey(s, material(), master, []ck.Attribute{attr(ck.CKA_KEY_TYPE, ck.CKK_AES), attr(ck.CKA_VALUE_LEN, 16), attr(ck.CKA_ENCRYPT, true)}, nil))
	if after := len(find(t, m, s)); after != before+4 || bytes.Equal(iv1, iv2) {
		t.Errorf("%d objects after %d, IVs %x and %x", after, before, iv1, iv2)
	}
	for i := range 4 {
		k := ck.ObjectHandle(number(out[8*i:][:8]))
		isMAC := i < 2
		for a, on := range map[ck.AttributeType]bool{
			ck.CKA_SIGN: isMAC, ck.CKA_VERIFY: isMAC, ck.CKA_ENCRYPT: !isMAC, ck.CKA_DECRYPT: !isMAC, ck.CKA_DERIVE: true,
			ck.CKA_SENSITIVE: true, ck.CKA_EXTRACTABLE: false, ck.CKA_ALWAYS_SENSITIVE: true, ck.CKA_NEVER_EXTRACTABLE: true,
		} {
			if v := value(t, m, s, k, a); v[0] == 1 != on {
				t.Errorf("key %d: %v is %d", i, a, v[0])
			}
		}
	}
	sign := inMemory(ck.CKM_SHA256_HMAC, nil)
	want(t, "a master secret for something else", m.SignInit(s, sign, master), ck.CKR_MECHANISM_INVALID)
	must(t, m.SignInit(s, inMemory(ck.CKM_TLS_MAC, ulongs(uint(ck.CKM_SHA256), 12, 1)), master))
	var b ck.Buffer
	must(t, m.Sign(s, []byte("handshake"), &b))
	if b.N != 12 {
		t.Errorf("%d bytes of verify data", b.N)
	}
}
