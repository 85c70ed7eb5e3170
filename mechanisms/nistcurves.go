package mechanisms

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"math/big"

	"filippo.io/nistec"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/p256"
)

// The curves of NIST (SP 800-186) are those of crypto/ecdsa and crypto/ecdh. For what these leave out, compressed points and Diffie-Hellman with
// P-224, there is filippo.io/nistec, the arithmetic beneath them.

// A nistExtra is what crypto/ecdsa does not offer for a curve, or another does faster.
type nistExtra struct {
	check func(point []byte) ([]byte, error)
	agree func(private []byte) (func(point []byte) ([]byte, error), error)
	sign  func(c elliptic.Curve, private []byte) (ecdsaSign, error)
}

var (
	nistP224 = nistExtra{checkPoint(nistec.NewP224Point), p224Agree, nistSign}
	nistP256 = nistExtra{checkPoint(nistec.NewP256Point), nistAgree(ecdh.P256()), p256Sign}
	nistP384 = nistExtra{checkPoint(nistec.NewP384Point), nistAgree(ecdh.P384()), nistSign}
	nistP521 = nistExtra{checkPoint(nistec.NewP521Point), nistAgree(ecdh.P521()), nistSign}
)

func nistCurve(name string, aliases []string, oid asn1.ObjectIdentifier, c elliptic.Curve, n nistExtra) *curve {
	group := c.Params()
	size := (group.BitSize + 7) / 8
	return &curve{
		Name: name, Aliases: aliases, OIDs: []asn1.ObjectIdentifier{oid}, Type: ck.CKK_EC, Bits: uint(group.BitSize), Size: size, Point: 1 + 2*size,
		Group: group, A: big.NewInt(-3), Generic: genericOf(group, new(big.Int).Sub(group.P, big.NewInt(3))), Check: n.check, Agree: n.agree,
		Public: func(private []byte) ([]byte, error) {
			k, err := ecdsa.ParseRawPrivateKey(c, private)
			if err != nil {
				return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
			}
			return k.PublicKey.Bytes()
		},
		Sign:   func(private []byte) (ecdsaSign, error) { return n.sign(c, private) },
		Verify: func(point []byte) (ecdsaVerify, error) { return nistVerify(c, point) },
	}
}

// A nistPoint is a point of one of the curves.
type nistPoint[P any] interface {
	SetBytes(b []byte) (P, error)
	Bytes() []byte
}

// checkPoint makes the Check of a curve. The point at infinity is no public key.
func checkPoint[P nistPoint[P]](origin func() P) func([]byte) ([]byte, error) {
	return func(point []byte) ([]byte, error) {
		p, err := origin().SetBytes(point)
		if err != nil || len(point) == 1 {
			return nil, ck.CKR_PUBLIC_KEY_INVALID
		}
		return p.Bytes(), nil
	}
}

// nistSign prepares signing. crypto/ecdsa mixes randomness with the key and the digest, so that neither a bad source of
// randomness nor a fault gives the key away.
func nistSign(c elliptic.Curve, private []byte) (ecdsaSign, error) {
	k, err := ecdsa.ParseRawPrivateKey(c, private)
	if err != nil {
		return nil, err
	}
	return func(dst, digest []byte) error {
		sig, err := ecdsa.SignASN1(rand.Reader, k, digest)
		if err != nil {
			return errors.Join(ck.CKR_DEVICE_ERROR, err)
		}
		return splitSignature(dst, sig)
	}, nil
}

// p256Sign prepares signing with P-256.
func p256Sign(_ elliptic.Curve, private []byte) (ecdsaSign, error) {
	s, err := p256.NewSigner(private)
	if err != nil {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	return func(dst, digest []byte) error {
		if err := s.Sign(dst, digest); err != nil {
			return errors.Join(ck.CKR_DEVICE_ERROR, err)
		}
		return nil
	}, nil
}

// splitSignature writes the r and s of an Ecdsa-Sig-Value to the halves of dst.
func splitSignature(dst, sig []byte) error {
	in := cryptobyte.String(sig)
	var body cryptobyte.String
	var r, s []byte
	half := len(dst) / 2
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&r) || !body.ReadASN1Integer(&s) || len(r) > half || len(s) > half {
		return ck.CKR_GENERAL_ERROR
	}
	clear(dst)
	copy(dst[half-len(r):], r)
	copy(dst[len(dst)-len(s):], s)
	return nil
}

func nistVerify(c elliptic.Curve, point []byte) (ecdsaVerify, error) {
	k, err := ecdsa.ParseUncompressedPublicKey(c, point)
	if err != nil {
		return nil, ck.CKR_PUBLIC_KEY_INVALID
	}
	return func(digest, sig []byte) bool {
		var room [2*maxField + 16]byte
		return ecdsa.VerifyASN1(k, digest, joinSignature(room[:0], sig))
	}, nil
}

// maxField is the length of the longest half of a signature, P-521's.
const maxField = 66

// joinSignature appends the Ecdsa-Sig-Value of r and s, the halves of sig, to b.
func joinSignature(b, sig []byte) []byte {
	r, s := integer(sig[:len(sig)/2]), integer(sig[len(sig)/2:])
	n := r.size() + s.size()
	if b = append(b, byte(der.SEQUENCE)); n < 0x80 {
		b = append(b, byte(n))
	} else {
		b = append(b, 0x81, byte(n))
	}
	return s.appendTo(r.appendTo(b))
}

// An integer is a number of up to maxField bytes, highest first, to be written as an ASN.1 INTEGER.
type integer []byte

// digits are the bytes of the number without zeros before it. zero says that ASN.1 wants a zero byte before them.
func (i integer) digits() (d []byte, zero bool) {
	for len(i) > 0 && i[0] == 0 {
		i = i[1:]
	}
	return i, len(i) == 0 || i[0] >= 0x80
}

func (i integer) size() int {
	d, zero := i.digits()
	if zero {
		return 3 + len(d)
	}
	return 2 + len(d)
}

func (i integer) appendTo(b []byte) []byte {
	d, zero := i.digits()
	b = append(b, byte(der.INTEGER), byte(i.size()-2))
	if zero {
		b = append(b, 0)
	}
	return append(b, d...)
}

// nistAgree prepares Diffie-Hellman with the curves of crypto/ecdh.
func nistAgree(c ecdh.Curve) func(private []byte) (agreement, error) {
	return func(private []byte) (agreement, error) {
		k, err := c.NewPrivateKey(private)
		if err != nil {
			return nil, err
		}
		return func(point []byte) ([]byte, error) {
			peer, err := c.NewPublicKey(point)
			if err != nil {
				return nil, ck.CKR_PUBLIC_KEY_INVALID
			}
			z, err := k.ECDH(peer)
			if err != nil { // X25519 and a point of low order
				return nil, ck.CKR_PUBLIC_KEY_INVALID
			}
			return z, nil
		}, nil
	}
}

// p224Agree prepares Diffie-Hellman with P-224.
func p224Agree(private []byte) (agreement, error) {
	if d := new(big.Int).SetBytes(private); d.Sign() == 0 || d.Cmp(elliptic.P224().Params().N) >= 0 {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	k := append([]byte(nil), private...)
	return func(point []byte) ([]byte, error) {
		peer, err := nistec.NewP224Point().SetBytes(point)
		if err != nil {
			return nil, ck.CKR_PUBLIC_KEY_INVALID
		}
		z, err := nistec.NewP224Point().ScalarMult(peer, k)
		if err != nil {
			return nil, ck.CKR_PUBLIC_KEY_INVALID
		}
		return z.BytesX()
	}, nil
}
