package gcm

import (
	"crypto/cipher"
	"encoding/binary"
	"hash"
	"math/bits"
)

// ghashChunk is how many bytes are hashed at a time: whole blocks, and enough of them to make little of the two products between.
const ghashChunk = 4096

// An element is one of GF(2^128), as SP 800-38D, 6.3 writes it in a block: the first bit is the coefficient of 1.
type element struct{ hi, lo uint64 }

func elementOf(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (e element) put(b []byte) {
	binary.BigEndian.PutUint64(b, e.hi)
	binary.BigEndian.PutUint64(b[8:], e.lo)
}

func (e element) plus(f element) element { return element{e.hi ^ f.hi, e.lo ^ f.lo} }

// every have every fifth bit set, from bit 0, 1, 2, 3 and 4 on.
var every = [5]uint64{0x1084210842108421, 0x2108421084210842, 0x4210842108421084, 0x8421084210842108, 0x0842108421084210}

// carryless multiplies without carries, in a time that does not depend on the numbers. Where only every fifth bit of the factors is
// set, at most 13 ones meet in each place of an ordinary product, and what they carry does not reach the next place that counts.
func carryless(x, y uint64) (hi, lo uint64) {
	for i, mask := range every {
		part := x & mask
		for j, other := range every {
			h, l := bits.Mul64(part, y&other)
			class := (i + j) % 5
			hi ^= h & every[(class+1)%5] // 64 is 4 modulo 5
			lo ^= l & every[class]
		}
	}
	return hi, lo
}

// times multiplies two elements: SP 800-38D, 6.3. The product of three halves makes that of four (Karatsuba).
func (e element) times(f element) element {
	aHi, aLo := carryless(e.lo, f.lo)
	bHi, bLo := carryless(e.hi, f.hi)
	mHi, mLo := carryless(e.hi^e.lo, f.hi^f.lo)
	mHi, mLo = mHi^aHi^bHi, mLo^aLo^bLo
	// The product of bits in reverse order is one place further down: v is it, from its least significant word on.
	v0, v1, v2, v3 := aLo, aHi^mLo, bLo^mHi, bHi
	v3, v2, v1, v0 = v3<<1|v2>>63, v2<<1|v1>>63, v1<<1|v0>>63, v0<<1
	// Modulo x^128 + x^7 + x^2 + x + 1, a word after the other.
	v2, v1 = v2^v0^v0>>1^v0>>2^v0>>7, v1^v0<<63^v0<<62^v0<<57
	v3, v2 = v3^v1^v1>>1^v1>>2^v1>>7, v2^v1<<63^v1<<62^v1<<57
	return element{v3, v2}
}

// power returns e to the n-th, n > 0. Its time depends on n.
func (e element) power(n int) element {
	p := e
	for i := bits.Len(uint(n)) - 2; i >= 0; i-- {
		p = p.times(p)
		if n>>i&1 == 1 {
			p = p.times(e)
		}
	}
	return p
}

// A ghash computes the tag of GCM from associated data and ciphertext that come in parts: SP 800-38D, 6.4 and 7.1, steps 4 to 6. The
// hashing itself is done by Go's GCM, which has it in assembler but takes a message as a whole. Given a chunk as associated data it
// answers (S + L) * H + E, where S is GHASH of the chunk, L the block of the lengths, and E the encrypted first counter block. L, H and
// E are known, which gives S * H. So z is kept, the GHASH of what there was so far times H, and goes on with a chunk of m blocks to
// z * H^m + S * H.
type ghash struct {
	block cipher.Block
	gcm   cipher.AEAD // of the same key, with the whole tag
	nonce []byte
	begun bool
	h, e  element // H and E, once it has begun
	whole element // H^m for a whole chunk, once it has been needed
	z     element
	buf   []byte // what does not yet fill a chunk
	n     [2]uint64
	text  int // which of n counts: associated data, or ciphertext
}

func (g *ghash) write(p []byte) {
	g.n[g.text] += uint64(len(p))
	if len(g.buf) > 0 {
		n := min(len(p), ghashChunk-len(g.buf))
		g.buf, p = append(g.buf, p[:n]...), p[n:]
		if len(g.buf) == ghashChunk && len(p) > 0 {
			g.flush()
		}
	}
	for ; len(p) > ghashChunk; p = p[ghashChunk:] {
		g.chunk(p[:ghashChunk])
	}
	g.buf = append(g.buf, p...)
}

// flush hashes what waits for more, with zeros up to the end of its last block.
func (g *ghash) flush() {
	if len(g.buf) > 0 {
		g.chunk(g.buf)
		g.buf = g.buf[:0]
	}
}

// begin computes H and E.
func (g *ghash) begin() {
	if g.begun {
		return
	}
	g.begun = true
	var b [blockSize]byte
	g.block.Encrypt(b[:], b[:])
	g.h = elementOf(b[:])
	g.e = elementOf(g.gcm.Seal(b[:0], g.nonce, nil, nil)) // the tag of nothing
	clear(b[:])
}

// chunk hashes whole blocks, or the last ones.
func (g *ghash) chunk(p []byte) {
	g.begin()
	var b [blockSize]byte
	s := elementOf(g.gcm.Seal(b[:0], g.nonce, nil, p)).plus(g.e).plus(element{hi: 8 * uint64(len(p))}.times(g.h))
	clear(b[:])
	switch {
	case g.z == element{}: // the first
	case len(p) < ghashChunk:
		g.z = g.z.times(g.h.power((len(p) + blockSize - 1) / blockSize))
	default:
		if g.whole == (element{}) {
			g.whole = g.h.power(ghashChunk / blockSize)
		}
		g.z = g.z.times(g.whole)
	}
	g.z = g.z.plus(s)
}

// ciphertext ends the associated data: what follows is ciphertext.
func (g *ghash) ciphertext() {
	g.flush()
	g.text = 1
}

// sum ends the message and appends its tag to b.
func (g *ghash) sum(b []byte) []byte {
	if !g.begun && g.text == 0 {
		return g.gcm.Seal(b, g.nonce, nil, g.buf)
	}
	g.begin()
	g.flush()
	var tag [blockSize]byte
	g.z.plus(element{8 * g.n[0], 8 * g.n[1]}.times(g.h)).plus(g.e).put(tag[:])
	return append(b, tag[:]...)
}

// NewMAC returns GMAC, which is GCM of associated data alone (SP 800-38D, 3), as a hash.Hash. It serves once. The nonce must not change
// until the end.
func (g *AEAD) NewMAC(nonce []byte) hash.Hash { return gmac{g.hash(nonce), g.tagSize} }

// hash begins GHASH and the tag.
func (g *AEAD) hash(nonce []byte) *ghash { return &ghash{block: g.block, gcm: g.whole, nonce: nonce} }

type gmac struct {
	*ghash
	size int
}

func (g gmac) Size() int                   { return g.size }
func (gmac) BlockSize() int                { return blockSize }
func (gmac) Reset()                        {}
func (g gmac) Write(p []byte) (int, error) { g.write(p); return len(p), nil }
func (g gmac) Sum(b []byte) []byte         { return append(b, g.sum(nil)[:g.size]...) }
