package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/softcsp/softcsp/ck"
)

var xtsKeys = []ck.KeyType{ck.CKK_AES_XTS}

// aesModeRows are the modes of AES that take lengths other than whole blocks without padding them: ciphertext stealing, XTS and
// CFB by single bits.
var aesModeRows = []Mechanism{
	aesRow(ck.CKM_AES_CTS, cts),
	streamRow(ck.CKM_AES_CFB1, aesKeys, 16, 32, cfb1),
	keyGen(ck.CKM_AES_XTS_KEY_GEN, ck.CKK_AES_XTS),
	blockRow(ck.CKM_AES_XTS, xtsKeys, 32, 64, xts),
}

// stealing makes a Cipher of a function that takes a block at least, all at once, and works in place.
func stealing(decrypt bool, run func(data []byte)) Cipher {
	short := error(ck.CKR_DATA_LEN_RANGE)
	if decrypt {
		short = ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return &collector{size: func(n int) int { return n }, run: func(dst, src []byte) (int, error) {
		if len(src) < aesBlock {
			return 0, short
		}
		n := copy(dst, src)
		run(dst[:n])
		return n, nil
	}}
}

// cts is CBC with ciphertext stealing. PKCS #11 names the addendum to SP 800-38A, which has three variants, and not which of
// them: it is CBC-CS1, as elsewhere.
func cts(decrypt bool) begin {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		b, field, err := start(k, p, openAES, ivField)
		if err != nil {
			return nil, err
		}
		iv := append([]byte(nil), field...)
		run := func(data []byte) { stealEncrypt(b, iv, data) }
		if decrypt {
			run = func(data []byte) { stealDecrypt(b, iv, data) }
		}
		return stealing(decrypt, run), nil
	}
}

// stealEncrypt is CBC-CS1-Encrypt of the addendum to SP 800-38A.
func stealEncrypt(b cipher.Block, iv, data []byte) {
	whole, rest := split(data)
	mode := newCBC(b, iv, false)
	mode.CryptBlocks(whole, whole)
	if len(rest) == 0 {
		return
	}
	var last [aesBlock]byte
	copy(last[:], rest)
	mode.CryptBlocks(last[:], last[:])
	copy(data[len(data)-aesBlock:], last[:]) // over the end of the last whole block, which can be computed again
}

// stealDecrypt is CBC-CS1-Decrypt.
func stealDecrypt(b cipher.Block, iv, data []byte) {
	whole, rest := split(data)
	if len(rest) > 0 {
		var last [aesBlock]byte
		b.Decrypt(last[:], data[len(data)-aesBlock:])
		stolen := len(whole) - aesBlock // where the cut block begins
		cut := data[stolen : stolen+len(rest)]
		var plain [aesBlock]byte
		subtle.XORBytes(plain[:], cut, last[:])
		copy(data[stolen+len(rest):len(whole)], last[len(rest):])
		copy(rest, plain[:])
		clear(last[:])
		clear(plain[:])
	}
	newCBC(b, iv, true).CryptBlocks(whole, whole)
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
func xts(decrypt bool) begin {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		unit := p.Fixed(aesBlock)
		if err := p.Done(); err != nil {
			return nil, err
		}
		form, err := k.Prepared(ck.CKM_AES_XTS, prepareXTS)
		if err != nil {
			return nil, err
		}
		key, first := form.(*xtsKey), new([aesBlock]byte)
		key.tweak.Encrypt(first[:], unit)
		crypt := key.data.Encrypt
		if decrypt {
			crypt = key.data.Decrypt
		}
		return stealing(decrypt, func(data []byte) { xtsUnit(crypt, *first, decrypt, data) }), nil
	}
}

// xtsUnit processes a data unit: IEEE 1619, 5.3.2 and 5.4.2.
func xtsUnit(crypt func(dst, src []byte), tweak [aesBlock]byte, decrypt bool, data []byte) {
	block := func(b []byte, t *[aesBlock]byte) {
		subtle.XORBytes(b, b, t[:])
		crypt(b, b)
		subtle.XORBytes(b, b, t[:])
	}
	whole, rest := split(data)
	if len(rest) > 0 {
		whole = whole[:len(whole)-aesBlock]
	}
	for i := 0; i < len(whole); i += aesBlock {
		block(whole[i:i+aesBlock], &tweak)
		doubleTweak(&tweak)
	}
	if len(rest) == 0 {
		return
	}
	last := data[len(whole) : len(whole)+aesBlock]
	next := tweak
	doubleTweak(&next)
	if decrypt { // the whole block was encrypted with the later of the two
		tweak, next = next, tweak
	}
	block(last, &tweak)
	for i := range rest {
		last[i], rest[i] = rest[i], last[i]
	}
	block(last, &next)
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
func cfb1(decrypt bool) begin {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		b, iv, err := start(k, p, openAES, ivField)
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
