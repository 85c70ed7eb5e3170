package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"
)

// TestTermMAC compares with a new HMAC, and looks for what was hashed in a hash that is kept.
func TestTermMAC(t *testing.T) {
	key, value := []byte("a key"), bytes.Repeat([]byte{0x5a}, 40)
	h := hmac.New(sha256.New, key)
	h.Reset()
	m := &termMAC{hash: h}
	before := fmt.Sprint(h)
	for range 2 {
		want := hmac.New(sha256.New, key)
		want.Write(secretTerms)
		want.Write(value)
		if got := m.sum(secretTerms, value); !bytes.Equal(got[:], want.Sum(nil)) {
			t.Errorf("%x", got)
		}
	}
	m.sum(privateTerms, nil)
	if after := fmt.Sprint(h); bytes.Contains([]byte(after), []byte("90 90 90")) || before == "" {
		t.Errorf("left in a hash: %s", after)
	}
}
