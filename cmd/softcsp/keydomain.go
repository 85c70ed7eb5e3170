package main

import (
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"

	"github.com/softcsp/softcsp/ck"
)

// domain returns the attributes that say what pair is to be made. Where domain parameters have to be made first, it makes them, and they are gone
// when the session is.
func (g *generation) domain(s *session) ([]ck.Attribute, error) {
	if g.template.domain == 0 {
		return g.template.attrs, nil
	}
	t := append([]ck.Attribute{{Type: ck.CKA_TOKEN, Value: ck.BoolValue(false)}, {Type: ck.CKA_PRIVATE, Value: ck.BoolValue(false)}}, g.template.attrs...)
	o, err := s.GenerateKey(s.handle, &ck.Mechanism{Type: g.template.domain}, t)
	if err != nil {
		return nil, explain("making domain parameters", err)
	}
	var attrs []ck.Attribute
	for _, typ := range []ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME, ck.CKA_BASE} {
		v, err := s.attribute(o, typ)
		if err != nil {
			return nil, explain("reading domain parameters", err)
		}
		attrs = append(attrs, ck.Attribute{Type: typ, Value: v})
	}
	return attrs, explain("making domain parameters", s.DestroyObject(s.handle, o))
}

// A domainForm is domain parameters as a PEM file has them: its title, and which numbers stand in it.
type domainForm struct {
	title   string
	numbers []ck.AttributeType
}

// domainForms are those of RFC 3279, sections 2.3.2 and 2.3.3, and of PKCS #3.
var domainForms = map[ck.KeyType]domainForm{
	ck.CKK_DSA:      {"DSA PARAMETERS", []ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME, ck.CKA_BASE}},
	ck.CKK_DH:       {"DH PARAMETERS", []ck.AttributeType{ck.CKA_PRIME, ck.CKA_BASE}},
	ck.CKK_X9_42_DH: {"X9.42 DH PARAMETERS", []ck.AttributeType{ck.CKA_PRIME, ck.CKA_BASE, ck.CKA_SUBPRIME}},
}

// maxDomain is more than any file of domain parameters has, in bytes.
const maxDomain = 1 << 16

// readDomain reads domain parameters of a type from a PEM file.
func readDomain(name string, t ck.KeyType) (*keyTemplate, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--parameters: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxDomain))
	if err != nil {
		return nil, fmt.Errorf("--parameters: %w", err)
	}
	form := domainForms[t]
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != form.title {
			continue
		}
		template := &keyTemplate{slow: true}
		var numbers []asn1.RawValue
		if _, err := asn1.Unmarshal(block.Bytes, &numbers); err != nil || len(numbers) < len(form.numbers) {
			break
		}
		for i, typ := range form.numbers {
			n := new(big.Int)
			if _, err := asn1.Unmarshal(numbers[i].FullBytes, &n); err != nil || n.Sign() <= 0 {
				return nil, fmt.Errorf("--parameters: %s: %v is no number", name, typ)
			}
			template.attrs = append(template.attrs, ck.Attribute{Type: typ, Value: n.Bytes()})
		}
		return template, nil
	}
	return nil, fmt.Errorf("--parameters: %s has no %s in PEM", name, form.title)
}
