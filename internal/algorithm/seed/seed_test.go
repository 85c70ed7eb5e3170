package seed

import (
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestRFC4269 is RFC 4269, appendix B.
func TestRFC4269(t *testing.T) {
	cryptotest.TestBlock(t, NewCipher, []cryptotest.BlockVector{
		{"00000000000000000000000000000000", "000102030405060708090a0b0c0d0e0f", "5ebac6e0054e166819aff1cc6d346cdb"},
		{"000102030405060708090a0b0c0d0e0f", "00000000000000000000000000000000", "c11f22f20140505084483597e4370f43"},
		{"4706480851e61be85d74bfb3fd956185", "83a2f8a288641fb9a4e9a5cc2f131c7d", "ee54d13ebcae706d226bc3142cd40d4a"},
		{"28dbc3bc49ffd87dcfa509b11d422be7", "b41e6be2eba84a148e2eed84593c5ec7", "9b9b7bfcd1813cb95d0b3618f40f5122"},
	}, 0, 8, 15, 17, 24)
}
