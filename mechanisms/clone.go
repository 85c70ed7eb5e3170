package mechanisms

import (
	"hash"
	"reflect"
)

// A cloneable is a hash of golang.org/x/crypto whose state can be cloned, as the standard library's can: MACs start from
// clones. The state is a structure without pointers, which TestCloneable sees to.
type cloneable struct{ hash.Hash }

var _ hash.Cloner = cloneable{}

// Clone implements hash.Cloner.
func (h cloneable) Clone() (hash.Cloner, error) {
	state := reflect.ValueOf(h.Hash).Elem()
	copied := reflect.New(state.Type())
	copied.Elem().Set(state)
	return cloneable{copied.Interface().(hash.Hash)}, nil
}
