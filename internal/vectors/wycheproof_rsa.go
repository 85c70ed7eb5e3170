package vectors

import (
	"encoding/asn1"
	"math/big"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// An rsaGroup is a group of tests of any of the files for RSA.
type rsaGroup struct {
	Sha             string    `json:"sha"`
	MGFSha          string    `json:"mgfSha"`
	SaltLen         int       `json:"sLen"`
	PrivateKey      rsaParts  `json:"privateKey"`
	PrivateKeyPKCS8 Hex       `json:"privateKeyPkcs8"`
	PublicKey       rsaParts  `json:"publicKey"`
	PublicKeyASN    Hex       `json:"publicKeyAsn"`
	Tests           []rsaTest `json:"tests"`
}

type rsaTest struct {
	test
	Msg   Hex `json:"msg"`
	CT    Hex `json:"ct"`
	Sig   Hex `json:"sig"`
	Label Hex `json:"label"`
}

type rsaParts struct {
	N  Hex `json:"modulus"`
	E  Hex `json:"publicExponent"`
	D  Hex `json:"privateExponent"`
	P  Hex `json:"prime1"`
	Q  Hex `json:"prime2"`
	DP Hex `json:"exponent1"`
	DQ Hex `json:"exponent2"`
	QI Hex `json:"coefficient"`
}

// RSAPublic is a public key.
func RSAPublic(n, e []byte) *Key {
	return &Key{Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_RSA, Attributes: []ck.Attribute{
		{Type: ck.CKA_MODULUS, Value: unsigned(n)}, {Type: ck.CKA_PUBLIC_EXPONENT, Value: unsigned(e)}}}
}

// private makes the key of a group: of one of three primes without them, as PKCS #11 has no place for the third.
func (p *rsaParts) private(primes bool) *Key {
	k := RSAPublic(p.N, p.E)
	k.Class = ck.CKO_PRIVATE_KEY
	add := func(t ck.AttributeType, v []byte) {
		if len(v) > 0 {
			k.Attributes = append(k.Attributes, ck.Attribute{Type: t, Value: unsigned(v)})
		}
	}
	add(ck.CKA_PRIVATE_EXPONENT, p.D)
	if primes {
		add(ck.CKA_PRIME_1, p.P)
		add(ck.CKA_PRIME_2, p.Q)
		add(ck.CKA_EXPONENT_1, p.DP)
		add(ck.CKA_EXPONENT_2, p.DQ)
		add(ck.CKA_COEFFICIENT, p.QI)
	}
	return k
}

func (g *rsaGroup) public() (*Key, error) {
	if len(g.PublicKey.N) != 0 {
		return RSAPublic(g.PublicKey.N, g.PublicKey.E), nil
	}
	if len(g.PublicKeyASN) == 0 {
		return RSAPublic(g.PrivateKey.N, g.PrivateKey.E), nil
	}
	var k struct{ N, E *big.Int }
	_, err := asn1.Unmarshal(g.PublicKeyASN, &k)
	if err != nil {
		return nil, err
	}
	return RSAPublic(k.N.Bytes(), k.E.Bytes()), nil
}

func rsaGroups(s *Suite) ([]rsaGroup, error) {
	return read(s, func(g *rsaGroup) []rsaTest { return g.Tests })
}

// decrypt makes the cases of a group of ciphertexts; of the first of a file one more, with the key as
// PKCS #8 has it.
func (g *rsaGroup) decrypt(s *Suite, m ck.MechanismType, param func(*rsaTest) []any) {
	three := strings.Contains(s.Name, "three_primes")
	k := g.PrivateKey.private(!three)
	for i := range g.Tests {
		t := &g.Tests[i]
		c := Case{At: t.at(s), Does: Decrypt, Mechanism: m, Key: k, Param: param(t), In: t.Msg, Out: t.CT}
		if t.invalid() {
			c.Refused = BadCiphertext
		}
		s.add(c)
		if len(s.Cases) == 1 && len(g.PrivateKeyPKCS8) > 0 && !three {
			c.Key = &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, PKCS8: g.PrivateKeyPKCS8}
			s.add(c)
		}
	}
}

func loadOAEP(s *Suite) error {
	groups, err := rsaGroups(s)
	for i := range groups {
		g := &groups[i]
		h, err := hashNamed(g.Sha)
		if err != nil {
			return err
		}
		mgf, err := hashNamed(g.MGFSha)
		if err != nil {
			return err
		}
		if mgf.mask == 0 {
			for range g.Tests {
				s.omit(noMask)
			}
			continue
		}
		g.decrypt(s, ck.CKM_RSA_PKCS_OAEP, func(t *rsaTest) []any {
			return []any{h.digest, mgf.mask, ck.CKZ_DATA_SPECIFIED, Pointed(t.Label)}
		})
	}
	return err
}

func loadPKCS1Decrypt(s *Suite) error {
	groups, err := rsaGroups(s)
	for i := range groups {
		groups[i].decrypt(s, ck.CKM_RSA_PKCS, func(*rsaTest) []any { return nil })
	}
	return err
}

func loadPSS(s *Suite) error {
	groups, err := rsaGroups(s)
	for i := range groups {
		g := &groups[i]
		pub, err := g.public()
		if err != nil {
			return err
		}
		h, err := hashNamed(g.Sha)
		if err != nil {
			return err
		}
		mgf, err := hashNamed(g.MGFSha)
		if err != nil {
			return err
		}
		for j := range g.Tests {
			t := &g.Tests[j]
			if h.pss == 0 || mgf.mask == 0 {
				s.omit(noMask)
				continue
			}
			c := Case{At: t.at(s), Does: Verify, Mechanism: h.pss, Public: pub, Param: []any{h.digest, mgf.mask, g.SaltLen}, In: t.Msg, Out: t.Sig}
			if !t.invalid() && !t.acceptable() {
				s.add(c)
				continue
			}
			c.Refused, c.Maybe = BadSignature, t.acceptable()
			s.add(c)
		}
	}
	return err
}

// loadPKCS1 verifies signatures, and signs where there is a private key. For a hash that PKCS #11 has no mechanism for, the
// DigestInfo is signed.
func loadPKCS1(s *Suite) error {
	groups, err := rsaGroups(s)
	for i := range groups {
		g := &groups[i]
		pub, err := g.public()
		if err != nil {
			return err
		}
		h, err := hashNamed(g.Sha)
		if err != nil {
			return err
		}
		var private *Key
		if len(g.PrivateKey.N) != 0 {
			private = g.PrivateKey.private(true)
		}
		for j := range g.Tests {
			s.add(g.pkcs1(s, h, &g.Tests[j], pub, private))
		}
	}
	return err
}

func (g *rsaGroup) pkcs1(s *Suite, h *hashNames, t *rsaTest, pub, private *Key) Case {
	c := Case{At: t.at(s), Does: Verify, Mechanism: h.pkcs, Public: pub, In: t.Msg, Out: t.Sig}
	if h.pkcs == 0 {
		c.Mechanism, c.In = ck.CKM_RSA_PKCS, h.digestInfo(t.Msg)
	}
	switch {
	case private != nil: // "acceptable" is said of weak hashes and short keys
		c.Does, c.Key = Sign|Verify, private
	case t.invalid():
		c.Refused = BadSignature
	case t.acceptable():
		c.Refused, c.Maybe = BadSignature, true
	}
	return c
}
