// Package vectors reads test vectors: Project Wycheproof's JSON, and plain records of "Name = value" lines in the manner
// of NIST's response files. It is for tests, and reads nothing silently: a file without vectors is an error.
package vectors

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

// Hex is bytes that stand in hexadecimal in JSON.
type Hex []byte

// UnmarshalJSON implements json.Unmarshaler.
func (h *Hex) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	*h = b
	return err
}

// A Record is one vector: fields by name, and where it stands.
type Record struct {
	At     string // file:line
	Fields map[string]string
}

// Has reports whether the record has a field.
func (r *Record) Has(name string) bool {
	_, ok := r.Fields[name]
	return ok
}

// Bytes reads a field as bytes: hexadecimal, or text in double quotes, and either repeated as in `"a" x 100`. A field
// that is not there is empty.
func (r *Record) Bytes(name string) ([]byte, error) {
	s := r.Fields[name]
	n := 1
	if value, times, ok := strings.Cut(s, " x "); ok {
		if _, err := fmt.Sscan(times, &n); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", r.At, name, err)
		}
		s = value
	}
	if text, ok := strings.CutPrefix(s, `"`); ok {
		return []byte(strings.Repeat(strings.TrimSuffix(text, `"`), n)), nil
	}
	b, err := hex.DecodeString(strings.Repeat(strings.ReplaceAll(s, " ", ""), n))
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", r.At, name, err)
	}
	return b, nil
}

// Records reads the records of a file. Empty lines stand between records, "#" begins a comment, and what stands in a
// record between square brackets is a default for the records after it, until another bracket names the field again or
// an empty pair of brackets forgets them all.
func Records(fsys fs.FS, name string) ([]Record, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	var (
		all      []Record
		defaults = make(map[string]string)
		current  map[string]string
	)
	scan := bufio.NewScanner(f)
	for line := 1; scan.Scan(); line++ {
		text := strings.TrimSpace(scan.Text())
		inside, isDefault := strings.CutPrefix(text, "[")
		switch {
		case strings.HasPrefix(text, "#"):
			continue
		case text == "":
			current = nil
			continue
		case text == "[]":
			clear(defaults)
			continue
		case isDefault:
			text = strings.TrimSuffix(inside, "]")
		}
		field, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: no field", name, line)
		}
		field, value = strings.TrimSpace(field), strings.TrimSpace(value)
		if isDefault {
			defaults[field] = value
			continue
		}
		if current == nil {
			current = make(map[string]string, len(defaults)+4)
			for k, v := range defaults {
				current[k] = v
			}
			all = append(all, Record{fmt.Sprintf("%s:%d", name, line), current})
		}
		current[field] = value
	}
	if err := scan.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no records", name)
	}
	return all, nil
}
