package mechanisms

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
)

// wrapWith wraps by encryption. Where the mode does not pad, the last block is filled up with zeros, as PKCS #11 wants it for ECB and CBC of
// every cipher. Whoever unwraps has them cut off by CKA_VALUE_LEN in the template.
func wrapWith(encrypt beginFunc) func(*Key, *ck.Param, []byte) ([]byte, error) {
	return func(k *Key, p *ck.Param, value []byte) ([]byte, error) {
		c, err := encrypt(k, p)
		if err != nil {
			return nil, err
		}
		if b, ok := c.(*blockCipher); ok && !b.pad && len(value)%b.size != 0 {
			value = append(make([]byte, 0, len(value)+b.size), value...)
			value = value[:len(value)+b.size-len(value)%b.size]
			defer clear(value)
		}
		out := make([]byte, c.WholeLen(len(value)))
		n, err := c.Whole(out, value)
		if errors.Is(err, ck.CKR_DATA_LEN_RANGE) {
			err = ck.CKR_KEY_SIZE_RANGE
		}
		return out[:n], err
	}
}

// unwrapWith unwraps by decryption.
func unwrapWith(decrypt beginFunc) func(*Key, *ck.Param, []byte) ([]byte, error) {
	return func(k *Key, p *ck.Param, wrapped []byte) ([]byte, error) {
		if len(wrapped) == 0 {
			return nil, ck.CKR_WRAPPED_KEY_LEN_RANGE
		}
		c, err := decrypt(k, p)
		if err != nil {
			return nil, err
		}
		out := ck.AllocateFor(wrapped, c.WholeLen(len(wrapped)))
		n, err := c.Whole(out, wrapped)
		if err = wrappedKey(err); err != nil {
			clear(out)
			return nil, err
		}
		return out[:n], nil
	}
}

// wrappedKey turns an error about encrypted data into the one about a wrapped key.
func wrappedKey(err error) error {
	switch ck.Code(err) {
	case ck.CKR_ENCRYPTED_DATA_LEN_RANGE:
		return ck.CKR_WRAPPED_KEY_LEN_RANGE
	case ck.CKR_ENCRYPTED_DATA_INVALID:
		return ck.CKR_WRAPPED_KEY_INVALID
	}
	return err
}

// An inputBuffer collects data that comes in parts and can only be processed as a whole.
type inputBuffer struct{ data []byte }

// add appends part, and wipes the memory that it leaves when it grows.
func (b *inputBuffer) add(part []byte) {
	b.data = ck.AppendWiping(b.data, part)
}

// wipe forgets the data.
func (b *inputBuffer) wipe() {
	clear(b.data)
	b.data = nil
}

// A wholeInputCipher is a Cipher over a function that takes all of its input at once.
type wholeInputCipher struct {
	inputBuffer
	size    func(n int) int
	run     func(dst, src []byte) (int, error)
	inexact bool // whether size is a bound only
}

var _ Inexact = (*wholeInputCipher)(nil)

func (c *wholeInputCipher) Inexact() bool { return c.inexact }

func (c *wholeInputCipher) WholeLen(n int) int                 { return c.size(n) }
func (c *wholeInputCipher) Whole(dst, src []byte) (int, error) { return c.run(dst, src) }
func (c *wholeInputCipher) UpdateLen(int) int                  { return 0 }
func (c *wholeInputCipher) Update(_, src []byte) (int, error)  { c.add(src); return 0, nil }
func (c *wholeInputCipher) FinalLen() int                      { return c.size(len(c.data)) }
func (c *wholeInputCipher) Final(dst []byte) (int, error)      { return c.run(dst, c.data) }
