package mechanisms

import (
	"hash"
	"reflect"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 what Windows made with MD4 needs it
)

// An md4Hash is MD4 (RFC 1320) whose state can be cloned, as the standard library's hashes can: HMAC is made so.
type md4Hash struct{ hash.Hash }

var _ hash.Cloner = md4Hash{}

func newMD4() hash.Hash { return md4Hash{md4.New()} }

// Clone implements hash.Cloner. The state is a structure without pointers.
func (h md4Hash) Clone() (hash.Cloner, error) {
	state := reflect.ValueOf(h.Hash).Elem()
	copied := reflect.New(state.Type())
	copied.Elem().Set(state)
	return md4Hash{copied.Interface().(hash.Hash)}, nil
}
