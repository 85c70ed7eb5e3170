package mechanisms

import (
	"encoding/binary"
	"hash"
	"math"
	"math/bits"
	"slices"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/poly1305" //lint:ignore SA1019 PKCS #11 has it by itself

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/chacha"
	"github.com/softcsp/softcsp/internal/algorithm/salsa"
	"github.com/softcsp/softcsp/internal/secret"
)

var (
	chachaKeys   = []ck.KeyType{ck.CKK_CHACHA20}
	salsaKeys    = []ck.KeyType{ck.CKK_SALSA20}
	poly1305Keys = []ck.KeyType{ck.CKK_POLY1305}
)

const (
	chachaKey   = chacha20.KeySize // bytes, of all of the family
	chachaBlock = chacha.BlockSize
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
}, withLeaksKey([]Mechanism{macRow(ck.CKM_POLY1305, poly1305Keys, chachaKey, chachaKey, beginPoly1305)}, func(_ *Key, _ ck.Param, decide bool) bool {
	return !decide // two tags under one key are two equations that give it away (RFC 8439, section 2.5)
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
		secret.Do(func() { c.stream = chacha.New(k.Value, nonce, n) })
	case (len(counter) == 4 || len(counter) == 8) && (len(nonce) == 8 || len(nonce) == chacha20.NonceSizeX):
		var n [8]byte
		copy(n[:], counter)
		from := binary.LittleEndian.Uint64(n[:])
		c = &streamCipher{left: blocksLeft(from)}
		secret.Do(func() { c.stream = chacha.NewLong(k.Value, nonce, from) })
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
	secret.Do(func() { c.stream = salsa.New(k.Value, nonce, from) })
	return c, nil
}

// beginPoly1305 begins a Poly1305. A key must be used for one message only, which is up to the application.
func beginPoly1305(k *Key, p *ck.Param) (*mac, error) {
	if err := p.None(); err != nil {
		return nil, err
	}
	if len(k.Value) != chachaKey {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	var m *mac
	secret.Do(func() { m = oneTimeMAC(polyHash{poly1305.New((*[chachaKey]byte)(k.Value))}, polyTag) })
	return m, nil
}

// A polyHash is a Poly1305 as a hash.Hash, for one message.
type polyHash struct{ *poly1305.MAC }

var _ hash.Hash = polyHash{}

func (polyHash) Reset()         {}
func (polyHash) BlockSize() int { return polyBlock }
