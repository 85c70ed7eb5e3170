package mechanisms

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/blockmode"
	"github.com/softcsp/softcsp/internal/secret"
)

const aesBlock = aes.BlockSize

var aesKeys = []ck.KeyType{ck.CKK_AES}

// aesRows are AES in the modes of SP 800-38A, and the derivation of keys by encryption.
var aesRows = []Mechanism{
	keyGen(ck.CKM_AES_KEY_GEN, ck.CKK_AES),
	zeroFilled(aesRow(ck.CKM_AES_ECB, ecb(keyedAES))),
	zeroFilled(aesRow(ck.CKM_AES_CBC, cbc(keyedAES, ivField, false))),
	aesRow(ck.CKM_AES_CBC_PAD, cbc(keyedAES, ivField, true)),
	aesRow(ck.CKM_AES_OFB, ofb(keyedAES, ivField, aesBlock)),
	aesRow(ck.CKM_AES_CFB8, cfb(keyedAES, ivField, 1)),
	aesRow(ck.CKM_AES_CFB64, cfb(keyedAES, ivField, 8)),
	aesRow(ck.CKM_AES_CFB128, cfb(keyedAES, ivField, 16)),
	aesRow(ck.CKM_AES_CTR, withLimit(ctr(keyedAES))),
	{Type: ck.CKM_AES_ECB_ENCRYPT_DATA, Keys: aesKeys, Min: 16, Max: 32, Derive: encryptData(keyedAES, false)},
	{Type: ck.CKM_AES_CBC_ENCRYPT_DATA, Keys: aesKeys, Min: 16, Max: 32, Derive: encryptData(keyedAES, true)},
}

func aesRow(t ck.MechanismType, mode directions) Mechanism { return blockRow(t, aesKeys, 16, 32, mode) }

// newAES expands a key.
func newAES(value []byte) (b cipher.Block, err error) {
	secret.Do(func() { b, err = aes.NewCipher(value) })
	if err != nil {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	return b, nil
}

func prepareAES(k *Key) (any, error) { return newAES(k.Value) }

// keyedAES returns the expanded key. AES has no parameter of its own.
func keyedAES(k *Key, _ *ck.Param) (cipher.Block, error) {
	form, err := k.Prepared(ck.CKM_AES_ECB, prepareAES)
	if err != nil {
		return nil, err
	}
	return form.(cipher.Block), nil
}

// ctr is the counter mode of SP 800-38A, 6.5, for blocks of 128 bits, with CK_AES_CTR_PARAMS or CK_CAMELLIA_CTR_PARAMS.
func ctr(keyed keyedBlock) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		bits := p.Ulong()
		block := p.Fixed(aesBlock)
		if err := p.Done(); err != nil {
			return nil, err
		}
		if bits == 0 || bits > 128 {
			return nil, ck.FieldError("ulCounterBits")
		}
		b, err := keyed(k, nil)
		if err != nil {
			return nil, err
		}
		c := &streamCipher{left: math.MaxUint64}
		if n := counterLeft(block, bits); n <= math.MaxUint64/aesBlock {
			c.left = n * aesBlock
		}
		secret.Do(func() { c.stream = cipher.NewCTR(b, block) })
		return c, nil
	}
}

// counterLeft returns how many blocks there are until a counter of so many bits, at the end of a block, would begin again: it must not ("AES
// with Counter", ulCounterBits). It returns math.MaxUint64 where those are more than a uint64 can say.
func counterLeft(block []byte, bits uint) uint64 {
	hi, lo := binary.BigEndian.Uint64(block), binary.BigEndian.Uint64(block[8:])
	if bits < 64 {
		return 1<<bits - lo&(1<<bits-1)
	}
	rest := ^hi & (1<<(bits-64) - 1) // how often the upper half can still be incremented
	if rest != 0 || lo == 0 {
		return math.MaxUint64
	}
	return -lo
}

// encryptData derives a key by encrypting data of the parameter (PKCS #11, "Key derivation by data encryption"):
// CK_KEY_DERIVATION_STRING_DATA for ECB; an IV, the data and its length for CBC.
func encryptData(keyed keyedBlock, chained bool) func(*Base, *ck.Param, *Derived) error {
	return func(b *Base, p *ck.Param, d *Derived) error {
		if b.Key == nil {
			return ck.CKR_KEY_HANDLE_INVALID
		}
		c, err := keyed(b.Key, nil)
		if err != nil {
			return err
		}
		size := c.BlockSize()
		var iv []byte
		if chained {
			iv = p.Fixed(size)
		}
		data := p.Bytes()
		if err := p.Done(); err != nil {
			return err
		}
		if _, n, err := typeAndSize(b.Template); err == nil && n > uint(len(data)) {
			return ck.CKR_DATA_LEN_RANGE // "the data is too short to make the requested key"
		}
		if len(data) == 0 || len(data)%size != 0 || len(data) > maxSecret {
			return ck.FieldError("the length of pData")
		}
		secret.Do(func() {
			out := slices.Grow(d.buf[:0], len(data))[:len(data)]
			if chained {
				cipher.NewCBCEncrypter(c, iv).CryptBlocks(out, data)
			} else {
				blockmode.EncryptECB(c, out, data)
			}
			err = d.setLeading(b, out)
		})
		return err
	}
}
