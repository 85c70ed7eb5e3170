package token

import (
	"os"
	"testing"
)

// TestMain has a directory of its own for what is remembered of tokens.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "softcsp-state")
	if err != nil {
		panic(err)
	}
	_ = os.Setenv("XDG_STATE_HOME", dir)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
