package mechanisms

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/gcm"
)

// cmacRows are CMAC (SP 800-38B) with AES and triple DES, whole and cut to a length that the parameter tells.
var cmacRows = []Mechanism{
	macRow(ck.CKM_AES_CMAC, aesKeys, 16, 32, beginCMAC(ck.CKM_AES_CMAC, newAES, wholeMAC(aesBlock))),
	macRow(ck.CKM_AES_CMAC_GENERAL, aesKeys, 16, 32, beginCMAC(ck.CKM_AES_CMAC, newAES, cutMAC(aesBlock))),
	macRow(ck.CKM_DES3_CMAC, tdeKeys, 0, 0, beginCMAC(ck.CKM_DES3_CMAC, newDES, wholeMAC(des.BlockSize))),
	macRow(ck.CKM_DES3_CMAC_GENERAL, tdeKeys, 0, 0, beginCMAC(ck.CKM_DES3_CMAC, newDES, cutMAC(des.BlockSize))),
}

// aesMACRows are the other MACs with AES: CBC-MAC, the XCBC of RFC 3566, and GMAC.
var aesMACRows = append(blockMACRows(ck.CKM_AES_MAC, ck.CKM_AES_MAC_GENERAL, aesKeys, 16, 32, keyedAES),
	macRow(ck.CKM_AES_XCBC_MAC, aesKeys, 16, 32, beginXCBC(wholeMAC(aesBlock))),
	macRow(ck.CKM_AES_XCBC_MAC_96, aesKeys, 16, 32, beginXCBC(wholeMAC(12))),
	onceRow(macRow(ck.CKM_AES_GMAC, aesKeys, 16, 32, beginGMAC)),
)

// onceRow marks a row whose parameter has a nonce.
func onceRow(m Mechanism) Mechanism {
	m.ParamOncePerMessage = true
	return m
}

// xcbcKey is the length of the keys of XCBC in bytes: RFC 3566, 4.
const xcbcKey = 16

// beginXCBC begins an XCBC-MAC.
func beginXCBC(size macSizer) func(*Key, *ck.Param) (*mac, error) {
	return func(k *Key, p *ck.Param) (*mac, error) {
		n, err := size(p)
		if err != nil {
			return nil, err
		}
		key, err := k.Prepared(ck.CKM_AES_XCBC_MAC, prepareXCBC)
		if err != nil {
			return nil, err
		}
		return newMAC(key.(*macKey), n)
	}
}

func prepareXCBC(k *Key) (any, error) {
	return newMACKey(func() (hash.Hash, error) { return newXCBC(k.Value) })
}

// newXCBC makes XCBC-MAC with the three keys of RFC 3566, 4. It is CMAC with keys of its own for the last block, and for the
// cipher. A shorter key than those of RFC 3566 has zeros at its end, and of a longer one the MAC under a key of zeros is the
// key: RFC 4434.
func newXCBC(key []byte) (hash.Hash, error) {
	var fitting [xcbcKey]byte
	defer clear(fitting[:])
	if len(key) <= xcbcKey {
		copy(fitting[:], key)
	} else {
		h, err := newXCBC(make([]byte, xcbcKey))
		if err != nil {
			return nil, err
		}
		h.Write(key)
		h.Sum(fitting[:0])
		h.Reset()
	}
	master, err := newAES(fitting[:])
	if err != nil {
		return nil, err
	}
	var keys [3][maxBlock]byte
	for i := range keys {
		for j := range keys[i] {
			keys[i][j] = byte(i + 1)
		}
		master.Encrypt(keys[i][:], keys[i][:])
	}
	block, err := newAES(keys[0][:])
	return &cmac{block: block, size: aesBlock, k1: keys[1], k2: keys[2]}, err
}

// beginGMAC reads CK_GCM_PARAMS, where all of the associated data comes as the data of the operation, or the IV alone, for the
// whole tag, as PKCS #11 had it before 3.0.
func beginGMAC(k *Key, p *ck.Param) (*mac, error) {
	var c gcmParam
	var err error
	if p.Len() == gcm.NonceSize {
		c = gcmParam{nonce: p.Rest(), tag: 8 * gcm.TagSize}
	} else if c, err = readGCM(p); err != nil {
		return nil, err
	}
	if !c.good() || len(c.aad) != 0 {
		return nil, ck.CKR_MECHANISM_PARAM_INVALID
	}
	a, err := gcmFor(k, len(c.nonce), gcm.TagSize)
	if err != nil {
		return nil, err
	}
	return soleMAC(a.NewMAC(ck.Clone(c.nonce)), int(c.tag/8)), nil
}

// beginCMAC begins a CMAC. form is the name of the prepared form.
func beginCMAC(form ck.MechanismType, newCipher func([]byte) (cipher.Block, error), size macSizer) func(*Key, *ck.Param) (*mac, error) {
	prepare := func(k *Key) (any, error) {
		return newMACKey(func() (hash.Hash, error) {
			b, err := newCipher(k.Value)
			if err != nil {
				return nil, err
			}
			return newCMAC(b), nil
		})
	}
	return func(k *Key, p *ck.Param) (*mac, error) {
		n, err := size(p)
		if err != nil {
			return nil, err
		}
		key, err := k.Prepared(form, prepare)
		if err != nil {
			return nil, err
		}
		return newMAC(key.(*macKey), n)
	}
}

// A cmac is a CMAC as a hash.Hash.
type cmac struct {
	block  cipher.Block
	size   int
	k1, k2 [maxBlock]byte
	x      [maxBlock]byte // the chaining value
	buf    [maxBlock]byte // the last block so far, which is not chained before another follows
	n      int
}

var _ hash.Cloner = (*cmac)(nil)

func newCMAC(b cipher.Block) *cmac {
	c := &cmac{block: b, size: b.BlockSize()}
	b.Encrypt(c.k1[:c.size], c.k1[:c.size])
	double(c.k1[:c.size])
	c.k2 = c.k1
	double(c.k2[:c.size])
	return c
}

// double multiplies by x in GF(2^128) or GF(2^64): SP 800-38B, 6.1.
func double(b []byte) {
	r := byte(0x87)
	if len(b) == 8 {
		r = 0x1b
	}
	carry := b[0] >> 7
	for i := range b[:len(b)-1] {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ r&-carry
}

func (c *cmac) Size() int      { return c.size }
func (c *cmac) BlockSize() int { return c.size }

func (c *cmac) Reset() {
	clear(c.x[:])
	clear(c.buf[:])
	c.n = 0
}

func (c *cmac) Clone() (hash.Cloner, error) {
	d := *c
	return &d, nil
}

func (c *cmac) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if c.n == c.size {
			subtle.XORBytes(c.x[:], c.x[:], c.buf[:c.size])
			c.block.Encrypt(c.x[:c.size], c.x[:c.size])
			c.n = 0
		}
		n := copy(c.buf[c.n:c.size], p)
		c.n += n
		p = p[n:]
	}
	return total, nil
}

func (c *cmac) Sum(b []byte) []byte {
	key, last := &c.k1, c.buf
	if c.n < c.size {
		key = &c.k2
		last[c.n] = 0x80
		clear(last[c.n+1:])
	}
	subtle.XORBytes(last[:c.size], last[:c.size], key[:c.size])
	subtle.XORBytes(last[:c.size], last[:c.size], c.x[:c.size])
	c.block.Encrypt(last[:c.size], last[:c.size])
	return append(b, last[:c.size]...)
}
