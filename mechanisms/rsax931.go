package mechanisms

import (
	"crypto/rsa"
	"crypto/subtle"
	"fmt"
	"math/big"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
)

// Signatures of ANSI X9.31: sections 6.1.14 and 6.1.17. The mechanisms add the header and the padding. The trailer, which names the hash, comes from
// the application with CKM_RSA_X9_31, and from the mechanism with CKM_SHA1_RSA_X9_31.

// x931Rows are both mechanisms.
var x931Rows = []Mechanism{
	rsaSigns(Mechanism{Type: ck.CKM_RSA_X9_31, RawPrivate: true}, func(p *ck.Param) (*rsaSigner, error) {
		return &rsaSigner{overhead: 2, sign: signX931(nil), verify: verifyX931(nil), checkKey: checkX931Size}, p.None()
	}),
	rsaSigns(Mechanism{Type: ck.CKM_SHA1_RSA_X9_31}, func(p *ck.Param) (*rsaSigner, error) {
		trailer := []byte{0x33, x931TrailerEnd}
		return &rsaSigner{hash: hashOf(ck.CKM_SHA_1), sign: signX931(trailer), verify: verifyX931(trailer), checkKey: checkX931Size}, p.None()
	}),
}

// x931TrailerEnd is the last byte of a trailer. By its lower half a verifier tells the block from the modulus minus the block.
const x931TrailerEnd = 0xcc

// checkX931Size wants a modulus of a multiple of 256 bits, as the standard does.
func checkX931Size(pub *rsa.PublicKey) error {
	if n := pub.N.BitLen(); n%256 != 0 {
		return fmt.Errorf("%w: %d bits", ck.CKR_KEY_SIZE_RANGE, n)
	}
	return nil
}

// padX931 makes the block of size bytes that is signed: 6b, bb as often as needed, ba, and the data with its trailer.
func padX931(data []byte, size int) ([]byte, error) {
	switch {
	case len(data) == 0 || data[len(data)-1]&15 != x931TrailerEnd&15:
		return nil, ck.CKR_DATA_INVALID
	case len(data) > size-2:
		return nil, ck.CKR_DATA_LEN_RANGE
	}
	block := slices.Repeat([]byte{0xbb}, size)
	copy(block[size-len(data):], data)
	block[0], block[size-len(data)-1] = 0x6b, 0xba
	return block, nil
}

// signX931 signs the data and the trailer. s and n - s both are signatures: it takes the smaller.
func signX931(trailer []byte) func(*rawrsa.PrivateKey, []byte) ([]byte, error) {
	return func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error) {
		block, err := padX931(slices.Concat(data, trailer), priv.Size())
		if err != nil {
			return nil, err
		}
		sig, err := rsaRawPrivate(priv, block)
		if err != nil {
			return nil, err
		}
		s := new(big.Int).SetBytes(sig) // which is no secret: anybody can compute the one from the other
		if other := new(big.Int).Sub(priv.N, s); other.Cmp(s) < 0 {
			other.FillBytes(sig)
		}
		return sig, nil
	}
}

// verifyX931 accepts both numbers: there are signers, that of NIST's vectors among them, that do not take the smaller.
func verifyX931(trailer []byte) func(*rawrsa.PublicKey, []byte, []byte) error {
	return func(pub *rawrsa.PublicKey, data, sig []byte) error {
		block, err := padX931(slices.Concat(data, trailer), pub.Size())
		if err != nil {
			return err
		}
		m, err := rsaOpen(pub, sig)
		if err != nil {
			return ck.CKR_SIGNATURE_INVALID
		}
		if m[len(m)-1]&15 != x931TrailerEnd&15 {
			new(big.Int).Sub(pub.N, new(big.Int).SetBytes(m)).FillBytes(m)
		}
		if subtle.ConstantTimeCompare(m, block) != 1 {
			return ck.CKR_SIGNATURE_INVALID
		}
		return nil
	}
}
