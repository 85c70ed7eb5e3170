package x509cert

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// An Extension is an extension of a certificate: section 4.2.
type Extension struct {
	ID       asn1.ObjectIdentifier
	Critical bool
	Value    []byte // DER
}

// Identifiers of extensions.
var (
	OIDSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
)

func addExtensions(b *cryptobyte.Builder, list []Extension) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range list {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.ID)
				if e.Critical {
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(e.Value)
			})
		}
	})
}

// readExtensions reads a SEQUENCE of extensions with nothing behind it.
func readExtensions(in *cryptobyte.String) (list []Extension, ok bool) {
	var body cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() {
		return nil, false
	}
	for !body.Empty() {
		var one, value cryptobyte.String
		var e Extension
		if !body.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&e.ID) || !readFlag(&one, &e.Critical) ||
			!one.ReadASN1(&value, der.OCTET_STRING) || !one.Empty() {
			return nil, false
		}
		e.Value = value
		list = append(list, e)
	}
	return list, true
}

// readFlag reads a BOOLEAN DEFAULT FALSE.
func readFlag(in *cryptobyte.String, is *bool) bool {
	return !in.PeekASN1Tag(der.BOOLEAN) || in.ReadASN1Boolean(is)
}

// encode makes the value of an extension.
func encode(id asn1.ObjectIdentifier, critical bool, f func(*cryptobyte.Builder)) Extension {
	var b cryptobyte.Builder
	f(&b)
	return Extension{id, critical, b.BytesOrPanic()} // f adds nothing that cannot be encoded
}

// BasicConstraints says whether a certificate is one of a certification authority.
func BasicConstraints(ca bool) Extension {
	return encode(oidBasicConstraints, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			if ca {
				b.AddASN1Boolean(true)
			}
		})
	})
}

// SubjectKeyID names the key of a certificate.
func SubjectKeyID(id []byte) Extension {
	return encode(oidSubjectKeyID, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(id) })
}

// AuthorityKeyID names the key of its issuer.
func AuthorityKeyID(id []byte) Extension {
	return encode(oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
		})
	})
}

// usages are the bits of KeyUsage in their order: section 4.2.1.3.
var usages = []string{
	"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
}

// Usages are the names that KeyUsage takes.
func Usages() []string { return slices.Clone(usages) }

// KeyUsage says what the key of a certificate is for.
func KeyUsage(names []string) (Extension, error) {
	var bits [2]byte
	last := -1
	for _, name := range names {
		i := slices.IndexFunc(usages, func(u string) bool { return strings.EqualFold(u, name) })
		if i < 0 {
			return Extension{}, fmt.Errorf("%q is not one of %s", name, strings.Join(usages, ", "))
		}
		bits[i/8] |= 0x80 >> (i % 8)
		last = max(last, i)
	}
	if last < 0 {
		return Extension{}, errors.New("a key is for something, or nothing is said of it")
	}
	return encode(oidKeyUsage, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.BIT_STRING, func(b *cryptobyte.Builder) { // a list of named bits ends with the last that is set
			b.AddUint8(uint8(7 - last%8))
			b.AddBytes(bits[:last/8+1])
		})
	}), nil
}

// purposes are those of ExtKeyUsage that have a name: section 4.2.1.12.
var purposes = map[string]asn1.ObjectIdentifier{
	"serverAuth":      {1, 3, 6, 1, 5, 5, 7, 3, 1},
	"clientAuth":      {1, 3, 6, 1, 5, 5, 7, 3, 2},
	"codeSigning":     {1, 3, 6, 1, 5, 5, 7, 3, 3},
	"emailProtection": {1, 3, 6, 1, 5, 5, 7, 3, 4},
	"timeStamping":    {1, 3, 6, 1, 5, 5, 7, 3, 8},
	"OCSPSigning":     {1, 3, 6, 1, 5, 5, 7, 3, 9},
}

// Purposes are the names that ExtKeyUsage takes.
func Purposes() []string { return slices.Sorted(maps.Keys(purposes)) }

// ExtKeyUsage says for which purposes a certificate is, by name or by dotted identifier. A certificate for time stamps says so critically: RFC 3161,
// section 2.3.
func ExtKeyUsage(names []string) (Extension, error) {
	var ids []asn1.ObjectIdentifier
	for _, name := range names {
		id, err := purpose(name)
		if err != nil {
			return Extension{}, err
		}
		ids = append(ids, id)
	}
	stamps := len(ids) == 1 && ids[0].Equal(purposes["timeStamping"])
	return encode(oidExtKeyUsage, stamps, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, id := range ids {
				b.AddASN1ObjectIdentifier(id)
			}
		})
	}), nil
}

func purpose(name string) (asn1.ObjectIdentifier, error) {
	for known, id := range purposes {
		if strings.EqualFold(known, name) {
			return id, nil
		}
	}
	id, ok := parseOID(name)
	if !ok {
		return nil, fmt.Errorf("%q is not one of %s, and no object identifier", name, strings.Join(Purposes(), ", "))
	}
	return id, nil
}

// The kinds of GeneralName: section 4.2.1.6.
const (
	nameEmail = 1
	nameDNS   = 2
	nameURI   = 6
	nameIP    = 7
)

// SubjectAltName gives a certificate further names: DNS:example.org, IP:192.0.2.1, email:a@example.org, URI:https://example.org/. An address, a URI or a
// host name is also known without the word before it. It is critical where the subject is empty.
func SubjectAltName(names []string, critical bool) (Extension, error) {
	type general struct {
		kind  uint8
		value []byte
	}
	var list []general
	for _, name := range names {
		kind, value, err := generalName(name)
		if err != nil {
			return Extension{}, err
		}
		list = append(list, general{kind, value})
	}
	return encode(OIDSubjectAltName, critical, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, g := range list {
				b.AddASN1(der.Tag(g.kind).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(g.value) })
			}
		})
	}), nil
}

func generalName(name string) (kind uint8, value []byte, err error) {
	word, rest, found := strings.Cut(name, ":")
	ip := net.ParseIP(name)
	switch word = strings.ToLower(word); {
	case ip != nil:
		kind, rest = nameIP, name
	case found && word == "ip":
		kind, ip = nameIP, net.ParseIP(rest)
	case found && word == "dns":
		kind = nameDNS
	case found && word == "email":
		kind = nameEmail
	case found && word == "uri":
		kind = nameURI
	case strings.Contains(name, "://"):
		kind, rest = nameURI, name
	case strings.Contains(name, "@"):
		kind, rest = nameEmail, name
	default:
		kind, rest = nameDNS, name
	}
	switch good := isASCII(rest) && rest != ""; kind {
	case nameIP:
		if v4 := ip.To4(); v4 != nil {
			ip = v4
		}
		if ip == nil {
			return 0, nil, fmt.Errorf("%q is no IP address", rest)
		}
		return kind, ip, nil
	case nameEmail:
		if a, err := mail.ParseAddress(rest); !good || err != nil || a.Address != rest {
			return 0, nil, fmt.Errorf("%q is no mail address", rest)
		}
	case nameURI:
		if u, err := url.Parse(rest); !good || err != nil || u.Scheme == "" {
			return 0, nil, fmt.Errorf("%q is no URI", rest)
		}
	default:
		if !good || strings.ContainsAny(rest, " :/@,") {
			return 0, nil, fmt.Errorf("%q is no host name; one beyond ASCII is written as xn--…", rest)
		}
	}
	return kind, []byte(rest), nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 126 || r < 32 })
}

// AltNames are the names in the value of a SubjectAltName, as SubjectAltName takes them. A kind that it does not make is shown as "other".
func AltNames(value []byte) []string {
	in := cryptobyte.String(value)
	var body cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) {
		return nil
	}
	var names []string
	for !body.Empty() {
		var one cryptobyte.String
		var tag der.Tag
		if !body.ReadAnyASN1(&one, &tag) {
			return names
		}
		switch tag {
		case der.Tag(nameEmail).ContextSpecific():
			names = append(names, "email:"+printable(one))
		case der.Tag(nameDNS).ContextSpecific():
			names = append(names, "DNS:"+printable(one))
		case der.Tag(nameURI).ContextSpecific():
			names = append(names, "URI:"+printable(one))
		case der.Tag(nameIP).ContextSpecific():
			names = append(names, "IP:"+net.IP(one).String())
		default:
			names = append(names, "other")
		}
	}
	return names
}
