// Package lms verifies the hash-based signatures of LMS and HSS, RFC 8554, with the further hashes of NIST SP 800-208.
//
// It does not sign: who does has to know for certain which of the one-time keys of a private key have been used.
package lms

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/cryptobyte"

	"github.com/softcsp/softcsp/internal/algorithm/shake"
)

// What is wrong with a signature.
var (
	// ErrSignature is the error of a signature that is not of the message and the key.
	ErrSignature = errors.New("lms: invalid signature")
	// ErrSignatureSize is the error of what has not the length of a signature with as many levels as the key has.
	ErrSignatureSize = errors.New("lms: invalid length of a signature")
)

// errPublicKey is the error of what is no public key.
var errPublicKey = errors.New("lms: invalid public key")

// maxLevels is how many levels there can be: RFC 8554, section 6.
const maxLevels = 8

// A hash is a hash of SP 800-208, table 1.
type hash struct {
	shake bool
	n     int // bytes
}

// hashes are the hashes in the order of the types of LM-OTS, of which each has four, and of LMS, of which each has five.
var hashes = []hash{{false, 32}, {false, 24}, {true, 32}, {true, 24}}

// sum hashes the parts.
func (h hash) sum(parts ...[]byte) []byte {
	if h.shake {
		return shake.Sum256(h.n, parts...)
	}
	f := sha256.New()
	for _, p := range parts {
		f.Write(p)
	}
	return f.Sum(nil)[:h.n]
}

// An lmsPublicKey is a public key of LMS: RFC 8554, section 5.3.
type lmsPublicKey struct {
	hash
	types      []byte // of LMS and of LM-OTS, as they are encoded
	height     int
	width      int // of a digit, in bits
	id         []byte
	root       []byte
	lms, lmots uint32
}

// Where a hash stands in LMS: RFC 8554, section 4.4 and 5.3.
var (
	domainPublicKey = []byte{0x80, 0x80}
	domainMessage   = []byte{0x81, 0x81}
	domainLeaf      = []byte{0x82, 0x82}
	domainInterior  = []byte{0x83, 0x83}
)

// readLMS reads a public key. Both of its types have to be of one hash, as SP 800-208, section 4, wants.
func readLMS(in *cryptobyte.String) (*lmsPublicKey, bool) {
	k := new(lmsPublicKey)
	all := []byte(*in)
	if !in.ReadUint32(&k.lms) || !in.ReadUint32(&k.lmots) {
		return nil, false
	}
	tree, ots := int(k.lms)-5, int(k.lmots)-1
	if tree < 0 || tree >= 5*len(hashes) || ots < 0 || ots >= 4*len(hashes) || tree/5 != ots/4 {
		return nil, false
	}
	k.hash, k.types = hashes[tree/5], all[:8]
	k.height, k.width = 5+5*(tree%5), 1<<(ots%4)
	return k, in.ReadBytes(&k.id, 16) && in.ReadBytes(&k.root, k.n)
}

// chains returns how many chains a key of LM-OTS has, and the shift of the checksum: RFC 8554, appendix B.
func (k *lmsPublicKey) chains() (p, shift int) {
	digits := 8 * k.n / k.width
	top := digits * (1<<k.width - 1)
	bits := 0
	for ; top > 0; top >>= 1 {
		bits++
	}
	sum := (bits + k.width - 1) / k.width
	return digits + sum, 16 - sum*k.width
}

// An lmsSignature is a signature of LMS: RFC 8554, section 5.4.
type lmsSignature struct {
	leaf         uint32
	random       []byte
	chains, path []byte
	lms, lmots   uint32
}

// readSignature reads a signature that is as long as those of the key.
func (k *lmsPublicKey) readSignature(in *cryptobyte.String) (s lmsSignature, ok bool) {
	p, _ := k.chains()
	ok = in.ReadUint32(&s.leaf) && in.ReadUint32(&s.lmots) && in.ReadBytes(&s.random, k.n) && in.ReadBytes(&s.chains, p*k.n) &&
		in.ReadUint32(&s.lms) && in.ReadBytes(&s.path, k.height*k.n)
	return s, ok
}

// verify is algorithm 6a with algorithm 4b.
func (k *lmsPublicKey) verify(s *lmsSignature, message []byte) bool {
	if s.lms != k.lms || s.lmots != k.lmots || uint64(s.leaf) >= 1<<k.height {
		return false
	}
	prefix := binary.BigEndian.AppendUint32(bytes.Clone(k.id), s.leaf)
	digest := k.sum(prefix, domainMessage, s.random, message)
	_, shift := k.chains()
	top := byte(1<<k.width - 1)
	sum := 0
	for i := range 8 * k.n / k.width {
		sum += int(top - coefficient(digest, i, k.width))
	}
	digest = binary.BigEndian.AppendUint16(digest, uint16(sum<<shift))
	ends := bytes.Clone(s.chains)
	for i := 0; i*k.n < len(ends); i++ {
		end := ends[i*k.n : (i+1)*k.n]
		for j := coefficient(digest, i, k.width); j < top; j++ {
			copy(end, k.sum(prefix, []byte{byte(i >> 8), byte(i), j}, end))
		}
	}
	node := k.sum(k.id, k.number(1<<k.height+s.leaf), domainLeaf, k.sum(prefix, domainPublicKey, ends))
	for at, path := uint32(1<<k.height+s.leaf), s.path; at > 1; at, path = at/2, path[k.n:] {
		left, right := node, path[:k.n]
		if at%2 == 1 {
			left, right = right, left
		}
		node = k.sum(k.id, k.number(at/2), domainInterior, left, right)
	}
	return subtle.ConstantTimeCompare(node, k.root) == 1
}

func (k *lmsPublicKey) number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// coefficient is digit i of b: RFC 8554, section 3.1.3.
func coefficient(b []byte, i, width int) byte {
	per := 8 / width
	return b[i/per] >> (width * (per - 1 - i%per)) & byte(1<<width-1)
}

// A PublicKey is a public key of HSS: RFC 8554, section 6.1.
type PublicKey struct {
	levels uint32
	top    *lmsPublicKey
}

// NewPublicKey reads a public key: the number of levels, and the public key of LMS of the first. The key refers to b.
func NewPublicKey(b []byte) (*PublicKey, error) {
	in := cryptobyte.String(b)
	k := new(PublicKey)
	if !in.ReadUint32(&k.levels) || k.levels == 0 || k.levels > maxLevels {
		return nil, errPublicKey
	}
	var ok bool
	if k.top, ok = readLMS(&in); !ok || !in.Empty() {
		return nil, errPublicKey
	}
	return k, nil
}

// Levels returns how many levels of trees there are, 1 to 8.
func (k *PublicKey) Levels() uint { return uint(k.levels) }

// LMSType returns the type of the uppermost tree: RFC 8554, section 5.1.
func (k *PublicKey) LMSType() uint { return uint(k.top.lms) }

// LMOTSType returns the type of the one-time signatures of the uppermost tree: RFC 8554, section 4.1.
func (k *PublicKey) LMOTSType() uint { return uint(k.top.lmots) }

// Verify verifies a signature of HSS: section 6.3. Its errors are [ErrSignature] and [ErrSignatureSize].
func (k *PublicKey) Verify(message, sig []byte) error {
	in := cryptobyte.String(sig)
	var signed uint32
	if !in.ReadUint32(&signed) {
		return ErrSignatureSize
	}
	if signed != k.levels-1 {
		return ErrSignature
	}
	key := k.top
	for range signed {
		s, ok := key.readSignature(&in)
		if !ok {
			return ErrSignatureSize
		}
		encoded := []byte(in)
		next, ok := readLMS(&in)
		if !ok || !key.verify(&s, encoded[:len(encoded)-len(in)]) {
			return ErrSignature
		}
		key = next
	}
	s, ok := key.readSignature(&in)
	switch {
	case !ok || !in.Empty():
		return ErrSignatureSize
	case !key.verify(&s, message):
		return ErrSignature
	}
	return nil
}
