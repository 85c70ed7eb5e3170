package conformance

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// decode keeps a result of a type under a name: a number, or a structure's fields as name.field.
func (t *tables) decode(v Vars, name, typ string, b []byte) {
	fields, ok := t.fields[typ]
	if !ok {
		v.setNumber(name, binary.NativeEndian.Uint64(b))
		return
	}
	for _, f := range fields {
		x := b[f.offset : f.offset+f.size]
		switch f.size {
		case 8:
			if f.typ != "CK_CHAR" && f.typ != "CK_UTF8CHAR" && f.typ != "CK_BYTE" {
				v.setNumber(name+"."+f.name, binary.NativeEndian.Uint64(x))
				continue
			}
			v.setBytes(name+"."+f.name, x)
		case 1:
			v.setNumber(name+"."+f.name, uint64(x[0]))
		default:
			v.setBytes(name+"."+f.name, x)
		}
	}
}

// structure places a structure, CK_VERSION{major=3,minor=0} say, and returns its block.
func (c *call) structure(w string) (int, error) {
	name, list, _ := strings.Cut(strings.TrimSuffix(w, "}"), "{")
	fields, ok := c.t.fields[name]
	if !ok {
		return 0, fmt.Errorf("the header has no structure %q", name)
	}
	image := make([]byte, c.t.sizes[name])
	for _, part := range split(list) {
		key, val, _ := strings.Cut(part, "=")
		var f *field
		for i := range fields {
			if fields[i].name == key {
				f = &fields[i]
			}
		}
		if f == nil {
			return 0, fmt.Errorf("%s has no field %q", name, key)
		}
		if err := c.setField(image[f.offset:f.offset+f.size], f, val); err != nil {
			return 0, err
		}
	}
	// A mechanism may write into its parameter (an IV that the token makes), so the callee owns it.
	return c.f.put(image, place{}, true), nil
}

func (c *call) setField(dst []byte, f *field, val string) error {
	if strings.HasSuffix(val, "}") && !isPointer(f.typ) {
		return fmt.Errorf("%s: a structure within a structure", f.name)
	}
	if strings.HasSuffix(val, "}") {
		b, err := c.structure(val)
		if err == nil {
			binary.NativeEndian.PutUint64(dst, c.f.address(b))
		}
		return err
	}
	if name, content, ok := strings.Cut(val, "="); ok && isPointer(f.typ) && isBytes(c.v, content) {
		data, err := c.t.content(c.v, content)
		b := c.f.put(data, place{}, true)
		binary.NativeEndian.PutUint64(dst, c.f.address(b))
		c.keep = append(c.keep, func(uint64) { c.v.setBytes(name, c.f.bytes(b)) })
		return err
	}
	if isBytes(c.v, val) && !isPointer(f.typ) && len(dst) != 8 || isBytes(c.v, val) && f.typ == "CK_BYTE" {
		data, err := c.t.content(c.v, val)
		if err == nil && len(data) > len(dst) {
			err = fmt.Errorf("%s has %d bytes", f.name, len(dst))
		}
		copy(dst, data)
		return err
	}
	if isBytes(c.v, val) {
		b, _, err := c.block(val)
		if err == nil {
			binary.NativeEndian.PutUint64(dst, c.f.address(b))
		}
		return err
	}
	n, err := c.t.number(c.v, val)
	if len(dst) == 1 {
		dst[0] = byte(n)
	} else {
		binary.NativeEndian.PutUint64(dst, n)
	}
	return err
}

// mechanism places a CK_MECHANISM.
func (c *call) mechanism(w string) error {
	if text := c.v[w]; text.kind == 't' {
		w = text.text
	}
	name, par, _ := strings.Cut(w, ":")
	typ, err := c.t.number(c.v, name)
	if err != nil {
		return err
	}
	var addr, n uint64
	switch {
	case par == "":
	case strings.HasPrefix(par, "NULL/"):
		n, err = strconv.ParseUint(par[5:], 0, 64)
	case strings.HasSuffix(par, "}"):
		var b int
		if b, err = c.structure(par); err == nil {
			addr, n = c.f.address(b), uint64(len(c.f.bytes(b)))
		}
	default:
		var b, size int
		if b, size, err = c.block(par); err == nil {
			addr, n = c.f.address(b), uint64(size)
		}
	}
	image := binary.NativeEndian.AppendUint64(nil, typ)
	image = binary.NativeEndian.AppendUint64(image, addr)
	image = binary.NativeEndian.AppendUint64(image, n)
	c.arg(c.f.address(c.f.put(image, place{}, false)))
	return err
}

// template places an array of CK_ATTRIBUTE.
func (c *call) template(w string) error {
	alone := strings.HasPrefix(w, "@")
	b, n, err := c.rows(strings.TrimPrefix(w, "@"), "a")
	if err != nil {
		return err
	}
	c.arg(c.f.address(b))
	if !alone {
		c.arg(uint64(n))
	}
	return nil
}

// rows places an array of CK_ATTRIBUTE and returns its block and its count. What is answered is kept under prefix.
func (c *call) rows(w, prefix string) (b, n int, err error) {
	var image []byte
	asks := false
	names := []string{}
	list, err := c.expand(w)
	if err != nil {
		return 0, 0, err
	}
	for _, row := range list {
		key, val, _ := strings.Cut(row, "=")
		typ, err := c.t.number(c.v, key)
		if err != nil {
			return 0, 0, err
		}
		name := prefix + "." + key
		asks = asks || strings.Contains(val, "?")
		addr, size, err := c.attribute(val, name)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", key, err)
		}
		names = append(names, name)
		for _, x := range []uint64{typ, addr, size} {
			image = binary.NativeEndian.AppendUint64(image, x)
		}
	}
	b = c.f.put(image, place{}, asks)
	if asks {
		c.keep = append(c.keep, func(uint64) {
			for i, name := range names {
				n := binary.NativeEndian.Uint64(c.f.bytes(b)[i*24+16:])
				if got := c.v.Bytes(name); n < uint64(len(got)) {
					c.v.setBytes(name, got[:n])
				}
				c.v.setNumber(name+".len", n)
			}
		})
	}
	return b, len(names), nil
}

// expand turns a+{…} into rows.
func (c *call) expand(w string) (rows []string, err error) {
	for w != "" {
		part := w
		if strings.HasPrefix(w, "{") {
			end := closing(w)
			part, w = w[:end+1], strings.TrimPrefix(w[end+1:], "+")
		} else {
			part, w, _ = strings.Cut(w, "+")
		}
		if v := c.v[part]; v.kind == 't' {
			more, err := c.expand(v.text)
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
			continue
		}
		if !strings.HasPrefix(part, "{") || !strings.HasSuffix(part, "}") {
			return nil, fmt.Errorf("%q is no template", part)
		}
		rows = append(rows, split(part[1:len(part)-1])...)
	}
	return rows, nil
}

// closing finds the brace that closes the one at the beginning.
func closing(w string) int {
	depth := 0
	for i, c := range w {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(w) - 1
}

// attribute places the value of one row.
func (c *call) attribute(val, name string) (addr, size uint64, err error) {
	switch {
	case val == "true", val == "false":
		b := c.f.put([]byte{map[string]byte{"true": 1}[val]}, place{}, false)
		return c.f.address(b), 1, nil
	case val == "NULL", val == "?":
		return 0, 0, nil
	case strings.HasPrefix(val, "NULL/"):
		n, err := strconv.ParseUint(val[5:], 0, 64)
		return 0, n, err
	case strings.HasPrefix(val, "?"):
		n, err := strconv.Atoi(val[1:])
		if err != nil {
			return 0, 0, err
		}
		b := c.f.room(n, place{})
		c.keep = append(c.keep, func(uint64) { c.v.setBytes(name, c.f.bytes(b)) })
		return c.f.address(b), uint64(n), nil
	case strings.HasSuffix(val, "}"):
		b, n, err := c.rows(val, name)
		return c.f.address(b), uint64(24 * n), err
	case strings.HasPrefix(val, "["):
		var array []byte
		for _, part := range split(strings.Trim(val, "[]")) {
			n, err := c.t.number(c.v, part)
			if err != nil {
				return 0, 0, err
			}
			array = binary.NativeEndian.AppendUint64(array, n)
		}
		return c.f.address(c.f.put(array, place{}, false)), uint64(len(array)), nil
	case isBytes(c.v, val):
		b, n, err := c.block(val)
		if err != nil {
			return 0, 0, err
		}
		return c.f.address(b), uint64(n), nil
	}
	n, err := c.t.number(c.v, val)
	b := c.f.put(binary.NativeEndian.AppendUint64(nil, n), place{}, false)
	return c.f.address(b), 8, err
}
