package csp

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"math/big"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/internal/secret"
)

// A smallExponentKey is an RSA key with the public exponent 1 or 2, which no token takes. Microsoft's article on plain text session keys has programs
// import a private key whose exponents are all 1: a SIMPLEBLOB for it has the session key in clear, with its padding. It protects nothing,
// and is no way around CRYPT_EXPORTABLE, which the session key needs all the same. It lives as long as its handles, in a named container
// too.
type smallExponentKey struct {
	n     []byte // the modulus, with the greatest byte first
	e     byte
	parts []byte // what follows the modulus in a PRIVATEKEYBLOB, nil for a public key
}

// minModulusBits is the shortest modulus in bits: that of any other key.
const minModulusBits = 384

// newSmallExponentKey makes a key of a blob with such an exponent; parts is nil for a public key. It returns nil for a key with another
// exponent.
func newSmallExponentKey(r capi.RSAPubKey, parts []byte) (*smallExponentKey, error) {
	if len(r.Exponent) != 1 || r.Exponent[0] != 1 && (r.Exponent[0] != 2 || parts != nil) {
		return nil, nil
	}
	s := &smallExponentKey{n: r.Modulus(), e: r.Exponent[0]}
	if r.Bits < minModulusBits || len(s.n) != int(r.Bits/8) || s.n[len(s.n)-1]&1 == 0 {
		return nil, capi.NTE_BAD_DATA
	}
	if parts == nil {
		return s, nil
	}
	size, half := len(s.n), (len(s.n)+1)/2
	d := parts[5*half : min(len(parts), 5*half+size)] // the private exponent, which may be cut off
	if !isOne(parts[2*half:3*half]) || !isOne(parts[3*half:4*half]) || len(d) > 0 && !isOne(d) {
		return nil, capi.NTE_BAD_DATA
	}
	s.parts = make([]byte, 5*half+size)
	copy(s.parts, parts[:5*half])
	s.parts[5*half] = 1
	return s, nil
}

// isOne tells whether a number is 1, with the least byte first.
func isOne(number []byte) bool {
	return number[0] == 1 && len(bytes.Trim(number[1:], "\x00")) == 0
}

// pow returns number, below the modulus and as long as it, to the power of e.
func (s *smallExponentKey) pow(number []byte) ([]byte, error) {
	if len(number) != len(s.n) || bytes.Compare(number, s.n) >= 0 {
		return nil, capi.NTE_BAD_DATA
	}
	out := bytes.Clone(number)
	if s.e == 2 {
		secret.Do(func() {
			x := new(big.Int).SetBytes(number)
			x.Mul(x, x).Mod(x, new(big.Int).SetBytes(s.n)).FillBytes(out)
		})
	}
	return out, nil
}

// pad is data with the padding of PKCS #1: RFC 8017, section 7.2.1 for kind 2, section 9.2 for kind 1. There is room for it.
func (s *smallExponentKey) pad(kind byte, data []byte) []byte {
	em := make([]byte, len(s.n))
	em[1] = kind
	fill := em[2 : len(em)-len(data)-1]
	for i := range fill {
		for fill[i] = 0xff; kind == 2; {
			if rand.Read(fill[i : i+1]); fill[i] != 0 { //nolint:errcheck // it does not fail
				break
			}
		}
	}
	copy(em[len(em)-len(data):], data)
	return em
}

func (s *smallExponentKey) encrypt(data []byte) ([]byte, error) { return s.pow(s.pad(2, data)) }

// decrypt takes the padding off, which is all that the private exponent leaves to do.
func (s *smallExponentKey) decrypt(em []byte) ([]byte, error) {
	if em[0] != 0 || em[1] != 2 {
		return nil, capi.NTE_BAD_DATA
	}
	if i := bytes.IndexByte(em[2:], 0); i >= 8 {
		return bytes.Clone(em[2+i+1:]), nil
	}
	return nil, capi.NTE_BAD_DATA
}

// canSign reports whether data can be signed.
func (s *smallExponentKey) canSign(data []byte) bool { return len(data) <= len(s.n)-11 }

func (s *smallExponentKey) sign(data []byte) ([]byte, error) {
	if !s.canSign(data) {
		return nil, capi.NTE_BAD_LEN
	}
	return s.pad(1, data), nil
}

func (s *smallExponentKey) verify(data, signature []byte) error {
	if !s.canSign(data) {
		return capi.NTE_BAD_SIGNATURE
	}
	em, err := s.pow(signature)
	if err != nil || subtle.ConstantTimeCompare(em, s.pad(1, data)) != 1 {
		return capi.NTE_BAD_SIGNATURE
	}
	return nil
}
