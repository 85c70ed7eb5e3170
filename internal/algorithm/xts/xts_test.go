package xts

import (
	"bytes"
	"crypto/aes"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestExamples runs vectors 2 and 15 to 18 of IEEE 1619, appendix B, the last of which steal.
func TestExamples(t *testing.T) {
	t.Parallel()
	const key1, key2 = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0", "bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0"
	for _, v := range []struct{ data, tweak, number, plain, want string }{
		{"11111111111111111111111111111111", "22222222222222222222222222222222", "33333333330000000000000000000000",
			"4444444444444444444444444444444444444444444444444444444444444444", "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
		{key1, key2, "9a785634120000000000000000000000", "000102030405060708090a0b0c0d0e0f10", "6c1625db4671522d3d7599601de7ca09ed"},
		{key1, key2, "9a785634120000000000000000000000", "000102030405060708090a0b0c0d0e0f1011", "d069444b7a7e0cab09e24447d24deb1fedbf"},
		{key1, key2, "9a785634120000000000000000000000", "000102030405060708090a0b0c0d0e0f101112", "e5df1351c0544ba1350b3363cd8ef4beedbf9d"},
		{key1, key2, "9a785634120000000000000000000000", "000102030405060708090a0b0c0d0e0f10111213", "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac"},
	} {
		data, err1 := aes.NewCipher(cryptotest.Unhex(t, v.data))
		tweak, err2 := aes.NewCipher(cryptotest.Unhex(t, v.tweak))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		c, b, want := New(data, tweak), cryptotest.Unhex(t, v.plain), cryptotest.Unhex(t, v.want)
		crypt := func(decrypt bool) {
			u, before := c.NewUnit(cryptotest.Unhex(t, v.number), decrypt), (len(b)/BlockSize-1)*BlockSize
			u.Blocks(b[:before])
			u.End(b[before:])
		}
		if crypt(false); !bytes.Equal(b, want) {
			t.Errorf("%x, want %x", b, want)
		}
		if crypt(true); !bytes.Equal(b, cryptotest.Unhex(t, v.plain)) {
			t.Errorf("decrypted %x", b)
		}
	}
}
