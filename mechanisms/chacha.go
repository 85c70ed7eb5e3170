package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"math"
	"math/bits"
	"slices"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/poly1305"      //lint:ignore SA1019 PKCS #11 has it by itself
	"golang.org/x/crypto/salsa20/salsa" //lint:ignore SA1019 PKCS #11 has Salsa20, with its counter

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

var (
	chachaKeys = []ck.KeyType{ck.CKK_CHACHA20}
	salsaKeys  = []ck.KeyType{ck.CKK_SALSA20}
	polyKeys   = []ck.KeyType{ck.CKK_POLY1305}
)

const (
	chachaKey   = chacha20.KeySize // bytes, of all of the family
	chachaBlock = 64
	polyTag     = poly1305.TagSize
	polyBlock   = 16
)

// chachaRows are ChaCha20 (RFC 8439), Salsa20 and Poly1305. The sizes of the ciphers are in bits, those of the generations in
// bytes. CKM_SALSA20_POLY1305 is missing: the standard does not say how its associated data enters the tag.
var chachaRows = slices.Concat([]Mechanism{
	keyGen(ck.CKM_CHACHA20_KEY_GEN, ck.CKK_CHACHA20),
	blockRow(ck.CKM_CHACHA20, chachaKeys, 8*chachaKey, 8*chachaKey, withLimit(beginChaCha)),
	withMessages(streamRow(ck.CKM_CHACHA20_POLY1305, chachaKeys, 8*chachaKey, 8*chachaKey, chachaPoly), messageChaChaPoly),
	keyGen(ck.CKM_SALSA20_KEY_GEN, ck.CKK_SALSA20),
	blockRow(ck.CKM_SALSA20, salsaKeys, 8*chachaKey, 8*chachaKey, withLimit(beginSalsa)),
	keyGen(ck.CKM_POLY1305_KEY_GEN, ck.CKK_POLY1305),
}, withLeaksKey([]Mechanism{macRow(ck.CKM_POLY1305, polyKeys, chachaKey, chachaKey, beginPoly1305)}, func(_ *Key, _ ck.Param, decide bool) bool {
	return !decide // two tags of one key are two equations for it (RFC 8439, section 2.5)
}))

// readNonce reads a pointer and a length in bits.
func readNonce(p *ck.Param) []byte {
	addr, n := p.Ulong(), p.Ulong()
	if n%8 != 0 {
		n = 0
	}
	return p.BytesAt(addr, n/8)
}

// beginChaCha reads a CK_CHACHA20_PARAMS. The counter is in the order of the cipher, the least byte first. With a nonce of 64 or
// 192 bits the cipher counts with 64 bits, and 32 in the parameter are the lower ones.
func beginChaCha(k *Key, p *ck.Param) (Cipher, error) {
	counter, nonce := readNonce(p), readNonce(p)
	if err := p.Done(); err != nil {
		return nil, err
	}
	if len(k.Value) != chachaKey {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	var c *streamCipher
	switch {
	case len(counter) == 4 && len(nonce) == chacha20.NonceSize:
		n := binary.LittleEndian.Uint32(counter)
		c = &streamCipher{left: (1<<32 - uint64(n)) * chachaBlock}
		secret.Do(func() { c.stream = newChaCha(k.Value, nonce, n) })
	case (len(counter) == 4 || len(counter) == 8) && (len(nonce) == 8 || len(nonce) == chacha20.NonceSizeX):
		var n [8]byte
		copy(n[:], counter)
		from := binary.LittleEndian.Uint64(n[:])
		c = &streamCipher{left: blocksLeft(from)}
		secret.Do(func() { c.stream = newLongChaCha(k.Value, nonce, from) })
	default:
		return nil, ck.FieldError("blockCounterBits or ulNonceBits")
	}
	return c, nil
}

// blocksLeft returns how many bytes a stream has from a block on until its counter of 64 bits begins anew, and math.MaxUint64 for
// more than that.
func blocksLeft(from uint64) uint64 {
	hi, lo := bits.Mul64(-from, chachaBlock)
	if from == 0 || hi != 0 {
		return math.MaxUint64
	}
	return lo
}

// newChaCha makes the cipher of RFC 8439. Its lengths have been checked.
func newChaCha(key, nonce []byte, counter uint32) *chacha20.Cipher {
	c, err := chacha20.NewUnauthenticatedCipher(key, nonce)
	if err != nil {
		panic(err)
	}
	c.SetCounter(counter)
	return c
}

// A longChaCha is ChaCha20 with a counter of 64 bits: that of RFC 8439, which takes the upper half as the first part of its
// nonce, over and over.
type longChaCha struct {
	key     [chachaKey]byte
	nonce   [chacha20.NonceSize]byte
	left    uint64 // bytes until the upper half goes on
	current *chacha20.Cipher
}

// newLongChaCha makes ChaCha20 as its author did, with a nonce of 8 bytes, or XChaCha20 with one of 24.
func newLongChaCha(key, nonce []byte, counter uint64) *longChaCha {
	c := new(longChaCha)
	copy(c.key[:], key)
	if len(nonce) == chacha20.NonceSizeX {
		sub, err := chacha20.HChaCha20(key, nonce[:16])
		if err != nil {
			panic(err) // the lengths have been checked
		}
		copy(c.key[:], sub)
		clear(sub)
		nonce = nonce[16:]
	}
	copy(c.nonce[4:], nonce)
	c.at(counter)
	return c
}

// at goes to a block.
func (c *longChaCha) at(counter uint64) {
	binary.LittleEndian.PutUint32(c.nonce[:], uint32(counter>>32))
	c.left = (1<<32 - counter&math.MaxUint32) * chachaBlock
	c.current = newChaCha(c.key[:], c.nonce[:], uint32(counter))
}

func (c *longChaCha) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if c.left == 0 {
			next := binary.LittleEndian.Uint32(c.nonce[:]) + 1
			secret.Do(func() { c.at(uint64(next) << 32) })
		}
		n := int(min(uint64(len(src)), c.left))
		c.current.XORKeyStream(dst[:n], src[:n])
		c.left -= uint64(n)
		dst, src = dst[n:], src[n:]
	}
}

// beginSalsa reads a CK_SALSA20_PARAMS, with a nonce of 64 bits, or of 192 for XSalsa20.
func beginSalsa(k *Key, p *ck.Param) (Cipher, error) {
	counter, nonce := p.BytesOf(8), readNonce(p)
	if err := p.Done(); err != nil {
		return nil, err
	}
	switch {
	case len(nonce) != 8 && len(nonce) != 24:
		return nil, ck.FieldError("ulNonceBits")
	case len(k.Value) != chachaKey:
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	from := binary.LittleEndian.Uint64(counter)
	c := &streamCipher{left: blocksLeft(from)}
	secret.Do(func() { c.stream = newSalsa(k.Value, nonce, from) })
	return c, nil
}

// A salsaStream is Salsa20 from a block on.
type salsaStream struct {
	key   [chachaKey]byte
	state [16]byte // the nonce and the number of the next block
	rest  [chachaBlock]byte
	used  int // how much of rest is used up
}

var _ cipher.Stream = (*salsaStream)(nil)

func newSalsa(key, nonce []byte, counter uint64) *salsaStream {
	s := &salsaStream{used: chachaBlock}
	copy(s.key[:], key)
	if len(nonce) == 24 {
		var first [16]byte
		copy(first[:], nonce)
		salsa.HSalsa20(&s.key, &first, &s.key, &salsa.Sigma)
		nonce = nonce[16:]
	}
	copy(s.state[:8], nonce)
	binary.LittleEndian.PutUint64(s.state[8:], counter)
	return s
}

func (s *salsaStream) XORKeyStream(dst, src []byte) {
	n := subtle.XORBytes(dst, src[:min(len(src), chachaBlock-s.used)], s.rest[s.used:])
	s.used += n
	dst, src = dst[n:], src[n:]
	if whole := len(src) - len(src)%chachaBlock; whole > 0 {
		s.blocks(dst[:whole], src[:whole])
		dst, src = dst[whole:], src[whole:]
	}
	if len(src) > 0 {
		clear(s.rest[:])
		s.blocks(s.rest[:], s.rest[:])
		s.used = subtle.XORBytes(dst, src, s.rest[:])
	}
}

// blocks processes whole blocks.
func (s *salsaStream) blocks(dst, src []byte) {
	counter := s.state
	salsa.XORKeyStream(dst, src, &counter, &s.key)
	next := binary.LittleEndian.Uint64(s.state[8:]) + uint64(len(src)/chachaBlock)
	binary.LittleEndian.PutUint64(s.state[8:], next)
}

// beginPoly1305 begins a Poly1305. A key is good for one message; it is the application's business to see to that.
func beginPoly1305(k *Key, p *ck.Param) (*mac, error) {
	if err := p.None(); err != nil {
		return nil, err
	}
	if len(k.Value) != chachaKey {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	var m *mac
	secret.Do(func() { m = soleMAC(polyHash{poly1305.New((*[chachaKey]byte)(k.Value))}, polyTag) })
	return m, nil
}

// A polyHash is a Poly1305 as a hash.Hash that serves once.
type polyHash struct{ *poly1305.MAC }

var _ hash.Hash = polyHash{}

func (polyHash) Reset()         {}
func (polyHash) BlockSize() int { return polyBlock }
