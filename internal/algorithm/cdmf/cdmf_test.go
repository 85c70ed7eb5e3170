package cdmf

import (
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestOpenSSL are blocks that OpenSSL encrypted with the DES keys that the paper makes of these.
func TestOpenSSL(t *testing.T) {
	cryptotest.TestBlock(t, NewCipher, []cryptotest.BlockVector{
		{"0123456789abcdef", "4e6f772069732074", "ee3bca19986ff523"},
		{"fedcba9876543210", "4e6f772069732074", "2a07ae57be2e7e34"},
	}, 0, 7, 9, 16)
}
