package rc2

import (
	"crypto/cipher"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestRFC2268 is RFC 2268, 5.
func TestRFC2268(t *testing.T) {
	for _, v := range []struct {
		effective              uint
		key, plain, ciphertext string
	}{
		{63, "0000000000000000", "0000000000000000", "ebb773f993278eff"},
		{64, "ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"},
		{64, "3000000000000000", "1000000000000001", "30649edf9be7d2c2"},
		{64, "88", "0000000000000000", "61a8a244adacccf0"},
		{64, "88bca90e90875a", "0000000000000000", "6ccf4308974c267f"},
		{64, "88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "1a807d272bbe5db1"},
		{128, "88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
		{129, "88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e", "0000000000000000", "5b78d3a43dfff1f1"},
	} {
		newCipher := func(key []byte) (cipher.Block, error) { return NewCipher(key, v.effective) }
		cryptotest.TestBlock(t, newCipher, []cryptotest.BlockVector{{v.key, v.plain, v.ciphertext}}, 0, 129)
	}
}

func TestEffectiveBits(t *testing.T) {
	for _, n := range []uint{0, 1025} {
		c, err := NewCipher(make([]byte, 16), n)
		if want := EffectiveBitsError(n); c != nil || !errors.Is(err, want) {
			t.Errorf("%d bits: %v, want %v", n, err, want)
		}
	}
}
