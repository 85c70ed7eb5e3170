// Package pkcs11uri reads and writes PKCS #11 URIs (RFC 7512), which name tokens and the objects in them.
package pkcs11uri

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const scheme = "pkcs11:"

// The attributes of section 2.3, in the order in which they are written.
var (
	pathNames = []string{"library-manufacturer", "library-description", "library-version", "slot-id", "slot-manufacturer", "slot-description",
		"model", "manufacturer", "serial", "token", "object", "id", "type"}
	queryNames = []string{"pin-source", "pin-value", "module-name", "module-path"}
	types      = []string{"cert", "data", "private", "public", "secret-key"}
)

// A URI is a set of attributes. What is not there matches everything.
type URI struct{ attributes map[string]string }

// Is reports whether s is meant as a PKCS #11 URI.
func Is(s string) bool { return len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) }

// Parse reads a URI. An attribute that the RFC does not name is an error, unless it is a vendor's own (2.4: it is then ignored).
func Parse(s string) (*URI, error) {
	if !Is(s) {
		return nil, fmt.Errorf("a PKCS #11 URI begins with %s", scheme)
	}
	u := new(URI)
	path, query, _ := strings.Cut(s[len(scheme):], "?")
	if err := u.parse(path, ";", pathNames); err != nil {
		return nil, err
	}
	if err := u.parse(query, "&", queryNames); err != nil {
		return nil, err
	}
	if t, ok := u.Get("type"); ok && !slices.Contains(types, t) {
		return nil, fmt.Errorf("PKCS #11 URI: type=%s, but it can be %s", t, strings.Join(types, ", "))
	}
	return u, nil
}

func (u *URI) parse(part, separator string, names []string) error {
	if part == "" {
		return nil
	}
	for field := range strings.SplitSeq(part, separator) {
		name, text, ok := strings.Cut(field, "=")
		if !ok {
			return fmt.Errorf("PKCS #11 URI: %q is not NAME=VALUE", field)
		}
		if !slices.Contains(names, name) {
			if isVendors(name) {
				continue
			}
			return fmt.Errorf("PKCS #11 URI: there is no attribute %q", name)
		}
		if _, twice := u.Get(name); twice {
			return fmt.Errorf("PKCS #11 URI: %s is there twice", name)
		}
		value, err := decode(text)
		if err != nil {
			return fmt.Errorf("PKCS #11 URI: %s: %w", name, err)
		}
		u.Set(name, value)
	}
	return nil
}

// isVendors reports whether an attribute is one that a vendor has made: they begin with "x-" by custom.
func isVendors(name string) bool { return strings.HasPrefix(name, "x-") }

// Get returns an attribute, decoded, and whether the URI has it. It may be empty.
func (u *URI) Get(name string) (string, bool) {
	v, ok := u.attributes[name]
	return v, ok
}

// Set gives the URI an attribute of section 2.3.
func (u *URI) Set(name, value string) {
	if u.attributes == nil {
		u.attributes = make(map[string]string)
	}
	u.attributes[name] = value
}

// String writes the URI.
func (u *URI) String() string {
	return scheme + u.join(pathNames, ";", "") + u.join(queryNames, "&", "?")
}

func (u *URI) join(names []string, separator, before string) string {
	var fields []string
	for _, n := range names {
		if v, ok := u.attributes[n]; ok {
			fields = append(fields, n+"="+encode(n, v, separator))
		}
	}
	if len(fields) == 0 {
		return ""
	}
	return before + strings.Join(fields, separator)
}

// encode writes what is not allowed in a value with percent signs, and all bytes of an id (2.3). So it writes the apostrophe and the dollar sign,
// which are allowed: then what it returns can stand between two apostrophes in a shell, and in files that have variables.
func encode(name, value, separator string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:[]@!()*+,="
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; name != "id" && (strings.IndexByte(plain, c) >= 0 || c == '/' && separator == "&") {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

var errPercent = errors.New("a percent sign stands before two hexadecimal digits")

func decode(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", errPercent
		}
		c, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", errPercent
		}
		b.Write(c)
		i += 2
	}
	return b.String(), nil
}
