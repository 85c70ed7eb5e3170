package mechanisms

import (
	"crypto/des"
	"encoding/binary"
	"math"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// sp800108Rows are the three modes of NIST SP 800-108: PKCS #11, "SP800-108 Key Derivation".
var sp800108Rows = []Mechanism{
	sp800108(ck.CKM_SP800_108_COUNTER_KDF),
	sp800108(ck.CKM_SP800_108_FEEDBACK_KDF),
	sp800108(ck.CKM_SP800_108_DOUBLE_PIPELINE_KDF),
}

func sp800108(m ck.MechanismType) Mechanism {
	return sizesInBits(Mechanism{Type: m, Keys: secretKeys, Min: 1, Max: maxSecret, HistoryOfAnyKey: true, Derive: func(b *Base, p *ck.Param, d *Derived) error {
		k := kdf108{mode: m}
		if err := k.read(p); err != nil {
			return err
		}
		if b.Key == nil {
			return ck.CKR_KEY_HANDLE_INVALID
		}
		return k.derive(b, d)
	}})
}

// kdf108PRFs are the pseudo-random functions that the standard lists.
var kdf108PRFs = map[ck.MechanismType]bool{
	ck.CKM_SHA_1_HMAC: true, ck.CKM_SHA224_HMAC: true, ck.CKM_SHA256_HMAC: true, ck.CKM_SHA384_HMAC: true, ck.CKM_SHA512_HMAC: true,
	ck.CKM_SHA3_224_HMAC: true, ck.CKM_SHA3_256_HMAC: true, ck.CKM_SHA3_384_HMAC: true, ck.CKM_SHA3_512_HMAC: true,
	ck.CKM_DES3_CMAC: true, ck.CKM_AES_CMAC: true,
}

// kdf108Blocks are the functions that whoever knows the key can invert, and how many bytes of a message that gives them.
var kdf108Blocks = map[ck.MechanismType]uint{ck.CKM_AES_CMAC: aesBlock, ck.CKM_DES3_CMAC: des.BlockSize}

// A kdf108 is a CK_SP800_108_KDF_PARAMS or CK_SP800_108_FEEDBACK_KDF_PARAMS, read.
type kdf108 struct {
	mode       ck.MechanismType
	prf        ck.MechanismType
	fields     []kdf108Field
	iv         []byte
	additional []AdditionalKey
}

// A kdf108Field is a CK_PRF_DATA_PARAM, read.
type kdf108Field struct {
	kind   uint
	data   []byte          // of a byte array; for other kinds, what they stand for in the message
	key    ck.ObjectHandle // of a key handle
	little bool            // the byte order of a number
	width  uint            // of a number, in bytes
	method uint            // of CK_SP800_108_DKM_LENGTH
}

// The sizes in C of what a parameter is made of.
const (
	kdf108FieldSize = 24 // CK_PRF_DATA_PARAM
	derivedKeySize  = 24 // CK_DERIVED_KEY
)

// maxKDF108 is how much can be derived at once, in bytes.
const maxKDF108 = 1 << 20

func (k *kdf108) read(p *ck.Param) error {
	k.prf = ck.MechanismType(p.Ulong())
	n := p.Ulong()
	fields := p.Structs(n, kdf108FieldSize)
	if k.mode == ck.CKM_SP800_108_FEEDBACK_KDF {
		k.iv = p.BytesAfter()
	}
	m := p.Ulong()
	further := p.Structs(m, derivedKeySize)
	if err := p.Done(); err != nil {
		return err
	}
	for range n {
		if err := k.field(&fields); err != nil {
			return err
		}
	}
	for range m {
		f := AdditionalKey{Template: further.Template(), Handle: further.BytesOf(8)}
		if f.Handle == nil {
			return ck.FieldError("phKey")
		}
		k.additional = append(k.additional, f)
	}
	if fields.Done() != nil || further.Done() != nil || !kdf108PRFs[k.prf] || !k.complete() {
		return ck.FieldError("prfType or pDataParams")
	}
	return nil
}

// field reads a CK_PRF_DATA_PARAM.
func (k *kdf108) field(p *ck.Param) error {
	f := kdf108Field{kind: p.Ulong()}
	at, n := p.Ulong(), p.Ulong()
	f.data = p.BytesAt(at, n)
	value := ck.NewParam(f.data, nil)
	switch {
	case f.kind == ck.CK_SP800_108_BYTE_ARRAY && n != 0:
	case f.kind == ck.CK_SP800_108_KEY_HANDLE:
		f.key = ck.ObjectHandle(value.Ulong())
	case f.kind == ck.CK_SP800_108_ITERATION_VARIABLE && k.mode != ck.CKM_SP800_108_COUNTER_KDF:
		if at != 0 {
			return ck.FieldError("pValue")
		}
	case f.kind == ck.CK_SP800_108_ITERATION_VARIABLE, f.kind == ck.CK_SP800_108_COUNTER && k.mode != ck.CKM_SP800_108_COUNTER_KDF:
		f.little = value.Bool()
		value.Align()
		f.width = value.Ulong()
	case f.kind == ck.CK_SP800_108_DKM_LENGTH:
		f.method, f.little = value.Ulong(), value.Bool()
		value.Align()
		f.width = value.Ulong()
		if f.method != ck.CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS && f.method != ck.CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS {
			return ck.FieldError("dkmLengthMethod")
		}
	default:
		return ck.FieldError("type")
	}
	if f.kind != ck.CK_SP800_108_BYTE_ARRAY {
		if err := value.Done(); err != nil {
			return err
		}
		f.data = nil
	}
	if f.width%8 != 0 || f.width > 64 || f.isNumber(k.mode) && f.width == 0 {
		return ck.FieldError("ulWidthInBits")
	}
	f.width /= 8
	k.fields = append(k.fields, f)
	return nil
}

// isNumber reports whether the field is a number in the data: a counter or a length.
func (f *kdf108Field) isNumber(mode ck.MechanismType) bool {
	return f.kind == ck.CK_SP800_108_COUNTER || f.kind == ck.CK_SP800_108_DKM_LENGTH ||
		f.kind == ck.CK_SP800_108_ITERATION_VARIABLE && mode == ck.CKM_SP800_108_COUNTER_KDF
}

// complete reports whether each kind of field is there as often as it has to be.
func (k *kdf108) complete() bool {
	var count [8]int
	for i := range k.fields {
		count[k.fields[i].kind]++
	}
	return count[ck.CK_SP800_108_ITERATION_VARIABLE] == 1 && count[ck.CK_SP800_108_COUNTER] <= 1 && count[ck.CK_SP800_108_DKM_LENGTH] <= 1
}

// put writes a number in the field's format, and reports whether there is room for it.
func (f *kdf108Field) put(n uint64) bool {
	var b [8]byte
	if f.data == nil {
		f.data = make([]byte, f.width)
	}
	if f.little {
		binary.LittleEndian.PutUint64(b[:], n)
		copy(f.data, b[:])
	} else {
		binary.BigEndian.PutUint64(b[:], n)
		copy(f.data, b[8-f.width:])
	}
	return f.width == 8 || n>>(8*f.width) == 0
}

// sizes reads what the templates ask for.
func (k *kdf108) sizes(b *Base, d *Derived) (first uint, err error) {
	if d.Type, first, err = typeAndRequiredSize(b.Template); err != nil {
		return 0, err
	}
	d.Defaults = b.Key.protection()
	total := first
	for i := range k.additional {
		f := &k.additional[i]
		var n uint
		if f.Type, n, err = typeAndRequiredSize(f.Template); err == nil && total+n > maxKDF108 {
			err = ck.CKR_KEY_SIZE_RANGE
		}
		total += n
		if err != nil {
			copy(f.Handle, ck.UlongValue(ck.InvalidHandle)) // section 6.42.7: it tells which template is wrong
			return 0, err
		}
		f.Value, f.Defaults = make([]byte, n), d.Defaults
	}
	return first, nil
}

func (k *kdf108) derive(b *Base, d *Derived) error {
	n, err := k.sizes(b, d)
	if err != nil {
		return err
	}
	for i := range k.fields {
		if f := &k.fields[i]; f.kind == ck.CK_SP800_108_KEY_HANDLE {
			other, err := b.Lookup(f.key)
			if err != nil {
				return err
			}
			f.data = other.Value
			// With its key CMAC can be inverted: from the MAC a block of the message can be computed. HMAC cannot.
			if block := kdf108Blocks[k.prf]; block != 0 {
				d.Inherits = true
				d.Taken = append(d.Taken, TakenBytes{other, min(uint(len(other.Value)), block)})
			}
		}
	}
	d.Value, d.AdditionalKeys = d.buffer(n), k.additional
	secret.Do(func() { err = k.fill(b.Key, d) })
	return err
}

// fill derives the values of all keys. Each begins with a segment of its own: section 6.42.7.
func (k *kdf108) fill(key *Key, d *Derived) error {
	prf, size, err := newPRF(k.prf, key)
	if err != nil {
		return err
	}
	keys := [][]byte{d.Value}
	types := []ck.KeyType{d.Type}
	for i := range d.AdditionalKeys {
		keys, types = append(keys, d.AdditionalKeys[i].Value), append(types, d.AdditionalKeys[i].Type)
	}
	s := kdf108Stream{kdf108: k, prf: prf, last: k.iv}
	var bytes, segments uint
	for _, v := range keys {
		bytes += uint(len(v))
		segments += (uint(len(v)) + size - 1) / size
	}
	if !s.begin(8*uint64(bytes), 8*uint64(segments*size)) {
		return ck.FieldError("ulWidthInBits")
	}
	for i, v := range keys {
		for rest := v; len(rest) > 0; {
			segment, ok := s.next()
			if !ok {
				return ck.CKR_KEY_SIZE_RANGE
			}
			rest = rest[copy(rest, segment):]
			if k.mode != ck.CKM_SP800_108_FEEDBACK_KDF {
				clear(segment)
			}
		}
		FixParity(types[i], v)
	}
	clear(s.last)
	return nil
}

// A kdf108Stream makes one segment after another.
type kdf108Stream struct {
	*kdf108
	prf  func(dst []byte, parts ...[]byte) []byte
	i    uint64 // the loop counter
	last []byte // K(i-1) of the feedback mode, A(i) of the double pipeline mode
}

// begin writes the length of all that is derived, and makes A(0).
func (s *kdf108Stream) begin(keys, segments uint64) bool {
	for i := range s.fields {
		f := &s.fields[i]
		if f.kind != ck.CK_SP800_108_DKM_LENGTH {
			continue
		}
		n := keys
		if f.method == ck.CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS {
			n = segments
		}
		if !f.put(n) {
			return false
		}
	}
	switch s.mode {
	case ck.CKM_SP800_108_FEEDBACK_KDF:
		s.last = ck.Clone(s.iv) // a copy, because it is erased when the next one takes its place
	case ck.CKM_SP800_108_DOUBLE_PIPELINE_KDF:
		for i := range s.fields {
			if f := &s.fields[i]; f.kind != ck.CK_SP800_108_ITERATION_VARIABLE && f.kind != ck.CK_SP800_108_COUNTER {
				s.last = append(s.last, f.data...)
			}
		}
	}
	return true
}

// next makes the next segment. It reports false where the counter has no room for its number.
func (s *kdf108Stream) next() ([]byte, bool) {
	if s.i++; s.i > math.MaxUint32 {
		return nil, false
	}
	if s.mode == ck.CKM_SP800_108_DOUBLE_PIPELINE_KDF {
		s.last = s.prf(nil, s.last)
	}
	parts := make([][]byte, 0, len(s.fields))
	for i := range s.fields {
		f := &s.fields[i]
		data := f.data
		switch {
		case f.kind == ck.CK_SP800_108_COUNTER || f.kind == ck.CK_SP800_108_ITERATION_VARIABLE && s.mode == ck.CKM_SP800_108_COUNTER_KDF:
			if !f.put(s.i) {
				return nil, false
			}
			data = f.data
		case f.kind == ck.CK_SP800_108_ITERATION_VARIABLE:
			data = s.last
		}
		parts = append(parts, data)
	}
	segment := s.prf(nil, parts...)
	if s.mode == ck.CKM_SP800_108_FEEDBACK_KDF {
		clear(s.last)
		s.last = segment
	}
	return segment, true
}
