package store

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// A Separation is how far the keys of a token are kept apart: docs/configuration.md. The smaller number is the stricter.
type Separation uint8

const (
	// SeparationStrict gives each key one role, against attacks that use a key in two ways.
	SeparationStrict Separation = iota
	// SeparationStandard is no more than what PKCS #11 asks for.
	SeparationStandard
	separations
)

// String returns the name.
func (s Separation) String() string {
	if s >= separations {
		return fmt.Sprintf("separation %d", uint8(s))
	}
	return [separations]string{"strict", "standard"}[s]
}

// ParseSeparation finds a separation by its name; "" is strict.
func ParseSeparation(name string) (Separation, error) {
	switch name {
	case "", "strict":
		return SeparationStrict, nil
	case "standard":
		return SeparationStandard, nil
	}
	return 0, fmt.Errorf("%w: key separation %q is none of strict, standard", ck.CKR_ARGUMENTS_BAD, name)
}

// An Origin is how an object came to be in its token.
type Origin uint8

const (
	// OriginBefore2 is that of objects from before format 2, which did not tell.
	OriginBefore2 Origin = iota
	OriginGenerated
	OriginImported
	OriginUnwrapped
	OriginDerived
	OriginRestored
	origins
)

// String returns the name.
func (o Origin) String() string {
	if o >= origins {
		return fmt.Sprintf("origin %d", uint8(o))
	}
	return [origins]string{"before format 2", "generated", "imported", "unwrapped", "derived", "restored"}[o]
}
