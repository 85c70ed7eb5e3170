package shake

import (
	"encoding/hex"
	"testing"
)

// TestSum256 is the empty message of FIPS 202's examples, and a message in parts.
func TestSum256(t *testing.T) {
	const want = "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f"
	if got := hex.EncodeToString(Sum256(32)); got != want {
		t.Errorf("SHAKE256 of nothing is %s, want %s", got, want)
	}
	if a, b := Sum256(200, []byte("abc")), Sum256(200, []byte("a"), nil, []byte("bc")); string(a) != string(b) || len(a) != 200 {
		t.Errorf("in parts: %x and %x", a, b)
	}
}
