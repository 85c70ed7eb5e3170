package mechanisms

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// samplePairs are a key pair of each type, or several.
func samplePairs(t *testing.T) (pairs [][2]*Key) {
	t.Helper()
	pub, priv := testRSA(t)
	pairs = append(pairs, [2]*Key{pub, priv})
	for kt, name := range map[ck.KeyType]string{ck.CKK_DSA: "dsa", ck.CKK_DH: "dh", ck.CKK_X9_42_DH: "x942"} {
		pub, priv := groupPair(t, kt, name)
		pairs = append(pairs, [2]*Key{pub, priv})
	}
	for _, c := range curves {
		pub, priv := c.pair(t)
		pairs = append(pairs, [2]*Key{pub, priv})
	}
	for _, m := range Types() {
		row := Lookup(m)
		if row.GeneratePair == nil || !isParameterSet(row.Makes) {
			continue
		}
		set := []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(1)}}
		pub, priv, err := row.GeneratePair(rand.Reader, new(ck.Param), set)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, [2]*Key{pairKey(ck.CKO_PUBLIC_KEY, row.Makes, append(pub, set...)), pairKey(ck.CKO_PRIVATE_KEY, row.Makes, append(priv, set...))})
	}
	return pairs
}

// isParameterSet tells the types of keys that have a CKA_PARAMETER_SET.
func isParameterSet(t ck.KeyType) bool {
	switch t {
	case ck.CKK_RSA, ck.CKK_DSA, ck.CKK_DH, ck.CKK_X9_42_DH, ck.CKK_EC, ck.CKK_EC_EDWARDS, ck.CKK_EC_MONTGOMERY:
		return false
	}
	return true
}

// TestPublicOf compares with the public keys of pairs of every type.
func TestPublicOf(t *testing.T) {
	t.Parallel()
	row := Lookup(ck.CKM_PUB_KEY_FROM_PRIV_KEY)
	seen := make(map[ck.KeyType]bool)
	for _, pair := range samplePairs(t) {
		pub, priv := pair[0], pair[1]
		seen[priv.Type] = true
		var d Derived
		if err := row.Derive(&Base{Key: priv}, new(ck.Param), &d); err != nil {
			t.Errorf("%v: %v", priv.Type, err)
			continue
		}
		if !d.Public || d.Type != pub.Type || len(d.Attributes) < 2 {
			t.Errorf("%v: made %v with %d attributes", priv.Type, d.Type, len(d.Attributes))
		}
		for _, a := range d.Attributes {
			if want := pub.Attr(a.Type); !bytes.Equal(a.Value, want) {
				t.Errorf("%v: %v is %x, want %x", priv.Type, a.Type, a.Value, want)
			}
		}
		if err := row.Derive(&Base{Key: pub}, new(ck.Param), &d); err != ck.CKR_KEY_TYPE_INCONSISTENT {
			t.Errorf("%v: of a public key: %v", priv.Type, err)
		}
	}
	for _, kt := range PairTypes() {
		if !onlyPublic(kt) && !seen[kt] || !row.Takes(ck.CKO_PRIVATE_KEY, kt) {
			t.Errorf("%v has no public key", kt)
		}
	}
	garbage := params(1) // is not looked at
	if err := row.Derive(&Base{}, &garbage, new(Derived)); err != ck.CKR_KEY_HANDLE_INVALID {
		t.Errorf("without a key: %v", err)
	}
}

// TestUnmarshalPublic reads the encodings of public keys of every type, and cut ones.
func TestUnmarshalPublic(t *testing.T) {
	t.Parallel()
	for _, pair := range samplePairs(t) {
		pub, priv := pair[0], pair[1]
		added, err := Complete(ck.CKO_PUBLIC_KEY, pub.Type, pub.Attr)
		if err != nil {
			t.Fatal(err)
		}
		info := findAttr(added, ck.CKA_PUBLIC_KEY_INFO)
		kt, attrs, err := UnmarshalPublic(info)
		if err != nil || kt != pub.Type || len(attrs) < 2 {
			t.Errorf("%v: %v with %d attributes, %v", pub.Type, kt, len(attrs), err)
		}
		for _, a := range attrs {
			if want := pub.Attr(a.Type); !bytes.Equal(a.Value, want) {
				t.Errorf("%v: %v is %x, want %x", pub.Type, a.Type, a.Value, want)
			}
		}
		for n := range min(len(info), 64) {
			if _, _, err := UnmarshalPublic(info[:n]); ck.Code(err) != ck.CKR_WRAPPED_KEY_INVALID {
				t.Errorf("%v, %d bytes: %v", pub.Type, n, err)
			}
		}
		if priv == nil || onlyPublic(priv.Type) {
			continue
		}
		value, err := MarshalPrivate(priv)
		if err != nil {
			t.Fatal(err)
		}
		if kt, err := PrivateKeyType(value); err != nil || kt != priv.Type {
			t.Errorf("%v: private key of type %v, %v", priv.Type, kt, err)
		}
	}
	unknown := &publicKeyInfo{asn1.ObjectIdentifier{1, 2, 3}, nil, []byte{1}}
	info, err := unknown.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := UnmarshalPublic(info); ck.Code(err) != ck.CKR_KEY_TYPE_INCONSISTENT {
		t.Errorf("another algorithm: %v", err)
	}
}
