// Package xmss verifies the hash-based signatures of XMSS and XMSS^MT, RFC 8391, with the further hashes of NIST SP 800-208.
//
// It does not sign: who does has to know for certain which of the one-time keys of a private key have been used.
package xmss

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// A Variant is XMSS or XMSS^MT, each of which numbers its parameter sets for itself.
type Variant int

// The variants.
const (
	XMSS Variant = iota
	XMSSMT
)

// What is wrong with a public key.
var (
	// ErrParameters is the error of a number that no parameter set has.
	ErrParameters = errors.New("xmss: unknown parameter set")
	// ErrKeySize is the error of a public key that has not the length of those of its parameter set.
	ErrKeySize = errors.New("xmss: invalid length of a public key")
)

// A hash is what the functions of RFC 8391, section 5.1, and SP 800-208, section 5, are made of.
type hash struct {
	n, pad int // of a hash, and of the number before its input, in bytes
	sum    func(out, in []byte)
}

var (
	sumSHA256   = hash{32, 32, func(out, in []byte) { s := sha256.Sum256(in); copy(out, s[:]) }}
	sumSHA512   = hash{64, 64, func(out, in []byte) { s := sha512.Sum512(in); copy(out, s[:]) }}
	sumSHAKE128 = hash{32, 32, func(out, in []byte) { copy(out, sha3.SumSHAKE128(in, 32)) }}
	sumSHAKE512 = hash{64, 64, func(out, in []byte) { copy(out, sha3.SumSHAKE256(in, 64)) }}
	sumSHA192   = hash{24, 4, func(out, in []byte) { s := sha256.Sum256(in); copy(out, s[:24]) }}
	sumSHAKE256 = hash{32, 32, func(out, in []byte) { copy(out, sha3.SumSHAKE256(in, 32)) }}
	sumSHAKE192 = hash{24, 4, func(out, in []byte) { copy(out, sha3.SumSHAKE256(in, 24)) }}
	hashes      = []*hash{&sumSHA256, &sumSHA512, &sumSHAKE128, &sumSHAKE512, &sumSHA192, &sumSHAKE256, &sumSHAKE192}
)

// Parameters are a parameter set: the heights of all trees together, and in how many layers they stand.
type Parameters struct {
	*hash
	height, layers int
	index          int // its length in a signature, in bytes
}

// Find returns the parameter set of a number: RFC 8391, section 8, and SP 800-208, sections 5.1 to 5.4. Each hash has three of
// XMSS, in their order, and eight of XMSS^MT.
func Find(v Variant, number uint) (*Parameters, bool) {
	single := []Parameters{{nil, 10, 1, 4}, {nil, 16, 1, 4}, {nil, 20, 1, 4}}
	if v == XMSSMT {
		single = []Parameters{{nil, 20, 2, 3}, {nil, 20, 4, 3}, {nil, 40, 2, 5}, {nil, 40, 4, 5}, {nil, 40, 8, 5}, {nil, 60, 3, 8}, {nil, 60, 6, 8}, {nil, 60, 12, 8}}
	}
	if number == 0 || number > uint(len(single)*len(hashes)) {
		return nil, false
	}
	s := single[(number-1)%uint(len(single))]
	s.hash = hashes[(number-1)/uint(len(single))]
	return &s, true
}

// chains is the number of chains of a WOTS+ key. w is 16 in all sets.
func (s *Parameters) chains() int { return 2*s.n + 3 }

// levels is the height of one tree.
func (s *Parameters) levels() int { return s.height / s.layers }

// SignatureSize is the length of a signature in bytes.
func (s *Parameters) SignatureSize() int {
	return s.index + s.n + s.layers*s.chains()*s.n + s.height*s.n
}

// An address is an ADRS: RFC 8391, section 2.5. What its words mean depends on its type.
type address [8]uint32

// The words of an address.
const (
	layerWord      = 0
	treeWord       = 1 // and 2; the type is in word 3
	unitWord       = 4 // of WOTS+, or of an L-tree
	chainWord      = 5 // or the height in a tree
	stepWord       = 6 // or the index in a tree
	keyAndMaskWord = 7 // 0 asks for a key, 1 and 2 for masks
)

// withType returns the address with a type and what follows 0.
func (a address) withType(t uint32) address {
	return address{a[0], a[1], a[2], t}
}

// A PublicKey is a public key.
type PublicKey struct {
	*Parameters
	root, seed []byte
}

// call is F, H, H_msg or PRF by its number, of a key and an input.
func (k *PublicKey) call(out []byte, number byte, key []byte, in ...[]byte) {
	b := make([]byte, k.pad, k.pad+len(key)+3*k.n)
	b[k.pad-1] = number
	b = append(b, key...)
	for _, part := range in {
		b = append(b, part...)
	}
	k.sum(out, b)
}

// prf is PRF with the seed, of an address.
func (k *PublicKey) prf(a *address, mask uint32) []byte {
	a[keyAndMaskWord] = mask
	in := make([]byte, 0, 32)
	for _, word := range a {
		in = binary.BigEndian.AppendUint32(in, word)
	}
	out := make([]byte, k.n)
	k.call(out, 3, k.seed, in)
	return out
}

// chain goes along a chain to its end: algorithm 2.
func (k *PublicKey) chain(x []byte, a *address, from byte) {
	for i := from; i < 15; i++ {
		a[stepWord] = uint32(i)
		key, mask := k.prf(a, 0), k.prf(a, 1)
		subtle.XORBytes(x, x, mask)
		k.call(x, 0, key, x)
	}
}

// randHash is RAND_HASH: algorithm 7. out may be left or right.
func (k *PublicKey) randHash(out, left, right []byte, a *address) {
	key, first, second := k.prf(a, 0), k.prf(a, 1), k.prf(a, 2)
	subtle.XORBytes(first, first, left)
	subtle.XORBytes(second, second, right)
	k.call(out, 1, key, first, second)
}

// digits are the steps of the chains that sign a hash: its digits, and those of their checksum (algorithms 1 and 5).
func (s *Parameters) digits(m []byte) []byte {
	digits := make([]byte, 0, s.chains())
	sum := 0
	for _, b := range m[:s.n] {
		digits = append(digits, b>>4, b&15)
		sum += 30 - int(b>>4) - int(b&15)
	}
	return append(digits, byte(sum>>8), byte(sum>>4&15), byte(sum&15))
}

// leaf makes the leaf that a signature of WOTS+ leads to: algorithms 6 and 8.
func (k *PublicKey) leaf(m, sig []byte, at address, index uint32) []byte {
	ots, tree := at.withType(0), at.withType(1)
	ots[unitWord], tree[unitWord] = index, index
	nodes := bytes.Clone(sig)
	for i, digit := range k.digits(m) {
		ots[chainWord] = uint32(i)
		k.chain(nodes[i*k.n:(i+1)*k.n], &ots, digit)
	}
	node := func(i int) []byte { return nodes[i*k.n : (i+1)*k.n] }
	for count := k.chains(); count > 1; count = (count + 1) / 2 {
		for i := range count / 2 {
			tree[stepWord] = uint32(i)
			k.randHash(node(i), node(2*i), node(2*i+1), &tree)
		}
		if count%2 == 1 {
			copy(node(count/2), node(count-1))
		}
		tree[chainWord]++
	}
	return node(0)
}

// Verify verifies a signature: algorithms 14 and 17.
func (k *PublicKey) Verify(message, sig []byte) bool {
	if len(sig) != k.SignatureSize() {
		return false
	}
	var wide [8]byte
	copy(wide[8-k.index:], sig[:k.index])
	index := binary.BigEndian.Uint64(wide[:])
	if index>>k.height != 0 {
		return false
	}
	number := make([]byte, k.n)
	copy(number[k.n-8:], wide[:])
	random, rest := sig[k.index:k.index+k.n], sig[k.index+k.n:]
	node := make([]byte, k.n)
	k.call(node, 2, random, k.root, number, message)
	levels := k.levels()
	for layer := range k.layers {
		at := address{layerWord: uint32(layer)}
		leaf, tree := uint32(index&(1<<levels-1)), index>>levels
		at[treeWord], at[treeWord+1] = uint32(tree>>32), uint32(tree)
		node = k.leaf(node, rest[:k.chains()*k.n], at, leaf)
		rest = rest[k.chains()*k.n:]
		nodes := at.withType(2)
		for level := range levels {
			nodes[chainWord], nodes[stepWord] = uint32(level), leaf>>(level+1)
			if leaf>>level&1 == 0 {
				k.randHash(node, node, rest[:k.n], &nodes)
			} else {
				k.randHash(node, rest[:k.n], node, &nodes)
			}
			rest = rest[k.n:]
		}
		index = tree
	}
	return subtle.ConstantTimeCompare(node, k.root) == 1
}

// NewPublicKey reads a public key: the number of its parameter set in four bytes, which is returned too, the root and the seed. Its
// errors are [ErrParameters] and [ErrKeySize]. The key refers to b.
func NewPublicKey(v Variant, b []byte) (k *PublicKey, number uint, err error) {
	if len(b) < 4 {
		return nil, 0, ErrKeySize
	}
	number = uint(binary.BigEndian.Uint32(b))
	s, ok := Find(v, number)
	switch {
	case !ok:
		return nil, 0, ErrParameters
	case len(b) != 4+2*s.n:
		return nil, 0, ErrKeySize
	}
	b = b[4:]
	return &PublicKey{s, b[:s.n], b[s.n:]}, number, nil
}
