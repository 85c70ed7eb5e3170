package ripemd128

import (
	"crypto/hmac"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestKnownAnswers are the digests of the authors' page of RIPEMD-160.
func TestKnownAnswers(t *testing.T) {
	cryptotest.TestHash(t, New, []cryptotest.HashVector{
		{"", "cdf26213a150dc3ecb610f18f6b38b46"},
		{"abc", "c14a12199c66e4ba84636b0f69144c77"},
		{"message digest", "9e327b3d6e523062afc1132d7df9d1b8"},
		{"abcdefghijklmnopqrstuvwxyz", "fd2aa607f71dc8f510714922b371834e"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "a1aa0689d0fafa2ddc22e88b49133a06"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d1e959eb179c911faea4624c60c5c702"},
		{strings.Repeat("1234567890", 8), "3f45ef194732c2dbb2c4a2c769795fa3"},
	})
}

// TestRFC2286 is HMAC with the key that is longer than a block, and a short one: RFC 2286, section 2.
func TestRFC2286(t *testing.T) {
	for _, c := range []struct{ key, data, want string }{
		{"Jefe", "what do ya want for nothing?", "875f828862b6b334b427c55f9f7ff09b"},
		{strings.Repeat("\xaa", 80), "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data", "5c6bec96793e16d40690c237635f30c5"},
	} {
		m := hmac.New(New, []byte(c.key))
		m.Write([]byte(c.data))
		if got := hex.EncodeToString(m.Sum(nil)); got != c.want {
			t.Errorf("HMAC of %q is %s, want %s", c.data, got, c.want)
		}
	}
}
