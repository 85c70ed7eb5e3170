package vectors

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

type signatureTest struct {
	test
	Msg Hex `json:"msg"`
	Sig Hex `json:"sig"`
}

// A signatureGroup is a group of signatures with one key.
type signatureGroup struct {
	PublicKey struct {
		Uncompressed Hex `json:"uncompressed"`
		PK           Hex `json:"pk"`
		G, P, Q, Y   Hex
	} `json:"publicKey"`
	Sha   string          `json:"sha"`
	Tests []signatureTest `json:"tests"`
}

func (g *signatureGroup) list() []signatureTest { return g.Tests }

// badKeyCodes are those of public keys and points that are none.
var badKeyCodes = []ck.RV{ck.CKR_PUBLIC_KEY_INVALID, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKR_MECHANISM_PARAM_INVALID}

const badEncoding = "only the ASN.1 encoding of the signature is wrong, and PKCS #11 has r and s side by side"

// An rs tries signatures of two halves, as PKCS #11 has them: with the mechanism that hashes, and with the one that takes a
// digest.
type rs struct {
	size          int // of a half
	hashes, plain ck.MechanismType
	hash          *hashNames
	key           *Key
	der           bool
}

func (r *rs) run(s *Suite, g *signatureGroup) error {
	for i := range g.Tests {
		t := &g.Tests[i]
		sig := []byte(t.Sig)
		if r.der {
			var ok bool
			if sig, ok = splitSignature(t.Sig, r.size); !ok {
				if t.Result == "valid" {
					return fmt.Errorf("%s is valid and badly encoded", t.at(s))
				}
				s.omit(badEncoding)
				continue
			}
		}
		c := Case{At: t.at(s), Does: Verify, Mechanism: r.hashes, Public: r.key, In: t.Msg, Out: sig}
		if t.invalid() && !r.isShort(g, t) {
			c.Refused = BadSignature
		}
		if t.acceptable() {
			c.Refused, c.Maybe = BadSignature, true
		}
		if r.hashes != 0 {
			s.add(c)
		}
		if r.hashes == 0 || r.der { // one of the two forms is enough for the other mechanism
			c.Mechanism, c.In = r.plain, r.hash.of(t.Msg)
			s.add(c)
		}
	}
	return nil
}

// isShort reports whether a signature is another of the group, which is valid, without the zeros that its halves begin
// with: PKCS #11 lets halves be shorter, where Wycheproof does not (section 6.3.1).
func (r *rs) isShort(g *signatureGroup, t *signatureTest) bool {
	n := len(t.Sig) / 2
	if r.der || len(t.Sig)%2 != 0 || n >= r.size {
		return false
	}
	whole := slices.Concat(make([]byte, r.size-n), t.Sig[:n], make([]byte, r.size-n), t.Sig[n:])
	return slices.ContainsFunc(g.Tests, func(o signatureTest) bool {
		return o.Result == "valid" && bytes.Equal(o.Sig, whole) && bytes.Equal(o.Msg, t.Msg)
	})
}

// splitSignature makes the halves of an Ecdsa-Sig-Value or a Dss-Sig-Value in DER.
func splitSignature(sig []byte, size int) ([]byte, bool) {
	var v struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(sig, &v); err != nil || len(rest) != 0 || !bytes.Equal(encode(v), sig) {
		return nil, false
	}
	if v.R.Sign() < 0 || v.S.Sign() < 0 || v.R.BitLen() > 8*size || v.S.BitLen() > 8*size {
		return nil, false
	}
	return slices.Concat(v.R.FillBytes(make([]byte, size)), v.S.FillBytes(make([]byte, size))), true
}

func loadECDSA(s *Suite) error {
	curve, err := s.curveInName()
	if err != nil {
		return err
	}
	groups, err := read(s, (*signatureGroup).list)
	for i := range groups {
		g := &groups[i]
		h, err := hashNamed(g.Sha)
		if err != nil {
			return err
		}
		r := rs{curve.size, h.ecdsa, ck.CKM_ECDSA, h, curve.public(g.PublicKey.Uncompressed), !strings.Contains(s.Name, "_p1363_")}
		if err := r.run(s, g); err != nil {
			return err
		}
	}
	return err
}

func loadDSA(s *Suite) error {
	groups, err := read(s, (*signatureGroup).list)
	for i := range groups {
		g := &groups[i]
		h, err := hashNamed(g.Sha)
		if err != nil {
			return err
		}
		q := new(big.Int).SetBytes(g.PublicKey.Q)
		k := &Key{Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_DSA, Attributes: []ck.Attribute{
			{Type: ck.CKA_PRIME, Value: unsigned(g.PublicKey.P)}, {Type: ck.CKA_SUBPRIME, Value: q.Bytes()},
			{Type: ck.CKA_BASE, Value: unsigned(g.PublicKey.G)}, {Type: ck.CKA_VALUE, Value: unsigned(g.PublicKey.Y)}}}
		r := rs{len(q.Bytes()), h.dsa, ck.CKM_DSA, h, k, !strings.Contains(s.Name, "_p1363_")}
		if err := r.run(s, g); err != nil {
			return err
		}
	}
	return err
}

// unsigned is a number without the zeros before it.
func unsigned(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }

func loadEdDSA(s *Suite) error {
	curve, err := curveNamed(strings.TrimSuffix(s.Name, "_test.json"))
	if err != nil {
		return err
	}
	groups, err := read(s, (*signatureGroup).list)
	for _, g := range groups {
		k := curve.public(g.PublicKey.PK)
		for i := range g.Tests {
			t := &g.Tests[i]
			c := Case{At: t.at(s), Does: Verify, Mechanism: ck.CKM_EDDSA, Public: k, In: t.Msg, Out: t.Sig}
			if t.invalid() {
				c.Refused = BadSignature
			}
			s.add(c)
		}
	}
	return err
}
