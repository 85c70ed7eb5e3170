package rawrsa

import (
	"crypto"
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// A PSS is the encoding of RSASSA-PSS (RFC 8017, section 9.1) with a length of salt in bytes, and hashes for the message and for its mask.
type PSS struct {
	Hash, MGF  crypto.Hash
	SaltLength int
}

// Matches reports whether m, what the public key makes of a signature, is the encoding of a digest in the given number of bits: the message is
// encoded with the salt that m has, and is the same, or the signature is another's.
func (p PSS) Matches(m, digest []byte, bits int) bool {
	size := (bits + 7) / 8 // where the encoding has a byte less than the modulus, that is 0
	encoded := m[len(m)-size:]
	h := encoded[size-1-p.Hash.Size() : size-1]
	block := append([]byte(nil), encoded[:size-1-len(h)]...)
	p.mask(block, h, bits)
	want := make([]byte, len(m))
	copy(want[len(m)-size:], p.Encode(digest, block[len(block)-p.SaltLength:], bits))
	return subtle.ConstantTimeCompare(m, want) == 1
}

// Encode is EMSA-PSS-ENCODE (RFC 8017, section 9.1.1) into the given number of bits, one less than those of the modulus.
func (p PSS) Encode(digest, salt []byte, bits int) []byte {
	hasher := p.Hash.New()
	hasher.Write(make([]byte, 8))
	hasher.Write(digest)
	hasher.Write(salt)
	h := hasher.Sum(nil)
	size := (bits + 7) / 8
	encoded := make([]byte, size)
	block := encoded[:size-1-len(h)]
	block[len(block)-len(salt)-1] = 1
	copy(block[len(block)-len(salt):], salt)
	p.mask(block, h, bits)
	copy(encoded[len(block):], h)
	encoded[size-1] = 0xbc
	return encoded
}

// mask puts the mask that comes of h on a block or takes it off, and clears the bits in front.
func (p PSS) mask(block, h []byte, bits int) {
	mgf1(block, p.MGF.New(), h)
	block[0] &= 0xff >> (-bits & 7)
}

// mgf1 adds the mask of MGF1 (RFC 8017, appendix B.2.1) to dst.
func mgf1(dst []byte, h hash.Hash, seed []byte) {
	var counter [4]byte
	for n := uint32(0); len(dst) > 0; n++ {
		binary.BigEndian.PutUint32(counter[:], n)
		h.Reset()
		h.Write(seed)
		h.Write(counter[:])
		dst = dst[subtle.XORBytes(dst, dst, h.Sum(nil)):]
	}
}
