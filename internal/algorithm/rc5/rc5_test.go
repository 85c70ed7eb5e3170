package rc5

import (
	"crypto/cipher"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

type vector struct {
	word, rounds           uint
	key, plain, ciphertext string
}

// rfc2040 is RFC 2040, 9, whose vectors are in CBC mode: the plaintext has the IV added.
var rfc2040 = []vector{
	{4, 0, "00", "0000000000000000", "7a7bba4d79111d1e"},
	{4, 0, "00", "ffffffffffffffff", "797bba4d78111d1e"},
	{4, 0, "00", "0000000000000001", "7a7bba4d79111d1f"},
	{4, 0, "00", "0000000000000001", "7a7bba4d79111d1f"},
	{4, 0, "00", "1122334455667788", "8b9ded91ce7794a6"},
	{4, 1, "11", "0000000000000000", "2f759fe7ad86a378"},
	{4, 2, "00", "0000000000000000", "dca2694bf40e0788"},
	{4, 2, "00000000", "0000000000000000", "dca2694bf40e0788"},
	{4, 8, "00", "0000000000000000", "dcfe098577eca5ff"},
	{4, 8, "00", "1122334455667788", "9646fb77638f9ca8"},
	{4, 12, "00", "1122334455667788", "b2b3209db6594da4"},
	{4, 16, "00", "1122334455667788", "545f7f32a5fc3836"},
	{4, 8, "01020304", "ffffffffffffffff", "8285e7c1b5bc7402"},
	{4, 12, "01020304", "ffffffffffffffff", "fc586f92f7080934"},
	{4, 16, "01020304", "ffffffffffffffff", "cf270ef9717ff7c4"},
	{4, 12, "0102030405060708", "ffffffffffffffff", "e493f1c1bb4d6e8c"},
	{4, 8, "0102030405060708", "1122334455667788", "5c4c041e0f217ac3"},
	{4, 12, "0102030405060708", "1122334455667788", "921f12485373b4f7"},
	{4, 16, "0102030405060708", "1122334455667788", "5ba0ca6bbe7f5fad"},
	{4, 8, "01020304050607081020304050607080", "1122334455667788", "c533771cd0110e63"},
	{4, 12, "01020304050607081020304050607080", "1122334455667788", "294ddb46b3278d60"},
	{4, 16, "01020304050607081020304050607080", "1122334455667788", "dad6bda9dfe8f7e8"},
	{4, 12, "0102030405", "ffffffffffffffff", "97e0787837ed317f"},
	{4, 8, "0102030405", "ffffffffffffffff", "7875dbf6738c6478"},
	{4, 8, "0102030405", "707dd3fe7b846c70", "8f34c3c681c99695"},
}

// krovetz is draft-krovetz-rc6-rc5-vectors-00, 4.
var krovetz = []vector{
	{2, 16, "0001020304050607", "00010203", "23a8d72e"},
	{4, 20, "000102030405060708090a0b0c0d0e0f", "0001020304050607", "2a0edc0e9431ff73"},
	{8, 24, "000102030405060708090a0b0c0d0e0f1011121314151617", "000102030405060708090a0b0c0d0e0f", "a46772820edbce0235abea32ae7178da"},
}

func TestRFC2040(t *testing.T) { check(t, rfc2040) }
func TestKrovetz(t *testing.T) { check(t, krovetz) }

func check(t *testing.T, vectors []vector) {
	t.Helper()
	for _, v := range vectors {
		newCipher := func(key []byte) (cipher.Block, error) { return NewCipher(key, v.word, v.rounds) }
		cryptotest.TestBlock(t, newCipher, []cryptotest.BlockVector{{v.key, v.plain, v.ciphertext}}, 256)
	}
}

// TestNewCipher tries what RC5 does not have.
func TestNewCipher(t *testing.T) {
	for _, c := range []struct{ word, rounds uint }{{0, 12}, {3, 12}, {16, 12}, {4, 256}} {
		if b, err := NewCipher(make([]byte, 16), c.word, c.rounds); b != nil || err == nil {
			t.Errorf("words of %d bytes, %d rounds: no error", c.word, c.rounds)
		}
	}
}
