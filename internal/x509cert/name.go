package x509cert

import (
	"encoding/asn1"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// An attributeType is a type of attributes of names: RFC 4519, and those of RFC 2985 that certificates use.
type attributeType struct {
	name string
	long string // what OpenSSL also calls it
	id   asn1.ObjectIdentifier
	tag  der.Tag // of its values
	most int     // how many characters they may have: RFC 5280, appendix A.1; 0 for any number
}

var attributeTypes = []attributeType{
	{"C", "countryName", asn1.ObjectIdentifier{2, 5, 4, 6}, der.PrintableString, 2},
	{"ST", "stateOrProvinceName", asn1.ObjectIdentifier{2, 5, 4, 8}, der.UTF8String, 128},
	{"L", "localityName", asn1.ObjectIdentifier{2, 5, 4, 7}, der.UTF8String, 128},
	{"street", "streetAddress", asn1.ObjectIdentifier{2, 5, 4, 9}, der.UTF8String, 0},
	{"postalCode", "", asn1.ObjectIdentifier{2, 5, 4, 17}, der.UTF8String, 40},
	{"O", "organizationName", asn1.ObjectIdentifier{2, 5, 4, 10}, der.UTF8String, 64},
	{"OU", "organizationalUnitName", asn1.ObjectIdentifier{2, 5, 4, 11}, der.UTF8String, 64},
	{"organizationIdentifier", "", asn1.ObjectIdentifier{2, 5, 4, 97}, der.UTF8String, 0},
	{"CN", "commonName", asn1.ObjectIdentifier{2, 5, 4, 3}, der.UTF8String, 64},
	{"SN", "surname", asn1.ObjectIdentifier{2, 5, 4, 4}, der.UTF8String, 0},
	{"GN", "givenName", asn1.ObjectIdentifier{2, 5, 4, 42}, der.UTF8String, 0},
	{"title", "", asn1.ObjectIdentifier{2, 5, 4, 12}, der.UTF8String, 64},
	{"serialNumber", "", asn1.ObjectIdentifier{2, 5, 4, 5}, der.PrintableString, 64},
	{"UID", "userId", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, der.UTF8String, 0},
	{"DC", "domainComponent", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, der.IA5String, 0},
	{"emailAddress", "email", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, der.IA5String, 255},
}

// ParseName makes a Name of the form that OpenSSL's -subj has: /C=DE/O=Example/CN=host. A plus sign joins attributes that belong together, and a
// backslash takes its meaning from the character behind it. "/" is the empty name.
func ParseName(s string) ([]byte, error) {
	if !strings.HasPrefix(s, "/") {
		return nil, fmt.Errorf("%q does not begin with /: a name is written as /C=DE/O=Example/CN=host", s)
	}
	var b cryptobyte.Builder
	var err error
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		if s == "/" {
			return
		}
		for _, rdn := range split(s[1:], '/') {
			var values [][]byte
			for _, pair := range split(rdn, '+') {
				var value []byte
				if value, err = attributeValue(pair); err != nil {
					return
				}
				values = append(values, value)
			}
			b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
				for _, value := range sortedDER(values) {
					b.AddBytes(value)
				}
			})
		}
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes()
}

// split splits at a character that no backslash stands before.
func split(s string, at byte) (parts []string) {
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case at:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// sortedDER puts the elements of a SET OF into the order of DER.
func sortedDER(list [][]byte) [][]byte {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && string(list[j]) < string(list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

// attributeValue makes the AttributeTypeAndValue of TYPE=VALUE.
func attributeValue(pair string) ([]byte, error) {
	name, value, found := strings.Cut(pair, "=")
	if !found {
		return nil, fmt.Errorf("%q is not TYPE=VALUE; a slash or plus within a value has a backslash before it", pair)
	}
	value = unescape(value)
	t, err := findType(name)
	if err != nil {
		return nil, err
	}
	n := utf8.RuneCountInString(value)
	switch {
	case n == 0:
		return nil, fmt.Errorf("%s has no value", name)
	case !utf8.ValidString(value):
		return nil, fmt.Errorf("%s is not UTF-8", name)
	case t.name == "C" && n != t.most:
		return nil, fmt.Errorf("country C is %q, but is a code of two letters", value)
	case t.most > 0 && n > t.most:
		return nil, fmt.Errorf("%s has %d characters, but at most %d are allowed (RFC 5280, appendix A)", name, n, t.most)
	case t.tag == der.PrintableString && !isPrintable(value), t.tag == der.IA5String && !isASCII(value):
		return nil, fmt.Errorf("%s is %q, but takes plain letters and digits only", name, value)
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(t.id)
		b.AddASN1(t.tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(value)) })
	})
	return b.Bytes()
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r > 126 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" '()+,-./:=?", r)
	})
}

// findType finds a type by its short or long name, or makes one of a dotted identifier.
func findType(name string) (attributeType, error) {
	var names []string
	for _, t := range attributeTypes {
		if strings.EqualFold(t.name, name) || t.long != "" && strings.EqualFold(t.long, name) {
			return t, nil
		}
		names = append(names, t.name)
	}
	id, ok := parseOID(name)
	if !ok {
		return attributeType{}, fmt.Errorf("%q is not one of %s, and no object identifier", name, strings.Join(names, ", "))
	}
	return attributeType{name: name, id: id, tag: der.UTF8String}, nil
}

// parseOID reads an object identifier with dots.
func parseOID(s string) (asn1.ObjectIdentifier, bool) {
	var id asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(arc, 10, 31)
		if err != nil {
			return nil, false
		}
		id = append(id, int(n))
	}
	return id, len(id) >= 2 && id[0] <= 2 && (id[0] == 2 || id[1] < 40)
}

// FormatName writes a Name as ParseName reads it, for people: what is not printed stands as a question mark.
func FormatName(name []byte) string {
	in := cryptobyte.String(name)
	var body cryptobyte.String
	var b strings.Builder
	if !in.ReadASN1(&body, der.SEQUENCE) {
		return "?"
	}
	for !body.Empty() {
		var set cryptobyte.String
		if !body.ReadASN1(&set, der.SET) {
			return "?"
		}
		for before := "/"; !set.Empty(); before = "+" {
			var pair, value cryptobyte.String
			var id asn1.ObjectIdentifier
			var tag der.Tag
			if !set.ReadASN1(&pair, der.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&id) || !pair.ReadAnyASN1(&value, &tag) {
				return "?"
			}
			b.WriteString(before + typeName(id) + "=" + escape(printable(value)))
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func typeName(id asn1.ObjectIdentifier) string {
	for _, t := range attributeTypes {
		if t.id.Equal(id) {
			return t.name
		}
	}
	return id.String()
}

func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(string(b), "?"))
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "/", `\/`, "+", `\+`).Replace(s)
}
