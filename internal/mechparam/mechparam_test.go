package mechparam_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/mechparam"
)

// form returns the first structure that a mechanism's parameter can be.
func form(t *testing.T, m ck.MechanismType, f ck.Function) *ck.Structure {
	t.Helper()
	forms, _, known := ck.ParameterOf(m, f)
	if !known || len(forms) == 0 {
		t.Fatalf("%v has no parameter", m)
	}
	return forms[0]
}

// TestMake makes a parameter with pointers, lengths in bytes and a number, and reads it as a mechanism does.
func TestMake(t *testing.T) {
	var f mechparam.Fields
	f.SetBytes("pIv", []byte("twelve bytes"))
	f.SetBytes("pAAD", []byte("beside"))
	f.SetNumber("ulTagBits", 96)
	p, err := mechparam.Make(form(t, ck.CKM_AES_GCM, ck.C_EncryptInit), f)
	if err != nil {
		t.Fatal(err)
	}
	iv, bits := p.Bytes(), p.Ulong()
	aad, tag := p.Bytes(), p.Ulong()
	if err := p.Done(); err != nil || string(iv) != "twelve bytes" || bits != 0 || string(aad) != "beside" || tag != 96 {
		t.Errorf("iv %q of %d bits, aad %q, tag %d, %v", iv, bits, aad, tag, err)
	}
}

// TestBits makes one with lengths in bits, one that stands before its pointer, one byte, and plain bytes.
func TestBits(t *testing.T) {
	var f mechparam.Fields
	f.SetBytes("pBlockCounter", make([]byte, 4))
	f.SetBytes("pNonce", make([]byte, 12))
	p, err := mechparam.Make(form(t, ck.CKM_CHACHA20, ck.C_EncryptInit), f)
	if err != nil {
		t.Fatal(err)
	}
	counter, n := p.Ulong(), p.Ulong()
	if nonce, bits := p.Ulong(), p.Ulong(); counter == 0 || nonce == 0 || n != 32 || bits != 96 || p.Done() != nil {
		t.Errorf("a counter of %d bits, a nonce of %d", n, bits)
	}
	f = mechparam.Fields{}
	f.SetNumber("phFlag", 1)
	f.SetBytes("pContextData", []byte("context"))
	if p, err = mechparam.Make(form(t, ck.CKM_EDDSA, ck.C_SignInit), f); err != nil {
		t.Fatal(err)
	}
	hashed := p.Bool()
	p.Align()
	if context := p.BytesAfter(); !hashed || string(context) != "context" || p.Done() != nil {
		t.Errorf("%v, %q", hashed, context)
	}
	f = mechparam.Fields{}
	f.SetBytes("bytes", bytes.Repeat([]byte{7}, 16))
	if p, err = mechparam.Make(form(t, ck.CKM_AES_CBC, ck.C_EncryptInit), f); err != nil || len(p.Rest()) != 16 {
		t.Error(err)
	}
}

// TestRefused sees that values that do not fit are refused by name, and that addresses lead nowhere else.
func TestRefused(t *testing.T) {
	eddsa, cbc := form(t, ck.CKM_EDDSA, ck.C_SignInit), form(t, ck.CKM_AES_CBC, ck.C_EncryptInit)
	for _, c := range []struct {
		form *ck.Structure
		set  func(*mechparam.Fields)
		want string
	}{
		{eddsa, func(f *mechparam.Fields) { f.SetNumber("phFlag", 256) }, "phFlag is at most 255"},
		{eddsa, func(f *mechparam.Fields) { f.SetBytes("phFlag", []byte{1}) }, "phFlag is not bytes"},
		{eddsa, func(f *mechparam.Fields) { f.SetNumber("pContextData", 1) }, "pContextData is not a number"},
		{cbc, func(f *mechparam.Fields) { f.SetBytes("bytes", make([]byte, 15)) }, "bytes has 16 bytes, not 15"},
	} {
		var f mechparam.Fields
		c.set(&f)
		if _, err := mechparam.Make(c.form, f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	var f mechparam.Fields
	f.SetBytes("pContextData", []byte("context"))
	p, err := mechparam.Make(eddsa, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []uint{1, 3 << 40, 1<<40 + 8} {
		q := p
		if b := q.BytesAt(address, 1); b != nil {
			t.Errorf("%#x leads to %q", address, b)
		}
	}
}

// TestInner makes a parameter that leads to another structure, which leads to bytes.
func TestInner(t *testing.T) {
	var f mechparam.Fields
	f.SetNumber("ulAESKeyBits", 256)
	f.SetNumber("hashAlg", uint(ck.CKM_SHA256))
	f.SetBytes("pSourceData", []byte("label"))
	form := form(t, ck.CKM_RSA_AES_KEY_WRAP, ck.C_WrapKey)
	if mechparam.Find(form, "mgf") == nil || mechparam.Find(form, "pIv") != nil {
		t.Error("the fields of the structure inside are not found")
	}
	p, err := mechparam.Make(form, f)
	if err != nil {
		t.Fatal(err)
	}
	bits := p.Ulong()
	oaep := p.Structs(1, 40)
	hash, _, _, label := oaep.Ulong(), oaep.Ulong(), oaep.Ulong(), oaep.Bytes()
	if bits != 256 || hash != uint(ck.CKM_SHA256) || string(label) != "label" || p.Done() != nil || oaep.Done() != nil {
		t.Errorf("%d bits, hash %#x, label %q", bits, hash, label)
	}
}
