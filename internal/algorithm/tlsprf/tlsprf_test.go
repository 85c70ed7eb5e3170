package tlsprf

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"testing"
)

func upTo(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// TestFill runs the vector for SHA-256 that was published on the list of the TLS working group, and one for TLS 1.0 from Python's hmac.
func TestFill(t *testing.T) {
	t.Parallel()
	secret, _ := hex.DecodeString("9bbe436ba940f017b17652849a71db35")
	seed, _ := hex.DecodeString("a0ba9f936cda311827a6f796ffd5198c")
	for _, v := range []struct {
		prf  PRF
		seed [][]byte
		want string
	}{
		{New12(sha256.New, secret), [][]byte{[]byte("test label"), seed}, "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a" +
			"6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"},
		{New10(upTo(47)), [][]byte{[]byte("test label"), []byte("client random"), []byte("server random")},
			"14ebebb6850b4f0099c3ba8ce0a72a918cf44a0643cbfdd918b566c5bd30806ee70199db1e5cc285ac01342551693fc944caff959773c6e9d6a3a8f2cf6585fe63b61ea81ced"},
	} {
		out := make([]byte, len(v.want)/2)
		for range 2 {
			if v.prf.Fill(out, v.seed...); hex.EncodeToString(out) != v.want {
				t.Errorf("%x, want %s", out, v.want)
			}
		}
	}
}

// TestSSL3 compares with what Python's hashlib makes of the same formulas.
func TestSSL3(t *testing.T) {
	t.Parallel()
	out := make([]byte, 70)
	SSL3(out, upTo(48), []byte("client random"), []byte("server random"))
	if got := hex.EncodeToString(out); got != "49f2e65141feff7d2c84f35a65d8a4f1dcbc1ac42eb390131d1ba3392067e020a9e86b4d6557924bec2c21e044c9961867591087130800cb473585c7f2504da04a472abcd303" {
		t.Errorf("%s", got)
	}
	for _, v := range []struct {
		newHash  func() hash.Hash
		key, pad int
		want     string
	}{
		{md5.New, 16, 48, "984ecc3c78840a25531691e76a4e9979"},
		{sha1.New, 20, 40, "b846cd94bcfffe91fe652a5dae197d97441caadd"},
	} {
		h, err := NewSSL3MAC(v.newHash, upTo(v.key), v.pad)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			h.Reset()
			h.Write([]byte("da"))
			clone, err := h.Clone()
			if err != nil {
				t.Fatal(err)
			}
			h.Write([]byte("ta"))
			clone.Write([]byte("ta"))
			if got := hex.EncodeToString(h.Sum(nil)); got != v.want || hex.EncodeToString(clone.Sum(nil)) != v.want {
				t.Errorf("%s, want %s", got, v.want)
			}
		}
	}
}
