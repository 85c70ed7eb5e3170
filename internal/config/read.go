package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/BurntSushi/toml"
)

// maxFile is more than any configuration needs.
const maxFile = 1 << 20

// errNotDir is what opening a file below something that is no directory gives: the file is not there.
const errNotDir = syscall.ENOTDIR

// parseReserved reads the text at pReserved: key='value' pairs between white space, in either kind of quotes or none, as
// p11-kit's x-init-reserved passes them on. A value ends at the quote that began it.
func parseReserved(s string) (map[string]value, error) {
	said := make(map[string]value)
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		key, rest, ok := strings.Cut(s, "=")
		if !ok || !isKey(key) {
			return nil, fmt.Errorf("pReserved: expected key='value' at %q", s)
		}
		text, rest, err := cutValue(rest)
		if err != nil {
			return nil, fmt.Errorf("pReserved: %s: %w", key, err)
		}
		if key != "conf" && !known(key) {
			return nil, unknown("pReserved", key)
		}
		if _, twice := said[key]; twice {
			return nil, fmt.Errorf("pReserved: %s is given twice", key)
		}
		said[key] = value{text: text, where: "pReserved"}
		s = rest
	}
	return said, nil
}

// cutValue takes a value off the front of s. White space or the end follows it.
func cutValue(s string) (text, rest string, err error) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		n := strings.IndexAny(s, space)
		if n < 0 {
			n = len(s)
		}
		return s[:n], s[n:], nil
	}
	text, rest, ok := strings.Cut(s[1:], s[:1])
	if !ok {
		return "", "", fmt.Errorf("a closing %s is missing", s[:1])
	}
	if rest != "" && !strings.ContainsRune(space, rune(rest[0])) {
		return "", "", errors.New("white space must follow the closing quote")
	}
	return text, rest, nil
}

const space = " \t\r\n"

func isKey(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

func known(key string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return s.name == key })
}

func unknown(where, key string) error {
	return fmt.Errorf("%s: there is no setting %q; there are %s", where, key, strings.Join(Names(), ", "))
}

// A scalar is a value of the file as text. It refuses tables, arrays and the like.
type scalar string

// UnmarshalTOML implements toml.Unmarshaler.
func (s *scalar) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		*s = scalar(v)
	case int64:
		*s = scalar(strconv.FormatInt(v, 10))
	case bool:
		*s = scalar(strconv.FormatBool(v))
	default:
		return errors.New("must be a text, a whole number, true or false")
	}
	return nil
}

// nothing refuses every value. It serves to find the line of a key that should not be there.
type nothing struct{}

// UnmarshalTOML implements toml.Unmarshaler.
func (*nothing) UnmarshalTOML(any) error { return errUnknown }

var errUnknown = errors.New("unknown")

// readFile reads a configuration file: its settings and its policy.
func readFile(file string) (map[string]value, *Policy, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > maxFile || info.IsDir() {
		return nil, nil, fmt.Errorf("%s: not a configuration file", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	return parseFile(file, string(text))
}

func parseFile(file, text string) (said map[string]value, policy *Policy, err error) {
	var raw map[string]toml.Primitive
	meta, err := toml.Decode(text, &raw)
	if err != nil {
		return nil, nil, located(file, err)
	}
	said = make(map[string]value, len(raw))
	for key, p := range raw {
		if key == "policy" {
			var section any
			if err := meta.PrimitiveDecode(p, &section); err != nil {
				return nil, nil, located(file, err)
			}
			if policy, err = parsePolicy(section); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", file, err)
			}
			continue
		}
		if !known(key) {
			err := meta.PrimitiveDecode(p, new(nothing))
			return nil, nil, unknown(at(file, err), key)
		}
		var s scalar
		if err := meta.PrimitiveDecode(p, &s); err != nil {
			return nil, nil, located(file, err)
		}
		// A decoding that fails is how the library tells the line of a key.
		where := at(file, meta.PrimitiveDecode(p, new(nothing)))
		said[key] = value{text: string(s), where: where, dir: filepath.Dir(file)}
	}
	return said, policy, nil
}

// at says where in the file an error is.
func at(file string, err error) string {
	var p toml.ParseError
	if errors.As(err, &p) && p.Position.Line > 0 {
		return fmt.Sprintf("%s:%d", file, p.Position.Line)
	}
	return file
}

// located gives an error of the library its place in the form that editors understand.
func located(file string, err error) error {
	var p toml.ParseError
	if !errors.As(err, &p) {
		return fmt.Errorf("%s: %w", file, err)
	}
	if p.LastKey != "" {
		return fmt.Errorf("%s: %s: %s", at(file, err), p.LastKey, p.Message)
	}
	return fmt.Errorf("%s: %s", at(file, err), p.Message)
}
