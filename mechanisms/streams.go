package mechanisms

import (
	"crypto/cipher"
	"math"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/blockmode"
)

// A streamCipher is a Cipher whose output is as long as its input.
type streamCipher struct {
	stream cipher.Stream
	left   uint64 // how many bytes may follow, math.MaxUint64 for any number
	// decrypt decides with which error more than that is refused.
	decrypt bool
}

// newStream returns a streamCipher for input of any length.
func newStream(s cipher.Stream) *streamCipher { return &streamCipher{stream: s, left: math.MaxUint64} }

func (c *streamCipher) WholeLen(n int) int                 { return n }
func (c *streamCipher) UpdateLen(n int) int                { return n }
func (c *streamCipher) FinalLen() int                      { return 0 }
func (c *streamCipher) Final([]byte) (int, error)          { return 0, nil }
func (c *streamCipher) Whole(dst, src []byte) (int, error) { return c.Update(dst, src) }
func (c *streamCipher) Update(dst, src []byte) (int, error) {
	if err := c.CheckUpdate(len(src)); err != nil {
		return 0, err
	}
	if c.left != math.MaxUint64 {
		c.left -= uint64(len(src))
	}
	dst = dst[:len(src)]
	if shared, exact := overlap(dst, src); shared && !exact {
		src = ck.Clone(src)
		defer clear(src)
	}
	c.stream.XORKeyStream(dst, src)
	return len(src), nil
}

var _ LengthChecker = (*streamCipher)(nil)

// CheckWhole refuses input that is longer than what is left of the stream, which ends where its counter would begin again.
func (c *streamCipher) CheckWhole(n int) error { return c.CheckUpdate(n) }

// CheckUpdate does the same for the next part.
func (c *streamCipher) CheckUpdate(n int) error {
	switch {
	case uint64(n) <= c.left:
		return nil
	case c.decrypt:
		return ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return ck.CKR_DATA_LEN_RANGE
}

// CheckFinal allows a stream to end anywhere.
func (c *streamCipher) CheckFinal() error { return nil }

// cfb is the cipher feedback mode of SP 800-38A, 6.3, with segments of so many bytes. A last segment may be shorter.
func cfb(keyed keyedBlock, readIV ivReader, segment int) directions {
	return func(decrypt bool) beginFunc {
		return func(k *Key, p *ck.Param) (Cipher, error) {
			b, iv, err := readIVParam(k, p, keyed, readIV)
			if err != nil {
				return nil, err
			}
			return newStream(blockmode.NewCFB(b, iv, segment, decrypt)), nil
		}
	}
}

// ofb is the output feedback mode: of SP 800-38A, 6.4, where a segment is a block, and of FIPS 81 with shorter ones.
func ofb(keyed keyedBlock, readIV ivReader, segment int) directions {
	return func(bool) beginFunc {
		return func(k *Key, p *ck.Param) (Cipher, error) {
			b, iv, err := readIVParam(k, p, keyed, readIV)
			if err != nil {
				return nil, err
			}
			return newStream(blockmode.NewOFB(b, iv, segment)), nil
		}
	}
}
