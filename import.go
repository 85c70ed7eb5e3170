package softcsp

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// ImportPrivateKey puts a key pair into the token: an *rsa.PrivateKey with two primes, an *ecdsa.PrivateKey, an ed25519.PrivateKey, an
// *ecdh.PrivateKey, an *mlkem.DecapsulationKey768 or an *mlkem.DecapsulationKey1024. The caller's key is left as it is.
func (t *Token) ImportPrivateKey(key crypto.PrivateKey, o KeyOptions) (*PrivateKey, error) {
	public, secret, err := halves(key)
	if err != nil {
		return nil, err
	}
	defer wipe(secret)
	f, fixed, err := publicParts(public)
	if err != nil {
		return nil, err
	}
	o = o.withID()
	private := slices.Concat(o.template(ck.CKO_PRIVATE_KEY, f.private), fixed.private, secret)
	var handle ck.ObjectHandle
	err = t.where(&o)(func(s ck.SessionHandle) error {
		half, err := t.module.CreateObject(s, append(o.publicTemplate(f.public), fixed.public...))
		if err != nil {
			return err
		}
		if handle, err = t.module.CreateObject(s, private); err != nil {
			return errors.Join(err, t.module.DestroyObject(s, half))
		}
		return nil
	})
	if err != nil {
		return nil, failed("importing a key pair", err)
	}
	return t.privateKey(handle)
}

// halves are the public half of a key of Go's, and the secret attributes.
func halves(key crypto.PrivateKey) (public crypto.PublicKey, secret []ck.Attribute, err error) {
	value := func(v []byte) []ck.Attribute { return []ck.Attribute{{Type: ck.CKA_VALUE, Value: v}} }
	switch key := key.(type) {
	case *rsa.PrivateKey:
		secret, err = rsaSecrets(key)
		return &key.PublicKey, secret, err
	case *ecdsa.PrivateKey:
		scalar, err := key.Bytes()
		if err != nil {
			return nil, nil, failed("", err)
		}
		return &key.PublicKey, value(scalar), nil
	case *ecdh.PrivateKey:
		return key.PublicKey(), value(key.Bytes()), nil
	case ed25519.PrivateKey:
		return key.Public(), value(key.Seed()), nil
	case *mlkem.DecapsulationKey768:
		return key.EncapsulationKey(), []ck.Attribute{{Type: ck.CKA_SEED, Value: key.Bytes()}}, nil
	case *mlkem.DecapsulationKey1024:
		return key.EncapsulationKey(), []ck.Attribute{{Type: ck.CKA_SEED, Value: key.Bytes()}}, nil
	}
	return nil, nil, fmt.Errorf("softcsp: importing a %T: %w", key, errors.ErrUnsupported)
}

func rsaSecrets(key *rsa.PrivateKey) ([]ck.Attribute, error) {
	if len(key.Primes) != 2 {
		return nil, fmt.Errorf("softcsp: importing an RSA key of %d primes: %w", len(key.Primes), errors.ErrUnsupported)
	}
	whole := *key // Precompute changes the key
	whole.Precompute()
	number := func(t ck.AttributeType, n *big.Int) ck.Attribute { return ck.Attribute{Type: t, Value: n.Bytes()} }
	return []ck.Attribute{
		number(ck.CKA_PRIVATE_EXPONENT, key.D), number(ck.CKA_PRIME_1, key.Primes[0]), number(ck.CKA_PRIME_2, key.Primes[1]),
		number(ck.CKA_EXPONENT_1, whole.Precomputed.Dp), number(ck.CKA_EXPONENT_2, whole.Precomputed.Dq), number(ck.CKA_COEFFICIENT, whole.Precomputed.Qinv),
	}, nil
}

// The fixedParts of a pair are the attributes of both halves that follow from the public key.
type fixedParts struct{ public, private []ck.Attribute }

// publicParts are the family of a public key of Go's, and its attributes.
func publicParts(key crypto.PublicKey) (*family, fixedParts, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		numbers := []ck.Attribute{{Type: ck.CKA_MODULUS, Value: key.N.Bytes()}, {Type: ck.CKA_PUBLIC_EXPONENT, Value: big.NewInt(int64(key.E)).Bytes()}}
		return ofType("rsa", fixedParts{numbers, numbers})
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return nil, fixedParts{}, failed("", err)
		}
		return pointParts(curveName(key.Curve), point)
	case *ecdh.PublicKey:
		return pointParts(exchanges[key.Curve()], key.Bytes())
	case ed25519.PublicKey:
		return pointParts(Ed25519, key)
	case *mlkem.EncapsulationKey768:
		return kemParts(MLKEM768, key.Bytes())
	case *mlkem.EncapsulationKey1024:
		return kemParts("ml-kem:1024", key.Bytes())
	}
	return nil, fixedParts{}, fmt.Errorf("softcsp: a %T: %w", key, errors.ErrUnsupported)
}

// ofType completes the parts by the type of the keys.
func ofType(k KeyType, parts fixedParts) (*family, fixedParts, error) {
	f, _, _, err := k.parse(true)
	if err != nil {
		return nil, fixedParts{}, err
	}
	keyType := ulong(ck.CKA_KEY_TYPE, f.keyType)
	return f, fixedParts{append([]ck.Attribute{keyType}, parts.public...), append([]ck.Attribute{keyType}, parts.private...)}, nil
}

// exchanges are the types of the keys of ECDH. Those on the curves of NIST are of one type with those of ECDSA.
var exchanges = map[ecdh.Curve]KeyType{ecdh.P256(): P256, ecdh.P384(): P384, ecdh.P521(): P521, ecdh.X25519(): X25519}

// curveName is the type of the keys of a curve. One that is not known is of no type.
func curveName(c elliptic.Curve) KeyType {
	switch c {
	case elliptic.P224():
		return "ec:p224"
	case elliptic.P256():
		return P256
	case elliptic.P384():
		return P384
	case elliptic.P521():
		return P521
	}
	return "ec:" + KeyType(c.Params().Name)
}

func pointParts(k KeyType, point []byte) (*family, fixedParts, error) {
	_, _, set, err := k.parse(true)
	if err != nil {
		return nil, fixedParts{}, err
	}
	der, err := asn1.Marshal(point) // CKA_EC_POINT is an OCTET STRING
	if err != nil {
		return nil, fixedParts{}, failed("", err)
	}
	params := ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: set}
	return ofType(k, fixedParts{[]ck.Attribute{params, {Type: ck.CKA_EC_POINT, Value: der}}, []ck.Attribute{params}})
}

func kemParts(k KeyType, value []byte) (*family, fixedParts, error) {
	_, _, set, err := k.parse(true)
	if err != nil {
		return nil, fixedParts{}, err
	}
	which := ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: set}
	return ofType(k, fixedParts{[]ck.Attribute{which, {Type: ck.CKA_VALUE, Value: value}}, []ck.Attribute{which}})
}

// wipe forgets what is secret in a template.
func wipe(template []ck.Attribute) {
	for _, a := range template {
		switch a.Type {
		case ck.CKA_VALUE, ck.CKA_SEED, ck.CKA_PRIVATE_EXPONENT, ck.CKA_PRIME_1, ck.CKA_PRIME_2, ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT:
			clear(a.Value)
		}
	}
}

// ImportSecretKey puts a secret key into the token. The caller's value is left as it is.
func (t *Token) ImportSecretKey(value []byte, k KeyType, o KeyOptions) (*SecretKey, error) {
	f, bits, _, err := k.parse(false)
	switch {
	case err != nil:
		return nil, err
	case bits != 0 && bits != uint(8*len(value)):
		return nil, fmt.Errorf("softcsp: a key of %d bytes is no %s", len(value), k)
	}
	o = o.withID()
	template := append(o.template(ck.CKO_SECRET_KEY, f.secret), ulong(ck.CKA_KEY_TYPE, f.keyType), ck.Attribute{Type: ck.CKA_VALUE, Value: value})
	return t.makeSecretKey(&o, "importing a key", func(s ck.SessionHandle) (ck.ObjectHandle, error) {
		return t.module.CreateObject(s, template)
	})
}
