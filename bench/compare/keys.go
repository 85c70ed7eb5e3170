package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// The parameters of curves, as CKA_EC_PARAMS has them.
var (
	oidP256    = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}
)

// A template is an object that every module gets. The stopwatch adds whether it is a token object, label and id.
type template struct {
	name       string
	attributes []attribute
}

type attribute struct {
	typ   ck.AttributeType
	value []byte
}

func ulong[T ~uint64 | ~uint](typ ck.AttributeType, v T) attribute {
	return attribute{typ, binary.NativeEndian.AppendUint64(nil, uint64(v))}
}

func number(typ ck.AttributeType, v *big.Int) attribute { return attribute{typ, v.Bytes()} }

func yes(types ...ck.AttributeType) []attribute {
	var out []attribute
	for _, t := range types {
		out = append(out, attribute{t, []byte{1}})
	}
	return out
}

func der(v any) ([]byte, error) { return asn1.Marshal(v) }

// private and public are what both halves of a pair begin with.
func private(name string, t ck.KeyType, attributes ...attribute) template {
	a := append([]attribute{ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ulong(ck.CKA_KEY_TYPE, t)}, yes(ck.CKA_PRIVATE, ck.CKA_SENSITIVE, ck.CKA_SIGN)...)
	return template{name, append(a, attributes...)}
}

func public(name string, t ck.KeyType, attributes ...attribute) template {
	a := append([]attribute{ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ulong(ck.CKA_KEY_TYPE, t)}, yes(ck.CKA_VERIFY)...)
	return template{name, append(a, attributes...)}
}

func rsaPair(name string, bits int) ([]template, error) {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	n, e := number(ck.CKA_MODULUS, k.N), number(ck.CKA_PUBLIC_EXPONENT, big.NewInt(int64(k.E)))
	return []template{
		private(name, ck.CKK_RSA, n, e, number(ck.CKA_PRIVATE_EXPONENT, k.D), number(ck.CKA_PRIME_1, k.Primes[0]), number(ck.CKA_PRIME_2, k.Primes[1]),
			number(ck.CKA_EXPONENT_1, k.Precomputed.Dp), number(ck.CKA_EXPONENT_2, k.Precomputed.Dq), number(ck.CKA_COEFFICIENT, k.Precomputed.Qinv)),
		public(name, ck.CKK_RSA, n, e),
	}, nil
}

func p256Pair(name string) ([]template, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	d, err := k.Bytes()
	if err != nil {
		return nil, err
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return curvePair(name, ck.CKK_EC, oidP256, d, point, yes(ck.CKA_DERIVE)...)
}

func ed25519Pair(name string) ([]template, error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return curvePair(name, ck.CKK_EC_EDWARDS, oidEd25519, priv.Seed(), pub)
}

func curvePair(name string, t ck.KeyType, oid asn1.ObjectIdentifier, d, point []byte, more ...attribute) ([]template, error) {
	params, err := der(oid)
	if err != nil {
		return nil, err
	}
	if point, err = der(point); err != nil {
		return nil, err
	}
	curve := attribute{ck.CKA_EC_PARAMS, params}
	return []template{
		private(name, t, append([]attribute{curve, {ck.CKA_VALUE, d}}, more...)...),
		public(name, t, curve, attribute{ck.CKA_EC_POINT, point}),
	}, nil
}

// pairs makes the key pairs of pairs.c.
func pairs() ([]template, error) {
	var out []template
	for _, pair := range []func() ([]template, error){
		func() ([]template, error) { return rsaPair("rsa-2048", 2048) },
		func() ([]template, error) { return rsaPair("rsa-3072", 3072) },
		func() ([]template, error) { return rsaPair("rsa-4096", 4096) },
		func() ([]template, error) { return p256Pair("p256") },
		func() ([]template, error) { return ed25519Pair("ed25519") },
	} {
		t, err := pair()
		if err != nil {
			return nil, err
		}
		out = append(out, t...)
	}
	return out, nil
}

// text is how the stopwatch reads templates: see template.c.
func text(templates []template) string {
	var b strings.Builder
	for _, t := range templates {
		fmt.Fprintf(&b, "object %s\n", t.name)
		for _, a := range t.attributes {
			fmt.Fprintf(&b, "%x %x\n", uint64(a.typ), a.value)
		}
		b.WriteString("end\n")
	}
	return b.String()
}
