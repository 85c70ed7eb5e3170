package idea

import (
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestNESSIE are vectors of the NESSIE project.
func TestNESSIE(t *testing.T) {
	cryptotest.TestBlock(t, NewCipher, []cryptotest.BlockVector{
		{"80000000000000000000000000000000", "0000000000000000", "b1f5f7f87901370f"},
		{"dededededededededededededededede", "d2058501e91225a5", "dededededededede"},
		{"e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0", "242588c5f782a93f", "e0e0e0e0e0e0e0e0"},
		{"f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7", "36bf2856e58435ea", "f7f7f7f7f7f7f7f7"},
		{"ffffffffffffffffffffffffffffffff", "28886d814399e782", "ffffffffffffffff"},
		{"000102030405060708090a0b0c0d0e0f", "db2d4a92aa68273f", "0011223344556677"},
		{"2bd6459f82c5b300952c49104881ff48", "f129a6601ef62a47", "ea024714ad5c4d84"},
	}, 0, 8, 15, 17, 24)
}
