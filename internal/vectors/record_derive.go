package vectors

import (
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// base is a case that derives a generic secret of a record's value.
func (r *recordReader) base(m ck.MechanismType) Case {
	c := Case{At: r.At, Does: Derive, Mechanism: m, Out: r.bytes("Value")}
	t := ck.KeyType(ck.CKK_GENERIC_SECRET)
	if name := r.Fields["KeyType"]; name != "" {
		t, _ = ck.ParseKeyType(name)
	}
	c.Key = Secret(t, r.bytes("Key"))
	return c
}

// IKEParam is what the mechanisms of IKE are given. Keys are ints, or Handles.
type IKEParam struct {
	PRF                  ck.MechanismType
	DataAsKey, Rekey     bool
	Other, Previous      any // nil for none
	Ni, Nr, Data, Number []byte
}

// Fields are the fields of the parameter of a mechanism.
func (p *IKEParam) Fields(m ck.MechanismType) []any {
	flag := func(b bool) []byte { return slices.Clone(ck.BoolValue(b)) }
	handle := func(h any) any {
		if h == nil {
			return 0
		}
		return h
	}
	pad := make([]byte, 7)
	switch m {
	case ck.CKM_IKE_PRF_DERIVE:
		return []any{p.PRF, flag(p.DataAsKey), flag(p.Rekey), pad[:6], Pointed(p.Ni), Pointed(p.Nr), handle(p.Other)}
	case ck.CKM_IKE1_PRF_DERIVE:
		return []any{p.PRF, flag(p.Previous != nil), pad, handle(p.Other), handle(p.Previous), Pointed(p.Ni), Pointed(p.Nr), p.Number, pad}
	}
	return []any{p.PRF, flag(p.Other != nil), pad, handle(p.Other), Pointed(p.Data)}
}

func ikeRecord(s *Suite, r *recordReader) {
	c := r.base(r.mechanism("Mechanism"))
	p := IKEParam{PRF: r.mechanism("PRF"), DataAsKey: r.Fields["Form"] == "data as key", Rekey: r.Fields["Form"] == "rekey",
		Ni: r.bytes("Ni"), Nr: r.bytes("Nr"), Data: r.bytes("Data"), Number: r.bytes("Number")}
	if r.Has("Other") {
		p.Other = Handle{Secret(ck.CKK_GENERIC_SECRET, r.bytes("Other"))}
	}
	if r.Has("Previous") {
		p.Previous = Handle{Secret(ck.CKK_GENERIC_SECRET, r.bytes("Previous"))}
	}
	c.Param, c.Template = p.Fields(c.Mechanism), sized(ck.CKK_GENERIC_SECRET, len(c.Out))
	s.add(c)
}

// A KDF108Arg is a CK_PRF_DATA_PARAM.
type KDF108Arg struct {
	Kind uint
	Data []byte
}

// CounterArg is a counter of some width: a CK_SP800_108_COUNTER_FORMAT.
func CounterArg(kind, bits uint) KDF108Arg {
	return KDF108Arg{kind, append(make([]byte, 8), ck.UlongValue(bits)...)}
}

// KDF108Fields are the fields of the parameter of a mode of SP 800-108. further are those of CK_DERIVED_KEYs, three each.
func KDF108Fields(mode, prf ck.MechanismType, iv []byte, args []KDF108Arg, further ...any) []any {
	var list Structs
	for _, a := range args {
		list = append(list, a.Kind, Pointed(a.Data))
	}
	fields := []any{prf, len(args), list}
	if mode == ck.CKM_SP800_108_FEEDBACK_KDF {
		fields = append(fields, Counted(iv))
	}
	return append(fields, len(further)/3, Structs(further))
}

// KDF108Args reads the notation of the vectors: i is the counter, K the iteration variable, anything else fixed data.
func KDF108Args(mode ck.MechanismType, data string, width uint) (args []KDF108Arg, err error) {
	for part := range strings.SplitSeq(data, ", ") {
		switch {
		case part == "i" && mode == ck.CKM_SP800_108_COUNTER_KDF:
			args = append(args, CounterArg(ck.CK_SP800_108_ITERATION_VARIABLE, width))
		case part == "i":
			args = append(args, CounterArg(ck.CK_SP800_108_COUNTER, width))
		case part == "K":
			args = append(args, KDF108Arg{ck.CK_SP800_108_ITERATION_VARIABLE, nil})
		default:
			b, e := hex.DecodeString(part)
			args, err = append(args, KDF108Arg{ck.CK_SP800_108_BYTE_ARRAY, b}), errors.Join(err, e)
		}
	}
	return args, err
}

func kdf108Record(s *Suite, r *recordReader) {
	c := r.base(r.mechanism("Mode"))
	args, err := KDF108Args(c.Mechanism, r.Fields["Data"], r.number("Width"))
	r.keep(err)
	c.Param = KDF108Fields(c.Mechanism, r.mechanism("PRF"), r.bytes("IV"), args)
	c.Template = []ck.Attribute{{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(uint(len(c.Out)))}}
	s.add(c)
}

// PBEFields are the fields of a CK_PBE_PARAMS. iv is a pointer, to where the IV goes.
func PBEFields(iv any, password, salt []byte, iterations int) []any {
	return []any{iv, Pointed(password), Pointed(salt), iterations}
}

// pbeIV is the length of the IV that a CK_PBE_PARAMS points to.
const pbeIV = 8

func pbeRecord(s *Suite, r *recordReader) {
	c := Case{At: r.At, Does: Generate, Mechanism: r.mechanism("Mechanism"), Out: r.bytes("Key")}
	c.Param = PBEFields(Out(pbeIV), r.bytes("Password"), r.bytes("Salt"), int(r.number("Iterations")))
	c.Written = [][]byte{make([]byte, pbeIV)}
	if r.Has("IV") {
		c.Written[0] = r.bytes("IV")
	}
	s.add(c)
}

// TLSParam is what the mechanisms of TLS are given: where the version goes, and where the IVs go, which are pointers.
type TLSParam struct {
	Hash                    ck.MechanismType
	Client, Server, Session []byte
	Label, Context          []byte
	Version                 []byte
	Out                     any // a pointer to a CK_SSL3_KEY_MAT_OUT
}

// Fields are the fields of the parameter of a mechanism that derives.
func (p *TLSParam) Fields(m ck.MechanismType) []any {
	randoms := []any{Pointed(p.Client), Pointed(p.Server)}
	switch m {
	case ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH:
		return []any{p.Hash, Pointed(p.Session), Alone(p.Version)}
	case ck.CKM_TLS12_MASTER_KEY_DERIVE, ck.CKM_TLS12_MASTER_KEY_DERIVE_DH:
		return append(randoms, Alone(p.Version), p.Hash)
	case ck.CKM_TLS_MASTER_KEY_DERIVE, ck.CKM_TLS_MASTER_KEY_DERIVE_DH, ck.CKM_SSL3_MASTER_KEY_DERIVE, ck.CKM_SSL3_MASTER_KEY_DERIVE_DH:
		return append(randoms, Alone(p.Version))
	case ck.CKM_TLS_KDF, ck.CKM_TLS12_KDF:
		return append(append([]any{p.Hash, Pointed(p.Label)}, randoms...), Pointed(p.Context))
	}
	// MAC keys of 20 bytes, keys of 16, IVs of 16.
	fields := append([]any{8 * 20, 8 * 16, 8 * 16, make([]byte, 8)}, append(randoms, p.Out)...)
	if m == ck.CKM_TLS12_KEY_AND_MAC_DERIVE || m == ck.CKM_TLS12_KEY_SAFE_DERIVE {
		fields = append(fields, p.Hash)
	}
	return fields
}

func tlsRecord(s *Suite, r *recordReader) {
	c := r.base(r.mechanism("Mechanism"))
	p := TLSParam{Client: r.bytes("Client"), Server: r.bytes("Server"), Session: r.bytes("Session"), Label: r.bytes("Label"), Context: r.bytes("Context")}
	if r.Has("Hash") {
		p.Hash = r.mechanism("Hash")
	}
	name := c.Mechanism.String()
	switch {
	case strings.HasSuffix(name, "_MAC"):
		c.Does, c.In, c.Param = Sign|Verify, r.bytes("Data"), []any{len(c.Out)}
		if r.Has("Who") {
			c.Param = []any{p.Hash, len(c.Out), int(r.number("Who"))}
		}
	case strings.HasSuffix(name, "_KEY_AND_MAC_DERIVE"), strings.HasSuffix(name, "_KEY_SAFE_DERIVE"):
		p.Out = OutStructs{0, 0, 0, 0, Out(16), Out(16)}
		c.Template = sized(ck.CKK_AES, 16)
		c.Param = p.Fields(c.Mechanism)
		c.Keys = []int{20, 20, 16, 16}
		if strings.HasSuffix(name, "_KEY_SAFE_DERIVE") { // which makes no IVs
			clear(c.Out[20+20+16+16:])
		}
	default:
		c.Param = p.Fields(c.Mechanism)
		if r.Has("Label") {
			c.Template = sized(ck.CKK_GENERIC_SECRET, len(c.Out))
		}
	}
	s.add(c)
}

// numbers are attributes of a key whose values are numbers, those that there are.
func numbers(r *recordReader, names ...any) (attrs []ck.Attribute) {
	for i := 0; i < len(names); i += 2 {
		if b := r.bytes(names[i+1].(string)); len(b) > 0 {
			attrs = append(attrs, ck.Attribute{Type: names[i].(ck.AttributeType), Value: unsigned(b)})
		}
	}
	return attrs
}

func dsaRecord(s *Suite, r *recordReader) {
	m := r.mechanism("Mechanism")
	if !r.Has("R") {
		s.omit("domain parameters from a seed, which C_GenerateKey chooses")
		return
	}
	domain := numbers(r, ck.AttributeType(ck.CKA_PRIME), "P", ck.AttributeType(ck.CKA_SUBPRIME), "Q", ck.AttributeType(ck.CKA_BASE), "G")
	size := len(unsigned(r.bytes("Q")))
	fill := func(b []byte) []byte { return new(big.Int).SetBytes(b).FillBytes(make([]byte, size)) }
	k := &Key{Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_DSA, Attributes: append(domain, numbers(r, ck.AttributeType(ck.CKA_VALUE), "Y")...)}
	s.add(Case{At: r.At, Does: Verify, Mechanism: m, Public: k, In: r.bytes("Message"), Out: slices.Concat(fill(r.bytes("R")), fill(r.bytes("S")))})
}

func dhRecord(s *Suite, r *recordReader) {
	m := r.mechanism("Mechanism")
	prime := unsigned(r.bytes("P"))
	k := &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_DH, Attributes: numbers(r, ck.AttributeType(ck.CKA_PRIME), "P",
		ck.AttributeType(ck.CKA_SUBPRIME), "Q", ck.AttributeType(ck.CKA_BASE), "G", ck.AttributeType(ck.CKA_VALUE), "X")}
	c := Case{At: r.At, Does: Derive, Mechanism: m, Key: k, Param: []any{r.bytes("Public")},
		Out: new(big.Int).SetBytes(r.bytes("Z")).FillBytes(make([]byte, len(prime)))}
	if m == ck.CKM_X9_42_DH_DERIVE {
		k.Type, c.Param = ck.CKK_X9_42_DH, []any{ck.CKD_NULL, Counted(nil), Counted(r.bytes("Public"))}
	}
	c.Template = sized(ck.CKK_GENERIC_SECRET, len(c.Out))
	s.add(c)
}
