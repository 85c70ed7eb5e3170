package chacha

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"math"
	"testing"

	"golang.org/x/crypto/chacha20"
)

func upTo(from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(from + i)
	}
	return b
}

func stream(s cipher.Stream, n int) []byte {
	out := make([]byte, n)
	s.XORKeyStream(out, out)
	return out
}

// TestBlock is the example of RFC 8439, section 2.3.2.
func TestBlock(t *testing.T) {
	t.Parallel()
	const want = "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4ed2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
	nonce := []byte{0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0}
	if got := hex.EncodeToString(stream(New(upTo(0, 32), nonce, 1), 64)); got != want {
		t.Errorf("%s", got)
	}
}

// TestLong goes over the end of the lower half of the counter, and compares with what golang.org/x/crypto has of it.
func TestLong(t *testing.T) {
	t.Parallel()
	key, nonce := upTo(0, 32), upTo(7, 8)
	short := func(upper byte, counter uint32) cipher.Stream {
		return New(key, append([]byte{upper, 0, 0, 0}, nonce...), counter)
	}
	want := append(stream(short(1, math.MaxUint32), BlockSize), stream(short(2, 0), 100)...)
	if got := stream(NewLong(key, nonce, 1<<32|math.MaxUint32), len(want)); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	x, err := chacha20.NewUnauthenticatedCipher(key, upTo(7, 24))
	if err != nil {
		t.Fatal(err)
	}
	x.SetCounter(3)
	want = stream(x, 100)
	if got := stream(NewLong(key, upTo(7, 24), 3), 100); !bytes.Equal(got, want) {
		t.Errorf("XChaCha20: %x, want %x", got, want)
	}
}

// TestPoly1305 is the example of RFC 8439, section 2.8.2, and that of draft-agl-tls-chacha20poly1305-04, section 7; each mode decrypts in
// parts what it has encrypted at once.
func TestPoly1305(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		key, nonce, aad, plaintext, want string
	}{
		{hex.EncodeToString(upTo(0x80, 32)), "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
			hex.EncodeToString([]byte("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")),
			"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
				"3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
		{"4290bcb154173531f314af57f3be3b5006da371ece272afa1b5dbdd1100a1007", "cd7cf67be39c794a", "87e229d4500845a079c0", "86d09974840bded2a5ca", "e3e446f7ede9a19b62a4677dabf4e3d24b876bb284753896e1d6"},
		{hex.EncodeToString(upTo(0, 32)), hex.EncodeToString(upTo(0x40, 24)), "", hex.EncodeToString(upTo(0, 100)), ""},
	} {
		var b [5][]byte
		for i, s := range []string{v.key, v.nonce, v.aad, v.plaintext, v.want} {
			var err error
			if b[i], err = hex.DecodeString(s); err != nil {
				t.Fatal(err)
			}
		}
		key, nonce, aad, plaintext, want := b[0], b[1], b[2], b[3], b[4]
		m, err := NewPoly1305(key, len(nonce))
		if err != nil {
			t.Fatal(err)
		}
		sealed := m.Seal(nil, nonce, plaintext, aad)
		if len(want) != 0 && !bytes.Equal(sealed, want) {
			t.Errorf("%x, want %x", sealed, want)
		}
		if got, err := m.Open(nil, nonce, sealed, aad); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%x, %v", got, err)
		}
		parts, got := m.Begin(nonce, aad, 0), make([]byte, len(plaintext))
		for i := range got {
			parts.Decrypt(got[i:i+1], sealed[i:i+1])
		}
		if tag := parts.Tag(nil); !bytes.Equal(got, plaintext) || !bytes.Equal(tag, sealed[len(plaintext):]) {
			t.Errorf("in parts: %x, and the tag %x", got, tag)
		}
		sealed[0] ^= 1
		if _, err := m.Open(nil, nonce, sealed, aad); err == nil {
			t.Error("opens when it is altered")
		}
	}
}
