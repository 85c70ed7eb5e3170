package keywrap

import (
	"bytes"
	"crypto/aes"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

func wrapper(t *testing.T, key string, form Form) *Wrapper {
	t.Helper()
	block, err := aes.NewCipher(cryptotest.Unhex(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return New(block, form, nil)
}

// TestExamples runs the examples of RFC 3394, 4.1 and 4.6, and of RFC 5649, 6.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		form               Form
		key, data, wrapped string
	}{
		{RFC3394, "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{RFC3394, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
			"28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
		{RFC5649, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{RFC5649, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
	} {
		w, data, want := wrapper(t, v.key, v.form), cryptotest.Unhex(t, v.data), cryptotest.Unhex(t, v.wrapped)
		wrapped := make([]byte, w.WrappedLen(len(data)))
		if n, err := w.Wrap(wrapped, data); err != nil || !bytes.Equal(wrapped[:n], want) {
			t.Errorf("%x, %v; want %x", wrapped, err, want)
		}
		if out, err := w.Unwrap(bytes.Clone(want)); err != nil || !bytes.Equal(out, data) {
			t.Errorf("%x, %v; want %x", out, err, data)
		}
		want[0] ^= 1
		if _, err := w.Unwrap(want); !errors.Is(err, ErrIntegrity) {
			t.Errorf("altered: %v", err)
		}
	}
}

// TestLengths wraps and unwraps data of each length that the forms have, and of those that they do not have.
func TestLengths(t *testing.T) {
	t.Parallel()
	for _, form := range []Form{RFC3394, RFC5649, PKCS7} {
		w := wrapper(t, "000102030405060708090a0b0c0d0e0f", form)
		for n := range 50 {
			data := bytes.Repeat([]byte{byte(n)}, n)
			wrapped := make([]byte, w.WrappedLen(n))
			_, err := w.Wrap(wrapped, data)
			bad := n == 0 || form == RFC3394 && (n < 16 || n%8 != 0) || form == PKCS7 && n < 8
			if bad != errors.Is(err, ErrLength) {
				t.Errorf("form %d, %d bytes: %v", form, n, err)
			}
			if bad {
				continue
			}
			if out, err := w.Unwrap(wrapped); err != nil || !bytes.Equal(out, data) {
				t.Errorf("form %d, %d bytes: %x, %v", form, n, out, err)
			}
		}
		for _, n := range []int{0, 8, 23, 25} {
			if _, err := w.Unwrap(make([]byte, n)); !errors.Is(err, ErrLength) {
				t.Errorf("form %d, %d wrapped bytes: %v", form, n, err)
			}
		}
	}
}
