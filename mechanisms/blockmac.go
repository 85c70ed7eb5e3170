package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/cbcmac"
)

// blockMACRows makes the rows of CBC-MAC (FIPS 113) with a block cipher: of half a block, and of a length that stands at the end of the
// parameter.
func blockMACRows(half, general ck.MechanismType, keys []ck.KeyType, smallest, largest uint, keyed keyedBlock) []Mechanism {
	return []Mechanism{
		macRow(half, keys, smallest, largest, beginCBCMAC(keyed, func(p *ck.Param, size int) (int, error) {
			return size / 2, p.Done()
		})),
		macRow(general, keys, smallest, largest, beginCBCMAC(keyed, func(p *ck.Param, size int) (int, error) {
			return truncatedMAC(size)(p)
		})),
	}
}

// beginCBCMAC begins a CBC-MAC. keyed reads what the parameter says of the cipher, and length how many of a block's
// bytes are wanted.
func beginCBCMAC(keyed keyedBlock, length func(p *ck.Param, size int) (int, error)) func(*Key, *ck.Param) (*mac, error) {
	return func(k *Key, p *ck.Param) (*mac, error) {
		b, err := keyed(k, p)
		if err != nil {
			return nil, err
		}
		n, err := length(p, b.BlockSize())
		if err != nil {
			return nil, err
		}
		return oneTimeMAC(cbcmac.New(b), n), nil
	}
}

// oneTimeMAC makes a mac whose state is not used again.
func oneTimeMAC(h hash.Hash, size int) *mac { return &mac{state: &macState{Hash: h}, size: size} }
