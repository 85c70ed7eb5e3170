package conformance

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The words of a call, one or two C arguments each:
//
//	5  0x10  CKU_USER  CKF_A|CKF_B  s     a number: literal, constant of the header, variable
//	NULL  NULL 7                          a null pointer, a null pointer with a length
//	hex:00ff  str:text  rep:16:aa  ct     bytes: their address and their length; of a variable: ct, ct[0:8], flip:ct
//	pad:32:text  str0:text  a++b          filled with blanks, ended with a zero byte, joined
//	@hex:00ff                             bytes: the address alone
//	odd:hex:00 edge:hex:00                bytes at an odd address; at the end of what can be read
//	room:64:hex:00                        bytes with room behind them, for inplace
//	out:16  ct=out:16  out:16/8           room for output, guarded; kept as ct and ct.len; said to be of 8 bytes
//	query  n=query                        NULL with a length to be answered, kept as n.len
//	inplace:16  inplace+4:16              output over the input that room made
//	&s  &n=10  &list[10]                  room for a result, kept as s, or list[0], list[1], …, or s.field
//	CKM_AES_CBC:rep:16:00                 a mechanism with a parameter of bytes
//	CKM_AES_GCM:CK_GCM_PARAMS{pIv=hex:00,ulIvLen=1}   or of a structure
//	CKM_AES_CBC:NULL/16                   or of a null pointer with a length
//	CK_GCM_MESSAGE_PARAMS{pIv=iv=rep:12:00}   a structure alone; the callee may write what iv names, and it is kept as iv
//	{CKA_CLASS=CKO_DATA,CKA_TOKEN=true,CKA_ID=hex:00,CKA_LABEL=NULL/3}   a template and its count
//	{CKA_VALUE=?,CKA_ID=?16}              a template to be answered, kept as a.CKA_ID and a.CKA_ID.len
//	{CKA_WRAP_TEMPLATE={CKA_TOKEN=true},CKA_ALLOWED_MECHANISMS=[CKM_AES_CBC,CKM_AES_ECB]}
//	driver.far                            the address of memory that outlives the call, to be read with peek
//	name  name+{…}  @{…} 5                a template of a variable, joined templates, a count of one's own

// A value is what a variable holds: a number, bytes, or the text of words.
type value struct {
	num   uint64
	bytes []byte
	text  string
	kind  byte // 'n', 'b' or 't'
}

// Vars are the variables of a script.
type Vars map[string]value

func (v Vars) setNumber(name string, n uint64) { v[name] = value{num: n, kind: 'n'} }
func (v Vars) setBytes(name string, b []byte) {
	v[name] = value{bytes: slices.Clone(b), kind: 'b'}
	v.setNumber(name+".len", uint64(len(b)))
}

// SetBytes makes bytes known to the words by a name.
func (v Vars) SetBytes(name string, b []byte) { v.setBytes(name, b) }

// Bytes returns the bytes of a variable, nil where there is none.
func (v Vars) Bytes(name string) []byte { return v[name].bytes }

// Number returns the number of a variable.
func (v Vars) Number(name string) uint64 { return v[name].num }

// number reads a number.
func (t *tables) number(v Vars, word string) (uint64, error) {
	var sum uint64
	for part := range strings.SplitSeq(word, "|") {
		switch {
		case part == "true":
			sum |= 1
		case part == "false", part == "NULL":
		case v[part].kind == 'n':
			sum |= v[part].num
		default:
			n, err := strconv.ParseUint(part, 0, 64)
			if c, ok := t.consts[part]; ok {
				n, err = c, nil
			}
			if err != nil {
				return 0, fmt.Errorf("%q is no number, constant or variable", part)
			}
			sum |= n
		}
	}
	return sum, nil
}

// isBytes reports whether a word stands for bytes.
func isBytes(v Vars, word string) bool {
	switch prefix, _, _ := strings.Cut(word, ":"); prefix {
	case "hex", "str", "str0", "rep", "pad", "flip", "odd", "edge", "room", "ulong":
		return strings.Contains(word, ":")
	}
	name, _, _ := strings.Cut(strings.SplitN(word, "++", 2)[0], "[")
	return v[name].kind == 'b'
}

// content reads bytes.
func (t *tables) content(v Vars, word string) ([]byte, error) {
	var all []byte
	for part := range strings.SplitSeq(word, "++") {
		b, err := t.piece(v, part)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

func (t *tables) piece(v Vars, word string) ([]byte, error) {
	prefix, rest, _ := strings.Cut(word, ":")
	switch prefix {
	case "hex":
		return hex.DecodeString(rest)
	case "str":
		return []byte(rest), nil
	case "str0":
		return append([]byte(rest), 0), nil
	case "ulong":
		n, err := t.number(v, rest)
		return binary.NativeEndian.AppendUint64(nil, n), err
	case "pad":
		count, text, _ := strings.Cut(rest, ":")
		n, err := strconv.Atoi(count)
		return fmt.Appendf(nil, "%-*s", n, text), err
	case "rep":
		count, digits, _ := strings.Cut(rest, ":")
		n, err := strconv.Atoi(count)
		b, err2 := hex.DecodeString(digits)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("%q is not rep:COUNT:HEX", word)
		}
		return bytes.Repeat(b, n), nil
	case "flip":
		b, err := t.content(v, rest)
		if err == nil && len(b) > 0 {
			b = slices.Clone(b)
			b[len(b)-1] ^= 1
		}
		return b, err
	}
	return slice(v, word)
}

// slice reads name or name[from:to].
func slice(v Vars, word string) ([]byte, error) {
	name, span, sliced := strings.Cut(strings.TrimSuffix(word, "]"), "[")
	b := v[name].bytes
	if v[name].kind != 'b' {
		return nil, fmt.Errorf("%q is not bytes", word)
	}
	if !sliced {
		return b, nil
	}
	from, to, _ := strings.Cut(span, ":")
	i, j := 0, len(b)
	var err error
	if from != "" {
		i, err = strconv.Atoi(from)
	}
	if to != "" && err == nil {
		j, err = strconv.Atoi(to)
	}
	if err != nil || i < 0 || j > len(b) || i > j {
		return nil, fmt.Errorf("%q is not within %d bytes", word, len(b))
	}
	return b[i:j], nil
}

// split cuts a list at commas that are not inside brackets, braces or quotes.
func split(list string) (parts []string) {
	depth, from := 0, 0
	for i, c := range list {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, list[from:i])
				from = i + 1
			}
		}
	}
	if from < len(list) || len(parts) > 0 {
		parts = append(parts, list[from:])
	}
	return parts
}
