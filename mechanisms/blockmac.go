package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"
	"hash"

	"github.com/softcsp/softcsp/ck"
)

// blockMACRows makes the rows of the MACs of a block cipher that PKCS #11 has since its beginning: CBC-MAC (FIPS 113) of half a
// block, and of a length that the end of the parameter tells.
func blockMACRows(half, general ck.MechanismType, keys []ck.KeyType, smallest, largest uint, open keyedBlock) []Mechanism {
	return []Mechanism{
		macRow(half, keys, smallest, largest, beginCBCMAC(open, func(p *ck.Param, size int) (int, error) {
			return size / 2, p.Done()
		})),
		macRow(general, keys, smallest, largest, beginCBCMAC(open, func(p *ck.Param, size int) (int, error) {
			return cutMAC(size)(p)
		})),
	}
}

// beginCBCMAC begins a CBC-MAC. open reads what the parameter says of the cipher, and length how many bytes are wanted of a
// block of size bytes.
func beginCBCMAC(open keyedBlock, length func(p *ck.Param, size int) (int, error)) func(*Key, *ck.Param) (*mac, error) {
	return func(k *Key, p *ck.Param) (*mac, error) {
		b, err := open(k, p)
		if err != nil {
			return nil, err
		}
		n, err := length(p, b.BlockSize())
		if err != nil {
			return nil, err
		}
		return soleMAC(&chainMAC{block: b, size: b.BlockSize()}, n), nil
	}
}

// soleMAC makes a mac over a state that is used once.
func soleMAC(h hash.Hash, size int) *mac { return &mac{state: &macState{Hash: h}, size: size} }

// A chainMAC is the chaining of FIPS 113 as a hash.Hash. Zeros fill the last block; where there is no data, there is a block of
// zeros.
type chainMAC struct {
	block   cipher.Block
	size    int
	x       [maxBlock]byte // the chaining value, with the data of a block that is not yet full
	n       int            // how much that is
	started bool
}

var _ hash.Hash = (*chainMAC)(nil)

func (c *chainMAC) Size() int      { return c.size }
func (c *chainMAC) BlockSize() int { return c.size }

func (c *chainMAC) Reset() {
	clear(c.x[:])
	c.n, c.started = 0, false
}

func (c *chainMAC) Write(p []byte) (int, error) {
	total := len(p)
	c.started = c.started || total > 0
	for len(p) > 0 {
		n := subtle.XORBytes(c.x[c.n:c.size], c.x[c.n:c.size], p)
		p = p[n:]
		if c.n += n; c.n == c.size {
			c.fill()
		}
	}
	return total, nil
}

// fill goes on to the next block, as if zeros had been written up to the end of this one.
func (c *chainMAC) fill() {
	c.block.Encrypt(c.x[:c.size], c.x[:c.size])
	c.n = 0
}

func (c *chainMAC) Sum(b []byte) []byte {
	last := *c
	if last.n > 0 || !last.started {
		last.fill()
	}
	return append(b, last.x[:c.size]...)
}
