package mechanisms

import (
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// An mldsaGroup is a group of tests of ML-DSA with one key.
type mldsaGroup struct {
	Seed    *vectors.Hex `json:"privateSeed"`
	Private vectors.Hex  `json:"privateKey"`
	PKCS8   vectors.Hex  `json:"privateKeyPkcs8"`
	Public  vectors.Hex  `json:"publicKey"`
	DER     vectors.Hex  `json:"publicKeyDer"`
	Tests   []mldsaCase  `json:"tests"`
}

type mldsaCase struct {
	ID      int          `json:"tcId"`
	Comment string       `json:"comment"`
	Msg     *vectors.Hex `json:"msg"`
	Ctx     vectors.Hex  `json:"ctx"`
	Mu      vectors.Hex  `json:"mu"`
	Rnd     vectors.Hex  `json:"rnd"`
	Sig     vectors.Hex  `json:"sig"`
	Result  string       `json:"result"`
}

// signContext makes a CK_SIGN_ADDITIONAL_CONTEXT.
func signContext(hedge uint, context []byte) ck.Param { return params(hedge, pointed(context)) }

// runMLDSA runs all files about ML-DSA. What signs messages as they are and what signs hashes is different code: both run
// every case.
func runMLDSA(t *testing.T, seen *tried) {
	for _, s := range mldsaType.sets {
		name := "mldsa_" + s.Name
		for _, f := range []struct {
			end string
			run func(*testing.T, *parameterSet, *mldsaGroup, *mldsaCase) error
		}{{"_sign_seed_test.json", mldsaSignCase}, {"_sign_noseed_test.json", mldsaSignCase}, {"_verify_test.json", mldsaVerifyCase}} {
			groups, err := vectors.Wycheproof(name+f.end, func(g *mldsaGroup) int { return len(g.Tests) })
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for i := range groups {
				for j := range groups[i].Tests {
					c := &groups[i].Tests[j]
					n++
					seen.add(ck.CKM_ML_DSA)
					if err := f.run(t, s, &groups[i], c); (err == nil) != (c.Result == "valid") {
						t.Errorf("%s%s %d (%s, %s): %v", name, f.end, c.ID, c.Comment, c.Result, err)
					}
				}
			}
			t.Logf("%s%s: %d cases", name, f.end, n)
		}
	}
}

// mldsaPrivateOf makes the private key of a group, and sees that its public key is the group's.
func mldsaPrivateOf(s *parameterSet, g *mldsaGroup) (*Key, error) {
	name, value := ck.AttributeType(ck.CKA_VALUE), []byte(g.Private)
	if g.Seed != nil {
		name, value = ck.CKA_SEED, *g.Seed
	}
	k, err := s.with(ck.CKK_ML_DSA, ck.CKO_PRIVATE_KEY, name, value)
	if err != nil {
		return nil, err
	}
	if g.PKCS8 != nil {
		attrs, err := UnmarshalPrivate(ck.CKK_ML_DSA, g.PKCS8)
		if err := errors.Join(err, same("key of the PKCS #8", findAttr(attrs, ck.CKA_VALUE), k.Attr(ck.CKA_VALUE))); err != nil {
			return nil, err
		}
	}
	public, err := s.public(k.Attr(ck.CKA_VALUE))
	return k, errors.Join(err, same("public key", public, g.Public))
}

func mldsaSignCase(_ *testing.T, s *parameterSet, g *mldsaGroup, c *mldsaCase) error {
	k, err := mldsaPrivateOf(s, g)
	if err != nil {
		return err
	}
	var all error
	if c.Msg != nil && c.Rnd == nil {
		p := signContext(ck.CKH_DETERMINISTIC_REQUIRED, c.Ctx)
		sig, err := signedBy(Lookup(ck.CKM_ML_DSA), k, &p, *c.Msg)
		if err != nil {
			return err
		}
		all = same("signature", sig, c.Sig)
	}
	priv, err := mldsaParameters[s.Set].NewPrivateKey(k.Attr(ck.CKA_VALUE))
	if err != nil {
		return err
	}
	mu := []byte(c.Mu)
	if c.Msg != nil {
		mu = priv.Mu((&pqMessage{context: c.Ctx}).prefix(), *c.Msg)
		all = errors.Join(all, same("mu", mu, c.Mu))
	}
	var rnd [32]byte
	copy(rnd[:], c.Rnd)
	return errors.Join(all, same("signature of mu", priv.SignMu(mu, &rnd), c.Sig))
}

func mldsaVerifyCase(t *testing.T, s *parameterSet, g *mldsaGroup, c *mldsaCase) error {
	k, err := s.with(ck.CKK_ML_DSA, ck.CKO_PUBLIC_KEY, ck.CKA_VALUE, g.Public)
	if err != nil {
		return err
	}
	if g.DER != nil {
		if err := same("SubjectPublicKeyInfo", k.Attr(ck.CKA_PUBLIC_KEY_INFO), g.DER); err != nil {
			return err
		}
	}
	p := signContext(ck.CKH_HEDGE_PREFERRED, c.Ctx)
	err = verifiedBy(Lookup(ck.CKM_ML_DSA), k, &p, *c.Msg, c.Sig)
	if len(c.Sig) != s.Signature || len(c.Ctx) > maxContext {
		return err
	}
	pub := mldsaParameters[s.Set].NewPublicKey(g.Public)
	if ok := pub.VerifyMu(pub.Mu((&pqMessage{context: c.Ctx}).prefix(), *c.Msg), c.Sig); ok != (c.Result == "valid") {
		t.Errorf("%d is %s, and with mu %v", c.ID, c.Result, ok)
	}
	return err
}

// signedBy signs in one part.
func signedBy(m *Mechanism, k *Key, p *ck.Param, data []byte) ([]byte, error) {
	s, err := m.Sign(k, p)
	if err != nil {
		return nil, err
	}
	if err := s.Update(data); err != nil {
		return nil, err
	}
	sig := make([]byte, s.Size())
	n, err := s.Sign(sig)
	return sig[:n], err
}

// verifiedBy verifies in one part.
func verifiedBy(m *Mechanism, k *Key, p *ck.Param, data, sig []byte) error {
	v, err := m.Verify(k, p)
	if err != nil {
		return err
	}
	if err := v.Update(data); err != nil {
		return err
	}
	return v.Verify(sig)
}
