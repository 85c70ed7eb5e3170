package softcsp

import "github.com/softcsp/softcsp/ck"

// A param is the parameter of a mechanism under construction: a C structure, in which the places of slices stand as their numbers.
type param struct {
	structure []byte
	slices    [][]byte
}

func (p *param) ulong(n uint) *param {
	p.structure = ck.AppendUlong(p.structure, n)
	return p
}

// pointer adds a pointer to b, which is NULL for an empty one.
func (p *param) pointer(b []byte) *param {
	if len(b) == 0 {
		return p.ulong(0)
	}
	p.slices = append(p.slices, b)
	return p.ulong(uint(len(p.slices)))
}

// bytes adds a pointer to b, and its length.
func (p *param) bytes(b []byte) *param { return p.pointer(b).ulong(uint(len(b))) }

// bytesAfter adds the length of b, and a pointer to it.
func (p *param) bytesAfter(b []byte) *param { return p.ulong(uint(len(b))).pointer(b) }

// mechanism returns the mechanism with the parameter.
func (p *param) mechanism(t ck.MechanismType) *ck.Mechanism {
	return &ck.Mechanism{Type: t, Param: ck.NewParam(p.structure, func(at uint64, n uint) []byte {
		if at == 0 || at > uint64(len(p.slices)) || n > uint(len(p.slices[at-1])) {
			return nil
		}
		return p.slices[at-1][:n]
	})}
}

// mechanism is a mechanism whose parameter is plain bytes, or none.
func mechanism(t ck.MechanismType, parameter []byte) *ck.Mechanism {
	return &ck.Mechanism{Type: t, Param: ck.NewParam(parameter, nil)}
}
