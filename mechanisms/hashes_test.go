package mechanisms

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"hash"
	"reflect"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/sha512t"
	"github.com/softcsp/softcsp/internal/cloneable"
)

// TestSHA512T compares with the two that Go has, HMAC too.
func TestSHA512T(t *testing.T) {
	t.Parallel()
	data, key := pattern(500), secretKey(ck.CKK_SHA512_T_HMAC, pattern(40))
	for bits, start := range map[int]func() hash.Hash{224: sha512.New512_224, 256: sha512.New512_256} {
		h := sha512t.New(bits / 8)
		for range 2 {
			h.Reset()
			h.Write(data)
			want := start()
			want.Write(data)
			if !bytes.Equal(h.Sum(nil), want.Sum(nil)) {
				t.Errorf("SHA-512/%d: %x", bits, h.Sum(nil))
			}
		}
		want := hmac.New(start, key.Value)
		want.Write(data)
		param := func() *ck.Param { p := params(bits); return &p }
		if err := checkMAC(Lookup(ck.CKM_SHA512_T_HMAC), key, param, data, want.Sum(nil)); err != nil {
			t.Errorf("HMAC-SHA-512/%d: %v", bits, err)
		}
	}
}

// TestCloneable sees that a copy of a state is a state: that there is nothing in it that would be shared.
func TestCloneable(t *testing.T) {
	t.Parallel()
	n := 0
	for _, h := range hashes {
		c, ok := h.New().(cloneable.Hash)
		if !ok {
			continue
		}
		n++
		if where := pointer(reflect.TypeOf(c.Hash).Elem()); where != "" {
			t.Errorf("%s: the state has a %s", h.Name, where)
		}
	}
	if n < 6 {
		t.Errorf("%d hashes", n)
	}
}

// pointer names the kind of something within a type that a copy would share, "" where there is none.
func pointer(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Array:
		return pointer(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if p := pointer(t.Field(i).Type); p != "" {
				return p
			}
		}
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice, reflect.UnsafePointer:
		return t.Kind().String()
	}
	return ""
}

// TestSHAKELength derives more than a Derived has room for, and asks for no length.
func TestSHAKELength(t *testing.T) {
	t.Parallel()
	row, base := Lookup(ck.CKM_SHAKE_256_KEY_DERIVATION), secretKey(ck.CKK_GENERIC_SECRET, pattern(10))
	for n, want := range map[uint]error{0: ck.CKR_TEMPLATE_INCOMPLETE, 511: nil, 512: nil, 513: nil, 5000: nil, maxSecret + 1: ck.CKR_KEY_SIZE_RANGE} {
		b := &Base{Key: base}
		if n != 0 {
			b.Template = []ck.Attribute{{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(n)}}
		}
		var d Derived
		p := params()
		if err := row.Derive(b, &p, &d); err != want || err == nil && uint(len(d.Value)) != n {
			t.Errorf("%d bytes: %d, %v", n, len(d.Value), err)
		}
		d.Wipe()
	}
}
