// Package slhdsa implements the signatures of SLH-DSA, FIPS 205. Algorithms by number are those of that document.
//
// Messages are its M': a byte that tells whether the message itself is signed or a digest, the length of the context, the context, and
// then the message, or the name of the hash and the digest (algorithms 22 and 23). They may come in parts, so that nobody has to copy
// them. It is written here because libraries sign no digests.
package slhdsa

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// errPrivateKey is the error of a private key whose root is of another.
var errPrivateKey = errors.New("slhdsa: invalid private key")

// digits are the steps of the chains that sign a hash: its digits, and those of their checksum (FIPS 205, algorithm 7).
func (p *Parameters) digits(m []byte) []byte {
	digits := make([]byte, 0, p.chains())
	sum := 0
	for _, b := range m[:p.n] {
		digits = append(digits, b>>4, b&15)
		sum += 30 - int(b>>4) - int(b&15)
	}
	return append(digits, byte(sum>>8), byte(sum>>4&15), byte(sum&15))
}

// chain goes along a chain, from a step to another: algorithm 5.
func (h *hasher) chain(x []byte, a *address, from, to byte) {
	for i := from; i < to; i++ {
		a.step(uint32(i))
		h.f(x, a, x)
	}
}

// A signer has what a signature needs beside the public seed.
type signer struct {
	*hasher
	secret []byte // SK.seed
	ends   []byte // room for the ends of the chains of a key
}

// chainKey makes the start of a chain.
func (s *signer) chainKey(out []byte, a *address, i int) {
	key := a.withType(wotsPRF, true)
	key.chain(uint32(i))
	s.f(out, &key, s.secret)
}

// wotsPublicKey makes the public key of WOTS+ at a place: algorithm 6.
func (s *signer) wotsPublicKey(out []byte, a *address) {
	for i := range s.chains() {
		end := s.ends[i*s.n : (i+1)*s.n]
		s.chainKey(end, a, i)
		a.chain(uint32(i))
		s.chain(end, a, 0, 15)
	}
	ends := a.withType(wotsPK, true)
	s.t(out, &ends, s.ends, nil)
}

// wotsSign signs a hash with WOTS+: algorithm 7.
func (s *signer) wotsSign(sig, m []byte, a *address) {
	for i, digit := range s.digits(m) {
		x := sig[i*s.n : (i+1)*s.n]
		s.chainKey(x, a, i)
		a.chain(uint32(i))
		s.chain(x, a, 0, digit)
	}
}

// treeHash makes a tree of a height, its leaves numbered from offset on, and the path from one of them to the root, which it
// returns: algorithms 9, 10, 15 and 16 in one pass.
func (s *signer) treeHash(path []byte, index, offset uint32, height int, a *address, leaf func(out []byte, i uint32)) []byte {
	stack := make([]byte, (height+1)*s.n)
	node := make([]byte, s.n)
	for i := uint32(0); i < 1<<height; i++ {
		leaf(node, offset+i)
		level := 0
		for ; ; level++ {
			at := i >> level
			if at^1 == index>>level && level < height {
				copy(path[level*s.n:], node)
			}
			if at&1 == 0 || level == height {
				break
			}
			a.treeHeight(uint32(level + 1))
			a.treeIndex((offset + i) >> (level + 1))
			s.t(node, a, stack[level*s.n:(level+1)*s.n], node)
		}
		copy(stack[level*s.n:], node)
	}
	return node
}

// layerTree makes the tree of a layer, and the path from a leaf to the root, which it returns.
func (s *signer) layerTree(path []byte, index uint32, layer int, tree uint64) []byte {
	var a address
	a.layer(uint32(layer))
	a.tree(tree)
	nodes, chains := a.withType(xmssTree, false), a.withType(wotsHash, false)
	return s.treeHash(path, index, 0, s.height, &nodes, func(out []byte, i uint32) {
		chains.keyPair(i)
		s.wotsPublicKey(out, &chains)
	})
}

// forsSign signs the digest with FORS, and returns the public key: algorithms 16 and 17.
func (s *signer) forsSign(sig, digest []byte, a *address) []byte {
	roots := make([]byte, 0, s.fors*s.n)
	nodes, key := a.withType(forsTree, true), a.withType(forsPRF, true)
	size := (1 + s.forsLog) * s.n
	for i, index := range s.forsIndices(digest) {
		offset := uint32(i) << s.forsLog
		part := sig[i*size : (i+1)*size]
		key.treeIndex(offset + index)
		s.f(part, &key, s.secret)
		root := s.treeHash(part[s.n:], index, offset, s.forsLog, &nodes, func(out []byte, i uint32) {
			key.treeIndex(i)
			s.f(out, &key, s.secret)
			nodes.treeHeight(0)
			nodes.treeIndex(i)
			s.f(out, &nodes, out)
		})
		roots = append(roots, root...)
	}
	all := a.withType(forsRoots, true)
	out := make([]byte, s.n)
	s.t(out, &all, roots, nil)
	return out
}

// forsIndices are the leaves that a digest names: algorithm 4.
func (p *Parameters) forsIndices(digest []byte) []uint32 {
	indices := make([]uint32, p.fors)
	var acc uint64
	have := 0
	for i := range indices {
		for ; have < p.forsLog; have += 8 {
			acc = acc<<8 | uint64(digest[0])
			digest = digest[1:]
		}
		have -= p.forsLog
		indices[i] = uint32(acc>>have) & (1<<p.forsLog - 1)
	}
	return indices
}

// splitDigest splits what is hashed of a message: what FORS signs, and the tree and the leaf that sign that (algorithm 19, lines 6 to 10).
func (p *Parameters) splitDigest(r, public []byte, message ...[]byte) (digest []byte, tree uint64, leaf uint32) {
	upper := p.height * (p.layers - 1)
	a, b, c := (p.fors*p.forsLog+7)/8, (upper+7)/8, (p.height+7)/8
	d := p.digest(a+b+c, r, public, message...)
	var wide [8]byte
	copy(wide[8-b:], d[a:a+b])
	tree = binary.BigEndian.Uint64(wide[:])
	if upper < 64 {
		tree &= 1<<upper - 1
	}
	for _, x := range d[a+b:] {
		leaf = leaf<<8 | uint32(x)
	}
	return d[:a], tree, leaf & (1<<p.height - 1)
}

// newSigner makes what signs with a private key: SK.seed, SK.prf, PK.seed, PK.root.
func (p *Parameters) newSigner(private []byte) *signer {
	return &signer{p.newHasher(private[2*p.n : 3*p.n]), private[:p.n], make([]byte, p.chains()*p.n)}
}

// Sign signs a message with a private key of [Parameters.PrivateKeySize] bytes: algorithm 19. random is [Parameters.RandomSize] bytes,
// or nil for a signature that is the same each time.
func (p *Parameters) Sign(private, random []byte, message ...[]byte) []byte {
	if random == nil {
		random = private[2*p.n : 3*p.n]
	}
	s := p.newSigner(private)
	sig := make([]byte, p.SignatureSize())
	r, rest := sig[:p.n], sig[p.n:]
	copy(r, p.randomizer(private[p.n:2*p.n], random, message...))
	digest, tree, leaf := p.splitDigest(r, private[2*p.n:], message...)
	var a address
	a.tree(tree)
	a.keyPair(leaf)
	root := s.forsSign(rest[:p.forsSize()], digest, &a)
	rest = rest[p.forsSize():]
	for layer := range p.layers {
		part := rest[layer*p.layerSize() : (layer+1)*p.layerSize()]
		chains := address{}
		chains.layer(uint32(layer))
		chains.tree(tree)
		chains.keyPair(leaf)
		s.wotsSign(part, root, &chains)
		root = s.layerTree(part[p.chains()*p.n:], leaf, layer, tree)
		leaf, tree = uint32(tree)&(1<<p.height-1), tree>>p.height
	}
	return sig
}

// NewKeys makes the keys of a seed of [Parameters.SeedSize] bytes: algorithm 18.
func (p *Parameters) NewKeys(seed []byte) (public, private []byte) {
	private = append(make([]byte, 0, 4*p.n), seed...)
	path := make([]byte, p.height*p.n)
	private = append(private, p.newSigner(private).layerTree(path, 0, p.layers-1, 0)...)
	return append([]byte(nil), private[2*p.n:]...), private
}

// rootOf goes from a leaf to the root along a path: algorithms 11 and 17.
func (h *hasher) rootOf(node, path []byte, index, offset uint32, a *address) {
	for level := uint32(0); len(path) > 0; level++ {
		a.treeHeight(level + 1)
		a.treeIndex((offset + index) >> (level + 1))
		if index>>level&1 == 0 {
			h.t(node, a, node, path[:h.n])
		} else {
			h.t(node, a, path[:h.n], node)
		}
		path = path[h.n:]
	}
}

// PublicKey returns the public key of a private key of [Parameters.PrivateKeySize] bytes, or an error where its root is of another.
func (p *Parameters) PublicKey(private []byte) ([]byte, error) {
	public, _ := p.NewKeys(private[:3*p.n])
	if subtle.ConstantTimeCompare(public, private[2*p.n:]) != 1 {
		return nil, errPrivateKey
	}
	return public, nil
}

// Verify verifies a signature of [Parameters.SignatureSize] bytes with a public key of [Parameters.PublicKeySize]: algorithm 20.
func (p *Parameters) Verify(public, sig []byte, message ...[]byte) bool {
	h := p.newHasher(public[:p.n])
	digest, tree, leaf := p.splitDigest(sig[:p.n], public, message...)
	rest := append([]byte(nil), sig[p.n:]...)
	var a address
	a.tree(tree)
	a.keyPair(leaf)
	node := h.forsPublicKey(rest[:p.forsSize()], digest, &a)
	rest = rest[p.forsSize():]
	ends := make([]byte, p.chains()*p.n)
	for layer := range p.layers {
		part := rest[layer*p.layerSize() : (layer+1)*p.layerSize()]
		a := address{}
		a.layer(uint32(layer))
		a.tree(tree)
		chains, nodes := a.withType(wotsHash, false), a.withType(xmssTree, false)
		chains.keyPair(leaf)
		copy(ends, part)
		for i, digit := range p.digits(node) {
			chains.chain(uint32(i))
			h.chain(ends[i*p.n:(i+1)*p.n], &chains, digit, 15)
		}
		all := chains.withType(wotsPK, true)
		h.t(node, &all, ends, nil)
		h.rootOf(node, part[len(ends):], leaf, 0, &nodes)
		leaf, tree = uint32(tree)&(1<<p.height-1), tree>>p.height
	}
	return subtle.ConstantTimeCompare(node, public[p.n:]) == 1
}

// forsPublicKey makes the public key of FORS from a signature: algorithm 17.
func (h *hasher) forsPublicKey(sig, digest []byte, a *address) []byte {
	roots := make([]byte, 0, h.fors*h.n)
	nodes := a.withType(forsTree, true)
	size := (1 + h.forsLog) * h.n
	for i, index := range h.forsIndices(digest) {
		offset := uint32(i) << h.forsLog
		part := sig[i*size : (i+1)*size]
		node := part[:h.n]
		nodes.treeHeight(0)
		nodes.treeIndex(offset + index)
		h.f(node, &nodes, node)
		h.rootOf(node, part[h.n:], index, offset, &nodes)
		roots = append(roots, node...)
	}
	all := a.withType(forsRoots, true)
	out := make([]byte, h.n)
	h.t(out, &all, roots, nil)
	return out
}
