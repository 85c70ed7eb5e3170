package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
)

// A Hash is a row of the one list of hashes. What exists for each hash, digest, HMAC and so on, is made from it.
type Hash struct {
	Name        string // SHA-1, say
	ALGID       uint32 // CALG_*, 0 where CryptoAPI has none
	New         func() hash.Hash
	Size, Block int // in bytes
	Digest      ck.MechanismType
	HMAC        ck.MechanismType // and so on, as the families need it
	HMACGeneral ck.MechanismType
}
