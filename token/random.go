package token

import (
	"crypto/rand"

	"github.com/softcsp/softcsp/ck"
)

// random fills out from the operating system's generator.
func random(out []byte) error {
	if _, err := rand.Read(out); err != nil {
		return ck.CKR_FUNCTION_FAILED
	}
	return nil
}
