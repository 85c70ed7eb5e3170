package slhdsa

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"github.com/softcsp/softcsp/internal/algorithm/shake"
)

// Parameters are a parameter set: FIPS 205, section 11. w is 16 in all of them.
type Parameters struct {
	name    string
	shake   bool
	n       int // of a hash, in bytes
	layers  int // d
	height  int // h', of a tree
	forsLog int // a, the height of a tree of FORS
	fors    int // k, how many of those
}

// The parameter sets: FIPS 205, table 2.
var (
	SHA2_128s  = &Parameters{"SHA2-128s", false, 16, 7, 9, 12, 14}
	SHAKE_128s = &Parameters{"SHAKE-128s", true, 16, 7, 9, 12, 14}
	SHA2_128f  = &Parameters{"SHA2-128f", false, 16, 22, 3, 6, 33}
	SHAKE_128f = &Parameters{"SHAKE-128f", true, 16, 22, 3, 6, 33}
	SHA2_192s  = &Parameters{"SHA2-192s", false, 24, 7, 9, 14, 17}
	SHAKE_192s = &Parameters{"SHAKE-192s", true, 24, 7, 9, 14, 17}
	SHA2_192f  = &Parameters{"SHA2-192f", false, 24, 22, 3, 8, 33}
	SHAKE_192f = &Parameters{"SHAKE-192f", true, 24, 22, 3, 8, 33}
	SHA2_256s  = &Parameters{"SHA2-256s", false, 32, 8, 8, 14, 22}
	SHAKE_256s = &Parameters{"SHAKE-256s", true, 32, 8, 8, 14, 22}
	SHA2_256f  = &Parameters{"SHA2-256f", false, 32, 17, 4, 9, 35}
	SHAKE_256f = &Parameters{"SHAKE-256f", true, 32, 17, 4, 9, 35}
)

// Name is how FIPS 205 calls the parameter set, without "SLH-DSA-".
func (p *Parameters) Name() string { return p.name }

// SeedSize is the length in bytes of what keys are made of, three random numbers: SK.seed, SK.prf and PK.seed.
func (p *Parameters) SeedSize() int { return 3 * p.n }

// RandomSize is the length in bytes of what makes a signature depend on chance.
func (p *Parameters) RandomSize() int { return p.n }

// PublicKeySize is the length of a public key in bytes.
func (p *Parameters) PublicKeySize() int { return 2 * p.n }

// PrivateKeySize is the length of a private key in bytes.
func (p *Parameters) PrivateKeySize() int { return 4 * p.n }

// chains is the number of chains of a WOTS+ key.
func (p *Parameters) chains() int { return 2*p.n + 3 }

// A signature is random bytes, FORS, and a signature of WOTS+ with a path for each layer.
func (p *Parameters) forsSize() int  { return p.fors * (1 + p.forsLog) * p.n }
func (p *Parameters) layerSize() int { return (p.chains() + p.height) * p.n }

// SignatureSize is the length of a signature in bytes.
func (p *Parameters) SignatureSize() int { return p.n + p.forsSize() + p.layers*p.layerSize() }

// An addressType is what an address is for: FIPS 205, section 4.2.
type addressType byte

const (
	wotsHash addressType = iota
	wotsPK
	xmssTree
	forsTree
	forsRoots
	wotsPRF
	forsPRF
)

// An address is an ADRS: layer, tree and type, and three words whose meaning the type says. The zero address is the layer of
// the leaves.
type address [32]byte

func (a *address) layer(n uint32)   { binary.BigEndian.PutUint32(a[0:], n) }
func (a *address) tree(n uint64)    { binary.BigEndian.PutUint64(a[8:], n) }
func (a *address) keyPair(n uint32) { binary.BigEndian.PutUint32(a[20:], n) }

// chain and treeHeight are one word, step and treeIndex another.
func (a *address) chain(n uint32)      { binary.BigEndian.PutUint32(a[24:], n) }
func (a *address) treeHeight(n uint32) { binary.BigEndian.PutUint32(a[24:], n) }
func (a *address) step(n uint32)       { binary.BigEndian.PutUint32(a[28:], n) }
func (a *address) treeIndex(n uint32)  { binary.BigEndian.PutUint32(a[28:], n) }

// withType returns the address with another type, its words after the key pair 0. keep says that the key pair is kept.
func (a address) withType(t addressType, keep bool) address {
	a[19] = byte(t)
	if !keep {
		clear(a[20:24])
	}
	clear(a[24:])
	return a
}

// A hasher is the functions of FIPS 205, section 11, with the seed of a public key. It is used by one goroutine.
type hasher struct {
	*Parameters
	narrow []byte // what the input of a hash begins with: the seed, and for SHA-256 zeros up to the end of a block
	wide   []byte // the same for SHA-512
	shake  *sha3.SHAKE
}

func (p *Parameters) newHasher(seed []byte) *hasher {
	h := &hasher{Parameters: p}
	room := len(address{}) + max(p.chains(), p.fors)*p.n
	if p.shake {
		h.narrow = append(make([]byte, 0, p.n+room), seed...)
		h.shake = sha3.NewSHAKE256()
		return h
	}
	h.narrow = append(make([]byte, 0, sha256.BlockSize+room), seed...)[:sha256.BlockSize]
	h.wide = h.narrow
	if p.n > 16 {
		h.wide = append(make([]byte, 0, sha512.BlockSize+room), seed...)[:sha512.BlockSize]
	}
	return h
}

// f is F and PRF. out may be the input.
func (h *hasher) f(out []byte, a *address, in []byte) {
	if h.shake != nil {
		h.sponge(out, a, in, nil)
		return
	}
	sum := sha256.Sum256(append(a.compress(h.narrow), in...))
	copy(out[:h.n], sum[:])
}

// t is H, of two inputs, and T of one. out may be one of them.
func (h *hasher) t(out []byte, a *address, left, right []byte) {
	if h.shake != nil {
		h.sponge(out, a, left, right)
		return
	}
	in := append(append(a.compress(h.wide), left...), right...)
	if h.n > 16 {
		sum := sha512.Sum512(in)
		copy(out[:h.n], sum[:])
		return
	}
	sum := sha256.Sum256(in)
	copy(out[:h.n], sum[:])
}

func (h *hasher) sponge(out []byte, a *address, left, right []byte) {
	h.shake.Reset()
	h.shake.Write(append(append(append(h.narrow, a[:]...), left...), right...))
	h.shake.Read(out[:h.n])
}

// compress appends the address as the hashes of FIPS 180 take it: section 11.2.
func (a *address) compress(b []byte) []byte {
	b = append(b, a[3])
	b = append(b, a[8:16]...)
	return append(b, a[19:]...)
}

// sum is SHA-256, or SHA-512 with the longer hashes.
func (p *Parameters) sum() func() hash.Hash {
	if p.n > 16 {
		return sha512.New
	}
	return sha256.New
}

// randomizer is PRF_msg, of the message in parts.
func (p *Parameters) randomizer(key, random []byte, message ...[]byte) []byte {
	if p.shake {
		return shake.Sum256(p.n, append([][]byte{key, random}, message...)...)
	}
	m := hmac.New(p.sum(), key)
	m.Write(random)
	for _, part := range message {
		m.Write(part)
	}
	return m.Sum(nil)[:p.n]
}

// digest is H_msg: n bytes.
func (p *Parameters) digest(n int, r, public []byte, message ...[]byte) []byte {
	if p.shake {
		return shake.Sum256(n, append([][]byte{r, public}, message...)...)
	}
	h := p.sum()()
	h.Write(r)
	h.Write(public)
	for _, part := range message {
		h.Write(part)
	}
	// MGF1 of RFC 8017 with what has been hashed for a seed.
	seed := h.Sum(append(append([]byte(nil), r...), public[:p.n]...))
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		h.Reset()
		h.Write(binary.BigEndian.AppendUint32(seed, i))
		out = h.Sum(out)
	}
	return out[:n]
}
