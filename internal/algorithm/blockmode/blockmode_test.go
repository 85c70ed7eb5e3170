package blockmode

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// key and iv are those of the examples of SP 800-38A, appendix F, with AES-128.
const (
	key = "2b7e151628aed2a6abf7158809cf4f3c"
	iv  = "000102030405060708090a0b0c0d0e0f"
)

func block(t *testing.T, key string) cipher.Block {
	t.Helper()
	b, err := aes.NewCipher(cryptotest.Unhex(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStreams runs the examples of SP 800-38A, appendix F.3 and F.4, byte by byte too.
func TestStreams(t *testing.T) {
	t.Parallel()
	b, iv := block(t, key), cryptotest.Unhex(t, iv)
	plain := cryptotest.Unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
	for _, v := range []struct {
		name  string
		start func(decrypt bool) cipher.Stream
		want  string
	}{
		{"CFB1", func(decrypt bool) cipher.Stream { return NewBitCFB(b, iv, decrypt) }, "68b3"},
		{"CFB8", func(decrypt bool) cipher.Stream { return NewCFB(b, iv, 1, decrypt) }, "3b79424c9c0dd436bace9e0ed4586a4f32b9"},
		{"CFB128", func(decrypt bool) cipher.Stream { return NewCFB(b, iv, 16, decrypt) }, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"},
		{"OFB", func(bool) cipher.Stream { return NewOFB(b, iv, 16) }, "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"},
	} {
		want := cryptotest.Unhex(t, v.want)
		got := make([]byte, len(want))
		v.start(false).XORKeyStream(got, plain[:len(want)])
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", v.name, got, want)
		}
		s := v.start(true)
		for i := range got {
			s.XORKeyStream(got[i:i+1], want[i:i+1])
		}
		if !bytes.Equal(got, plain[:len(got)]) {
			t.Errorf("%s: decrypted %x", v.name, got)
		}
	}
}

// TestECB runs the example of SP 800-38A, appendix F.1.1.
func TestECB(t *testing.T) {
	t.Parallel()
	plain, want := cryptotest.Unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"), cryptotest.Unhex(t, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf")
	got := make([]byte, len(want))
	if NewECB(block(t, key), false).CryptBlocks(got, plain); !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
	if NewECB(block(t, key), true).CryptBlocks(got, want); !bytes.Equal(got, plain) {
		t.Errorf("decrypted %x", got)
	}
}

// TestStealing decrypts what it has encrypted of each length, and compares with CBC of the message with zeros at its end: the last block is
// the same, and the one before it has lost its end (SP 800-38A, addendum).
func TestStealing(t *testing.T) {
	t.Parallel()
	b, iv := block(t, key), cryptotest.Unhex(t, iv)
	for n := 16; n < 32; n++ {
		plain := bytes.Repeat([]byte{byte(n), 1, 2}, 11)[:n]
		whole := make([]byte, (n+15)/16*16)
		copy(whole, plain)
		cipher.NewCBCEncrypter(b, iv).CryptBlocks(whole, whole)
		data := bytes.Clone(plain)
		StealEncrypt(cipher.NewCBCEncrypter(b, iv), data)
		if last := len(whole) - 16; !bytes.Equal(data[n-16:], whole[last:]) || !bytes.Equal(data[:n-16], whole[:n-16]) {
			t.Errorf("%d bytes: %x, and CBC makes %x", n, data, whole)
		}
		if StealDecrypt(b, cipher.NewCBCDecrypter(b, iv), data); !bytes.Equal(data, plain) {
			t.Errorf("%d bytes: decrypted %x", n, data)
		}
	}
}
