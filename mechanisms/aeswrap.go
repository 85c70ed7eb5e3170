package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"github.com/softcsp/softcsp/ck"
)

// semiblock is the unit of AES key wrap in bytes (RFC 3394, 2).
const semiblock = 8

// keyWrapRows are AES key wrap (RFC 3394), with padding (RFC 5649), and with the padding of PKCS #7 before it.
// CKM_AES_KEY_WRAP_PAD, which PKCS #11 3.0 gave up without ever having defined it, is RFC 5649 as in SoftHSM2.
var keyWrapRows = []Mechanism{
	zeroFilled(keyWrapRow(ck.CKM_AES_KEY_WRAP, keyWrap{ivLen: 8})),
	keyWrapRow(ck.CKM_AES_KEY_WRAP_PAD, keyWrap{ivLen: 4, own: true}),
	keyWrapRow(ck.CKM_AES_KEY_WRAP_KWP, keyWrap{ivLen: 4, own: true}),
	keyWrapRow(ck.CKM_AES_KEY_WRAP_PKCS7, keyWrap{ivLen: 8, pkcs: true}),
}

// A keyWrap is one of the forms of AES key wrap.
type keyWrap struct {
	ivLen int
	own   bool // the padding of RFC 5649
	pkcs  bool // that of PKCS #7
	block cipher.Block
	iv    [semiblock]byte
}

func keyWrapRow(t ck.MechanismType, w keyWrap) Mechanism {
	encrypt := func(k *Key, p *ck.Param) (Cipher, error) {
		o, err := w.open(k, p)
		return &collector{size: o.wrappedLen, run: o.encrypt}, err
	}
	decrypt := func(k *Key, p *ck.Param) (Cipher, error) {
		o, err := w.open(k, p)
		return &collector{size: func(n int) int { return max(n-semiblock, 0) }, run: o.decrypt, inexact: o.own || o.pkcs}, err
	}
	return Mechanism{Type: t, Keys: aesKeys, Min: 16, Max: 32, Encrypt: encrypt, Decrypt: decrypt, Authentic: true, Seals: true,
		Wrap: func(k *Key, p *ck.Param, value []byte) ([]byte, error) {
			o, err := w.open(k, p)
			if err != nil {
				return nil, err
			}
			if !o.own && !o.pkcs && len(value)%semiblock != 0 { // PKCS #11: zeros fill the last semiblock
				value = append(make([]byte, 0, len(value)+semiblock), value...)
				value = value[:len(value)+semiblock-len(value)%semiblock]
				defer clear(value)
			}
			out := make([]byte, o.wrappedLen(len(value)))
			n, err := o.encrypt(out, value)
			if err != nil {
				return nil, ck.CKR_KEY_SIZE_RANGE
			}
			return out[:n], nil
		},
		Unwrap: unwrapWith(decrypt)}
}

// open reads the parameter, an IV or nothing.
func (w keyWrap) open(k *Key, p *ck.Param) (*keyWrap, error) {
	var iv []byte
	if p.Present() {
		iv = p.Rest()
	}
	if err := p.Done(); err != nil {
		return &w, err
	}
	switch {
	case len(iv) == w.ivLen:
		copy(w.iv[:], iv)
	case len(iv) != 0:
		return &w, ck.FieldError("the length of the IV")
	case w.own:
		binary.BigEndian.PutUint32(w.iv[:], 0xa65959a6) // RFC 5649, 3
	default:
		binary.BigEndian.PutUint64(w.iv[:], 0xa6a6a6a6a6a6a6a6) // RFC 3394, 2.2.3.1
	}
	var err error
	w.block, err = keyedAES(k, nil)
	return &w, err
}

// paddedLen is the length of n bytes of data with their padding.
func (w *keyWrap) paddedLen(n int) int {
	if w.own {
		n += semiblock - 1
	} else if w.pkcs {
		n += semiblock
	}
	return n - n%semiblock
}

func (w *keyWrap) wrappedLen(n int) int { return w.paddedLen(n) + semiblock }

// encrypt wraps src, of any length that the form allows.
func (w *keyWrap) encrypt(dst, src []byte) (int, error) {
	n := w.paddedLen(len(src))
	least := 2 * semiblock // RFC 3394, 2; SP 800-38F, 5.3.1
	if w.own {
		least = semiblock
	}
	if len(src) == 0 || n < least || n < len(src) || uint64(len(src)) >= 1<<32 {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	pad := byte(0)
	if w.pkcs {
		pad = byte(n - len(src))
	}
	dst = dst[:n+semiblock]
	copied := copy(dst[semiblock:], src)
	for i := semiblock + copied; i < len(dst); i++ {
		dst[i] = pad
	}
	copy(dst, w.iv[:])
	if w.own {
		binary.BigEndian.PutUint32(dst[4:], uint32(copied))
	}
	if n == semiblock {
		w.block.Encrypt(dst, dst)
	} else {
		w.rounds(dst, false)
	}
	return len(dst), nil
}

// decrypt unwraps src, and writes nothing that lasts unless the integrity check holds.
func (w *keyWrap) decrypt(dst, src []byte) (int, error) {
	least := 3 * semiblock
	if w.own {
		least = 2 * semiblock
	}
	if len(src) < least || len(src)%semiblock != 0 || uint64(len(src)) >= 1<<32 {
		return 0, ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	buf := ck.Clone(src)
	defer clear(buf)
	if len(buf) == 2*semiblock {
		w.block.Decrypt(buf, buf)
	} else {
		w.rounds(buf, true)
	}
	n, good := w.check(buf)
	if good != 1 {
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return copy(dst, buf[semiblock:semiblock+n]), nil
}

// check checks the IV and the padding of what has been decrypted, and returns the length of the data.
func (w *keyWrap) check(buf []byte) (n, good int) {
	n = len(buf) - semiblock
	good = subtle.ConstantTimeCompare(buf[:w.ivLen], w.iv[:w.ivLen])
	switch {
	case w.own: // RFC 5649, 3
		m := int(binary.BigEndian.Uint32(buf[4:]))
		good &= subtle.ConstantTimeLessOrEq(n-semiblock+1, m) & subtle.ConstantTimeLessOrEq(m, n)
		last, zeros := buf[len(buf)-semiblock:], byte(0)
		for i, b := range last {
			beyond := subtle.ConstantTimeLessOrEq(m, n-semiblock+i)
			zeros |= b & byte(-beyond)
		}
		return m, good & subtle.ConstantTimeByteEq(zeros, 0)
	case w.pkcs && good == 1:
		m, err := unpadded(buf[len(buf)-semiblock:])
		if err != nil {
			return 0, 0
		}
		return n - semiblock + m, good
	}
	return n, good
}

// rounds is the wrapping process of RFC 3394, 2.2.1, on A and the semiblocks after it, or its inverse, 2.2.2.
func (w *keyWrap) rounds(buf []byte, inverse bool) {
	n := len(buf)/semiblock - 1
	var b [aesBlock]byte
	a := b[:semiblock]
	copy(a, buf)
	for s := range 6 * n {
		t := s + 1
		if inverse {
			t = 6*n - s
		}
		r := buf[((t-1)%n+1)*semiblock:][:semiblock]
		copy(b[semiblock:], r)
		if inverse {
			xorCounter(a, t)
			w.block.Decrypt(b[:], b[:])
		} else {
			w.block.Encrypt(b[:], b[:])
			xorCounter(a, t)
		}
		copy(r, b[semiblock:])
	}
	copy(buf, a)
	clear(b[:])
}

func xorCounter(a []byte, t int) {
	binary.BigEndian.PutUint64(a, binary.BigEndian.Uint64(a)^uint64(t))
}
