package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/cbcmac"
)

// blockMACRows makes the rows of the MACs of a block cipher that PKCS #11 has since its beginning: CBC-MAC (FIPS 113) of half a
// block, and of a length that the end of the parameter tells.
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

// beginCBCMAC begins a CBC-MAC. keyed reads what the parameter says of the cipher, and length how many bytes are wanted of a
// block of size bytes.
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

// oneTimeMAC makes a mac over a state that is used once.
func oneTimeMAC(h hash.Hash, size int) *mac { return &mac{state: &macState{Hash: h}, size: size} }
