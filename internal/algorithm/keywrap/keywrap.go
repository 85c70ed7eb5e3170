// Package keywrap is AES key wrap (RFC 3394 and NIST SP 800-38F), with the padding of RFC 5649, and with that of PKCS #7 before it.
package keywrap

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"github.com/softcsp/softcsp/internal/algorithm/pkcs7"
)

const (
	blockSize = 16
	semiblock = 8 // RFC 3394, 2
)

// A Form is one of the forms of key wrap.
type Form int

const (
	RFC3394 Form = iota // whole semiblocks, two at least
	RFC5649             // any length
	PKCS7               // RFC 3394 after the padding of PKCS #7
)

// IVSize is the length of an IV in bytes.
func (f Form) IVSize() int {
	if f == RFC5649 {
		return 4
	}
	return 8
}

var (
	// ErrLength says that data, or what is wrapped, has a length that the form does not take.
	ErrLength = errors.New("keywrap: no such length")
	// ErrIntegrity says that what is wrapped is not from this key and IV.
	ErrIntegrity = errors.New("keywrap: integrity check failed")
)

// A Wrapper is key wrap with a key and an IV. Only one goroutine at a time may use it.
type Wrapper struct {
	form  Form
	block cipher.Block
	iv    [semiblock]byte
	work  [blockSize]byte // A and a semiblock; zero between calls
}

// New returns key wrap with a cipher that has its key, and whose blocks have 16 bytes. iv has the length that the form wants; nil is the
// standard's own.
func New(block cipher.Block, form Form, iv []byte) *Wrapper {
	w := &Wrapper{form: form, block: block}
	switch {
	case iv != nil:
		copy(w.iv[:], iv)
	case form == RFC5649:
		binary.BigEndian.PutUint32(w.iv[:], 0xa65959a6) // RFC 5649, 3
	default:
		binary.BigEndian.PutUint64(w.iv[:], 0xa6a6a6a6a6a6a6a6) // RFC 3394, 2.2.3.1
	}
	return w
}

// paddedLen is the length of n bytes of data with their padding.
func (w *Wrapper) paddedLen(n int) int {
	if w.form == RFC5649 {
		n += semiblock - 1
	} else if w.form == PKCS7 {
		n += semiblock
	}
	return n - n%semiblock
}

// WrappedLen is the length of n bytes when they are wrapped.
func (w *Wrapper) WrappedLen(n int) int { return w.paddedLen(n) + semiblock }

// Wrap wraps src, of any length that the form allows, in [Wrapper.WrappedLen] bytes of dst, and returns how many those are.
func (w *Wrapper) Wrap(dst, src []byte) (int, error) {
	n := w.paddedLen(len(src))
	least := 2 * semiblock // RFC 3394, 2; SP 800-38F, 5.3.1
	if w.form == RFC5649 {
		least = semiblock
	}
	if len(src) == 0 || n < least || n < len(src) || uint64(len(src)) >= 1<<32 {
		return 0, ErrLength
	}
	pad := byte(0)
	if w.form == PKCS7 {
		pad = byte(n - len(src))
	}
	dst = dst[:n+semiblock]
	copied := copy(dst[semiblock:], src)
	for i := semiblock + copied; i < len(dst); i++ {
		dst[i] = pad
	}
	copy(dst, w.iv[:])
	if w.form == RFC5649 {
		binary.BigEndian.PutUint32(dst[4:], uint32(copied))
	}
	if n == semiblock {
		w.block.Encrypt(dst, dst)
	} else {
		w.rounds(dst, false)
	}
	return len(dst), nil
}

// CheckWrapped returns [ErrLength] unless the form makes n bytes of some data.
func (w *Wrapper) CheckWrapped(n int) error {
	least := 3 * semiblock
	if w.form == RFC5649 {
		least = 2 * semiblock
	}
	if n < least || n%semiblock != 0 || uint64(n) >= 1<<32 {
		return ErrLength
	}
	return nil
}

// Unwrap unwraps buf in place, and returns the part of it that is the data. Where the integrity check fails, the caller must not look at
// buf.
func (w *Wrapper) Unwrap(buf []byte) ([]byte, error) {
	if err := w.CheckWrapped(len(buf)); err != nil {
		return nil, err
	}
	if len(buf) == 2*semiblock {
		w.block.Decrypt(buf, buf)
	} else {
		w.rounds(buf, true)
	}
	n, good := w.check(buf)
	if good != 1 {
		return nil, ErrIntegrity
	}
	return buf[semiblock : semiblock+n], nil
}

// check checks the IV and the padding of what has been decrypted, and returns the length of the data.
func (w *Wrapper) check(buf []byte) (n, good int) {
	n = len(buf) - semiblock
	good = subtle.ConstantTimeCompare(buf[:w.form.IVSize()], w.iv[:w.form.IVSize()])
	switch {
	case w.form == RFC5649: // RFC 5649, 3
		m := int(binary.BigEndian.Uint32(buf[4:]))
		good &= subtle.ConstantTimeLessOrEq(n-semiblock+1, m) & subtle.ConstantTimeLessOrEq(m, n)
		last, zeros := buf[len(buf)-semiblock:], byte(0)
		for i, b := range last {
			beyond := subtle.ConstantTimeLessOrEq(m, n-semiblock+i)
			zeros |= b & byte(-beyond)
		}
		return m, good & subtle.ConstantTimeByteEq(zeros, 0)
	case w.form == PKCS7 && good == 1:
		m, good := pkcs7.Unpad(buf[len(buf)-semiblock:])
		return n - semiblock + m, good
	}
	return n, good
}

// rounds is the wrapping process of RFC 3394, 2.2.1, on A and the semiblocks after it, or its inverse, 2.2.2.
func (w *Wrapper) rounds(buf []byte, inverse bool) {
	n := len(buf)/semiblock - 1
	b := &w.work
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
