// Package cloneable lets the hashes of golang.org/x/crypto be cloned.
package cloneable

import (
	"hash"
	"reflect"
)

// A Hash is a hash of golang.org/x/crypto whose state can be cloned, as the standard library's can. The state must be a structure
// without pointers: the tests of package mechanisms see to that.
type Hash struct{ hash.Hash }

var _ hash.Cloner = Hash{}

// Clone implements [hash.Cloner].
func (h Hash) Clone() (hash.Cloner, error) {
	state := reflect.ValueOf(h.Hash).Elem()
	copied := reflect.New(state.Type())
	copied.Elem().Set(state)
	return Hash{copied.Interface().(hash.Hash)}, nil
}
