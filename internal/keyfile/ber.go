package keyfile

import "encoding/binary"

// PKCS #12 files of NSS, Java and Apple are in BER: with lengths that are left open, and bytes in pieces. In DER each thing has one encoding.

// maxDepth is how deep elements may be in elements.
const maxDepth = 32

// Tags of BER, whose sixth bit says that elements are in an element.
const (
	tagOctets      = 0x04
	tagConstructed = 0x20
)

// toDER turns one element in BER, and no more but zeros, into DER. What is in DER it returns as it is.
func toDER(data []byte) ([]byte, bool) {
	if isDER(data) {
		return data, true
	}
	out, rest, ok := appendDER(nil, data, maxDepth)
	return out, ok && isDER(out) && len(rest) == 0
}

// appendDER appends an element in DER and returns what follows it in data.
func appendDER(out, data []byte, depth int) (_, rest []byte, ok bool) {
	if len(data) < 2 || data[0]&0x1f == 0x1f || depth == 0 {
		return nil, nil, false
	}
	tag := data[0]
	content, open, ok := berContent(data)
	if !ok || open && tag&tagConstructed == 0 {
		return nil, nil, false
	}
	if !open {
		rest = content.after
	}
	if tag&tagConstructed == 0 {
		return appendElement(out, tag, content.inside), rest, true
	}
	var inside []byte
	for left := content.inside; ; {
		if open && len(left) >= 2 && left[0] == 0 && left[1] == 0 {
			rest = left[2:]
			break
		}
		if !open && len(left) == 0 {
			break
		}
		from := len(inside)
		if inside, left, ok = appendDER(inside, left, depth-1); !ok {
			return nil, nil, false
		}
		if tag == tagOctets|tagConstructed { // a piece of the bytes
			piece, _, ok := berContent(inside[from:])
			if !ok || inside[from] != tagOctets {
				return nil, nil, false
			}
			inside = append(inside[:from], piece.inside...)
		}
	}
	if tag == tagOctets|tagConstructed {
		tag = tagOctets
	}
	return appendElement(out, tag, inside), rest, true
}

// A split is an element, taken apart.
type split struct{ inside, after []byte }

// berContent reads the length of an element. Where it is left open, all that follows is inside.
func berContent(data []byte) (s split, open, ok bool) {
	length, body := uint64(data[1]), data[2:]
	switch {
	case length == 0x80:
		return split{inside: body}, true, true
	case length > 0x80:
		n := int(length - 0x80)
		if n > 4 || len(body) < n {
			return s, false, false
		}
		var wide [8]byte
		copy(wide[8-n:], body[:n])
		length, body = binary.BigEndian.Uint64(wide[:]), body[n:]
	}
	if length > uint64(len(body)) {
		return s, false, false
	}
	return split{body[:length], body[length:]}, false, true
}

// appendElement appends an element in DER.
func appendElement(out []byte, tag byte, content []byte) []byte {
	out = append(out, tag)
	if n := len(content); n < 0x80 {
		out = append(out, byte(n))
	} else {
		wide := binary.BigEndian.AppendUint32(nil, uint32(n))
		for wide[0] == 0 {
			wide = wide[1:]
		}
		out = append(append(out, 0x80|byte(len(wide))), wide...)
	}
	return append(out, content...)
}
