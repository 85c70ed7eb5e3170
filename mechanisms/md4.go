package mechanisms

import (
	"hash"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 what Windows made with MD4 needs it

	"github.com/softcsp/softcsp/internal/cloneable"
)

// newMD4 makes MD4 (RFC 1320).
func newMD4() hash.Hash { return cloneable.Hash{Hash: md4.New()} }
