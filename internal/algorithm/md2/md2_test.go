package md2

import (
	"encoding/hex"
	"hash"
	"strings"
	"testing"
)

// suite is RFC 1319, A.5.
var suite = []struct{ in, want string }{
	{"", "8350e5a3e24c153df2275c9f80692773"},
	{"a", "32ec01ec4a6dac72c0ab96fb34c0b5d1"},
	{"abc", "da853b0d3f88d99b30283a69e6ded6bb"},
	{"message digest", "ab4f496bfb2a530b219ff33031fe06b0"},
	{"abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b"},
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "da33def2a42df13975352846c30338cd"},
	{strings.Repeat("1234567890", 8), "d5976f79d83d3a0dc9806c3c66f3efd8"},
}

func TestRFC1319(t *testing.T) {
	for _, c := range suite {
		h := New()
		for range 2 {
			for i := range c.in { // in parts of one byte
				h.Write([]byte{c.in[i]})
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != c.want {
				t.Errorf("MD2(%q) is %s, want %s", c.in, got, c.want)
			}
			h.Reset()
		}
	}
}

// TestClone sees that a clone goes on by itself.
func TestClone(t *testing.T) {
	h := New()
	h.Write([]byte("message "))
	c, err := h.(hash.Cloner).Clone()
	if err != nil {
		t.Fatal(err)
	}
	h.Write([]byte("of another kind"))
	c.Write([]byte("digest"))
	if got := hex.EncodeToString(c.Sum(nil)); got != suite[3].want {
		t.Errorf("the clone gives %s, want %s", got, suite[3].want)
	}
}
