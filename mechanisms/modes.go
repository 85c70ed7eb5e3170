package mechanisms

import (
	"crypto/aes"
	"crypto/cipher"
	"reflect"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/blockmode"
	"github.com/softcsp/softcsp/internal/algorithm/pkcs7"
	"github.com/softcsp/softcsp/internal/secret"
)

// maxBlock is the largest block of any cipher here, in bytes.
const maxBlock = 16

// A keyedBlock reads what a parameter says of the cipher itself, before the IV, and returns the cipher keyed with k.
type keyedBlock func(k *Key, p *ck.Param) (cipher.Block, error)

// An ivReader reads the IV for blocks of size bytes.
type ivReader func(p *ck.Param, size int) []byte

// ivField reads an IV that stands in the parameter itself.
func ivField(p *ck.Param, size int) []byte { return p.Fixed(size) }

// ivPointer reads an IV that the parameter points to. One of another length than a block is nil.
func ivPointer(p *ck.Param, size int) []byte {
	iv := p.Bytes()
	if len(iv) != size {
		return nil
	}
	return iv
}

// readIVParam reads the parameter of a mode with an IV.
func readIVParam(k *Key, p *ck.Param, keyed keyedBlock, readIV ivReader) (cipher.Block, []byte, error) {
	b, err := keyed(k, p)
	if err != nil {
		return nil, nil, err
	}
	iv := readIV(p, b.BlockSize())
	if err := p.Done(); err != nil {
		return nil, nil, err
	}
	if iv == nil {
		return nil, nil, ck.FieldError("the length of the IV")
	}
	return b, iv, nil
}

// ecb is the electronic codebook mode of SP 800-38A, 6.1.
func ecb(keyed keyedBlock) directions {
	return func(decrypt bool) beginFunc {
		return func(k *Key, p *ck.Param) (Cipher, error) {
			b, err := keyed(k, p)
			if err != nil {
				return nil, err
			}
			if err := p.Done(); err != nil {
				return nil, err
			}
			return &blockCipher{block: b, mode: blockmode.NewECB(b, decrypt), size: b.BlockSize(), decrypt: decrypt}, nil
		}
	}
}

// cbc is the cipher block chaining mode of SP 800-38A, 6.2, with the padding of PKCS #7 or without.
func cbc(keyed keyedBlock, readIV ivReader, pad bool) directions {
	return func(decrypt bool) beginFunc {
		return func(k *Key, p *ck.Param) (Cipher, error) {
			b, iv, err := readIVParam(k, p, keyed, readIV)
			if err != nil {
				return nil, err
			}
			if reflect.TypeOf(b) == aesType {
				return pooledCBC(k, b, iv, pad, decrypt)
			}
			c := &blockCipher{block: b, size: b.BlockSize(), pad: pad, decrypt: decrypt}
			copy(c.iv[:], iv)
			c.mode = newCBC(b, c.iv[:c.size], decrypt)
			return c, nil
		}
	}
}

// aesType is the type of Go's AES. Its modes hold a copy of the expanded key, where those of other ciphers hold the cipher.
var aesType = func() reflect.Type {
	b, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		panic(err)
	}
	return reflect.TypeOf(b)
}()

// newCBC returns CBC. That of Go's AES holds a copy of the expanded key, so it is made inside secret.Do, and erased. Others are small
// objects without key bytes, and stay outside: the runtime keeps a list of what it has to erase, and is slow where that is long.
func newCBC(b cipher.Block, iv []byte, decrypt bool) (mode cipher.BlockMode) {
	start := cipher.NewCBCEncrypter
	if decrypt {
		start = cipher.NewCBCDecrypter
	}
	if reflect.TypeOf(b) != aesType {
		return start(b, iv)
	}
	secret.Do(func() { mode = start(b, iv) })
	return mode
}

// A cbcPool has ciphers of CBC with one AES key, in one direction, that no operation uses.
type cbcPool struct {
	id ck.MechanismType // of the prepared form that it is
	sync.Pool
}

// pooledCBC begins CBC with AES. The mode, which has the expanded key in it, is one that an operation before has left, if there is one.
func pooledCBC(k *Key, b cipher.Block, iv []byte, pad, decrypt bool) (Cipher, error) {
	id := ck.CKM_AES_CBC
	if decrypt {
		id = ck.CKM_AES_CBC_PAD
	}
	form, err := k.Prepared(id, func(*Key) (any, error) { return &cbcPool{id: id}, nil })
	if err != nil {
		return nil, err
	}
	pool := form.(*cbcPool)
	c, _ := pool.Get().(*blockCipher)
	if c == nil {
		c = &blockCipher{block: b, size: aesBlock, decrypt: decrypt, key: k, pool: pool}
		c.mode = newCBC(b, iv, decrypt)
	} else {
		c.mode.(ivSetter).SetIV(iv)
	}
	c.pad = pad
	copy(c.iv[:], iv)
	return c, nil
}

// An ivSetter is a mode that can begin anew.
type ivSetter interface{ SetIV([]byte) }

// End leaves the cipher to the next operation with the key, if the key has not been destroyed meanwhile.
func (c *blockCipher) End() {
	if c.pool == nil {
		return
	}
	clear(c.iv[:])
	clear(c.buf[:])
	clear(c.last[:])
	c.n, c.lastDecrypted = 0, false
	if c.key.form(c.pool.id) == any(c.pool) {
		c.pool.Put(c)
	}
}

// A blockCipher is a Cipher that works in whole blocks: ECB, and CBC with padding or without.
type blockCipher struct {
	key          *Key     // of a cipher that can be used again
	pool         *cbcPool // where it goes then, nil for any other
	block        cipher.Block
	mode         cipher.BlockMode
	size         int
	pad, decrypt bool
	iv           [maxBlock]byte
	// buf holds the n bytes that wait for the rest of their block. A padded decryption keeps a whole block back, since
	// it may be the last.
	buf [maxBlock]byte
	n   int
	// last is the last block of a padded decryption, once Final has decrypted it.
	last          [maxBlock]byte
	lastDecrypted bool
}

// lenRange is the error for input of a length that the mode cannot take.
func (c *blockCipher) lenRange() error {
	if c.decrypt {
		return ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return ck.CKR_DATA_LEN_RANGE
}

func (c *blockCipher) WholeLen(n int) int {
	if c.pad && !c.decrypt {
		return n - n%c.size + c.size
	}
	return n
}

func (c *blockCipher) Whole(dst, src []byte) (int, error) {
	if c.pad && !c.decrypt {
		full := len(src) - len(src)%c.size
		var tail [maxBlock]byte
		defer clear(tail[:])
		last := pkcs7.Pad(tail[:c.size], src[full:])
		c.crypt(dst[:full], src[:full])
		c.mode.CryptBlocks(dst[full:full+c.size], last)
		return full + c.size, nil
	}
	if err := c.CheckWhole(len(src)); err != nil {
		return 0, err
	}
	dst = dst[:len(src)]
	c.crypt(dst, src)
	if !c.pad {
		return len(dst), nil
	}
	c.mode.(ivSetter).SetIV(c.iv[:c.size]) // Whole may be called again
	n, good := pkcs7.Unpad(dst[len(dst)-c.size:])
	if good != 1 {
		clear(dst)
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	n += len(dst) - c.size
	clear(dst[n:])
	return n, nil
}

var (
	_ Inexact       = (*blockCipher)(nil)
	_ LengthChecker = (*blockCipher)(nil)
)

// CheckWhole wants whole blocks, unless it pads them itself, and wants one at least where the padding is to be removed.
func (c *blockCipher) CheckWhole(n int) error {
	if c.pad && !c.decrypt || n%c.size == 0 && (n > 0 || !c.pad) {
		return nil
	}
	return c.lenRange()
}

// CheckUpdate allows a part of any length.
func (c *blockCipher) CheckUpdate(int) error { return nil }

// CheckFinal wants whole blocks of all parts together, unless it pads them itself.
func (c *blockCipher) CheckFinal() error {
	if !c.pad && c.n > 0 || c.pad && c.decrypt && c.n != c.size {
		return c.lenRange()
	}
	return nil
}

// Inexact reports whether padding decides how long the output is.
func (c *blockCipher) Inexact() bool { return c.pad && c.decrypt }

func (c *blockCipher) UpdateLen(n int) int {
	n += c.n
	if c.pad && c.decrypt && n > 0 {
		n--
	}
	return n - n%c.size
}

func (c *blockCipher) Update(dst, src []byte) (int, error) {
	out := c.UpdateLen(len(src))
	if out == 0 {
		c.n += copy(c.buf[c.n:], src)
		return 0, nil
	}
	dst = dst[:out]
	if shared, exact := overlap(dst, src); shared && (c.n > 0 || !exact) {
		src = ck.Clone(src)
		defer clear(src)
	}
	head := 0
	if c.n > 0 {
		head = copy(c.buf[c.n:c.size], src)
	}
	body, tail := src[head:], 0
	if c.n > 0 {
		body = body[:out-c.size]
		tail = head + len(body)
		c.processHeld(dst[:c.size])
		dst = dst[c.size:]
	} else {
		body = body[:out]
		tail = out
	}
	c.n = copy(c.buf[:], src[tail:])
	if len(body) > 0 {
		c.mode.CryptBlocks(dst, body)
	}
	return out, nil
}

// processHeld processes the block that waited for more input. Where Final was called and more input followed, it is already decrypted.
func (c *blockCipher) processHeld(dst []byte) {
	if !c.lastDecrypted {
		c.mode.CryptBlocks(dst, c.buf[:c.size])
		return
	}
	copy(dst, c.last[:c.size])
	clear(c.last[:])
	c.lastDecrypted = false
}

func (c *blockCipher) FinalLen() int {
	if c.pad {
		return c.size
	}
	return 0
}

func (c *blockCipher) Final(dst []byte) (int, error) {
	if err := c.CheckFinal(); err != nil {
		return 0, err
	}
	switch {
	case !c.pad:
		return 0, nil
	case !c.decrypt:
		last := pkcs7.Pad(c.last[:c.size], c.buf[:c.n])
		c.mode.CryptBlocks(dst[:c.size], last)
		clear(c.last[:])
		clear(c.buf[:])
		return c.size, nil
	case !c.lastDecrypted:
		c.mode.CryptBlocks(c.last[:c.size], c.buf[:c.size])
		c.lastDecrypted = true
	}
	n, good := pkcs7.Unpad(c.last[:c.size])
	if good != 1 {
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return copy(dst, c.last[:n]), nil
}

// crypt processes whole blocks.
func (c *blockCipher) crypt(dst, src []byte) {
	if len(src) == 0 {
		return
	}
	if shared, exact := overlap(dst, src); shared && !exact {
		src = ck.Clone(src)
		defer clear(src)
	}
	c.mode.CryptBlocks(dst, src)
}

// overlap reports whether dst and src share memory, and whether they start at the same byte.
func overlap(dst, src []byte) (shared, exact bool) {
	if len(dst) == 0 || len(src) == 0 {
		return false, false
	}
	d, s := reflect.ValueOf(&dst[0]).Pointer(), reflect.ValueOf(&src[0]).Pointer()
	return d < s+uintptr(len(src)) && s < d+uintptr(len(dst)), d == s
}
