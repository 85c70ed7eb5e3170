package token

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// An algebra is what the model knows of a mechanism that wraps.
type algebra struct {
	row    *mechanisms.Mechanism
	script string // the mechanism with its parameter, as conformance's scripts write it
	// stream says that it adds a key stream, which depends on the parameter alone: two keys wrapped with one parameter tell their difference.
	stream bool
	// cut is the length to which a wrapped key can be cut so that it unwraps to its own beginning, 0 where there is none.
	cut int
}

// wrapParams are the parameters of the mechanisms that wrap with AES keys, in Go and in the scripts.
var wrapParams = map[ck.MechanismType]struct {
	script string
	mech   func() *ck.Mechanism
}{
	ck.CKM_AES_CBC:     {":rep:16:00", func() *ck.Mechanism { return inMemory(ck.CKM_AES_CBC, make([]byte, 16)) }},
	ck.CKM_AES_CBC_PAD: {":rep:16:00", func() *ck.Mechanism { return inMemory(ck.CKM_AES_CBC_PAD, make([]byte, 16)) }},
	ck.CKM_AES_CTS:     {":rep:16:00", func() *ck.Mechanism { return inMemory(ck.CKM_AES_CTS, make([]byte, 16)) }},
	ck.CKM_AES_OFB:     {":rep:16:00", func() *ck.Mechanism { return inMemory(ck.CKM_AES_OFB, make([]byte, 16)) }},
	ck.CKM_AES_CFB8:    {":rep:16:00", func() *ck.Mechanism { return inMemory(ck.CKM_AES_CFB8, make([]byte, 16)) }},
	ck.CKM_AES_CFB64:   {":rep:16:00", func() *ck.Mechanism { return inMemory(ck.CKM_AES_CFB64, make([]byte, 16)) }},
	ck.CKM_AES_CFB128:  {":rep:16:00", func() *ck.Mechanism { return inMemory(ck.CKM_AES_CFB128, make([]byte, 16)) }},
	ck.CKM_AES_CTR: {":CK_AES_CTR_PARAMS{ulCounterBits=128,cb=rep:16:00}", func() *ck.Mechanism {
		return inMemory(ck.CKM_AES_CTR, append(ulongs(128), make([]byte, 16)...))
	}},
	ck.CKM_AES_GCM: {":CK_GCM_WRAP_PARAMS{pIv=rep:12:00,ulIvLen=12,ulTagBits=128}", func() *ck.Mechanism {
		return inMemory(ck.CKM_AES_GCM, ulongs(at(1), 12, 0, 0, 0, 0, 128), make([]byte, 12))
	}},
	ck.CKM_AES_CCM: {"", func() *ck.Mechanism {
		return inMemory(ck.CKM_AES_CCM, ulongs(32, at(1), 12, 0, 0, 0, 0, 16), make([]byte, 12))
	}},
}

// probe finds out what a mechanism that wraps with an AES key does.
func probe(t testing.TB, row *mechanisms.Mechanism) *algebra {
	t.Helper()
	a := &algebra{row: row, script: row.Type.String()}
	mech := func() *ck.Mechanism { return inMemory(row.Type, nil) }
	if p, ok := wrapParams[row.Type]; ok {
		a.script, mech = a.script+p.script, p.mech
	}
	key := &mechanisms.Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: bytes.Repeat([]byte{0x55}, 16)}
	one, two := make([]byte, 32), make([]byte, 32)
	for i := range one {
		one[i], two[i] = byte(7*i+1), byte(11*i+5)
	}
	wrap := func(value []byte) []byte {
		w, err := row.Wrap(key, &mech().Param, value)
		if err != nil {
			t.Fatalf("%v: %v", row.Type, err)
		}
		return w
	}
	unwrap := func(wrapped []byte) []byte {
		v, err := row.Unwrap(key, &mech().Param, bytes.Clone(wrapped))
		if err != nil {
			return nil
		}
		return v
	}
	x, y := wrap(one), wrap(two)
	a.stream = true
	for i := range one {
		a.stream = a.stream && x[i]^y[i] == one[i]^two[i]
	}
	for n := 1; n < len(x) && a.cut == 0; n++ {
		if v := unwrap(x[:n]); len(v) > 0 && len(v) < len(one) && bytes.HasPrefix(one, v) {
			a.cut = n
		}
	}
	changed := false
	for i := range 8 * len(x) {
		bad := bytes.Clone(x)
		bad[i/8] ^= 1 << (i % 8)
		changed = changed || unwrap(bad) != nil
	}
	if row.Seals && (a.stream || a.cut != 0 || changed) {
		t.Errorf("%v is said to seal: key stream %v, cut to %d, changed %v", row.Type, a.stream, a.cut, changed)
	}
	return a
}

// algebras are one mechanism that wraps with AES keys of each kind there is.
func algebras(t testing.TB) (list []*algebra) {
	type kind struct {
		seals, stream bool
		cut           int
	}
	seen := map[kind]bool{}
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		if row.Wrap == nil || !row.Takes(ck.CKO_SECRET_KEY, ck.CKK_AES) {
			continue
		}
		a := probe(t, row)
		if k := (kind{row.Seals, a.stream, a.cut}); !seen[k] && a.script != row.Type.String() == (wrapParams[m].script != "") {
			seen[k] = true
			list = append(list, a)
		}
	}
	if len(list) < 4 {
		t.Fatalf("only %d kinds of mechanisms", len(list))
	}
	return list
}

// TestSealing wants mechanisms that are said to seal to do so, as far as that can be tried: what was wrapped can neither be cut nor
// changed, and wrapping another key tells nothing. Of the mechanisms with pairs, anybody can make a ciphertext, so that there is only
// the padding, which RSA without one does not have.
func TestSealing(t *testing.T) {
	for _, a := range algebras(t) {
		t.Logf("%s: seals %v, key stream %v, cut %d", a.script, a.row.Seals, a.stream, a.cut)
	}
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		switch {
		case row.Seals && row.Wrap == nil:
			t.Errorf("%v seals and does not wrap", m)
		case row.Seals && row.KeyAtEnd:
			t.Errorf("%v is said to seal, and has no padding", m)
		case row.Seals && row.Truncates && m != ck.CKM_AES_KEY_WRAP:
			t.Errorf("%v is said to seal, and is cut by CKA_VALUE_LEN", m)
		}
	}
}
