package mechanisms

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// parameterTypes are the types of keys with a parameter set.
var parameterTypes = []*parameterType{&mlkemType, &mldsaType, &slhdsaType}

// imported makes a key as C_CreateObject does, with what the token adds.
func imported(class ck.ObjectClass, t ck.KeyType, attrs ...ck.Attribute) (*Key, error) {
	added, err := Complete(class, t, func(a ck.AttributeType) []byte { return findAttr(attrs, a) })
	if err != nil {
		return nil, err
	}
	for _, a := range added {
		switch have := findAttr(attrs, a.Type); {
		case have == nil:
			attrs = append(slices.Clip(attrs), a)
		case !bytes.Equal(have, a.Value):
			return nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
		}
	}
	return keyOf(class, t, attrs...), nil
}

// with makes a key of the parameter set of which one attribute is known.
func (s *parameterSet) with(t ck.KeyType, class ck.ObjectClass, name ck.AttributeType, value []byte) (*Key, error) {
	return imported(class, t, ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(s.Set)}, ck.Attribute{Type: name, Value: value})
}

// generated makes a key pair of the parameter set.
func (t *parameterType) generated(tb testing.TB, s *parameterSet) (pub, priv *Key) {
	tb.Helper()
	set := ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(s.Set)}
	var p ck.Param
	a, b, err := t.generate(rand.Reader, &p, []ck.Attribute{set})
	if err != nil {
		tb.Fatal(err)
	}
	return keyOf(ck.CKO_PUBLIC_KEY, t.keyType, append(a, set)...), keyOf(ck.CKO_PRIVATE_KEY, t.keyType, b...)
}

// TestParameterSets makes a key pair of each set, and sees that both halves tell the same public key, and that a private key
// comes back from its PKCS #8 in every form, and from no other.
func TestParameterSets(t *testing.T) {
	t.Parallel()
	for _, pt := range parameterTypes {
		for _, s := range pt.sets {
			if testing.Short() && s.slow() {
				continue
			}
			name := fmt.Sprintf("%v %d", pt.keyType, s.Set)
			pub, priv := pt.generated(t, s)
			a, err1 := Complete(ck.CKO_PUBLIC_KEY, pt.keyType, pub.Attr)
			b, err2 := Complete(ck.CKO_PRIVATE_KEY, pt.keyType, priv.Attr)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if x, y := findAttr(a, ck.CKA_PUBLIC_KEY_INFO), findAttr(b, ck.CKA_PUBLIC_KEY_INFO); len(x) < s.Public || !bytes.Equal(x, y) {
				t.Errorf("%s: public key %x and %x", name, x, y)
			}
			der, err := MarshalPrivate(priv)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			attrs, err := UnmarshalPrivate(pt.keyType, der)
			for _, at := range []ck.AttributeType{ck.CKA_PARAMETER_SET, ck.CKA_SEED, ck.CKA_VALUE} {
				if err != nil || !bytes.Equal(findAttr(attrs, at), priv.Attr(at)) {
					t.Errorf("%s: %v comes back as %x, %v", name, at, findAttr(attrs, at), err)
				}
			}
			if pt.seeds {
				pt.checkForms(t, name, s, priv)
			}
			pt.checkRefused(t, name, s, pub, priv)
		}
	}
}

// slow reports whether keys of the set take long to make.
func (s *parameterSet) slow() bool { return strings.HasSuffix(s.Name, "s") }

// checkForms reads the three forms of a private key.
func (pt *parameterType) checkForms(t *testing.T, name string, s *parameterSet, priv *Key) {
	t.Helper()
	seed, value := priv.Attr(ck.CKA_SEED), priv.Attr(ck.CKA_VALUE)
	wrap := func(tag byte, content []byte) []byte {
		n := len(content)
		if n < 0x80 {
			return append([]byte{tag, byte(n)}, content...)
		}
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content...)
	}
	other := bytes.Clone(value)
	other[0] ^= 1
	both := func(a, b []byte) []byte { return wrap(0x30, append(wrap(4, a), wrap(4, b)...)) }
	for _, c := range []struct {
		what string
		key  []byte
		ok   bool
		seed bool
	}{
		{"the seed", wrap(0x80, seed), true, true},
		{"the value", wrap(4, value), true, false},
		{"both", both(seed, value), true, true},
		{"a seed and another value", both(seed, other), false, false},
		{"a short seed", wrap(0x80, seed[1:]), false, false},
		{"a short value", wrap(4, value[1:]), false, false},
		{"the seed in an OCTET STRING", wrap(4, seed), false, false},
		{"the value in the place of the seed", wrap(0x80, value), false, false},
		{"one after the other", append(wrap(0x80, seed), wrap(4, value)...), false, false},
		{"the seed as it is", seed, false, false},
		{"nothing", nil, false, false},
		{"an empty SEQUENCE", []byte{0x30, 0}, false, false},
	} {
		der, err := (&privateKeyInfo{s.OID, nil, c.key}).marshal()
		if err != nil {
			t.Fatal(err)
		}
		attrs, err := UnmarshalPrivate(pt.keyType, der)
		switch {
		case !c.ok:
			if !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
				t.Errorf("%s: %s: %v", name, c.what, err)
			}
		case err != nil || !bytes.Equal(findAttr(attrs, ck.CKA_VALUE), value) || (findAttr(attrs, ck.CKA_SEED) != nil) != c.seed:
			t.Errorf("%s: %s: %v", name, c.what, err)
		}
	}
}

// checkRefused sees that what is no key of the set is refused.
func (pt *parameterType) checkRefused(t *testing.T, name string, s *parameterSet, pub, priv *Key) {
	t.Helper()
	set := ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(s.Set)}
	value := func(v []byte) ck.Attribute { return ck.Attribute{Type: ck.CKA_VALUE, Value: v} }
	public, private := pub.Attr(ck.CKA_VALUE), priv.Attr(ck.CKA_VALUE)
	for _, c := range []struct {
		what  string
		class ck.ObjectClass
		attrs []ck.Attribute
		want  error
	}{
		{"no set", ck.CKO_PUBLIC_KEY, []ck.Attribute{value(public)}, ck.CKR_TEMPLATE_INCOMPLETE},
		{"an unknown set", ck.CKO_PUBLIC_KEY, []ck.Attribute{value(public), {Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(99)}}, ck.CKR_PARAMETER_SET_NOT_SUPPORTED},
		{"a short public key", ck.CKO_PUBLIC_KEY, []ck.Attribute{set, value(public[1:])}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"no value", ck.CKO_PRIVATE_KEY, []ck.Attribute{set}, ck.CKR_TEMPLATE_INCOMPLETE},
		{"an unknown set", ck.CKO_PRIVATE_KEY, []ck.Attribute{value(private), {Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(99)}}, ck.CKR_PARAMETER_SET_NOT_SUPPORTED},
		{"a short private key", ck.CKO_PRIVATE_KEY, []ck.Attribute{set, value(private[1:])}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"the public key", ck.CKO_PRIVATE_KEY, []ck.Attribute{set, value(public)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"zeros", ck.CKO_PRIVATE_KEY, []ck.Attribute{set, value(make([]byte, s.Private))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		if _, err := imported(c.class, pt.keyType, c.attrs...); !errors.Is(err, c.want) {
			t.Errorf("%s: %s: %v, want %v", name, c.what, err, c.want)
		}
	}
	if !pt.seeds {
		return
	}
	seed := priv.Attr(ck.CKA_SEED)
	if _, err := imported(ck.CKO_PRIVATE_KEY, pt.keyType, set, ck.Attribute{Type: ck.CKA_SEED, Value: seed[1:]}); !errors.Is(err, ck.CKR_ATTRIBUTE_VALUE_INVALID) {
		t.Errorf("%s: a short seed: %v", name, err)
	}
	other := bytes.Clone(seed)
	other[0] ^= 1
	if _, err := imported(ck.CKO_PRIVATE_KEY, pt.keyType, set, ck.Attribute{Type: ck.CKA_SEED, Value: other}, value(private)); !errors.Is(err, ck.CKR_TEMPLATE_INCONSISTENT) {
		t.Errorf("%s: the seed of another key: %v", name, err)
	}
}
