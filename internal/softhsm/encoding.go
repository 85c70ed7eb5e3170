package softhsm

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/softcsp/softcsp/ck"
)

// errCut is the error of what ends too early.
var errCut = fmt.Errorf("%w: it ends too early", ErrDamaged)

// maxAttributes is more attributes than an object has.
const maxAttributes = 1 << 10

// An encoding is how attributes lie in a file or a database.
type encoding struct {
	order    binary.ByteOrder
	kindSize int  // of the number that tells the kind, in bytes
	counted  bool // the mechanisms of a list are counted, and not their bytes
}

var (
	// fileEncoding is that of the files of objects, and of the attribute arrays in them.
	fileEncoding = encoding{binary.BigEndian, 8, true}
	// databaseEncoding is that of attribute arrays in a database, where they lie as in the memory of a program of 64 bits.
	databaseEncoding = encoding{binary.LittleEndian, 4, false}
)

// parseObject reads the file of an object: a number that counts changes, and attributes, each with its type, its kind and its value.
func parseObject(b []byte) (object, error) {
	r := reader{encoding: fileEncoding, rest: b}
	r.number()
	return r.attributes(true)
}

// A reader reads numbers and values. What ends too early leaves it short.
type reader struct {
	encoding
	rest  []byte
	short bool
}

// take returns the next n bytes, nil where there are fewer.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.rest, r.short = nil, true
		return nil
	}
	v := r.rest[:n:n]
	r.rest = r.rest[n:]
	return v
}

// number reads a number, 0 where there is none.
func (r *reader) number() uint64 {
	if v := r.take(8); v != nil {
		return r.order.Uint64(v)
	}
	return 0
}

// kind reads the number of a kind.
func (r *reader) kind() kind {
	if r.kindSize == 8 {
		return kind(r.number())
	}
	if v := r.take(4); v != nil {
		return kind(r.order.Uint32(v))
	}
	return 0
}

// attributes reads attributes to the end. One that is there twice has its last value. Arrays of attributes are not nested.
func (r *reader) attributes(arrays bool) (object, error) {
	o := make(object)
	for len(r.rest) > 0 {
		typ, k := ck.AttributeType(r.number()), r.kind()
		v, err := r.value(k, arrays)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", err, typ)
		}
		if o[typ] = (attribute{k, v}); len(o) > maxAttributes {
			return nil, fmt.Errorf("%w: it has more than %d attributes", ErrDamaged, maxAttributes)
		}
	}
	if r.short {
		return nil, errCut
	}
	return o, nil
}

// value reads a value, and turns it into what PKCS #11 has.
func (r *reader) value(k kind, arrays bool) (v []byte, err error) {
	switch {
	case r.short: // before it
	case k == kindBool:
		v = r.take(1)
		v = ck.BoolValue(v != nil && v[0] != 0)
	case k == kindUlong:
		v = ck.UlongValue(uint(r.number()))
	case k == kindBytes:
		v = r.take(r.number())
	case k == kindMechanisms:
		n := r.number()
		if r.counted {
			n = min(n, uint64(len(r.rest))) * 8
		}
		v, err = r.mechanisms(r.take(n))
	case k == kindTemplate && arrays:
		inner := reader{encoding: r.encoding, rest: r.take(r.number())}
		v, err = inner.template()
	default:
		return nil, fmt.Errorf("%w: a value of the unknown kind %d", ErrDamaged, k)
	}
	if r.short {
		return nil, errCut
	}
	return v, err
}

// template reads an attribute array to its end. The attributes are sorted by type, as SoftHSM2 writes them.
func (r *reader) template() ([]byte, error) {
	o, err := r.attributes(false)
	if err != nil {
		return nil, err
	}
	return ck.AppendTemplate(nil, o.list()), nil
}

// mechanisms turns a list of mechanisms into what PKCS #11 has. A number of more than 32 bits is two of a program of 32 bits.
func (e encoding) mechanisms(b []byte) (v []byte, err error) {
	if len(b)%8 != 0 {
		return nil, errCut
	}
	for ; len(b) > 0; b = b[8:] {
		n := e.order.Uint64(b)
		if n > math.MaxUint32 {
			return nil, fmt.Errorf("%w: no mechanism has the number %#x", ErrDamaged, n)
		}
		v = ck.AppendUlong(v, uint(n))
	}
	return v, nil
}
