package mechanisms

import (
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"math/big"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/weierstrass"
)

// weierstrassCurves are P-192, which FIPS 186-5 dropped, and the curves of RFC 5639.
var weierstrassCurves = []*curve{
	withAliases(genericCurve(weierstrass.P192, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 1}), "secp192r1", "prime192v1"),
	brainpoolCurve(5, weierstrass.BrainpoolP224r1),
	brainpoolCurve(6, weierstrass.BrainpoolP224t1),
	brainpoolCurve(7, weierstrass.BrainpoolP256r1),
	brainpoolCurve(8, weierstrass.BrainpoolP256t1),
	brainpoolCurve(9, weierstrass.BrainpoolP320r1),
	brainpoolCurve(10, weierstrass.BrainpoolP320t1),
	brainpoolCurve(11, weierstrass.BrainpoolP384r1),
	brainpoolCurve(12, weierstrass.BrainpoolP384t1),
	brainpoolCurve(13, weierstrass.BrainpoolP512r1),
	brainpoolCurve(14, weierstrass.BrainpoolP512t1),
}

// brainpoolCurve makes the row of a curve. arc is the last number of its identifier.
func brainpoolCurve(arc int, w *weierstrass.Curve) *curve {
	return genericCurve(w, asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, arc})
}

// withAliases gives a row further names.
func withAliases(c *curve, names ...string) *curve {
	c.Aliases = names
	return c
}

// genericCurve makes the row of a curve that has no arithmetic but the generic one.
func genericCurve(w *weierstrass.Curve, oid asn1.ObjectIdentifier) *curve {
	return weierstrassCurve(w, w.A(), oid, func() *weierstrass.Curve { return w })
}

// secp256k1Curve makes the row of secp256k1.
func secp256k1Curve(oid asn1.ObjectIdentifier) *curve {
	var w weierstrass.Secp256k1
	return weierstrassCurve(w, new(big.Int), oid, genericOf(w.Params(), new(big.Int)))
}

// genericOf returns a function that makes a curve at its first call.
func genericOf(group *elliptic.CurveParams, a *big.Int) func() *weierstrass.Curve {
	return sync.OnceValue(func() *weierstrass.Curve { return weierstrass.NewCurve(group, a) })
}

// A shortArithmetic is the arithmetic of a curve of package weierstrass.
type shortArithmetic interface {
	Params() *elliptic.CurveParams
	Check(point []byte) ([]byte, error)
	PublicKey(private []byte) ([]byte, error)
	NewSigner(private []byte) (func(dst, digest []byte) error, error)
	NewVerifier(point []byte) (func(digest, sig []byte) bool, error)
	NewAgreement(private []byte) (func(point []byte) ([]byte, error), error)
}

// weierstrassCurve makes the row of the list of curves.
func weierstrassCurve(w shortArithmetic, a *big.Int, oid asn1.ObjectIdentifier, generic func() *weierstrass.Curve) *curve {
	group := w.Params()
	size := (group.BitSize + 7) / 8
	return &curve{
		Name: group.Name, OIDs: []asn1.ObjectIdentifier{oid}, Type: ck.CKK_EC, Bits: uint(group.BitSize), Size: size, Point: 1 + 2*size,
		Group: group, A: a, Generic: generic,
		Check:  func(point []byte) ([]byte, error) { p, err := w.Check(point); return p, curveError(err) },
		Public: func(private []byte) ([]byte, error) { p, err := w.PublicKey(private); return p, curveError(err) },
		Sign: func(private []byte) (ecdsaSign, error) {
			sign, err := w.NewSigner(private)
			return func(dst, digest []byte) error { return curveError(sign(dst, digest)) }, curveError(err)
		},
		Verify: func(point []byte) (ecdsaVerify, error) {
			verify, err := w.NewVerifier(point)
			return verify, curveError(err)
		},
		Agree: func(private []byte) (agreement, error) {
			agree, err := w.NewAgreement(private)
			return func(point []byte) ([]byte, error) { z, err := agree(point); return z, curveError(err) }, curveError(err)
		},
	}
}

// curveError is the code of an error of package weierstrass.
func curveError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, weierstrass.ErrPublicKey):
		return ck.CKR_PUBLIC_KEY_INVALID
	case errors.Is(err, weierstrass.ErrPrivateKey):
		return ck.CKR_ATTRIBUTE_VALUE_INVALID
	case errors.Is(err, weierstrass.ErrRandom):
		return errors.Join(ck.CKR_DEVICE_ERROR, err)
	}
	return errors.Join(ck.CKR_GENERAL_ERROR, err)
}
