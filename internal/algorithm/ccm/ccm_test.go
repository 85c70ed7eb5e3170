package ccm

import (
	"bytes"
	"crypto/aes"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

func pattern(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

// TestExamples runs the examples of SP 800-38C, appendix C, whose last has 64 KiB of associated data.
func TestExamples(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(pattern(0x40, 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		nonce, aad, plaintext, tag int
		want                       string
	}{
		{7, 8, 4, 4, "7162015b4dac255d"},
		{8, 16, 16, 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"},
		{12, 20, 24, 8, "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"},
		{13, 1 << 16, 32, 14, "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b"},
	} {
		c := New(block, v.tag)
		nonce, aad, plaintext, want := pattern(0x10, v.nonce), pattern(0, v.aad), pattern(0x20, v.plaintext), cryptotest.Unhex(t, v.want)
		if got := c.Seal(nil, nonce, plaintext, aad); !bytes.Equal(got, want) {
			t.Errorf("%x, want %x", got, want)
		}
		if got, err := c.Open(nil, nonce, want, aad); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%x, %v", got, err)
		}
		m := c.Begin(nonce, aad, uint64(v.plaintext))
		parts := make([]byte, v.plaintext)
		for i := range plaintext {
			m.Encrypt(parts[i:i+1], plaintext[i:i+1])
		}
		if got := m.Tag(parts); !bytes.Equal(got, want) {
			t.Errorf("in parts: %x, want %x", got, want)
		}
		want[len(want)-1] ^= 1
		if got, err := c.Open(nil, nonce, want, aad); err == nil {
			t.Errorf("opens with another tag: %x", got)
		}
	}
}

// TestSizes tries the limits of nonces, tags and messages.
func TestSizes(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		nonce, tag uint
		want       bool
	}{{7, 4, true}, {13, 16, true}, {6, 4, false}, {14, 4, false}, {7, 2, false}, {7, 18, false}, {7, 5, false}} {
		if ValidSizes(v.nonce, v.tag) != v.want {
			t.Errorf("%v", v)
		}
	}
	if MaxLen(13) != 1<<16-1 || MaxLen(8) != 1<<56-1 || MaxLen(7) != 1<<64-1 {
		t.Errorf("%d, %d, %d", MaxLen(13), MaxLen(8), uint64(MaxLen(7)))
	}
}
