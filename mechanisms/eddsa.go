package mechanisms

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"

	"filippo.io/edwards25519"
	"github.com/cloudflare/circl/ecc/goldilocks"
	"github.com/cloudflare/circl/sign/ed448"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// An edVariant is one of the schemes of RFC 8032: whether a hash is signed in the place of the message, and the context.
type edVariant struct {
	ph      bool
	context string
}

// edSign writes the signature of a message to dst.
type edSign = func(dst, message []byte, v *edVariant) error

// eddsaRows are EdDSA.
var eddsaRows = []Mechanism{{
	Type: ck.CKM_EDDSA, Keys: []ck.KeyType{ck.CKK_EC_EDWARDS}, Min: cfrgMin, Max: cfrgMax, ExtraFlags: namedFlags,
	Sign: func(k *Key, p *ck.Param) (Signer, error) {
		v, err := readVariant(p)
		if err != nil {
			return nil, err
		}
		form, err := k.Prepared(ck.CKM_EDDSA, prepareEdDSA)
		if err != nil {
			return nil, err
		}
		return &edSigner{edInput{variant: v}, form.(*edPrivate)}, nil
	},
	Verify: func(k *Key, p *ck.Param) (Verifier, error) {
		v, err := readVariant(p)
		if err != nil {
			return nil, err
		}
		form, err := k.Prepared(ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, prepareEdDSAPublic)
		if err != nil {
			return nil, err
		}
		return &edVerifier{edInput{variant: v}, form.(*edPublic)}, nil
	},
}}

// readVariant reads a CK_EDDSA_PARAMS. Without one it is plain Ed25519 or Ed448. So it is with an empty context and no hash: RFC 8032, section 8.3,
// does not want Ed25519ctx without a context.
func readVariant(p *ck.Param) (v edVariant, err error) {
	if !p.Present() {
		return v, nil
	}
	v.ph = p.Bool()
	p.Align()
	context := p.BytesAfter()
	if err := p.Done(); err != nil {
		return v, err
	}
	if len(context) > 255 {
		return v, ck.FieldError("ulContextDataLen")
	}
	v.context = string(context)
	return v, nil
}

type (
	edPrivate struct {
		size int // of a signature
		sign edSign
	}
	edPublic struct {
		c     *curve
		point []byte
	}
)

func prepareEdDSA(k *Key) (any, error) {
	return preparePrivate(k, func(c *curve, value []byte) (any, error) {
		sign, err := c.EdSign(value)
		return &edPrivate{2 * c.Size, sign}, err
	})
}

func prepareEdDSAPublic(k *Key) (any, error) {
	return preparePublic(k, func(c *curve, point []byte) (any, error) {
		return &edPublic{c, bytes.Clone(point)}, nil
	})
}

// An edInput is the message. It is kept, because EdDSA reads it twice.
type edInput struct {
	variant edVariant
	ended   bool
	message []byte
}

func (i *edInput) Update(data []byte) error {
	if i.ended {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	i.message = ck.AppendWiping(i.message, data)
	return nil
}

// end ends the operation.
func (i *edInput) end() error {
	if i.ended {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	i.ended = true
	return nil
}

type edSigner struct {
	edInput
	key *edPrivate
}

type edVerifier struct {
	edInput
	key *edPublic
}

var (
	_ Signer   = (*edSigner)(nil)
	_ Verifier = (*edVerifier)(nil)
)

func (s *edSigner) Size() int { return s.key.size }

func (s *edSigner) Sign(dst []byte) (int, error) {
	err := s.end()
	if err != nil {
		return 0, err
	}
	secret.Do(func() { err = s.key.sign(dst[:s.key.size], s.message, &s.variant) })
	if err != nil {
		return 0, err
	}
	return s.key.size, nil
}

func (v *edVerifier) Verify(signature []byte) error {
	if err := v.end(); err != nil {
		return err
	}
	if len(signature) != 2*v.key.c.Size {
		return ck.CKR_SIGNATURE_LEN_RANGE
	}
	if !v.key.c.EdVerify(v.key.point, v.message, signature, &v.variant) {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}

func ed25519Check(point []byte) ([]byte, error) {
	if _, err := new(edwards25519.Point).SetBytes(point); err != nil {
		return nil, ck.CKR_PUBLIC_KEY_INVALID
	}
	return point, nil
}

func ed25519Public(private []byte) ([]byte, error) {
	return ed25519.NewKeyFromSeed(private)[ed25519.SeedSize:], nil
}

// ed25519Message returns the message, or its hash, and the options that crypto/ed25519 takes with it.
func ed25519Message(message []byte, v *edVariant) ([]byte, *ed25519.Options) {
	if !v.ph {
		return message, &ed25519.Options{Context: v.context}
	}
	sum := sha512.Sum512(message)
	return sum[:], &ed25519.Options{Hash: crypto.SHA512, Context: v.context}
}

func ed25519Sign(private []byte) (edSign, error) {
	k := ed25519.NewKeyFromSeed(private)
	return func(dst, message []byte, v *edVariant) error {
		message, options := ed25519Message(message, v)
		sig, err := k.Sign(nil, message, options)
		copy(dst, sig)
		return err
	}, nil
}

func ed25519Verify(point, message, signature []byte, v *edVariant) bool {
	message, options := ed25519Message(message, v)
	return ed25519.VerifyWithOptions(point, message, signature, options) == nil
}

func ed448Check(point []byte) ([]byte, error) {
	if len(point) != ed448.PublicKeySize {
		return nil, ck.CKR_PUBLIC_KEY_INVALID
	}
	if _, err := goldilocks.FromBytes(point); err != nil {
		return nil, ck.CKR_PUBLIC_KEY_INVALID
	}
	return point, nil
}

func ed448Public(private []byte) ([]byte, error) {
	return ed448.NewKeyFromSeed(private)[ed448.SeedSize:], nil
}

func ed448Sign(private []byte) (edSign, error) {
	k := ed448.NewKeyFromSeed(private)
	return func(dst, message []byte, v *edVariant) error {
		if v.ph {
			copy(dst, ed448.SignPh(k, message, v.context))
		} else {
			copy(dst, ed448.Sign(k, message, v.context))
		}
		return nil
	}, nil
}

func ed448Verify(point, message, signature []byte, v *edVariant) bool {
	if v.ph {
		return ed448.VerifyPh(point, message, signature, v.context)
	}
	return ed448.Verify(point, message, signature, v.context)
}
