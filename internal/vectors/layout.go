package vectors

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// The fields of a parameter, beside numbers (a CK_ULONG) and bytes, which stand in the structure: a pointer with its
// length behind it, one without, one with its length before it, and a pointer to fields; the handle of a key; a pointer to
// bytes that the mechanism writes, and one to fields that it writes.
type (
	Pointed    []byte
	Alone      []byte
	Counted    []byte
	Structs    []any
	Handle     struct{ Key *Key }
	Out        int
	OutStructs []any
)

// Resolve gives the keys that fields, and the structures that those point to, name their handles.
func Resolve(fields []any, handle func(*Key) (uint, error)) (all []any, err error) {
	all = slices.Clone(fields)
	for i, f := range all {
		switch f := f.(type) {
		case Handle:
			all[i], err = handle(f.Key)
		case Structs:
			var inner []any
			inner, err = Resolve(f, handle)
			all[i] = Structs(inner)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// An Image is a structure as C has it, without the addresses.
type Image struct {
	Data    []byte
	Numbers []int // where there are numbers
	Refs    []Ref // where there are addresses
	Out     bool  // what the mechanism writes
}

// A Ref is the place of an address, and what is there: nil for NULL.
type Ref struct {
	At int
	To *Image
}

// LayOut lays out the fields of a structure.
func LayOut(fields []any) *Image {
	i := new(Image)
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			i.number(uint64(f))
		case uint:
			i.number(uint64(f))
		case ck.MechanismType:
			i.number(uint64(f))
		case []byte:
			i.Data = append(i.Data, f...)
		case Pointed:
			i.point(f)
			i.number(uint64(len(f)))
		case Alone:
			i.point(f)
		case Counted:
			i.number(uint64(len(f)))
			i.point(f)
		case Structs:
			i.refer(LayOut(f))
		case OutStructs:
			to := LayOut(f)
			to.Out = true
			i.refer(to)
		case Out:
			i.refer(&Image{Data: make([]byte, f), Out: true})
		default:
			panic(fmt.Sprintf("no field %T", f))
		}
	}
	return i
}

func (i *Image) number(n uint64) {
	i.Numbers = append(i.Numbers, len(i.Data))
	i.Data = binary.NativeEndian.AppendUint64(i.Data, n)
}

func (i *Image) refer(to *Image) {
	i.Refs = append(i.Refs, Ref{len(i.Data), to})
	i.Data = binary.NativeEndian.AppendUint64(i.Data, 0)
}

// point places the address of bytes; of none it is NULL.
func (i *Image) point(b []byte) {
	if len(b) == 0 {
		i.refer(nil)
		return
	}
	i.refer(&Image{Data: b})
}
