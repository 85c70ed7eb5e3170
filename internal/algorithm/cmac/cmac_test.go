package cmac

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"hash"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// check computes a MAC at once, byte by byte, and by a clone.
func check(t *testing.T, h hash.Hash, message, want []byte) {
	t.Helper()
	h.Reset()
	h.Write(message)
	if got := h.Sum(nil); !bytes.Equal(got, want) {
		t.Errorf("of %x: %x, want %x", message, got, want)
	}
	h.Reset()
	for i := range message {
		h.Write(message[i : i+1])
		clone, err := h.(hash.Cloner).Clone()
		if err != nil {
			t.Fatal(err)
		}
		clone.Write(message[i+1:])
		if got := clone.Sum(nil); !bytes.Equal(got, want) {
			t.Errorf("of %x, cloned after %d bytes: %x, want %x", message, i+1, got, want)
		}
	}
}

const message = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"

// TestCMAC runs the examples of SP 800-38B, with AES-128 (those of RFC 4493) and with triple DES.
func TestCMAC(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(cryptotest.Unhex(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	if err != nil {
		t.Fatal(err)
	}
	tdes, err := des.NewTripleDESCipher(cryptotest.Unhex(t, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		block cipher.Block
		n     int
		want  string
	}{
		{block, 0, "bb1d6929e95937287fa37d129b756746"},
		{block, 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{block, 40, "dfa66747de9ae63030ca32611497c827"},
		{block, 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{tdes, 0, "b7a688e122ffaf95"},
		{tdes, 8, "8e8f293136283797"},
		{tdes, 20, "743ddbe0ce2dc2ed"},
		{tdes, 32, "33e6b1092400eae5"},
	} {
		check(t, New(v.block), cryptotest.Unhex(t, message)[:v.n], cryptotest.Unhex(t, v.want))
	}
}

// TestXCBC runs vectors of RFC 3566, section 4.6.
func TestXCBC(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		message int
		want    string
	}{
		{0, "75f0251d528ac01c4573dfd584d79f29"},
		{3, "5b376580ae2f19afe7219ceef172756f"},
		{16, "d2a246fa349b68a79998a4394ff7a263"},
		{20, "47f51b4564966215b8985c63055ed308"},
	} {
		h, err := NewXCBC(upTo(16))
		if err != nil {
			t.Fatal(err)
		}
		check(t, h, upTo(v.message), cryptotest.Unhex(t, v.want))
	}
}

// TestXCBCKeys is RFC 4434, 3, with keys of other lengths than that of a block, which AES has none of.
func TestXCBCKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key  int
		more []byte
		want string
	}{{10, nil, "0fa087af7d866e7653434e602fdde835"}, {16, []byte{0xed, 0xcb}, "8cd3c93ae598a9803006ffb67c40e9e4"}} {
		h, err := NewXCBC(append(upTo(c.key), c.more...))
		if err != nil {
			t.Fatal(err)
		}
		h.Write(upTo(20))
		if got := hex.EncodeToString(h.Sum(nil)); got != c.want {
			t.Errorf("a key of %d bytes: %s, want %s", c.key+len(c.more), got, c.want)
		}
	}
}

// upTo is the bytes 0, 1, 2 and so on.
func upTo(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}
