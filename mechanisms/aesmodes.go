package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/softcsp/softcsp/ck"
)

var xtsKeys = []ck.KeyType{ck.CKK_AES_XTS}

// usingHalvesApart marks a row that uses the halves of the key apart from each other, whatever the parameter.
func usingHalvesApart(m Mechanism) Mechanism {
	m.UsesHalvesApart = func(ck.Param) bool { return true }
	return m
}

// aesModeRows are the modes of AES that take lengths other than whole blocks without padding them: ciphertext stealing, XTS and
// CFB by single bits.
var aesModeRows = []Mechanism{
	aesRow(ck.CKM_AES_CTS, cts),
	streamRow(ck.CKM_AES_CFB1, aesKeys, 16, 32, cfb1),
	keyGen(ck.CKM_AES_XTS_KEY_GEN, ck.CKK_AES_XTS),
	usingHalvesApart(blockRow(ck.CKM_AES_XTS, xtsKeys, 32, 64, xts)),
}

// A stealing is a Cipher of a mode with ciphertext stealing, in which the end of the data, a block and what follows it that is less than
// another, is processed together. In parts it keeps back as much as may be that end.
type stealing struct {
	decrypt bool
	blocks  func(data []byte) // processes whole blocks, in place
	end     func(data []byte) // processes the end, in place
	buf     [2 * aesBlock]byte
	n       int
}

var _ Limited = (*stealing)(nil)

// before returns how many of n bytes certainly come before the end.
func (s *stealing) before(n int) int { return max(n/aesBlock-1, 0) * aesBlock }

func (s *stealing) WholeLen(n int) int  { return n }
func (s *stealing) UpdateLen(n int) int { return s.before(s.n + n) }
func (s *stealing) FinalLen() int       { return s.n }

// CheckWhole says that there is a block at least.
func (s *stealing) CheckWhole(n int) error {
	switch {
	case n >= aesBlock:
		return nil
	case s.decrypt:
		return ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return ck.CKR_DATA_LEN_RANGE
}

// CheckUpdate says that a part may have any length.
func (s *stealing) CheckUpdate(int) error { return nil }

// CheckFinal says that all parts together are a block at least.
func (s *stealing) CheckFinal() error { return s.CheckWhole(s.n) }

func (s *stealing) Whole(dst, src []byte) (int, error) {
	if err := s.CheckWhole(len(src)); err != nil {
		return 0, err
	}
	data := dst[:copy(dst, src)]
	n := s.before(len(data))
	s.blocks(data[:n])
	s.end(data[n:])
	return len(data), nil
}

func (s *stealing) Update(dst, src []byte) (int, error) {
	out := s.UpdateLen(len(src))
	if out == 0 {
		s.n += copy(s.buf[s.n:], src)
		return 0, nil
	}
	dst = dst[:out]
	if shared, exact := overlap(dst, src); shared && (s.n > 0 || !exact) {
		src = ck.Clone(src)
		defer clear(src)
	}
	held := copy(dst, s.buf[:s.n])
	taken := copy(dst[held:], src)
	s.n = copy(s.buf[:], s.buf[held:s.n])
	s.n += copy(s.buf[s.n:], src[taken:])
	s.blocks(dst)
	return out, nil
}

func (s *stealing) Final(dst []byte) (int, error) {
	if err := s.CheckFinal(); err != nil {
		return 0, err
	}
	data := dst[:copy(dst, s.buf[:s.n])]
	s.end(data)
	clear(s.buf[:])
	return len(data), nil
}

// cts is CBC with ciphertext stealing. PKCS #11 names the addendum to SP 800-38A, which has three variants, and not which of
// them: it is CBC-CS1, as elsewhere.
func cts(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		b, iv, err := readIVParam(k, p, keyedAES, ivField)
		if err != nil {
			return nil, err
		}
		mode := newCBC(b, append([]byte(nil), iv...), decrypt)
		s := &stealing{decrypt: decrypt, blocks: func(data []byte) { mode.CryptBlocks(data, data) }}
		s.end = func(data []byte) { stealEncrypt(mode, data) }
		if decrypt {
			s.end = func(data []byte) { stealDecrypt(b, mode, data) }
		}
		return s, nil
	}
}

// stealEncrypt is the end of CBC-CS1-Encrypt of the addendum to SP 800-38A.
func stealEncrypt(mode cipher.BlockMode, data []byte) {
	whole, rest := split(data)
	mode.CryptBlocks(whole, whole)
	if len(rest) == 0 {
		return
	}
	var last [aesBlock]byte
	copy(last[:], rest)
	mode.CryptBlocks(last[:], last[:])
	copy(data[len(data)-aesBlock:], last[:]) // over the end of the last whole block, which can be computed again
}

// stealDecrypt is the end of CBC-CS1-Decrypt.
func stealDecrypt(b cipher.Block, mode cipher.BlockMode, data []byte) {
	whole, rest := split(data)
	if len(rest) > 0 {
		var last [aesBlock]byte
		b.Decrypt(last[:], data[len(data)-aesBlock:])
		var plain [aesBlock]byte
		subtle.XORBytes(plain[:], whole[:len(rest)], last[:])
		copy(whole[len(rest):], last[len(rest):])
		copy(rest, plain[:])
		clear(last[:])
		clear(plain[:])
	}
	mode.CryptBlocks(whole, whole)
}

// split parts whole blocks from the rest.
func split(data []byte) (whole, rest []byte) {
	n := len(data) - len(data)%aesBlock
	return data[:n], data[n:]
}

// An xtsKey is the two halves of a key, expanded.
type xtsKey struct{ data, tweak cipher.Block }

func prepareXTS(k *Key) (any, error) {
	half := len(k.Value) / 2
	if half != 16 && half != 32 { // SP 800-38E has no AES-192
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	data, err := newAES(k.Value[:half])
	if err != nil {
		return nil, err
	}
	tweak, err := newAES(k.Value[half:])
	return &xtsKey{data, tweak}, err
}

// xts is XTS (SP 800-38E and IEEE 1619), with the number of the data unit as the parameter, the least byte first. All of the
// data is one unit.
func xts(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		unit := p.Fixed(aesBlock)
		if err := p.Done(); err != nil {
			return nil, err
		}
		form, err := k.Prepared(ck.CKM_AES_XTS, prepareXTS)
		if err != nil {
			return nil, err
		}
		key, x := form.(*xtsKey), &xtsUnit{decrypt: decrypt}
		key.tweak.Encrypt(x.tweak[:], unit)
		x.crypt = key.data.Encrypt
		if decrypt {
			x.crypt = key.data.Decrypt
		}
		return &stealing{decrypt: decrypt, blocks: x.blocks, end: x.end}, nil
	}
}

// An xtsUnit is a data unit that is processed: IEEE 1619, 5.3.2 and 5.4.2.
type xtsUnit struct {
	crypt   func(dst, src []byte)
	decrypt bool
	tweak   [aesBlock]byte // of the next block
}

func (x *xtsUnit) block(b []byte, tweak *[aesBlock]byte) {
	subtle.XORBytes(b, b, tweak[:])
	x.crypt(b, b)
	subtle.XORBytes(b, b, tweak[:])
}

func (x *xtsUnit) blocks(data []byte) {
	for ; len(data) > 0; data = data[aesBlock:] {
		x.block(data[:aesBlock], &x.tweak)
		doubleTweak(&x.tweak)
	}
}

// end processes the last whole block and what follows it.
func (x *xtsUnit) end(data []byte) {
	last, rest := data[:aesBlock], data[aesBlock:]
	if len(rest) == 0 {
		x.block(last, &x.tweak)
		return
	}
	first, second := x.tweak, x.tweak
	doubleTweak(&second)
	if x.decrypt { // the whole block was encrypted with the later of the two
		first, second = second, first
	}
	x.block(last, &first)
	for i := range rest {
		last[i], rest[i] = rest[i], last[i]
	}
	x.block(last, &second)
}

// doubleTweak multiplies by x in GF(2^128), with the least byte first: IEEE 1619, 5.2.
func doubleTweak(t *[aesBlock]byte) {
	carry := byte(0)
	for i, b := range t {
		t[i] = b<<1 | carry
		carry = b >> 7
	}
	t[0] ^= 0x87 & -carry
}

// cfb1 is the cipher feedback mode of SP 800-38A, 6.3, with segments of a bit, the greatest of each byte first.
func cfb1(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		b, iv, err := readIVParam(k, p, keyedAES, ivField)
		if err != nil {
			return nil, err
		}
		f := &bitFeedback{block: b, decrypt: decrypt}
		copy(f.reg[:], iv)
		return newStream(f), nil
	}
}

// A bitFeedback is CFB with segments of a bit.
type bitFeedback struct {
	block    cipher.Block
	decrypt  bool
	reg, out [aesBlock]byte
}

func (f *bitFeedback) XORKeyStream(dst, src []byte) {
	for i, in := range src {
		out := byte(0)
		for bit := 7; bit >= 0; bit-- {
			f.block.Encrypt(f.out[:], f.reg[:])
			from := in >> bit & 1
			to := from ^ f.out[0]>>7
			out |= to << bit
			if f.decrypt {
				f.shift(from)
			} else {
				f.shift(to)
			}
		}
		dst[i] = out
	}
}

// shift puts a bit of the ciphertext into the register.
func (f *bitFeedback) shift(bit byte) {
	for i := range f.reg[:aesBlock-1] {
		f.reg[i] = f.reg[i]<<1 | f.reg[i+1]>>7
	}
	f.reg[aesBlock-1] = f.reg[aesBlock-1]<<1 | bit
}
