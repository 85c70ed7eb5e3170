package store

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() (u [16]byte) {
	random(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// random fills b. crypto/rand.Read does not fail: it ends the process where the system has no randomness.
func random(b []byte) { _, _ = rand.Read(b) }

// formatUUID returns the canonical form, in lower case.
func formatUUID(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// parseUUID reads the canonical form and no other, so that a name has one spelling.
func parseUUID(s string) (u [16]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 || formatUUID([16]byte(b)) != s {
		return u, fmt.Errorf("%w: %q is not a UUID", ck.CKR_ARGUMENTS_BAD, s)
	}
	return [16]byte(b), nil
}
