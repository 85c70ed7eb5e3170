package camellia

import (
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestRFC3713 is RFC 3713, appendix A.
func TestRFC3713(t *testing.T) {
	cryptotest.TestBlock(t, NewCipher, []cryptotest.BlockVector{
		{"0123456789abcdeffedcba9876543210", "0123456789abcdeffedcba9876543210", "67673138549669730857065648eabe43"},
		{"0123456789abcdeffedcba98765432100011223344556677", "0123456789abcdeffedcba9876543210", "b4993401b3e996f84ee5cee7d79b09b9"},
		{"0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff", "0123456789abcdeffedcba9876543210", "9acc237dff16d76c20ef7c919e3a7509"},
	}, 0, 8, 15, 17, 33)
}
