package gcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/camellia"
	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestCounter lets the last 32 bits of the counter wrap around.
func TestCounter(t *testing.T) {
	// The last 32 bits of the counter wrap around without touching the others.
	block, err := aes.NewCipher(pattern(32))
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{block: block}
	copy(s.counter[:], pattern(12))
	s.startAt(1<<32 - 2)
	got := make([]byte, 4*blockSize)
	s.XORKeyStream(got[:5], got[:5])
	s.XORKeyStream(got[5:], got[5:])
	for i, counter := range []string{"\xff\xff\xff\xfe", "\xff\xff\xff\xff", "\x00\x00\x00\x00", "\x00\x00\x00\x01"} {
		want := append(pattern(12), counter...)
		block.Encrypt(want, want)
		if !bytes.Equal(got[i*blockSize:][:blockSize], want) {
			t.Errorf("block %d is %x, want %x", i, got[i*blockSize:][:blockSize], want)
		}
	}
}

// vectors are test cases 1, 2, 4, 5 and 6 of McGrew and Viega, The Galois/Counter Mode of Operation, which SP 800-38D refers to.
var vectors = []struct{ key, nonce, plain, aad, sealed, tag string }{
	{key: "00000000000000000000000000000000", nonce: "000000000000000000000000", tag: "58e2fccefa7e3061367f1d57a4e7455a"},
	{"00000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000", "",
		"0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
	{"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", plain60, aad20,
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		"5bc94fbc3221a5db94fae95ae7121a47"},
	{"feffe9928665731c6d6a8f9467308308", "cafebabefacedbad", plain60, aad20,
		"61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
		"3612d2e79e3b0785561be14aaca2fccb"},
	{"feffe9928665731c6d6a8f9467308308", "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b", plain60, aad20,
		"8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
		"619cc5aefffe0bfa462af43c1699d050"},
}

const (
	plain60 = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
	aad20   = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
)

// TestVectors tries each vector with tags of every length.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		block, err := aes.NewCipher(cryptotest.Unhex(t, v.key))
		if err != nil {
			t.Fatal(err)
		}
		nonce, whole := cryptotest.Unhex(t, v.nonce), cryptotest.Unhex(t, v.tag)
		for n := MinTag; n <= TagSize; n++ {
			g, err := New(block, len(nonce), n)
			if err != nil {
				t.Fatal(err)
			}
			checkAEAD(t, g, nonce, cryptotest.Unhex(t, v.aad), cryptotest.Unhex(t, v.plain), append(cryptotest.Unhex(t, v.sealed), whole[:n]...))
		}
	}
}

// checkAEAD tries everything that an AEAD does with a message.
func checkAEAD(t *testing.T, g *AEAD, nonce, aad, plain, sealed []byte) {
	t.Helper()
	n := len(plain)
	if g.NonceSize() != len(nonce) || g.Overhead() != len(sealed)-n {
		t.Errorf("sizes %d and %d", g.NonceSize(), g.Overhead())
	}
	if got := g.Seal([]byte("before"), nonce, plain, aad); string(got) != "before"+string(sealed) {
		t.Errorf("a tag of %d bytes: %x, want %x", g.Overhead(), got, sealed)
	}
	if got, err := g.Open([]byte("before"), nonce, sealed, aad); err != nil || string(got) != "before"+string(plain) {
		t.Errorf("a tag of %d bytes opens to %x, %v", g.Overhead(), got, err)
	}
	for _, step := range []int{1, 7, 16, 1000} {
		m, opening, out, back := g.Begin(nonce, aad, 0), g.Begin(nonce, aad, 0), make([]byte, n), make([]byte, n)
		for at := 0; at < n; at += step {
			end := min(n, at+step)
			m.Encrypt(out[at:end], plain[at:end])
			opening.Decrypt(back[at:end], sealed[at:end])
		}
		if got := m.Tag(out); !bytes.Equal(got, sealed) {
			t.Errorf("in parts of %d: %x, want %x", step, got, sealed)
		}
		if got := opening.Tag(nil); !bytes.Equal(back, plain) || !bytes.Equal(got, sealed[n:]) {
			t.Errorf("in parts of %d back: %x with tag %x", step, back, got)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if got, err := g.Open(nil, nonce, changed, aad); err == nil || got != nil {
			t.Errorf("with byte %d changed opens to %x, %v", i, got, err)
		}
	}
	if _, err := g.Open(nil, nonce, sealed[:g.Overhead()-1], aad); err == nil {
		t.Error("less than a tag opens")
	}
}

// TestOtherCiphers compares GCM over a cipher that is not AES with crypto/cipher.
func TestOtherCiphers(t *testing.T) {
	t.Parallel()
	block, err := camellia.NewCipher(pattern(32))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, NonceSize, 33} {
		want, err := cipher.NewGCMWithNonceSize(block, size)
		if err != nil {
			t.Fatal(err)
		}
		g, err := New(block, size, TagSize)
		if err != nil {
			t.Fatal(err)
		}
		sealed := want.Seal(nil, pattern(size), pattern(99), pattern(5))
		checkAEAD(t, g, pattern(size), pattern(5), pattern(99), sealed)
		if g, err = g.WithSizes(size, 6); err != nil {
			t.Fatal(err)
		}
		checkAEAD(t, g, pattern(size), pattern(5), pattern(99), sealed[:99+6])
	}
}

// TestSizes asks for what GCM has not.
func TestSizes(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(pattern(16))
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(block, NonceSize, TagSize)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct{ nonce, tag int }{{0, 16}, {12, 3}, {12, 17}, {8, 0}} {
		if _, err := New(block, s.nonce, s.tag); err == nil {
			t.Errorf("New takes a nonce of %d bytes with a tag of %d", s.nonce, s.tag)
		}
		if _, err := g.WithSizes(s.nonce, s.tag); err == nil {
			t.Errorf("WithSizes takes a nonce of %d bytes with a tag of %d", s.nonce, s.tag)
		}
	}
}

// TestMAC computes GMAC, which is the tag of nothing with associated data.
func TestMAC(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(pattern(16))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{MinTag, TagSize} {
		g, err := New(block, 9, size)
		if err != nil {
			t.Fatal(err)
		}
		h := g.NewMAC(pattern(9))
		h.Write(pattern(50))
		h.Write(pattern(5000))
		want := g.Seal(nil, pattern(9), nil, append(pattern(50), pattern(5000)...))
		if got := h.Sum(nil); h.Size() != size || !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
	}
}
