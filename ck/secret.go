package ck

import (
	"crypto/subtle"
	"log/slog"
)

// A Secret is bytes that do not print: no verb of fmt, no log and no JSON shows them. Reading them is one method whose
// uses can be searched for.
type Secret struct{ b []byte }

// NewSecret makes a Secret of b, which it keeps.
func NewSecret(b []byte) Secret { return Secret{b} }

// Reveal returns the bytes themselves.
func (s Secret) Reveal() []byte { return s.b }

// Len returns the number of bytes.
func (s Secret) Len() int { return len(s.b) }

// Equal compares in constant time.
func (s Secret) Equal(t Secret) bool { return subtle.ConstantTimeCompare(s.b, t.b) == 1 }

// Wipe overwrites the bytes with zeros.
func (s Secret) Wipe() { clear(s.b) }

// String implements fmt.Stringer.
func (Secret) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[secret]" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }
