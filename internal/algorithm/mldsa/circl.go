package mldsa

import (
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"
)

type (
	// A Signer signs a message with a context of up to 255 bytes: algorithm 2. hedged says that the signature is to depend on chance too.
	Signer func(message, context []byte, hedged bool) ([]byte, error)
	// A Verifier verifies a signature of any length: algorithm 3.
	Verifier func(message, context, sig []byte) bool
)

// SeedSize is the length in bytes of what keys are made of.
const SeedSize = 32

// NewKeys makes the keys of a seed of [SeedSize] bytes: algorithm 6.
func (m *Parameters) NewKeys(seed []byte) (public, private []byte) { return schemes[m].expand(seed) }

// NewSigner makes what signs with a private key of [Parameters.PrivateKeySize] bytes.
func (m *Parameters) NewSigner(private []byte) (Signer, error) { return schemes[m].signer(private) }

// NewVerifier makes what verifies with a public key of [Parameters.PublicKeySize] bytes.
func (m *Parameters) NewVerifier(public []byte) (Verifier, error) { return schemes[m].verifier(public) }

// A scheme is a parameter set of circl.
type scheme struct {
	expand   func(seed []byte) (public, private []byte)
	signer   func(private []byte) (Signer, error)
	verifier func(public []byte) (Verifier, error)
}

var schemes = map[*Parameters]scheme{
	MLDSA44: {
		expand: func(seed []byte) (public, private []byte) {
			pub, priv := mldsa44.NewKeyFromSeed((*[mldsa44.SeedSize]byte)(seed))
			return pub.Bytes(), priv.Bytes()
		},
		signer: func(private []byte) (Signer, error) {
			k := new(mldsa44.PrivateKey)
			return pureSigner(mldsa44.SignatureSize, k, mldsa44.SignTo), k.UnmarshalBinary(private)
		},
		verifier: func(public []byte) (Verifier, error) {
			k := new(mldsa44.PublicKey)
			return pureVerifier(k, mldsa44.Verify), k.UnmarshalBinary(public)
		},
	},
	MLDSA65: {
		expand: func(seed []byte) (public, private []byte) {
			pub, priv := mldsa65.NewKeyFromSeed((*[mldsa65.SeedSize]byte)(seed))
			return pub.Bytes(), priv.Bytes()
		},
		signer: func(private []byte) (Signer, error) {
			k := new(mldsa65.PrivateKey)
			return pureSigner(mldsa65.SignatureSize, k, mldsa65.SignTo), k.UnmarshalBinary(private)
		},
		verifier: func(public []byte) (Verifier, error) {
			k := new(mldsa65.PublicKey)
			return pureVerifier(k, mldsa65.Verify), k.UnmarshalBinary(public)
		},
	},
	MLDSA87: {
		expand: func(seed []byte) (public, private []byte) {
			pub, priv := mldsa87.NewKeyFromSeed((*[mldsa87.SeedSize]byte)(seed))
			return pub.Bytes(), priv.Bytes()
		},
		signer: func(private []byte) (Signer, error) {
			k := new(mldsa87.PrivateKey)
			return pureSigner(mldsa87.SignatureSize, k, mldsa87.SignTo), k.UnmarshalBinary(private)
		},
		verifier: func(public []byte) (Verifier, error) {
			k := new(mldsa87.PublicKey)
			return pureVerifier(k, mldsa87.Verify), k.UnmarshalBinary(public)
		},
	},
}

// pureSigner signs messages as they are.
func pureSigner[K any](size int, k *K, sign func(k *K, msg, ctx []byte, randomized bool, sig []byte) error) Signer {
	return func(message, context []byte, hedged bool) ([]byte, error) {
		sig := make([]byte, size)
		return sig, sign(k, message, context, hedged, sig)
	}
}

func pureVerifier[K any](k *K, verify func(k *K, msg, ctx, sig []byte) bool) Verifier {
	return func(message, context, sig []byte) bool { return verify(k, message, context, sig) }
}
